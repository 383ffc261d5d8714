"""A program's splits as scan.c reads them: sorted by slot, each with the leaves that stay."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tamid.core.compiled.owners import levels, owners
from tamid.core.compiled.program import NAN_LEFT, Indices, Trees
from tamid.core.learning.model import Ints

# Leaves have a bit each in one word; the words of all trees lie on the stack, 32 KiB at most.
_MOST_LEAVES, _MOST_TREES = 64, 4096
SPLIT = np.dtype([("threshold", "<f8"), ("leaves", "<u8"), ("tree", "<i4"), ("nan_right", "<i4")])


def fits(trees: Trees) -> bool:
    """Say whether trees are few and small enough, each with nodes and leaves of its own."""
    if not 0 < len(trees.root) <= _MOST_TREES:
        return False
    owned = owners(trees)
    if owned is None:
        return False
    counts = np.bincount(owned[1], minlength=len(trees.root))
    return bool(counts.max() <= _MOST_LEAVES)


def splits(trees: Trees, node: NDArray[Any], slots: int, small: int) -> dict[str, NDArray[Any]]:
    """Return the arrays of trees that fit; `node`: as kernel.c has them, `small` its flag.

    Level by level, as children lie anywhere behind their parents: first leaves are counted from
    below, then they get their places from above.
    """
    owned = owners(trees)
    assert owned is not None
    tree, leaf_tree = owned
    nodes, every = len(trees.slot), len(trees.slot) + trees.leaves
    below = np.ones(every, dtype=np.int64)
    left, right = _place(trees.left, nodes), _place(trees.right, nodes)
    down = levels(trees)
    for level in reversed(down):
        below[level] = below[left[level]] + below[right[level]]
    first = np.zeros(every, dtype=np.int64)
    for level in down:
        first[left[level]] = first[level]
        first[right[level]] = first[level] + below[left[level]]
    found = np.zeros(nodes, dtype=SPLIT)
    found["threshold"], found["tree"] = node["threshold"][:nodes], tree
    found["nan_right"] = (trees.flags & NAN_LEFT) == 0
    # The left subtree's bits go; 64 of them never do, as something lies to the right.
    gone = (np.uint64(1) << below[left[:nodes]].astype(np.uint64)) - np.uint64(1)
    found["leaves"] = ~(gone << first[:nodes].astype(np.uint64))
    word = (node["flags"][:nodes] & small) > 0
    begin = np.zeros(2 * slots + 1, dtype=np.int64)
    begin[1:] = np.cumsum(np.bincount(2 * trees.slot + word, minlength=2 * slots))
    order = np.lexsort((np.where(word, 0.0, found["threshold"]), word, trees.slot))
    leaf_begin = np.concatenate([[0], np.cumsum(np.bincount(leaf_tree, minlength=len(trees.root)))])
    ordered = np.zeros(trees.leaves)
    place = leaf_begin[leaf_tree] + first[nodes:]
    ordered[place] = trees.leaf if trees.width == 1 else np.arange(trees.leaves)
    return {
        "split": found[order], "split_begin": begin.astype(np.int32),
        "split_leaf": leaf_begin[:-1].astype(np.int32), "ordered": ordered,
    }  # fmt: skip


def nothing() -> dict[str, NDArray[Any]]:
    """Return the arrays of a program that is not scanned."""
    none = np.zeros(1, dtype=np.int32)
    return {
        "split": np.zeros(1, dtype=SPLIT), "split_begin": none, "split_leaf": none,
        "ordered": np.zeros(1),
    }  # fmt: skip


def _place(children: Indices, nodes: int) -> Ints:
    """Return where children stand in a row of nodes with the leaves behind them."""
    return np.where(children >= 0, children, nodes - 1 - children).astype(np.int64)
