"""A program's arrays as kernel.c reads them: nodes and leaves in one row, sets as bits."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from tamid.adapters.engines import splits
from tamid.core.compiled.check import depths, problems
from tamid.core.compiled.program import CATEGORY, NAN_LEFT, Indices, Linear, Program, Trees
from tamid.core.errors import IntegrityError, MissingExtra

# A category whose set lies in its node, as kernel.c says it.
SMALL = 4
# How the trees are read: side by side, or split by split; 0: node by node.
_WALKED, _SCANNED = 1, 2
# Bits of all sets: 64 MB. Codes of categories are small numbers in any honest model.
_MOST_WORDS = 1 << 23
# A node as it is walked: half as large, so that twice as many lie in the processor's cache.
_PAIR = np.dtype(
    [("threshold", "<f8"), ("left", "<i4"), ("slot", "<i2"), ("nan_left", "u1"), ("small", "u1")]
)
_NODE = np.dtype(
    [
        ("threshold", "<f8"), ("slot", "<i4"), ("flags", "<i4"), ("left", "<i4"), ("right", "<i4"),
        ("inside", "<i4"), ("known", "<i4"),
    ]
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Layout:
    """Arrays by the names of the struct `Program` in kernel.c, and its whole numbers."""

    NAMES: ClassVar[tuple[str, ...]] = (
        "source", "begin", "op", "argument", "table_begin", "table", "weights", "bias", "node",
        "root", "output", "depth", "leaf", "base", "set_begin", "set", "cover",
        "pair", "split", "split_begin", "split_leaf", "ordered",
    )  # fmt: skip
    NODE: ClassVar[np.dtype[Any]] = _NODE
    PAIR: ClassVar[np.dtype[Any]] = _PAIR

    arrays: dict[str, NDArray[Any]]
    features: int
    slots: int
    outputs: int
    trees: int
    width: int
    nodes: int
    linear: int
    categories: int
    quick: int

    def whole(self) -> dict[str, int]:
        """Return the whole numbers by name."""
        names = (
            "features", "slots", "outputs", "trees", "width", "nodes", "linear", "categories",
            "quick",
        )  # fmt: skip
        return {name: getattr(self, name) for name in names}


def laid_out(program: Program) -> Layout:
    """Return the arrays of a program.

    Raises:
        IntegrityError: the program may not be run.
        MissingExtra: its sets of categories would take too much memory.
    """
    found = problems(program)
    if found:
        raise IntegrityError("the compiled model may not be run", why="; ".join(found[:10]))
    slots, model = program.slots, program.model
    arrays: dict[str, NDArray[Any]] = {
        name: getattr(slots, name)
        for name in ("source", "begin", "op", "argument", "table_begin", "table")
    }
    linear = isinstance(model, Linear)
    arrays |= _weights(model) if isinstance(model, Linear) else _nodes(model)
    categories = _categories(arrays["node"])
    quick = 0
    arrays |= {"pair": np.zeros(1, _PAIR)} | splits.nothing()
    if not isinstance(model, Linear) and categories < 2:
        quick = _SCANNED if splits.fits(model) else _WALKED
        if quick == _SCANNED:
            arrays |= splits.splits(model, arrays["node"], slots.width, SMALL)
        else:
            arrays["pair"] = _pairs(model, arrays["node"], slots.width)
    # An empty array has no address of its own.
    held = {
        name: np.ascontiguousarray(a if len(a) else np.zeros(1, a.dtype))
        for name, a in arrays.items()
    }
    return Layout(
        arrays=held,
        features=len(program.features),
        slots=slots.width,
        outputs=program.outputs,
        trees=0 if isinstance(model, Linear) else len(model.root),
        width=1 if isinstance(model, Linear) else model.width,
        nodes=0 if isinstance(model, Linear) else len(model.slot),
        linear=int(linear),
        categories=categories,
        quick=quick,
    )


def _categories(node: NDArray[Any]) -> int:
    """Return 0 without categories, 1 if each is small, 2 otherwise."""
    category = (node["flags"] & CATEGORY) > 0
    if not category.any():
        return 0
    return 1 if ((node["flags"][category] & SMALL) > 0).all() else 2


def _weights(model: Linear) -> dict[str, NDArray[Any]]:
    none = np.zeros(1, dtype=np.int32)
    empty = np.zeros(1)
    return {
        "cover": empty,
        "weights": model.weights, "bias": model.bias, "node": np.zeros(1, _NODE), "root": none,
        "output": none, "depth": none, "leaf": empty, "base": empty, "set_begin": none,
        "set": np.zeros(1, dtype=np.uint64),
    }  # fmt: skip


def _nodes(trees: Trees) -> dict[str, NDArray[Any]]:
    nodes, total = len(trees.slot), len(trees.slot) + trees.leaves
    node = np.zeros(total, dtype=_NODE)
    inner = node[:nodes]
    category = (trees.flags & CATEGORY) > 0
    inner["threshold"], inner["slot"], inner["flags"] = trees.threshold, trees.slot, trees.flags
    inner["left"], inner["right"] = _placed(trees.left, nodes), _placed(trees.right, nodes)
    inner["inside"] = np.where(category, trees.inside, 0)
    inner["known"] = np.where(category, trees.known, -1)
    # A leaf leads to itself, whatever the row.
    node["left"][nodes:] = node["right"][nodes:] = np.arange(nodes, total)
    node["known"][nodes:] = -1
    set_begin, bits = _bits(trees)
    _make_small(inner, set_begin, bits)
    empty = np.zeros(1)
    return {
        "cover": np.concatenate([trees.cover, trees.leaf_cover]),
        "weights": empty, "bias": empty, "node": node, "root": _placed(trees.root, nodes),
        "output": trees.output, "depth": depths(trees), "leaf": trees.leaf, "base": trees.base,
        "set_begin": set_begin, "set": bits,
    }  # fmt: skip


def _pairs(trees: Trees, node: NDArray[Any], slots: int) -> NDArray[Any]:
    """Return the roots, then each node's two children side by side."""
    roots, nodes = len(trees.root), len(trees.slot)
    child = np.concatenate([trees.root, np.stack([trees.left, trees.right], axis=1).ravel()])
    pair, inner = np.zeros(len(child), dtype=_PAIR), child >= 0
    given = node[:nodes][child[inner]]
    pair["threshold"][inner], pair["slot"][inner] = given["threshold"], given["slot"]
    pair["left"][inner] = roots + 2 * child[inner]
    pair["nan_left"][inner] = (given["flags"] & NAN_LEFT) > 0
    pair["small"][inner] = (given["flags"] & SMALL) > 0
    # A leaf leads to itself, whatever the row: its slot is below any number.
    leaf = -1 - child[~inner]
    pair["threshold"][~inner] = trees.leaf[leaf] if trees.width == 1 else leaf
    pair["left"][~inner], pair["slot"][~inner] = np.flatnonzero(~inner), slots
    return pair


