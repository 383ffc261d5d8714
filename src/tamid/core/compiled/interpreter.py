"""What a program answers: the reference that every faster engine must reproduce.

One row walks plain Python numbers, many rows walk numpy arrays; sums run in the order of the trees,
so that both give the same bits until the link.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from tamid.core.compiled.links import link_batch, link_row
from tamid.core.compiled.program import CATEGORY, NAN_LEFT, Floats, Linear, Program, Trees
from tamid.core.compiled.slots import prepare, prepare_row, row_steps
from tamid.core.learning.model import Bools, Ints

_CODES = 2147483648.0
# Cells of a table of sets and codes: 16 MB. Larger codes are searched for instead.
_LARGEST_TABLE = 1 << 24
# Rows that walk together: positions in all trees stay within the processor's cache.
_TOGETHER = 256


class Interpreter:
    """Runs a program whose problems are none."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._steps = row_steps(program.slots)
        model = program.model
        self._linear = model if isinstance(model, Linear) else None
        self._trees = None if isinstance(model, Linear) else _RowTrees(model)
        self._weights = [] if self._linear is None else _rows(self._linear)

    def row(self, values: Sequence[float]) -> list[float]:
        """Return the answers for one row of features, NaN where missing; before calibration."""
        return link_row(self._program, self.sums(values))

    def sums(self, values: Sequence[float]) -> list[float]:
        """Return the outputs of one row before the link."""
        z = prepare_row(self._steps, values)
        if self._linear is not None:
            bias = self._linear.bias.tolist()
            pairs = zip(self._weights, bias, strict=True)
            return [_dot(w, z, b) for w, b in pairs]
        assert self._trees is not None
        return self._trees.sums(z)

    def prepared(self, values: Sequence[float]) -> list[float]:
        """Return what the model reads of one row."""
        return prepare_row(self._steps, values)

    def batch(self, values: Floats) -> Floats:
        """Return (n, outputs) for rows (n, features); before calibration."""
        z = prepare(self._program.slots, values)
        if self._linear is not None:
            return link_batch(self._program, _linear_sums(self._linear, z))
        assert isinstance(self._program.model, Trees)
        parts = [
            _tree_sums(self._program.model, z[i : i + _TOGETHER])
            for i in range(0, len(z), _TOGETHER)
        ]
        sums = np.concatenate(parts) if parts else np.zeros((0, self._program.outputs))
        return link_batch(self._program, sums)


class _RowTrees:
    """Trees as lists, which plain Python reads faster than arrays."""

    def __init__(self, trees: Trees) -> None:
        self._width, self._base = trees.width, trees.base.tolist()
        self._roots = list(zip(trees.root.tolist(), trees.output.tolist(), strict=True))
        self._leaf = trees.leaf.tolist()
        sets = _sets(trees)
        columns = (trees.slot, trees.flags, trees.threshold, trees.left, trees.right)
        self._nodes = [
            (s, f, t, left, right, *_known(f, inside, known, sets))
            for s, f, t, left, right, inside, known in zip(
                *(c.tolist() for c in (*columns, trees.inside, trees.known)), strict=True
            )
        ]

    def sums(self, z: list[float]) -> list[float]:
        found = list(self._base)
        nodes, leaf, width = self._nodes, self._leaf, self._width
        for root, output in self._roots:
            at = root
            while at >= 0:
                slot, flags, threshold, left, right, inside, known = nodes[at]
                v = z[slot]
                if inside is not None:
                    at = left if _goes_left(v, flags, inside, known) else right
                elif v <= threshold or (v != v and flags & NAN_LEFT):
                    at = left
                else:
                    at = right
            if width == 1:
                found[output] += leaf[-1 - at]
                continue
            begin = (-1 - at) * width
            for k in range(width):
                found[k] += leaf[begin + k]
        return found


def _sets(trees: Trees) -> list[frozenset[int]]:
    cuts = trees.set_begin.tolist()
    held = trees.sets.tolist()
    return [frozenset(held[a:b]) for a, b in pairwise(cuts)]


def _known(
    flags: int, inside: int, known: int, sets: list[frozenset[int]]
) -> tuple[frozenset[int] | None, frozenset[int] | None]:
    if not flags & CATEGORY:
        return None, None
    return sets[inside], None if known < 0 else sets[known]


