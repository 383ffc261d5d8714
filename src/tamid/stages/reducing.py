"""The second model of a candidate: the same recipe without the columns that may fail to come."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np

from tamid.core.contract.model import Contract
from tamid.core.learning.choice import tune
from tamid.core.learning.model import Param
from tamid.ports import Progress, TrainingJob
from tamid.stages.fitting import Bench, Tools
from tamid.stages.training import Learnt, candidate_of, judged_rows

_STEP = "model without some columns"


def with_reduced(
    learnt: Learnt, job: TrainingJob, contract: Contract, tools: Tools, progress: Progress
) -> Learnt:
    """Return the candidate with the second model that its contract asks for, if it asks for one.

    It has the window and parameters of the first and is tuned and judged on the same rows, so that
    what a missing source costs is the difference of the two. A model that was handed over is not
    fitted here and has none.

    Raises:
        DataError, UserCodeError: as the first, such as feature code that cannot do without.
    """
    without = contract.training.reduced
    if not without or job.given is not None:
        return learnt
    progress.step(_STEP, 0, 1)
    bench, window = Bench(job, contract, tools, without), learnt.window
    params = learnt.report["params"]
    assert isinstance(params, Mapping)
    found = _made(bench, window, params)
    progress.step(_STEP, 1, 1)
    report = {**learnt.report, "reduced": found.report}
    return dataclasses.replace(learnt, reduced=found, report=report)


def _made(bench: Bench, window: str, params: Mapping[str, Param]) -> Learnt:
    chosen = tune(bench.contract, window, *bench.unseen(window, params))
    fold, final = bench.plan.judging(window), bench.plan.final(window)
    judge = bench.fit(window, fold.fit, params, "judged")
    shipped = bench.fit(window, final, params, "shipped")
    tuned_rows = np.logical_or.reduce([f.seen for f in bench.plan.tuning(window)])
    return candidate_of(
        bench, shipped, chosen, judged_rows(bench, judge, chosen, fold.seen),
        baselines={},
        fitted=int(final.sum()),
        reference=np.asarray(fold.seen | tuned_rows),
        told={"without": bench.without},
    )  # fmt: skip
