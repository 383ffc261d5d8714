"""A program's splits as scan.c reads them: sorted by slot, each with the leaves that stay."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tamid.core.compiled.program import NAN_LEFT, Indices, Trees
from tamid.core.learning.model import Ints

# Leaves have a bit each in one word; the words of all trees lie on the stack, 32 KiB at most.
_MOST_LEAVES, _MOST_TREES = 64, 4096
SPLIT = np.dtype([("threshold", "<f8"), ("leaves", "<u8"), ("tree", "<i4"), ("nan_right", "<i4")])


def fits(trees: Trees) -> bool:
    """Say whether trees are few and small enough, each with nodes and leaves of its own."""
    if not 0 < len(trees.root) <= _MOST_TREES:
        return False
    ends = np.concatenate([trees.root, trees.left, trees.right])
    told = np.bincount(-1 - ends[ends < 0], minlength=trees.leaves)
    if (told != 1).any() or sum(map(len, _levels(trees))) != len(trees.slot):
        return False
    counts = np.bincount(_owner(trees)[1], minlength=len(trees.root))
    return bool(counts.max() <= _MOST_LEAVES)


def splits(trees: Trees, node: NDArray[Any], slots: int, small: int) -> dict[str, NDArray[Any]]:
    """Return the arrays of trees that fit; `node`: as kernel.c has them, `small` its flag.

    Level by level, as children lie anywhere behind their parents: first leaves are counted from
    below, then they get their places from above.
    """
    tree, leaf_tree = _owner(trees)
    nodes, every = len(trees.slot), len(trees.slot) + trees.leaves
    below = np.ones(every, dtype=np.int64)
    left, right = _place(trees.left, nodes), _place(trees.right, nodes)
    levels = _levels(trees)
    for level in reversed(levels):
        below[level] = below[left[level]] + below[right[level]]
    first = np.zeros(every, dtype=np.int64)
    for level in levels:
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


def _levels(trees: Trees) -> list[Ints]:
    """Return the nodes of each level, from the roots down."""
    found, at = [], trees.root.astype(np.int64)
    while len(at := at[at >= 0]):
        found.append(at)
        at = np.concatenate([trees.left[at], trees.right[at]]).astype(np.int64)
    return found


def _owner(trees: Trees) -> tuple[Indices, Indices]:
    """Return the tree of each node and of each leaf."""
    node = np.zeros(len(trees.slot), dtype=np.int32)
    leaf = np.zeros(trees.leaves, dtype=np.int32)
    at, owner = trees.root.astype(np.int64), np.arange(len(trees.root), dtype=np.int32)
    while len(at):
        inside = at >= 0
        node[at[inside]] = owner[inside]
        leaf[-1 - at[~inside]] = owner[~inside]
        owner = np.concatenate([owner[inside], owner[inside]])
        at = np.concatenate([trees.left[at[inside]], trees.right[at[inside]]]).astype(np.int64)
    return node, leaf


def _place(children: Indices, nodes: int) -> Ints:
    """Return where children stand in a row of nodes with the leaves behind them."""
    return np.where(children >= 0, children, nodes - 1 - children).astype(np.int64)