def _goes_left(v: float, flags: int, inside: frozenset[int], known: frozenset[int] | None) -> bool:
    if v != v:
        return bool(flags & NAN_LEFT)
    code = int(v) if -1.0 < v < _CODES else -1
    if code in inside:
        return True
    return known is not None and code not in known and bool(flags & NAN_LEFT)


def _linear_sums(model: Linear, z: Floats) -> Floats:
    """Add slot by slot: a product of matrices would round otherwise than one row does."""
    weights = model.weights.reshape(len(model.bias), -1)
    found = np.repeat(model.bias[None, :], len(z), axis=0)
    with np.errstate(over="ignore", invalid="ignore"):
        for j in range(z.shape[1]):
            found += z[:, j : j + 1] * weights[:, j]
    return found


def _tree_sums(trees: Trees, z: Floats) -> Floats:
    count, width = z.shape
    flat = z.ravel()
    # Each row's place in each tree; only places that are not at a leaf yet go further down.
    at = np.tile(trees.root.astype(np.int64), count)
    first = np.repeat(np.arange(count) * width, len(trees.root))
    category = (trees.flags & CATEGORY) > 0
    nan_left = (trees.flags & NAN_LEFT) > 0
    lookup = _Lookup(trees) if category.any() else None
    walking = np.flatnonzero(at >= 0)
    while len(walking):
        node = at[walking]
        v = flat[first[walking] + trees.slot[node]]
        left = (v <= trees.threshold[node]) | (np.isnan(v) & nan_left[node])
        if lookup is not None:
            some = np.flatnonzero(category[node])
            left[some] = lookup.left(node[some], v[some], nan_left[node[some]])
        below = np.where(left, trees.left[node], trees.right[node])
        at[walking] = below
        walking = walking[below >= 0]
    at = at.reshape(count, len(trees.root))
    found = np.repeat(trees.base[None, :], len(z), axis=0)
    leaf = trees.leaf.reshape(-1, trees.width)
    for t, output in enumerate(trees.output.tolist()):
        given = leaf[-1 - at[:, t]]
        if trees.width == 1:
            found[:, output] += given[:, 0]
        else:
            found += given
    return found


class _Lookup:
    """Says for many nodes at once whether a category is in their set."""

    def __init__(self, trees: Trees) -> None:
        sets, most = len(trees.set_begin) - 1, int(trees.sets.max(initial=-1)) + 1
        which = np.repeat(np.arange(sets), np.diff(trees.set_begin))
        self._inside, self._known = trees.inside.astype(np.int64), trees.known.astype(np.int64)
        self._most = most
        self._table: Bools | None = None
        self._held: Ints = np.zeros(0, dtype=np.int64)
        if sets * (most + 1) <= _LARGEST_TABLE:
            # The last column stands for every code that no set holds.
            self._table = np.zeros((sets, most + 1), dtype=bool)
            self._table[which, trees.sets] = True
        else:
            self._held = np.unique(which.astype(np.int64) << 32 | trees.sets.astype(np.int64))

    def left(self, node: Ints, v: Floats, nan_left: Bools) -> Bools:
        """Return which of the nodes send their value to the left."""
        code = np.where((v > -1.0) & (v < self._most), v, self._most).astype(np.int64)
        known = self._known[node]
        odd = (known >= 0) & ~self._holds(np.maximum(known, 0), code)
        inside = self._holds(self._inside[node], code)
        return np.asarray(np.where(np.isnan(v), nan_left, inside | (odd & nan_left)), dtype=bool)

    def _holds(self, sets: Ints, code: Ints) -> Bools:
        if self._table is not None:
            return np.asarray(self._table[sets, code], dtype=bool)
        return np.isin(sets << 32 | code, self._held)


def _rows(model: Linear) -> list[list[float]]:
    rows: list[list[float]] = model.weights.reshape(len(model.bias), -1).tolist()
    return rows


def _dot(weights: list[float], z: list[float], start: float) -> float:
    """Add in order, as the kernel does; `sum` rounds otherwise in newer versions of Python."""
    total = start
    for w, v in zip(weights, z, strict=True):
        total += w * v
    return total
