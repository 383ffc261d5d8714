"""From scores to sums: what one model leaves in every week, block by block, for the tensor."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tamid.core.learning.model import Bools, Floats, Ints
from tamid.core.stats.auc import auc
from tamid.core.stats.drift import bins_of, number_places, profile_numbers, psi_rows
from tamid.core.values import Task

# A week's scores are held against those of the first weeks that the model saw; fewer rows in
# either say nothing.
_REFERENCE_WEEKS = 4
_FEWEST_ROWS = 100
_CLIP = 1e-15


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Judged:
    """Rows that a model answered, in order of weeks: label, weight, score, week, block ((n,) each).

    `score` of classes is (n, k). `first`, `weeks`: the first week there is, and how many in all.
    """

    y: Floats
    weight: Floats
    score: Floats
    week: Ints
    block: Ints
    first: int
    weeks: int
    blocks: int


def term_names(metric: str, task: Task, classes: int) -> tuple[str, ...]:
    """Return the sums that are kept: enough for the metric, and counts of errors for money."""
    names = ["rows", "mass", "loss"]
    if task is Task.BINARY:
        names += ["tp", "fp", "fn"]
    if task is Task.MULTICLASS and metric == "macro_f1":
        names += [f"{kind}:{k}" for k in range(classes) for kind in ("tp", "fp", "fn")]
    extra = {"rmse": ["square"], "r2": ["square", "spread"], "brier": ["square"],
             "log_loss": ["log"], "auc": ["auc"]}  # fmt: skip
    return (*names, *extra.get(metric, []))


def sums(rows: Judged, names: tuple[str, ...], task: Task, threshold: float) -> Floats:
    """Return (T, B, K): the sums of every week and block."""
    cells = rows.week * rows.blocks + rows.block
    shape = rows.weeks, rows.blocks
    values = _values(rows, names, task, threshold)
    columns = []
    for name in names:
        # What each row counts; how many rows there are is no matter of weights.
        weights = values[name] if name == "rows" else values[name] * rows.weight
        found = np.bincount(cells, weights=weights, minlength=shape[0] * shape[1])
        columns.append(found.reshape(shape))
    return np.stack(columns, axis=-1).astype(np.float64)


def estimated(rows: Judged, names: tuple[str, ...], threshold: float) -> Floats:
    """Return (T, K): the sums that the chances themselves expect (CBPE), for binary models.

    Formula: E[TP] = sum c * called, E[FP] = sum (1 - c) * called, E[FN] = sum c * (1 - called), c
    the calibrated chance. Source: NannyML's documentation (confidence-based performance
    estimation).
    """
    chance = rows.score
    called = chance >= threshold
    expected = {
        "rows": np.ones(len(chance)),
        "mass": np.ones(len(chance)),
        "loss": np.where(called, 1.0 - chance, chance),
        "tp": chance * called,
        "fp": (1.0 - chance) * called,
        "fn": chance * ~called,
    }
    zero = np.zeros(len(chance))
    return np.stack(
        [np.bincount(rows.week, expected.get(n, zero), minlength=rows.weeks) for n in names],
        axis=-1,
    )


def shifts(rows: Judged) -> Floats:
    """Return (T,): PSI of each week's scores against the model's first four weeks, NaN in those."""
    score = rows.score if rows.score.ndim == 1 else rows.score.max(axis=1)
    start = min(rows.first + _REFERENCE_WEEKS, rows.weeks)
    reference = score[: int(np.searchsorted(rows.week, start))]
    if len(reference) < _FEWEST_ROWS:
        return np.full(rows.weeks, np.nan)
    profile = profile_numbers("score", reference)
    places, bins = number_places(profile, score), bins_of(profile)
    cells = np.bincount(rows.week * bins + places, minlength=rows.weeks * bins)
    counts = cells.reshape(rows.weeks, bins).astype(np.float64)
    found = psi_rows(np.tile(np.asarray(profile.counts), (rows.weeks, 1)), counts)
    told = (counts.sum(axis=1) >= _FEWEST_ROWS) & (np.arange(rows.weeks) >= start)
    return np.where(told, found, np.nan)


def _values(
    rows: Judged, names: tuple[str, ...], task: Task, threshold: float
) -> dict[str, Floats | Bools]:
    ones = np.ones(len(rows.y))
    found: dict[str, Floats | Bools] = {"rows": ones, "mass": ones}
    if task is Task.REGRESSION:
        error = np.abs(rows.score - rows.y)
        found |= {"loss": error, "square": error**2}
        if "spread" in names:
            found["spread"] = _spread(rows)
        return found
    if task is Task.MULTICLASS:
        called = rows.score.argmax(axis=1)
        found["loss"] = (called != rows.y).astype(np.float64)
        for k in range(rows.score.shape[1]) if "tp:0" in names else ():
            is_class, said = rows.y == k, called == k
            found |= {f"tp:{k}": is_class & said, f"fp:{k}": ~is_class & said,
                      f"fn:{k}": is_class & ~said}  # fmt: skip
        chance = rows.score[np.arange(len(rows.y)), rows.y.astype(np.int64)]
        truth = np.eye(rows.score.shape[1])[rows.y.astype(np.int64)]
        found["square"] = ((rows.score - truth) ** 2).sum(axis=1)
        found["log"] = -np.log(np.clip(chance, _CLIP, 1.0))
        return found
    positive, said = rows.y > 0.5, rows.score >= threshold
    found |= {"loss": (positive != said).astype(np.float64), "tp": positive & said,
              "fp": ~positive & said, "fn": positive & ~said,
              "square": (rows.score - rows.y) ** 2}  # fmt: skip
    if "log" in names:
        chance = np.clip(np.where(positive, rows.score, 1.0 - rows.score), _CLIP, 1.0)
        found["log"] = -np.log(chance)
    if "auc" in names:
        found["auc"] = _weekly_auc(rows)
    return found


def _spread(rows: Judged) -> Floats:
    """Return each row's squared distance from the mean of its week."""
    mass = np.bincount(rows.week, rows.weight, minlength=rows.weeks)
    total = np.bincount(rows.week, rows.y * rows.weight, minlength=rows.weeks)
    mean = total / np.where(mass > 0, mass, 1.0)
    return np.asarray((rows.y - mean[rows.week]) ** 2)


def _weekly_auc(rows: Judged) -> Floats:
    """Return each row's week's AUC; 0.5 where a week has one class only."""
    found = np.full(len(rows.y), 0.5)
    edges = np.searchsorted(rows.week, np.arange(rows.weeks + 1))
    for week in range(rows.first, rows.weeks):
        part = slice(edges[week], edges[week + 1])
        value = auc(rows.y[part], rows.score[part], rows.weight[part])
        if np.isfinite(value):
            found[part] = value
    return found
