"""LightGBM's own text as trees: read strictly, without LightGBM; what is not understood is refused.

The format is LightGBM's `gbdt_model_text.cpp` of version 4; decisions follow `Tree::Predict`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from tamid.core.compiled.program import (
    CATEGORY,
    NAN_LEFT,
    Floats,
    Indices,
    Link,
    Trees,
    indices,
    make_trees,
)
from tamid.core.errors import Uncompilable
from tamid.core.learning.model import Bools

_IDENTITY = ("regression", "regression_l1", "huber", "fair", "quantile", "mape", "l2", "l1")
_EXP = ("poisson", "gamma", "tweedie")
# The fields of a split.
_NODE = ("slot", "flags", "threshold", "left", "right", "inside", "cover")
_ZERO_AS_MISSING, _NAN_AS_MISSING = 1, 2


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Boosted:
    """Trees out of a text, with their link and how many features and outputs they have."""

    trees: Trees
    link: Link
    factor: float
    width: int
    outputs: int


def boosted(text: str) -> Boosted:
    """Return the trees of a model text.

    Raises:
        Uncompilable: it is none, or uses what a program does not know; the message says what.
    """
    try:
        blocks = list(_blocks(text))
        return _boosted(blocks[0], blocks[1:], text)
    except (KeyError, ValueError, IndexError, OverflowError) as error:
        raise Uncompilable(f"the model's text cannot be read: {error!r}") from error


def _boosted(head: Mapping[str, str], blocks: list[Mapping[str, str]], text: str) -> Boosted:
    outputs = int(head["num_tree_per_iteration"])
    if head["num_class"] != head["num_tree_per_iteration"]:
        raise Uncompilable("the trees do not belong to one class each")
    if "average_output" in head:
        raise Uncompilable("the trees are averaged (boosting `rf`)")
    if not 1 <= outputs <= len(blocks) or len(blocks) % outputs:
        raise Uncompilable("the model's text has no whole round of trees")
    pandas = text.rpartition("\npandas_categorical:")[2].strip()
    if "\npandas_categorical:" in text and pandas not in ("[]", "null"):
        raise Uncompilable("the model was fitted on pandas categories, which live outside of it")
    link, factor = _link(head["objective"].split(), outputs)
    made = _Flat()
    for i, block in enumerate(blocks):
        made.add(block, i % outputs)
    return Boosted(
        trees=made.trees(outputs),
        link=link,
        factor=factor,
        width=int(head["max_feature_idx"]) + 1,
        outputs=outputs,
    )


def _link(objective: list[str], outputs: int) -> tuple[Link, float]:
    name, given = objective[0], objective[1:]
    if name == "binary" and outputs == 1:
        return "sigmoid", float(dict(p.split(":") for p in given)["sigmoid"])
    if name == "cross_entropy" and outputs == 1:
        return "sigmoid", 1.0
    if name == "multiclass" and outputs > 1:
        return "softmax", 1.0
    if name in _IDENTITY and "sqrt" not in given and outputs == 1:
        return "identity", 1.0
    if name in _EXP and outputs == 1:
        return "exp", 1.0
    raise Uncompilable(f"the objective `{' '.join(objective)}` is not known")


def _blocks(text: str) -> Iterator[Mapping[str, str]]:
    """Give the header, then each tree, as key and value."""
    body, end, _ = text.partition("\nend of trees")
    if not body.startswith("tree\n") or not end:
        raise Uncompilable("the model's text has no trees")
    for part in body.split("\nTree="):
        lines = (line.partition("=") for line in part.splitlines())
        yield {name: value for name, _, value in lines if name}


class _Flat:
    """Gathers trees into flat arrays."""

    def __init__(self) -> None:
        self._nodes: list[Mapping[str, Floats]] = []
        self._root: list[int] = []
        self._output: list[int] = []
        self._leaf: list[Floats] = []
        self._leaf_cover: list[Floats] = []
        self._sets: list[Indices] = []
        self._count = self._leaves = 0

    def add(self, block: Mapping[str, str], output: int) -> None:
        leaves = int(block["num_leaves"])
        if leaves < 1 or block.get("is_linear", "0") != "0":
            raise Uncompilable("the leaves hold linear models")
        values = _column(block, "leaf_value", leaves)
        constant = leaves == 1
        cover = np.ones(1) if constant else _column(block, "leaf_count", leaves)
        self._root.append(-1 - self._leaves if constant else self._count)
        self._output.append(output)
        self._leaf.append(values)
        self._leaf_cover.append(cover)
        if not constant:
            self._nodes.append(self._split(block, leaves - 1))
        self._count += leaves - 1
        self._leaves += leaves

    def trees(self, outputs: int) -> Trees:
        cover = np.concatenate(self._leaf_cover)
        counted = bool((cover > 0).all())
        asked = (n for n in _NODE if counted or n != "cover")
        return make_trees(
            {name: self._all(name) for name in asked},
            root=self._root,
            output=self._output,
            leaf=np.concatenate(self._leaf),
            base=np.zeros(outputs),
            sets=self._sets,
            leaf_cover=cover if counted else (),
        )

    def _all(self, name: str) -> Floats:
        parts = [node[name] for node in self._nodes]
        return np.concatenate(parts) if parts else np.zeros(0)

    def _split(self, block: Mapping[str, str], splits: int) -> Mapping[str, Floats]:
        kind = _column(block, "decision_type", splits).astype(np.int64)
        threshold = _column(block, "threshold", splits)
        category = (kind & 1) > 0
        missing = (kind >> 2) & 3
        if (missing == _ZERO_AS_MISSING).any():
            raise Uncompilable("zero counts as missing (`zero_as_missing`)")
        # Without a missing kind, what is missing is zero.
        left = np.where(missing == _NAN_AS_MISSING, (kind & 2) > 0, threshold >= 0.0)
        flags = np.where(category, CATEGORY, np.where(left, NAN_LEFT, 0))
        inside = np.full(splits, -1.0)
        if category.any():
            self._add_sets(block, category, threshold, inside)
        return {
            "slot": _column(block, "split_feature", splits),
            "flags": flags.astype(np.float64),
            "threshold": np.where(category, 0.0, threshold),
            "left": self._moved(_column(block, "left_child", splits)),
            "right": self._moved(_column(block, "right_child", splits)),
            "inside": inside,
            "cover": _column(block, "internal_count", splits),
        }

    def _add_sets(
        self, block: Mapping[str, str], category: Bools, threshold: Floats, inside: Floats
    ) -> None:
        count = int(block["num_cat"])
        cuts = _column(block, "cat_boundaries", count + 1).astype(np.int64)
        words = _column(block, "cat_threshold", int(cuts[-1])).astype(np.uint32)
        first = len(self._sets)
        for a, b in pairwise(cuts):
            bits = np.unpackbits(words[a:b].astype("<u4").view(np.uint8), bitorder="little")
            self._sets.append(indices(np.flatnonzero(bits)))
        which = threshold[category]
        if ((which < 0) | (which >= count)).any():
            raise Uncompilable("a split names categories that are not there")
        inside[category] = first + which

    def _moved(self, children: Floats) -> Floats:
        """Place children behind the nodes and leaves of the trees before."""
        return np.where(children >= 0, children + self._count, children - self._leaves)


def _column(block: Mapping[str, str], name: str, length: int) -> Floats:
    values = np.array(block[name].split(), dtype=np.float64)
    if len(values) != length:
        raise Uncompilable(f"the model's text has {len(values)} of {length} of {name}")
    return values
