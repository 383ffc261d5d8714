"""The performance tensor of a history: each model of the past fitted once, scored on all that came.

A model is an origin (a week) and a window. Its threshold and calibration are tuned as a run would
tune them, on matured weeks that a model of the same window, fitted four weeks earlier, has not
seen: for that no further fit is needed.
"""

from __future__ import annotations

import io
from collections.abc import MutableMapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from tamid.core.contract.metrics import METRIC_FACTS, quality_metric
from tamid.core.errors import DataError
from tamid.core.learning.model import Floats, Ints
from tamid.core.learning.splits import TUNE_PERIODS
from tamid.core.policies.tensor import Tensor
from tamid.core.values import digest_of
from tamid.core.windows import FEWEST_TO_START
from tamid.ports import Progress
from tamid.stages.fits import Bench, Fits, gap_of
from tamid.stages.in_fact import Acted
from tamid.stages.matrix import Matrix

WINDOWS = ("all", "long", "short", "decay")
# Twice the year of weekly origins takes minutes and tells little more than every second week.
MOST_ORIGINS = 60
# A fifth of the rows is for the first model, so that four fifths show how it ages.
_WARM_SHARE = 5
# Grows when a stored part would be read otherwise.
_FORMAT = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Which models are fitted: from week `first` on, every `step` weeks, on each of the windows."""

    first: int
    step: int = 1
    windows: tuple[str, ...] = WINDOWS
    lag: int = 1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Made:
    """A tensor with what it took: computing seconds, of which `bare` in fits and predictions.

    `fit_seconds`: of one fit; `score_seconds`: of 1,000 rows; `stored_bytes`: of one model, all as
    measured when they were made. `fits`: models fitted now; `kept`: origins made earlier. `acted`:
    what became of rows that campaigns had acted on.
    """

    tensor: Tensor
    seconds: float
    bare: float
    fit_seconds: float
    score_seconds: float
    stored_bytes: float
    fits: int
    kept: int
    acted: Acted = field(default_factory=Acted)


def layout(rows: Matrix, windows: tuple[str, ...] = WINDOWS, *, lag: int = 1) -> Layout:
    """Return the models worth fitting for a history.

    Raises:
        DataError: the history is too short for a first model and weeks to compare on.
    """
    weeks = len(rows.weeks)
    told = rows.told if rows.slow else rows.week + rows.delay
    enough = int(np.sort(told)[len(told) // _WARM_SHARE]) + 1
    first = max(enough, rows.delay + FEWEST_TO_START)
    if first + lag + 2 * TUNE_PERIODS > weeks:
        raise DataError(
            f"{weeks} weeks with all labels are too few to compare policies",
            why=f"the first model takes {first} weeks, and some must follow",
            fix="Load older history, or wait.",
        )
    step = max(1, -(-(weeks - first) // MOST_ORIGINS))
    return Layout(first=first, step=step, windows=windows, lag=lag)


def tensor(
    rows: Matrix,
    plan: Layout,
    bench: Bench,
    progress: Progress,
    kept: MutableMapping[str, bytes] | None = None,
) -> Made:
    """Fit and score every model of a layout; parts in `kept` are taken, and new ones put there.

    Raises:
        DataError: the first model cannot be fitted; what fits raise.
    """
    began = bench.seconds()
    work = Fits(rows, plan.windows, bench)
    kept = {} if kept is None else kept
    name = digest_of(
        [_FORMAT, rows.digest, plan, bench.params, bench.seed, bench.code, _recipe(rows)]
    )
    origins = list(range(plan.first, len(rows.weeks), plan.step))
    parts, found = [], 0
    for place, origin in enumerate(origins):
        key = f"{name}/{origin}"
        if key in kept:
            parts.append(_unpacked(kept[key]))
            found += 1
        else:
            parts.append(work.origin(origin))
            kept[key] = _packed(parts[-1])
        progress.step("models fitted", (place + 1) * len(plan.windows),
                      len(origins) * len(plan.windows))  # fmt: skip
        if place == 0 and parts[0]["begins"][0] < 0:
            raise DataError(
                f"too few labelled rows before {rows.weeks[origin]} for a first model",
                fix="Load older history.",
            )
    costs = np.stack([part["costs"] for part in parts]).sum(axis=0)
    fitted, scoring, scored, stored, fits = costs.tolist()
    return Made(
        tensor=_assembled(rows, plan, np.array(origins, dtype=np.int64), parts, work.terms),
        seconds=bench.seconds() - began,
        bare=work.bare,
        fit_seconds=fitted / max(fits, 1.0),
        score_seconds=1000 * scoring / max(scored, 1.0),
        stored_bytes=stored / len(parts),
        fits=work.fits,
        kept=found,
        acted=rows.acted,
    )


def _recipe(rows: Matrix) -> list[object]:
    """Return the part of the contract that a fit and its tallies depend on."""
    contract = rows.contract
    return [contract.training, quality_metric(contract), contract.goal]


def _assembled(
    rows: Matrix,
    plan: Layout,
    origins: Ints,
    parts: Sequence[dict[str, Floats]],
    terms: Sequence[str],
) -> Tensor:
    def stacked(name: str) -> Floats:
        return np.stack([part[name] for part in parts])

    metric = quality_metric(rows.contract)
    return Tensor(
        metric=metric,
        higher_is_better=METRIC_FACTS[metric].higher_is_better,
        weeks=rows.weeks,
        windows=plan.windows,
        origins=origins,
        begins=stacked("begins").astype(np.int64),
        terms=tuple(terms),
        sums=stacked("sums"),
        delay=rows.delay,
        lag=plan.lag,
        gap=gap_of(rows),
        season=rows.season,
        estimate=stacked("estimate"),
        psi=stacked("psi"),
        seconds=stacked("seconds"),
    )


def _packed(part: dict[str, Floats]) -> bytes:
    held = io.BytesIO()
    np.savez_compressed(held, **part)  # type: ignore[arg-type]
    return held.getvalue()


def _unpacked(content: bytes) -> dict[str, Floats]:
    with np.load(io.BytesIO(content), allow_pickle=False) as part:
        return {name: part[name] for name in part.files}
