"""Which feature moved a row's answer how much: SHAP values of trees, weights, neutral values."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from tamid.core.compiled.interpreter import Interpreter
from tamid.core.compiled.program import CATEGORY, NAN_LEFT, Linear, Program, Trees

_CODES = 2147483648.0
# One entry of a path: feature, share of rows that go this way without it, with it, and the weight.
_Entry = list[float]


class Explainer:
    """Explains the answers of one program as its stored model does."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._interpreter = Interpreter(program)
        self._walker = None
        if program.explain == "shap" and isinstance(program.model, Trees):
            self._walker = _Walker(program.model)

    def contributions(self, values: Sequence[float]) -> dict[str, float]:
        """Return each feature's part for one row of features; multiclass: of its best class."""
        program = self._program
        names = [f.name for f in program.features]
        if program.explain == "none":
            return dict.fromkeys(names, 0.0)
        if program.explain == "neutral":
            moved = self._against_neutral(values)
        elif self._walker is not None:
            z = [v if math.isfinite(v) else math.nan for v in values]
            moved = self._walker.values(z, self._best(values), len(names))
        else:
            moved = self._weighed(values, len(names))
        return dict(zip(names, moved, strict=True))

    def _best(self, values: Sequence[float]) -> int:
        sums = self._interpreter.sums(values)
        return sums.index(max(sums))

    def _against_neutral(self, values: Sequence[float]) -> list[float]:
        """Return how much lower the answer is when a feature takes its neutral value."""
        base = max(self._interpreter.row(values))
        moved = []
        for i, neutral in enumerate(self._program.neutral):
            other = list(values)
            other[i] = math.nan if neutral is None else neutral
            moved.append(base - max(self._interpreter.row(other)))
        return moved

    def _weighed(self, values: Sequence[float], width: int) -> list[float]:
        model, slots = self._program.model, self._program.slots
        assert isinstance(model, Linear)
        best = self._best(values) if self._program.outputs > 1 else 0
        weights = model.weights.reshape(self._program.outputs, -1)[best].tolist()
        moved = [0.0] * width
        prepared = self._interpreter.prepared(values)
        for source, w, z in zip(slots.source.tolist(), weights, prepared, strict=True):
            moved[source] += w * z
        return moved


class _Walker:
    """SHAP values of trees along their paths.

    Source: Lundberg et al. (2020), Nature Machine Intelligence 2, algorithm 2 (path-dependent).
    """

    def __init__(self, trees: Trees) -> None:
        self._trees = trees
        cuts, held = trees.set_begin.tolist(), trees.sets.tolist()
        sets = [frozenset(held[a:b]) for a, b in pairwise(cuts)]
        self._sets = sets
        self._slot, self._flags = trees.slot.tolist(), trees.flags.tolist()
        self._threshold = trees.threshold.tolist()
        self._left, self._right = trees.left.tolist(), trees.right.tolist()
        self._inside, self._known = trees.inside.tolist(), trees.known.tolist()
        self._cover, self._leaf_cover = trees.cover.tolist(), trees.leaf_cover.tolist()
        self._leaf = trees.leaf.tolist()

    def values(self, z: Sequence[float], output: int, width: int) -> list[float]:
        found = [0.0] * width
        roots = zip(self._trees.root.tolist(), self._trees.output.tolist(), strict=True)
        for root, tree_output in roots:
            if root >= 0 and tree_output == output:
                self._down(root, z, [], 1.0, 1.0, -1, found)
        return found

    def _down(
        self,
        at: int,
        z: Sequence[float],
        path: list[_Entry],
        zero: float,
        one: float,
        feature: int,
        found: list[float],
    ) -> None:
        path = _extended(path, zero, one, feature)
        if at < 0:
            leaf = self._leaf[-1 - at]
            for i in range(1, len(path)):
                entry = path[i]
                found[int(entry[0])] += _unwound_sum(path, i) * (entry[2] - entry[1]) * leaf
            return
        hot, cold = self._left[at], self._right[at]
        if not self._goes_left(at, z[self._slot[at]]):
            hot, cold = cold, hot
        zero_before, one_before = 1.0, 1.0
        for i in range(1, len(path)):
            if path[i][0] == self._slot[at]:
                zero_before, one_before = path[i][1], path[i][2]
                path = _unwound(path, i)
                break
        here = self._cover[at]
        for child, ones in ((hot, one_before), (cold, 0.0)):
            share = self._count(child) / here * zero_before
            self._down(child, z, path, share, ones, self._slot[at], found)

    def _count(self, at: int) -> float:
        return float(self._cover[at] if at >= 0 else self._leaf_cover[-1 - at])

    def _goes_left(self, at: int, v: float) -> bool:
        flags = self._flags[at]
        nan_left = bool(flags & NAN_LEFT)
        if v != v:
            return nan_left
        if not flags & CATEGORY:
            return bool(v <= self._threshold[at])
        code = int(v) if -1.0 < v < _CODES else -1
        known = self._known[at]
        odd = known >= 0 and code not in self._sets[known]
        return code in self._sets[self._inside[at]] or (odd and nan_left)


def _extended(path: list[_Entry], zero: float, one: float, feature: int) -> list[_Entry]:
    grown = [list(entry) for entry in path]
    length = len(grown)
    grown.append([feature, zero, one, 1.0 if length == 0 else 0.0])
    for i in range(length - 1, -1, -1):
        grown[i + 1][3] += one * grown[i][3] * (i + 1) / (length + 1)
        grown[i][3] = zero * grown[i][3] * (length - i) / (length + 1)
    return grown


def _unwound(path: list[_Entry], index: int) -> list[_Entry]:
    depth = len(path) - 1
    kept = [list(entry) for entry in path]
    zero, one = kept[index][1], kept[index][2]
    carried = kept[depth][3]
    for i in range(depth - 1, -1, -1):
        if one != 0.0:
            before = kept[i][3]
            kept[i][3] = carried * (depth + 1) / ((i + 1) * one)
            carried = before - kept[i][3] * zero * (depth - i) / (depth + 1)
        else:
            kept[i][3] = kept[i][3] * (depth + 1) / (zero * (depth - i))
    for i in range(index, depth):
        kept[i][:3] = kept[i + 1][:3]
    return kept[:depth]


def _unwound_sum(path: list[_Entry], index: int) -> float:
    depth = len(path) - 1
    zero, one = path[index][1], path[index][2]
    carried, total = path[depth][3], 0.0
    for i in range(depth - 1, -1, -1):
        if one != 0.0:
            part = carried * (depth + 1) / ((i + 1) * one)
            total += part
            carried = path[i][3] - part * zero * (depth - i) / (depth + 1)
        else:
            total += path[i][3] / (zero * (depth - i) / (depth + 1))
    return total
