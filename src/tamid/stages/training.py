"""One candidate: features, search, window, calibration and threshold, judged rows, final fit.

The recipe is what the gates judge: it is fitted on what came before the judged rows and scored on
them; the shipped model is the same recipe fitted once more on everything.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from tamid.core.contract.metrics import quality_metric
from tamid.core.contract.model import Contract
from tamid.core.errors import UserCodeError
from tamid.core.learning.choice import FEWEST_ROWS, Candidate, Tuned, choose, threshold_for, tune
from tamid.core.learning.model import Bools, Floats, Learner, Model, Param, StoredModel, Trial
from tamid.core.learning.splits import Fold
from tamid.core.stats.metrics import evaluate, terms
from tamid.core.values import ENTITY, LABEL, PERIOD, TIME, WEIGHT, Task
from tamid.ports import Progress, TrainingJob
from tamid.stages.answering import Predictor, score_columns, try_feature_code
from tamid.stages.benefits import measured
from tamid.stages.fitting import Bench, Tools


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Learnt:
    """A candidate before it is wrapped: the shipped model, what it is judged by, and the story.

    `reference` marks the rows of the job's frame that were looked at and never fitted while they
    were: the profile's reference, with their scores in `reference_scores`. `reduced`: the second
    model of the candidate, if its contract asks for one.
    """

    predictor: Predictor
    stored: StoredModel
    threshold: float
    judged: pl.DataFrame
    metrics: Mapping[str, float]
    window: str
    rows: int
    reference: Bools
    reference_scores: Floats
    report: Mapping[str, object]
    reduced: Learnt | None = None


def check_pipeline(learner: Learner) -> None:
    """Refuse, before anything is fitted, a pipeline that could not be stored safely.

    Raises:
        UserCodeError: naming the steps and types.
    """
    steps = learner.check()
    if steps:
        raise UserCodeError(
            f"the pipeline has steps that cannot be stored safely: {'; '.join(steps)}",
            why="a bundle holds no pickle: only types on the published list can be loaded again",
            fix="Use steps of scikit-learn or LightGBM, or move own code into features.py.",
        )


def learn(job: TrainingJob, contract: Contract, tools: Tools, progress: Progress) -> Learnt:
    """Make one candidate.

    Raises:
        DataError: too few rows or classes, no matured week to judge on.
        UserCodeError: the user's features or pipeline failed.
    """
    check_pipeline(tools.learner)
    steps = Steps(contract, progress)
    steps.next("features")
    if tools.code is not None:
        try_feature_code(job.frame, contract, tools.code)
    bench = Bench(job, contract, tools)
    params, trials = _searched(bench, steps)
    chosen, candidates = _window(bench, params, steps)
    steps.next("fit for judging")
    fold = bench.plan.judging(chosen.window)
    bench.enough(fold, "judging")
    model = bench.fit(chosen.window, fold.fit, params, "judged")
    judged = judged_rows(bench, model, chosen, fold.seen)
    features = measured(bench, model, chosen, fold)
    tuning = bench.plan.tuning(bench.windows[0])[0]
    judged, baselines = against_baselines(bench, judged, fold, tuning, steps)
    steps.next("final fit")
    final = bench.plan.final(chosen.window)
    shipped = bench.fit(chosen.window, final, params, "shipped")
    tuned_rows = np.logical_or.reduce([f.seen for f in bench.plan.tuning(chosen.window)])
    return candidate_of(
        bench, shipped, chosen, judged,
        baselines=baselines,
        fitted=int(final.sum()),
        reference=np.asarray(fold.seen | tuned_rows),
        told={
            "plan": type(bench.plan).__name__.lower(),
            "windows": candidates,
            "windows_left_out": bench.left_out,
            "params": params,
            "trials": trials,
            "features": features,
        },
    )  # fmt: skip


def candidate_of(
    bench: Bench,
    shipped: Model,
    chosen: Tuned,
    judged: pl.DataFrame,
    *,
    baselines: Mapping[str, Mapping[str, float]],
    fitted: int,
    reference: Bools,
    told: Mapping[str, object],
) -> Learnt:
    """Return a candidate with its report; `told`: what the report says of how it was made."""
    stored = shipped.dump()
    metrics = metrics_of(bench.contract, judged, chosen.threshold, bench.schema.classes)
    report: dict[str, object] = {
        "metric": quality_metric(bench.contract),
        "window": chosen.window,
        "threshold": chosen.threshold,
        "calibration": chosen.calibration,
        "baselines": baselines,
        "fits": bench.fits,
        "importance": importance_of(shipped, bench),
        "rows": {"given": len(bench.rows), "judged": judged.height, "fitted": fitted},
        "metrics": metrics,
        **told,
    }
    return Learnt(
        predictor=_predictor(bench, shipped, stored, chosen),
        stored=stored,
        threshold=chosen.threshold,
        judged=judged,
        metrics=metrics,
        window=chosen.window,
        rows=fitted,
        reference=reference,
        reference_scores=judged.get_column("score").to_numpy(),
        report=report,
    )


def _predictor(bench: Bench, shipped: Model, stored: StoredModel, chosen: Tuned) -> Predictor:
    """What answers for the candidate: the shipped model between user code and calibration."""
    return Predictor(
        contract=bench.contract,
        schema=dataclasses.replace(bench.schema, format=stored.format),
        model=shipped,
        code=bench.tools.code,
        calibration=chosen.calibration,
        without=bench.without,
    )


class Steps:
    """Counts the steps of a recipe for the progress bar."""

    def __init__(self, contract: Contract, progress: Progress) -> None:
        self._total = 5 + len(contract.gates.baselines) + contract.training.search.trials
        self._done = -1
        self._progress = progress

    def next(self, text: str) -> None:
        self._done = min(self._done + 1, self._total)
        self._progress.step(text, self._done, self._total)


def _searched(bench: Bench, steps: Steps) -> tuple[dict[str, Param], Sequence[Trial]]:
    """Search on the default window; the loss is a proper one for chances, the error for numbers."""
    if bench.job.params is not None:
        return dict(bench.job.params), ()
    params: dict[str, Param] = dict(bench.contract.training.params)
    spec, searcher = bench.contract.training.search, bench.tools.searcher
    space = {k: r for k, r in bench.tools.learner.space().items() if k not in params}
    if spec.trials == 0 or searcher is None or not space:
        return params, ()
    task = bench.contract.task
    name = "mae" if task is Task.REGRESSION else "log_loss"

    def loss(tried: Mapping[str, Param]) -> float:
        steps.next("search")
        y, raw, weight = bench.unseen(bench.windows[0], {**params, **tried})
        return terms(name, task, y, raw, weights=weight).point()

    trials = searcher.search(
        bench.job.resume or bench.job.run,
        space,
        loss,
        spec.trials,
        bench.job.seed,
        spec.timeout.total_seconds() if spec.timeout else None,
    )
    best = min(trials, key=lambda t: (t.loss, t.number))
    return {**params, **best.params}, trials


def _window(
    bench: Bench, params: Mapping[str, Param], steps: Steps
) -> tuple[Tuned, Sequence[Candidate]]:
    """Tune each window on the same unseen rows, and choose."""
    steps.next("windows")
    first = bench.windows[0]
    tuned: dict[str, Tuned] = {}
    for window in bench.windows:
        if window == first or (bench.fittable(window) and bench.differs(window, first)):
            y, raw, weight = bench.unseen(window, params)
            tuned[window] = tune(bench.contract, window, y, raw, weight)
    seen = np.concatenate([np.flatnonzero(f.seen) for f in bench.plan.tuning(first)])
    blocks = tuple(
        np.unique(codes[seen], return_inverse=True)[1].astype(np.int64)
        for codes in (bench.rows.entity, bench.rows.period)
    )
    rng = bench.tools.generator(bench.job.seed)
    job = bench.job
    best, candidates = choose(
        bench.contract, tuned, bench.y[seen], bench.weight[seen], blocks, rng,
        held=job.held, least=0 if job.degraded else FEWEST_ROWS, out_of_season=job.out_of_season,
        weeks=blocks[1] if job.by_weeks else None,
    )  # fmt: skip
    return tuned[best], candidates


def judged_rows(bench: Bench, model: Model, chosen: Tuned, seen: Bools) -> pl.DataFrame:
    """Return the judged rows with a model's scores, calibrated as was chosen."""
    judge = Predictor(
        contract=bench.contract, schema=bench.schema, model=model, calibration=chosen.calibration
    )
    frame = bench.job.frame.filter(pl.Series(seen)).select(ENTITY, TIME, PERIOD, LABEL)
    columns = score_columns(judge.scores(bench.table.take(seen)), bench.schema)
    weight = pl.Series(WEIGHT, bench.weight[seen])
    return frame.with_columns(weight, *columns.values())