def _make_small(inner: NDArray[Any], set_begin: Indices, bits: NDArray[np.uint64]) -> None:
    """Put the set of a category into its node, where it fits one word and says all."""
    words = np.diff(set_begin)
    plain = (inner["flags"] == CATEGORY) & (inner["known"] < 0)
    small = np.flatnonzero(plain)[words[inner["inside"][plain]] <= 1]
    which = inner["inside"][small]
    masks = np.where(words[which] > 0, bits[np.minimum(set_begin[which], len(bits) - 1)], 0)
    inner["threshold"][small] = masks.astype(np.uint64).view(np.float64)
    inner["flags"][small] |= SMALL


def _placed(children: Indices, nodes: int) -> Indices:
    return np.where(children >= 0, children, nodes - 1 - children).astype(np.int32)


def _bits(trees: Trees) -> tuple[Indices, NDArray[np.uint64]]:
    begin, codes = trees.set_begin.astype(np.int64), trees.sets.astype(np.int64)
    words = np.zeros(len(begin) - 1, dtype=np.int64)
    for i, (a, b) in enumerate(pairwise(begin)):
        words[i] = (codes[a:b].max() >> 6) + 1 if b > a else 0
    if words.sum() > _MOST_WORDS:
        raise MissingExtra("the codes of the categories are too large for the kernel")
    cuts = np.concatenate([[0], np.cumsum(words)])
    bits = np.zeros(max(int(cuts[-1]), 1), dtype=np.uint64)
    which = np.repeat(np.arange(len(words)), np.diff(begin))
    place = cuts[which] + (codes >> 6)
    np.bitwise_or.at(bits, place, np.left_shift(np.uint64(1), (codes & 63).astype(np.uint64)))
    return cuts.astype(np.int32), bits
