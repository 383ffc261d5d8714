"""The trees of any program as LightGBM's own text, for its library where no kernel can be built.

The text is read over prepared slots, and gives the sums before the link. Decisions are those of
`Tree::NumericalDecision` and `Tree::CategoricalDecision` of LightGBM 4; what they cannot say is
refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tamid.core.compiled.owners import owners
from tamid.core.compiled.program import CATEGORY, NAN_LEFT, Indices, Program, Trees
from tamid.core.errors import Uncompilable

# What is not further from zero than this (`kZeroThreshold`) is zero to LightGBM, which therefore
# cuts there itself: a value of exactly -1e-35 (in 32 bits) is the one that it takes otherwise.
_ZERO = 1.0000000180025095e-35
_WORD = 32


def retold(program: Program, order: Indices) -> str:
    """Return the trees of a program; the text's feature j is slot `order[j]`.

    Raises:
        Uncompilable: LightGBM would decide otherwise somewhere.
    """
    trees = program.model
    if not isinstance(trees, Trees):
        raise Uncompilable("the model has no trees")
    owned, outputs = owners(trees), program.outputs
    _refuse(trees, outputs)
    if owned is None:
        raise Uncompilable("its trees share leaves")
    objective = f"multiclass num_class:{outputs}" if outputs > 1 else "regression"
    names = " ".join(f"f{i}" for i in range(len(order)))
    head = [
        "tree", "version=v4", f"num_class={outputs}", f"num_tree_per_iteration={outputs}",
        "label_index=0", f"max_feature_idx={len(order) - 1}", f"objective={objective}",
        f"feature_names={names}", f"feature_infos={' '.join(['none'] * len(order))}", "",
    ]  # fmt: skip
    return "\n".join([*head, *_told(trees, *owned, order), "end of trees", "", ""])


def _refuse(trees: Trees, outputs: int) -> None:
    category = (trees.flags & CATEGORY) > 0
    odd = (np.abs(trees.threshold) < _ZERO) | ~np.isfinite(trees.threshold)
    if odd[~category].any():
        raise Uncompilable("a split lies where LightGBM sees nothing but zero")
    if ((trees.flags & NAN_LEFT) > 0)[category].any() or (trees.known[category] >= 0).any():
        raise Uncompilable("a missing word does not go right")
    if trees.width != 1 or (trees.output != np.arange(len(trees.root)) % outputs).any():
        raise Uncompilable("its trees do not take turns with the outputs")


def _told(trees: Trees, node_of: Indices, leaf_of: Indices, order: Indices) -> Iterator[str]:
    nodes, leaves = _within(node_of), _within(leaf_of)
    by_node, by_leaf = np.argsort(node_of, kind="stable"), np.argsort(leaf_of, kind="stable")
    cut = np.searchsorted(node_of[by_node], np.arange(len(trees.root) + 1))
    end = np.searchsorted(leaf_of[by_leaf], np.arange(len(trees.root) + 1))
    feature = np.empty(len(order), dtype=np.int32)
    feature[order] = np.arange(len(order))
    kinds = np.where((trees.flags & NAN_LEFT) > 0, 10, 8)
    for t in range(len(trees.root)):
        own, ends = by_node[cut[t] : cut[t + 1]], by_leaf[end[t] : end[t + 1]]
        category = (trees.flags[own] & CATEGORY) > 0
        yield f"Tree={t}\nnum_leaves={len(ends)}\nnum_cat={int(category.sum())}"
        if len(own):
            threshold = trees.threshold[own].copy()
            threshold[category] = np.arange(category.sum())
            yield _line("split_feature", feature[trees.slot[own]])
            yield _line("threshold", threshold)
            yield _line("decision_type", np.where(category, 1, kinds[own]))
            for name, child in (("left_child", trees.left[own]), ("right_child", trees.right[own])):
                place = np.where(
                    child >= 0, nodes[np.maximum(child, 0)], -1 - leaves[np.maximum(-1 - child, 0)]
                )
                yield _line(name, place)
        if category.any():
            yield from _words(trees, trees.inside[own][category])
        yield _line("leaf_value", trees.leaf[ends])
        yield "is_linear=0\nshrinkage=1\n\n"


def _words(trees: Trees, which: Indices) -> Iterator[str]:
    """Tell sets of codes as bits, 32 a word."""
    cuts, words = [0], list[int]()
    for place in which.tolist():
        codes = trees.sets[trees.set_begin[place] : trees.set_begin[place + 1]].tolist()
        bits = [0] * (max(codes, default=0) // _WORD + 1)
        for code in codes:
            bits[code // _WORD] |= 1 << code % _WORD
        words += bits
        cuts.append(len(words))
    yield _line("cat_boundaries", np.array(cuts))
    yield _line("cat_threshold", np.array(words))


def _within(owner: Indices) -> Indices:
    """Return the place of each within its tree."""
    order = np.argsort(owner, kind="stable")
    first = np.searchsorted(owner[order], owner[order])
    found = np.empty(len(owner), dtype=np.int32)
    found[order] = np.arange(len(owner)) - first
    return found


def _line(name: str, values: NDArray[Any]) -> str:
    return f"{name}={' '.join(map(repr, values.tolist()))}"