def against_baselines(
    bench: Bench, judged: pl.DataFrame, fold: Fold, tuning: Fold, steps: Steps
) -> tuple[pl.DataFrame, Mapping[str, Mapping[str, float]]]:
    """Score simple models on the judged rows; each gets the threshold that is best for itself."""
    told: dict[str, Mapping[str, float]] = {}
    for name in bench.contract.gates.baselines:
        steps.next(f"baseline {name}")
        mine, tuned = bench.simple(name, tuning.fit, fold.seen, tuning.seen)
        judged = judged.with_columns(pl.Series(f"baseline_{name}", mine))
        threshold = 0.5
        if bench.contract.task is Task.BINARY:
            y, weight = bench.y[tuning.seen], bench.weight[tuning.seen]
            threshold = threshold_for(bench.contract, y, tuned, weight)
        told[name] = {"threshold": threshold}
    return judged, told


def metrics_of(
    contract: Contract, judged: pl.DataFrame, threshold: float, classes: tuple[str, ...]
) -> Mapping[str, float]:
    """Return every metric of the task on the judged rows that is a number."""
    columns = [f"class_{name}" for name in classes] or ["score"]
    scores = judged.select(columns).to_numpy()
    y, weight = judged.get_column(LABEL).to_numpy(), judged.get_column(WEIGHT).to_numpy()
    found = evaluate(
        contract.task, y, scores if classes else scores[:, 0], threshold=threshold, weights=weight
    )
    return {name: value for name, value in found.values.items() if np.isfinite(value)}


def importance_of(model: Model, bench: Bench) -> Mapping[str, float]:
    """Return each feature's share in a model, the largest first."""
    shares = model.importance()
    named = zip(bench.table.features, shares.tolist(), strict=True)
    return {f.name: round(share, 6) for f, share in sorted(named, key=lambda p: -p[1])}
