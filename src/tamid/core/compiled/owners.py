"""Which tree each node and leaf belongs to."""

from __future__ import annotations

import numpy as np

from tamid.core.compiled.program import Indices, Trees
from tamid.core.learning.model import Ints


def levels(trees: Trees) -> list[Ints]:
    """Return the nodes of each level of all trees, from the roots down."""
    found, at = [], trees.root.astype(np.int64)
    while len(at := at[at >= 0]):
        found.append(at)
        at = np.concatenate([trees.left[at], trees.right[at]]).astype(np.int64)
    return found


def owners(trees: Trees) -> tuple[Indices, Indices] | None:
    """Return the tree of each node and of each leaf; None where one has no tree, or several."""
    ends = np.concatenate([trees.root, trees.left, trees.right])
    told = np.bincount(-1 - ends[ends < 0], minlength=trees.leaves)
    if (told != 1).any() or sum(map(len, levels(trees))) != len(trees.slot):
        return None
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
