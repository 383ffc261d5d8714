"""How a model's error falls with the rows it learns from, and what twice as many would bring."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tamid.core.stats.arrays import Floats

# Exponents tried: measured curves of learners lie between 0.1 and 1 (Hestness et al. 2017); below
# that a curve is a straight line on any sizes that can be tried, and would promise gains for ever.
_EXPONENTS = np.arange(0.1, 1.05, 0.1)
# Three unknowns want a point more than themselves; fewer sizes are fitted as a line without floor.
_FEWEST_SIZES = 3
_TINY = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Curves:
    """Fitted curves e(n) = floor + fall * (n / largest) ** -exponent, one a row of errors (r,)."""

    floor: Floats
    fall: Floats
    exponent: Floats
    largest: float

    def at(self, rows: float) -> Floats:
        """Return the error that each curve expects of so many rows, (r,)."""
        return np.asarray(self.floor + self.fall * (rows / self.largest) ** -self.exponent)

    def gain(self, factor: float) -> Floats:
        """Return how much the error falls with `factor` times the most rows that were tried."""
        return np.asarray(self.at(self.largest) - self.at(self.largest * factor))


def fit_curves(sizes: Floats, errors: Floats) -> Curves:
    """Fit a power law with a floor to errors (r, k) measured at sizes (k,), one curve a row.

    Formula: least squares of e(n) = a + b n^-c with a >= 0, b >= 0, c in 0.1 .. 1.0 by grid.
    A curve never rises: where the errors do, it is flat at their mean, and more rows bring nothing.
    Source: Cortes, Jackel, Solla, Vapnik and Denker (1993), NIPS 6; Hestness et al. (2017),
    arXiv:1712.00409; Viering and Loog (2023), IEEE TPAMI 45 (power laws fit best of all).

    Raises:
        ValueError: fewer than two distinct sizes.

    >>> sizes = np.array([100.0, 200.0, 400.0, 800.0])
    >>> found = fit_curves(sizes, (0.1 + 2.0 * sizes ** -0.5)[None])
    >>> round(float(found.exponent[0]), 1), round(float(found.floor[0]), 3)
    (0.5, 0.1)
    >>> round(float(found.gain(2)[0]), 4), round(2 * (800 ** -0.5 - 1600 ** -0.5), 4)
    (0.0207, 0.0207)
    >>> float(fit_curves(sizes, np.array([[0.1, 0.2, 0.3, 0.4]])).gain(2)[0])
    0.0
    """
    if len(np.unique(sizes)) < 2:
        raise ValueError("a curve needs two sizes at least")
    largest = float(sizes.max())
    exponents = _EXPONENTS if len(np.unique(sizes)) >= _FEWEST_SIZES else _EXPONENTS[4:5]
    tried = [_line((sizes / largest) ** -c, errors) for c in exponents]
    best = np.stack([wrong for _, _, wrong in tried]).argmin(axis=0)
    rows = np.arange(len(errors))
    floor = np.stack([a for a, _, _ in tried])[best, rows]
    fall = np.stack([b for _, b, _ in tried])[best, rows]
    return Curves(floor=floor, fall=fall, exponent=exponents[best], largest=largest)


def _line(x: Floats, errors: Floats) -> tuple[Floats, Floats, Floats]:
    """Return floor, fall and squared misfit of each row on one exponent's axis."""
    centred = x - x.mean()
    mean = errors.mean(axis=1)
    fall = np.maximum((errors @ centred) / max(float(centred @ centred), _TINY), 0.0)
    floor = mean - fall * x.mean()
    through = np.maximum((errors @ x) / float(x @ x), 0.0)  # where the floor would lie below zero
    fall, floor = np.where(floor < 0, through, fall), np.maximum(floor, 0.0)
    misfit = errors - floor[:, None] - fall[:, None] * x
    return floor, fall, (misfit**2).sum(axis=1)
