"""scikit-learn's trees, node by node, as the flat arrays of a program."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tamid.core.compiled.program import CATEGORY, NAN_LEFT, Floats, Trees, make_trees, numbers


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Grown:
    """One tree out of scikit-learn: node by node, a leaf where `left` is below 0."""

    slot: Floats
    threshold: Floats
    left: Floats
    right: Floats
    flags: Floats
    values: Floats
    output: int = 0
    inside: Floats | None = None
    known: Floats | None = None


def grown_tree(tree: Any, values: Floats, output: int = 0) -> Grown:
    """Return a tree of `sklearn.tree`, with what its leaves are worth."""
    left = np.asarray(tree.children_left)
    missing = np.asarray(getattr(tree, "missing_go_to_left", np.zeros(len(left))))
    return Grown(
        slot=np.asarray(tree.feature),
        threshold=np.asarray(tree.threshold),
        left=left,
        right=np.asarray(tree.children_right),
        flags=np.where(missing != 0, NAN_LEFT, 0),
        values=values,
        output=output,
    )


def histogram_tree(tree: Any, output: int, sets: list[Floats], place: Floats) -> Grown:
    """Return a tree of histogram boosting; its sets of categories join `sets`."""
    nodes = tree.nodes
    leaf = nodes["is_leaf"] != 0
    category = (nodes["is_categorical"] != 0) & ~leaf
    inside, known = np.full(len(nodes), -1), np.full(len(nodes), -1)
    for i in np.flatnonzero(category):
        inside[i] = len(sets)
        sets.append(members(tree.raw_left_cat_bitsets[nodes["bitset_idx"][i]]))
        known[i] = place[nodes["feature_idx"][i]]
    missing = np.where(nodes["missing_go_to_left"] != 0, NAN_LEFT, 0)
    return Grown(
        slot=nodes["feature_idx"].astype(np.int64),
        threshold=np.where(category, 0.0, nodes["num_threshold"]),
        left=np.where(leaf, -1, nodes["left"].astype(np.int64)),
        right=np.where(leaf, -1, nodes["right"].astype(np.int64)),
        flags=numbers(missing + np.where(category, CATEGORY, 0)),
        values=nodes["value"].astype(np.float64)[:, None],
        output=output,
        inside=inside,
        known=known,
    )


def members(words: Any) -> Floats:
    """Return the numbers of the bits that are set."""
    bits = np.unpackbits(np.asarray(words).astype("<u4").view(np.uint8), bitorder="little")
    return np.flatnonzero(bits).astype(np.float64)


def flat_trees(
    grown: list[Grown],
    outputs: int,
    base: Floats,
    *,
    width: int = 1,
    sets: Sequence[Floats] = (),
) -> Trees:
    """Gather trees into flat arrays: inner nodes in order, leaves behind each other."""
    columns: dict[str, list[Floats]] = {
        n: [] for n in ("slot", "flags", "threshold", "left", "right", "inside", "known")
    }
    root, leaves, nodes, leaf_count = [], [], 0, 0
    for tree in grown:
        inner = tree.left >= 0
        # Inner nodes count upwards, leaves downwards.
        name = np.where(inner, nodes + np.cumsum(inner) - 1, -leaf_count - np.cumsum(~inner))
        root.append(int(name[0]))
        none = np.full(len(inner), -1)
        values = {
            "slot": tree.slot, "flags": tree.flags, "threshold": tree.threshold,
            "left": name[tree.left], "right": name[tree.right],
            "inside": none if tree.inside is None else tree.inside,
            "known": none if tree.known is None else tree.known,
        }  # fmt: skip
        for key, column in values.items():
            columns[key].append(np.asarray(column)[inner])
        leaves.append(tree.values[~inner])
        nodes, leaf_count = nodes + int(inner.sum()), leaf_count + int((~inner).sum())
    return make_trees(
        {key: np.concatenate(parts) for key, parts in columns.items()},
        root=root,
        output=[tree.output for tree in grown],
        leaf=np.concatenate(leaves),
        base=np.broadcast_to(base, (outputs,)),
        sets=sets,
        width=width,
    )
