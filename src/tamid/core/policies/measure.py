"""A metric as a ratio of sums: what a policy is judged by, and how sure that is.

Each week of each model leaves a few named sums (`rows`, `mass`, `loss`, `tp`, ...). A metric is the
mean over its classes of numerator / denominator, both linear in these sums (for rmse the root of
it), so that weeks and blocks add up and nothing needs the rows again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tamid.core.stats.arrays import Floats

# Sums that every model leaves: rows, their weight, and weighted losses (0/1, or absolute error).
COMMON = ("rows", "mass", "loss")
# What binary models leave besides, at the threshold chosen in training.
COUNTS = ("tp", "fp", "fn")

_RATIOS: Mapping[str, tuple[Mapping[str, float], Mapping[str, float]]] = {
    "f1": ({"tp": 2.0}, {"tp": 2.0, "fp": 1.0, "fn": 1.0}),
    "precision": ({"tp": 1.0}, {"tp": 1.0, "fp": 1.0}),
    "recall": ({"tp": 1.0}, {"tp": 1.0, "fn": 1.0}),
    "accuracy": ({"mass": 1.0, "loss": -1.0}, {"mass": 1.0}),
    "mae": ({"loss": 1.0}, {"mass": 1.0}),
    "rmse": ({"square": 1.0}, {"mass": 1.0}),
    "brier": ({"square": 1.0}, {"mass": 1.0}),
    "log_loss": ({"log": 1.0}, {"mass": 1.0}),
    "auc": ({"auc": 1.0}, {"mass": 1.0}),
    "r2": ({"spread": 1.0, "square": -1.0}, {"spread": 1.0}),
}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Measure:
    """A metric over named sums: `over` and `under` (K, C) give numerator and denominator."""

    metric: str
    over: Floats
    under: Floats
    root: bool

    def parts(self, sums: Floats) -> tuple[Floats, Floats]:
        """Return numerators and denominators (..., C) of sums (..., K)."""
        return sums @ self.over, sums @ self.under

    def value(self, over: Floats, under: Floats) -> Floats:
        """Return the metric (...) of numerators and denominators (..., C); NaN without mass."""
        return self._finish(_mean(_ratio(over, under)))

    def of(self, sums: Floats) -> Floats:
        """Return the metric (...) of sums (..., K).

        >>> m = measure("f1", ("rows", "mass", "loss", "tp", "fp", "fn"))
        >>> float(m.of(np.array([4.0, 4.0, 2.0, 1.0, 1.0, 1.0])))
        0.5
        """
        return self.value(*self.parts(sums))

    def influence(self, over: Floats, under: Floats) -> Floats:
        """Return how much each block moves the metric: blocks (..., B, C) give (..., B).

        Formula: u_b = mean over classes of (x_b - r y_b) / sum y with r = sum x / sum y (for rmse
        divided by 2 r). The sum of u_b^2 is the variance of the metric under a block bootstrap, to
        first order and without its noise of drawing; the influences of two models on the same
        blocks may be subtracted. Source: Efron (1982), The Jackknife, the Bootstrap and Other
        Resampling Plans, §6 (infinitesimal jackknife).

        >>> m = measure("mae", ("rows", "mass", "loss"))
        >>> m.influence(np.array([[1.0], [3.0]]), np.array([[1.0], [1.0]]))
        array([-0.5,  0.5])
        """
        total = under.sum(axis=-2, keepdims=True)
        rate = _ratio(over.sum(axis=-2, keepdims=True), total)
        moved = _mean(_ratio(over - rate * under, total))
        if not self.root:
            return moved
        value = self._finish(_mean(rate))
        return _ratio(moved, 2.0 * value)

    def _finish(self, value: Floats) -> Floats:
        return np.sqrt(value) if self.root else value


def measure(metric: str, terms: Sequence[str]) -> Measure:
    """Return the metric over sums with these names.

    `macro_f1` reads `tp:0`, `fp:0`, `fn:0`, `tp:1` and so on. `auc` is the mean of the weeks' own
    values by weight (chances of different weeks are not ranked against each other); `r2` takes each
    week's spread about its own mean.

    Raises:
        ValueError: no such metric, or a sum that it needs is missing.
    """
    if metric == "macro_f1":
        classes = sorted({int(t.partition(":")[2]) for t in terms if t.startswith("tp:")})
        pairs = [_classed(*_RATIOS["f1"], k) for k in classes]
    elif metric in _RATIOS:
        pairs = [_RATIOS[metric]]
    else:
        raise ValueError(f"{metric!r} cannot be made of sums; there are {', '.join(_RATIOS)}")
    missing = {n for pair in pairs for part in pair for n in part} - set(terms)
    if missing or not pairs:
        raise ValueError(f"{metric} needs the sums {', '.join(sorted(missing)) or 'tp:0, ...'}")
    over, under = (
        np.array([[pair[i].get(name, 0.0) for pair in pairs] for name in terms]) for i in (0, 1)
    )
    return Measure(metric=metric, over=over, under=under, root=metric == "rmse")


def _classed(
    over: Mapping[str, float], under: Mapping[str, float], k: int
) -> tuple[Mapping[str, float], Mapping[str, float]]:
    return {f"{n}:{k}": v for n, v in over.items()}, {f"{n}:{k}": v for n, v in under.items()}


def _ratio(over: Floats, under: Floats) -> Floats:
    found = np.full(np.broadcast_shapes(over.shape, under.shape), np.nan)
    np.divide(over, under, out=found, where=np.broadcast_to(under > 0, found.shape))
    return found


def _mean(values: Floats) -> Floats:
    """Average over the last axis, over what is finite (a class may occur nowhere)."""
    if values.shape[-1] == 1:
        return np.asarray(values[..., 0])
    kept = np.isfinite(values)
    return _ratio(np.where(kept, values, 0.0).sum(axis=-1), kept.sum(axis=-1).astype(np.float64))
