"""How much of each column the other columns do not explain, from sums alone.

Every column is cut into bins and predicted, bin by bin, from the bins of all others: an additive
model that needs one matrix of sums (rows per pair of bins) and one inverse for all columns. Sums of
weeks add up, so that models without a week, and the residuals of a week, need no pass over rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tamid.core.stats.arrays import Floats, Ints

# Bins of a column: fewer blur a relation, more need more rows than a week has.
_BINS = 8
# Ridge on the covariance of bins; a pair of bins that is rare must not decide.
_RIDGE = 0.02
# Weeks are cut into so many folds; each is judged by a model of the others.
_FOLDS = 5
# A column whose bins hardly vary has nothing to explain.
_LEAST_VARIANCE = 1e-3
# Added before a logarithm of PSI or of an unexplained share: what is next to nothing is alike.
FLOOR = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Bins:
    """How each column is cut: `edges` (numbers) or the commonest values; offsets of its bins.

    A column has one bin a value or interval, then (values only) one for others, then missing.
    """

    edges: tuple[tuple[float, ...], ...]
    as_values: tuple[bool, ...]
    offsets: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sums:
    """A week in bins: rows, and how many of them fall into each pair of bins (B, B)."""

    rows: int
    pairs: Floats

    @property
    def counts(self) -> Floats:
        """Return the rows of each bin."""
        return np.diag(self.pairs).astype(np.float64)

    @property
    def covariance(self) -> Floats:
        """Return the covariance of the bins' indicators about the week's own means."""
        mean = self.counts / max(self.rows, 1)
        found: Floats = self.pairs / max(self.rows, 1) - np.outer(mean, mean)
        return found


def bins_of(rows: Floats, categorical: Sequence[bool]) -> Bins:
    """Cut each column by its own quantiles; categories and short lists of numbers by value.

    >>> bins_of(np.array([[0.0], [1.0], [1.0]]), [False]).edges
    ((0.0, 1.0),)
    """
    edges: list[tuple[float, ...]] = []
    as_values: list[bool] = []
    offsets = [0]
    for j, category in enumerate(categorical):
        known = rows[:, j][~np.isnan(rows[:, j])]
        values, counts = np.unique(known, return_counts=True)
        listed = category or len(values) <= _BINS
        if listed:
            cut = np.sort(values[np.argsort(-counts, kind="stable")[:_BINS]])
        else:
            levels = np.arange(1, _BINS) / _BINS
            cut = np.unique(np.quantile(known, levels, method="inverted_cdf"))
        edges.append(tuple(cut.tolist()))
        as_values.append(bool(listed))
        offsets.append(offsets[-1] + len(cut) + 2)
    return Bins(edges=tuple(edges), as_values=tuple(as_values), offsets=tuple(offsets))


def codes_in(bins: Bins, week: Floats) -> Ints:
    """Return the bin of every value, numbered over all columns: (n, d).

    >>> b = bins_of(np.array([[0.0], [1.0]]), [False])
    >>> codes_in(b, np.array([[1.0], [5.0], [np.nan]])).ravel()
    array([1, 2, 3])
    """
    found = np.empty(week.shape, dtype=np.int64)
    for j, edges in enumerate(bins.edges):
        cut, column = np.asarray(edges, dtype=np.float64), week[:, j]
        place = np.searchsorted(cut, column)
        if bins.as_values[j]:
            inside = place < len(cut)
            inside[inside] = cut[place[inside]] == column[inside]
            place = np.where(inside, place, len(cut))
        place = np.where(np.isnan(column), len(cut) + 1, place)
        found[:, j] = bins.offsets[j] + place
    return found


def sums_of(bins: Bins, week: Floats) -> Sums:
    """Count a week's rows in each pair of bins.

    >>> b = bins_of(np.array([[0.0], [1.0]]), [False])
    >>> sums_of(b, np.array([[1.0], [1.0]])).counts
    array([0., 2., 0., 0.])
    """
    codes, width = codes_in(bins, week), bins.offsets[-1]
    pairs = (codes[:, :, None] * width + codes[:, None, :]).ravel()
    counts = np.bincount(pairs, minlength=width * width).reshape(width, width)
    return Sums(rows=len(week), pairs=counts.astype(np.float64))


def added(weeks: Sequence[Sums]) -> Sums:
    """Add the sums of several weeks.

    >>> one = Sums(rows=1, pairs=np.eye(2))
    >>> added([one, one]).rows
    2
    """
    return Sums(rows=sum(w.rows for w in weeks), pairs=np.sum([w.pairs for w in weeks], axis=0))


def unexplained(bins: Bins, model: Sums, weeks: Sequence[Sums]) -> Floats:
    """Return the share of each column's variance that the other columns leave: (weeks, d).

    Formula: with P = (C + 0.02 I)^-1, C the covariance of the model's bins and J the bins of a
    column, the residual of J given all others is r_J = (P_JJ)^-1 P_J (x - mean); the share is
    tr Cov_week(r_J) / max(tr Cov_week(x_J), tr C_J). Near 0: determined by the others; 1: they say
    nothing; above 1: they mislead, as when a column's rows were joined to the wrong keys. A week's
    own means are taken out, so that a shift of level alone does not count, and a week in which a
    rare value hardly came up is measured by the model's variance: next to nothing, it would make
    any residual large.
    Source: residuals from the precision matrix, Lauritzen (1996), Graphical Models, ch. 5.

    >>> x = np.repeat(np.arange(4.0), 50)
    >>> rows = np.column_stack([x, x])
    >>> b = bins_of(rows, [False, False])
    >>> crossed = np.column_stack([x, np.tile(np.arange(4.0), 50)])
    >>> whole = sums_of(b, rows)
    >>> unexplained(b, whole, [whole, sums_of(b, crossed)])[:, 0].round(1)
    array([0. , 1.9])
    """
    width = bins.offsets[-1]
    usual = model.covariance
    precision = np.linalg.inv(usual + _RIDGE * np.eye(width))
    maps = []
    for low, high in zip(bins.offsets[:-1], bins.offsets[1:], strict=True):
        own = precision[low:high]
        maps.append(np.linalg.solve(own[:, low:high], own))
    found = np.empty((len(weeks), len(maps)))
    for i, week in enumerate(weeks):
        spread = week.covariance
        for j, take in enumerate(maps):
            low, high = bins.offsets[j], bins.offsets[j + 1]
            left = float(np.einsum("ij,ij->", take @ spread, take))
            here = float(np.trace(spread[low:high, low:high]))
            known = float(np.trace(usual[low:high, low:high]))
            found[i, j] = left / (max(here, known) + _LEAST_VARIANCE)
    return found


def cross_fitted(bins: Bins, weeks: Sequence[Sums]) -> Floats:
    """Return what of each week :func:`unexplained` leaves by models of other weeks: (weeks, d).

    >>> x = np.repeat(np.arange(4.0), 50)
    >>> b = bins_of(np.column_stack([x, x]), [False, False])
    >>> cross_fitted(b, [sums_of(b, np.column_stack([x, x]))] * 6)[:, 0].round(1)
    array([0., 0., 0., 0., 0., 0.])
    """
    found = np.empty((len(weeks), len(bins.edges)))
    for fold in range(_FOLDS):
        held = list(range(fold, len(weeks), _FOLDS))
        rest = [s for i, s in enumerate(weeks) if i % _FOLDS != fold]
        if held:
            found[held] = unexplained(bins, added(rest), [weeks[i] for i in held])
    return found


def marginal_psi(bins: Bins, reference: Sums, week: Sums) -> Floats:
    """Return the PSI of each column's bins between a week and a reference: (d,).

    >>> b = bins_of(np.array([[0.0], [1.0]]), [False])
    >>> one = sums_of(b, np.array([[0.0], [1.0]]))
    >>> marginal_psi(b, one, one)
    array([0.])
    """
    found = []
    usual, mine = reference.counts, week.counts
    for low, high in zip(bins.offsets[:-1], bins.offsets[1:], strict=True):
        a, b = usual[low:high], mine[low:high]
        used = (a + b) > 0
        p, q = a[used] + 0.5, b[used] + 0.5
        p, q = p / p.sum(), q / q.sum()
        found.append(float((p - q) @ np.log(p / q)))
    return np.array(found)
