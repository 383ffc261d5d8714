"""A model that was handed over: tuned and judged as a candidate is, and never fitted.

Where the file can be fitted anew and nobody said what it has learnt from, its recipe is judged, as
for any candidate: fitted on what came before the judged rows. Else it is judged as it is, on rows
that it has not learnt from.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from tamid.core.contract.model import Contract
from tamid.core.errors import DataError
from tamid.core.learning.choice import Tuned, choose, tune
from tamid.core.learning.given import NOTHING
from tamid.core.learning.model import Bools, Floats, Model
from tamid.core.learning.splits import ALL, TUNE_PERIODS, Fold, purged
from tamid.core.stats.calibration import Calibration
from tamid.core.values import Task
from tamid.core.windows import MOST_JUDGED
from tamid.ports import GivenModel, Progress, TrainingJob
from tamid.stages.answering import calibrated, try_feature_code
from tamid.stages.fitting import Bench, Tools
from tamid.stages.training import (
    Learnt,
    Steps,
    against_baselines,
    candidate_of,
    judged_rows,
)

# Of unseen rows that are too few to lie one period behind the other, so many tune; the rest judge.
_TUNED_SHARE = 0.4
_NO_THRESHOLD = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parts:
    """Which rows tune and which are judged; `fit`: what simple models may learn from."""

    tuned: Fold
    judged: Fold


def learn_given(job: TrainingJob, contract: Contract, tools: Tools, progress: Progress) -> Learnt:
    """Make a candidate of a model that was handed over: tune, judge, never fit it.

    Raises:
        DataError: too few rows that it has not learnt from.
        UserCodeError: model and contract do not fit, or the model fails.
    """
    assert job.given is not None
    steps = Steps(contract, progress)
    steps.next("features")
    if tools.code is not None:
        try_feature_code(job.frame, contract, tools.code)
    bench = Bench(job, contract, tools)
    given = tools.learner.fit(bench.table, bench.y, bench.weight, {}, job.seed)
    parts = _parts(bench, job.given)
    _refuse_scarce(bench, parts.judged.seen)
    steps.next("tuning")
    chosen, judge, judged_by = _chosen(bench, given, parts, job.given)
    judged = judged_rows(bench, judge, chosen, parts.judged.seen)
    judged, baselines = against_baselines(bench, judged, parts.judged, parts.tuned, steps)
    return candidate_of(
        bench, given, chosen, judged,
        baselines=baselines,
        fitted=0,
        reference=np.asarray(parts.judged.seen | parts.tuned.seen),
        told={
            "plan": "given",
            "windows": (),
            "params": {},
            "trials": (),
            "given": {**tools.told, **_told(job.given), "judged": judged_by},
        },
    )  # fmt: skip


def judged_as_it_is(bench: Bench, about: GivenModel) -> tuple[Model, Tuned, Fold]:
    """Return a model that was handed over, tuned, and the rows unknown to it that judge it.

    Raises:
        DataError: too few of them; UserCodeError: model and contract do not fit.
    """
    given = bench.tools.learner.fit(bench.table, bench.y, bench.weight, {}, bench.job.seed)
    parts = _parts(bench, about)
    _refuse_scarce(bench, parts.judged.seen)
    return given, _tuned(bench, given, parts)[0], parts.judged


def _told(given: GivenModel) -> Mapping[str, object]:
    return {"name": given.name, "kind": given.kind, "through": given.through}


def _parts(bench: Bench, given: GivenModel) -> _Parts:
    """Return the rows to tune and to judge on, as far as possible such as it has not learnt from.

    Laws: no row is in both; with a last period told, neither holds a row up to it.
    """
    rows = bench.rows
    known = rows.within([p for p in rows.periods if p <= given.through])
    if given.through in ("", NOTHING) or not known.any():
        return _Parts(tuned=bench.plan.tuning(ALL)[0], judged=bench.plan.judging(ALL))
    fresh = ~known
    present = [rows.periods[i] for i in np.unique(rows.period[fresh])]
    count = min(TUNE_PERIODS, len(present) // 3)
    if count:
        judged = present[count:][-MOST_JUDGED:]
        early = rows.within([p for p in present if p not in judged])
        late = rows.within(judged)
    else:
        share = rows.shares(f"given|{bench.job.judge_salt or bench.job.seed}")
        early, late = fresh & (share < _TUNED_SHARE), fresh & (share >= _TUNED_SHARE)
    fit = known & purged(rows, fresh)
    return _Parts(
        tuned=Fold(fit=np.asarray(fit), seen=np.asarray(early)),
        judged=Fold(fit=np.asarray(fit), seen=np.asarray(late)),
    )


def _refuse_scarce(bench: Bench, judged: Bools) -> None:
    if wanting := bench.scarce(judged):
        raise DataError(
            f"too little to judge the model on: {wanting}",
            why="only rows that it has not learnt from say how good it is",
            fix="Wait for more matured labels, or bring rows of later periods with --data.",
        )


def _chosen(
    bench: Bench, given: Model, parts: _Parts, about: GivenModel
) -> tuple[Tuned, Model, str]:
    """Return what was tuned, the model whose scores are judged, and which one that is.

    The recipe is judged where nobody said what the given model has learnt from; unless the given
    one is shown to be worse, on rows that it may know: then what is handed over is not what its
    recipe makes, and is judged as it is.
    """
    tuned, own = _tuned(bench, given, parts)
    recipe = bench.tools.recipe
    if recipe is None or about.through:
        return tuned, given, f"as it is ({own})"
    fits = []
    for fold, purpose in ((parts.tuned, "tuning"), (parts.judged, "judging")):
        bench.enough(fold, purpose)
        fits.append(bench.fit(ALL, fold.fit, {}, purpose, learner=recipe))
    retuned, how = _tuned(bench, fits[0], parts)
    if _worse(bench, (given, tuned), (fits[1], retuned), parts.judged.seen):
        return tuned, given, f"as it is, which is worse than its recipe ({own})"
    return retuned, fits[1], f"by its recipe, fitted on what came before ({how})"


def _tuned(bench: Bench, model: Model, parts: _Parts) -> tuple[Tuned, str]:
    """Return calibration and threshold from the tuning rows, where there are enough of them."""
    contract, seen = bench.contract, parts.tuned.seen
    raw = model.predict(bench.table.take(seen)) if seen.any() else np.zeros(0)
    if contract.task is Task.BINARY and (wanting := bench.scarce(seen)):
        fixed = contract.training.threshold.fixed
        told = f"threshold {_NO_THRESHOLD if fixed is None else fixed:g}, not calibrated: {wanting}"
        return _untuned(raw, _NO_THRESHOLD if fixed is None else fixed), told
    found = tune(contract, ALL, bench.y[seen], raw, bench.weight[seen])
    return found, f"tuned on {int(seen.sum())} rows"


def _untuned(raw: Floats, threshold: float) -> Tuned:
    return Tuned(window=ALL, score=raw, calibration=Calibration(), threshold=threshold)


def _worse(
    bench: Bench, given: tuple[Model, Tuned], recipe: tuple[Model, Tuned], seen: Bools
) -> bool:
    """Say whether a model is worse than its recipe by more than one standard error."""
    table = bench.table.take(seen)
    both = {
        name: replace(tuned, score=calibrated(model.predict(table), tuned.calibration))
        for name, (model, tuned) in (("given", given), ("recipe", recipe))
    }
    blocks = tuple(
        np.unique(codes[seen], return_inverse=True)[1].astype(np.int64)
        for codes in (bench.rows.entity, bench.rows.period)
    )
    rng = bench.tools.generator(bench.job.seed)
    best, _ = choose(bench.contract, both, bench.y[seen], bench.weight[seen], blocks, rng)
    return best == "recipe"
