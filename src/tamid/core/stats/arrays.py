"""What every statistic does to its arrays first: check them, weigh them, sum them by group."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


def floats(values: ArrayLike, name: str, *, finite: bool = True) -> Floats:
    """Return the values as float64.

    Raises:
        ValueError: they are not numbers, or NaN or infinity stands among them.

    >>> floats([1, 0], "y")
    array([1., 0.])
    """
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must be numbers") from error
    if finite and not np.isfinite(array).all():
        raise ValueError(f"{name} holds NaN or infinity; drop or impute such rows first")
    return array


def binary(values: ArrayLike, name: str) -> Floats:
    """Return labels or decisions as 0.0 and 1.0.

    Raises:
        ValueError: another value occurs.

    >>> binary([True, False], "y")
    array([1., 0.])
    """
    array = floats(values, name)
    if array.ndim != 1 or not np.isin(array, (0.0, 1.0)).all():
        raise ValueError(f"{name} must be one column of 0 and 1")
    return array


def counted(column: Floats) -> tuple[Floats, Ints]:
    """Return the different known values of a column, ascending, and how often each occurs.

    >>> counted(np.array([2.0, np.nan, 1.0, 2.0]))
    (array([1., 2.]), array([1, 2]))
    """
    values, counts = np.unique(column[~np.isnan(column)], return_counts=True)
    return values, counts


def weights_for(weights: ArrayLike | None, n: int) -> Floats:
    """Return one weight for each of `n` rows; no weights means equal weights.

    A weight is 1 / (chance that the row was observed), so that rows known more often than
    others do not count for more.

    Raises:
        ValueError: wrong length, negative or not finite.

    >>> weights_for(None, 2)
    array([1., 1.])
    """
    if weights is None:
        return np.ones(n)
    array = floats(weights, "weights")
    if array.shape != (n,):
        raise ValueError(f"weights has shape {array.shape}, but there are {n} rows")
    if (array < 0).any():
        raise ValueError("weights must not be negative")
    return array


def same_length(**columns: Any) -> int:
    """Return the common number of rows.

    Raises:
        ValueError: two columns differ; the message names them all.

    >>> same_length(y=[1, 0], score=[0.5, 0.1])
    2
    """
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"columns differ in length: {lengths}")
    return next(iter(lengths.values()))


def codes_of(labels: ArrayLike) -> tuple[Ints, int]:
    """Number the distinct labels 0, 1, ... in sorted order; return codes and their count.

    >>> codes_of(["b", "a", "b"])
    (array([1, 0, 1]), 2)
    """
    values, codes = np.unique(np.asarray(labels), return_inverse=True)
    return codes.astype(np.int64).reshape(-1), len(values)


def group_sums(rows: Floats, codes: Ints, groups: int) -> Floats:
    """Sum the rows of each group: (n,) gives (groups,), (n, k) gives (groups, k).

    >>> group_sums(np.array([1.0, 2.0, 4.0]), np.array([0, 1, 0]), 2)
    array([5., 2.])
    """
    if rows.ndim == 1:
        return np.bincount(codes, weights=rows, minlength=groups).astype(np.float64)
    columns = [np.bincount(codes, weights=column, minlength=groups) for column in rows.T]
    return np.stack(columns, axis=1).astype(np.float64)


def ratio(numerator: Floats, denominator: Floats) -> Floats:
    """Divide; nothing divided by nothing is NaN (not measurable), never a warning.

    >>> ratio(np.array([1.0, 0.0]), np.array([2.0, 0.0]))
    array([0.5, nan])
    """
    blank = np.full(np.broadcast_shapes(numerator.shape, denominator.shape), np.nan)
    np.divide(numerator, denominator, out=blank, where=denominator != 0)
    return blank
