"""Whether a program may be run: every index in range, every walk finite, every number a number."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from tamid.core.compiled.program import (
    CATEGORY,
    MOST_DEEP,
    MOST_NODES,
    MOST_OUTPUTS,
    MOST_SLOTS,
    NAN_LEFT,
    Floats,
    Indices,
    Linear,
    Op,
    Program,
    Slots,
    Trees,
)
from tamid.core.values import Task

_LINKS = ("identity", "sigmoid", "softmax", "exp", "divide")
_EXPLAIN = ("shap", "linear", "neutral", "none")


def problems(program: Program) -> list[str]:
    """Return all that forbids to run a program; empty if any interpreter may.

    Laws: if it is empty, no interpreter reads outside an array or walks for ever, whatever the row.
    """
    found = list(_shape(program))
    found += _slots(program.slots, len(program.features))
    model, slots = program.model, program.slots.width
    if isinstance(model, Linear):
        found += _linear(model, slots, program.outputs)
    else:
        found += _trees(model, slots, program.outputs)
    return found


def depths(trees: Trees) -> Indices:
    """Return how many splits each tree asks at most; no more than one beyond MOST_DEEP is looked.

    All trees go down level by level; each node has one parent, so each is met once.
    """
    owner = np.arange(len(trees.root))
    at = trees.root.astype(np.int64)
    depth = np.zeros(len(trees.root), dtype=np.int32)
    for level in range(1, MOST_DEEP + 2):
        inside = at >= 0
        at, owner = at[inside], owner[inside]
        if not len(at):
            break
        depth[owner] = level
        at = np.concatenate([trees.left[at], trees.right[at]]).astype(np.int64)
        owner = np.concatenate([owner, owner])
    return depth


def _shape(program: Program) -> Iterator[str]:
    outputs = len(program.classes) if program.task is Task.MULTICLASS else 1
    if not 1 <= program.outputs <= MOST_OUTPUTS:
        yield "the number of outputs is impossible"
    if program.outputs != outputs:
        yield f"a {program.task} model of {len(program.classes)} classes has {outputs} outputs"
    if program.link not in _LINKS or program.explain not in _EXPLAIN:
        yield "link or explanation is of no known kind"
    if program.link == "softmax" and program.outputs < 2:
        yield "a softmax needs two outputs"
    if not math.isfinite(program.factor) or program.factor == 0:
        yield "the factor of the link is no number"
    if program.explain == "neutral" and len(program.neutral) != len(program.features):
        yield "there is not one neutral value for each feature"
    if program.explain == "linear" and not isinstance(program.model, Linear):
        yield "only weights can be explained as weights"
    if program.explain == "shap" and not _has_cover(program):
        yield "SHAP values need trees that know how many rows went where"
    if not program.features or not program.slots.width:
        yield "the model reads nothing"
    if len(program.features) > MOST_SLOTS:
        yield f"the model reads {len(program.features)} features, more than {MOST_SLOTS}"
    if len({f.name for f in program.features}) != len(program.features):
        yield "a feature stands twice"
    yield from _calibration(program)


def _has_cover(program: Program) -> bool:
    model = program.model
    straight = program.slots.source.tolist() == list(range(len(program.features)))
    plain = straight and len(program.slots.op) == 0
    return plain and isinstance(model, Trees) and len(model.leaf_cover) > 0 and model.width == 1


def _calibration(program: Program) -> Iterator[str]:
    c = program.calibration
    if c.kind not in ("none", "platt", "isotonic"):
        yield "the calibration is of no known kind"
    if len(c.x) != len(c.y) or (c.kind == "isotonic" and not c.x):
        yield "the calibration's points are incomplete"
    if not all(math.isfinite(v) for v in (c.slope, c.intercept, *c.x, *c.y)):
        yield "the calibration holds what is no number"
    if any(b <= a for a, b in zip(c.x, c.x[1:], strict=False)):
        yield "the calibration's points do not rise"


def _slots(slots: Slots, features: int) -> Iterator[str]:
    if slots.width > MOST_SLOTS:
        yield f"a row has {slots.width} prepared numbers, more than {MOST_SLOTS}"
    if not _within(slots.source, 0, features):
        yield "a slot reads a feature that is not there"
    if not _offsets(slots.begin, slots.width, len(slots.op)):
        yield "the steps of the slots are cut wrongly"
    if len(slots.argument) != len(slots.op) or not _within(slots.op, 0, len(Op)):
        yield "a step is of no known kind"
        return
    if not np.isfinite(slots.argument).all() or np.isinf(slots.table).any():
        yield "a step holds what is no number"
        return
    if (slots.argument[slots.op == Op.DIVIDE] == 0).any():
        yield "a step divides by zero"
    tables = len(slots.table_begin) - 1
    if tables < 0 or not _offsets(slots.table_begin, tables, len(slots.table), least=2):
        yield "the tables of the slots are cut wrongly"
        return
    which = slots.argument[slots.op == Op.MAP]
    if ((which < 0) | (which >= tables) | (which != np.floor(which))).any():
        yield "a step reads a table that is not there"


def _linear(model: Linear, slots: int, outputs: int) -> Iterator[str]:
    if len(model.weights) != slots * outputs or len(model.bias) != outputs:
        yield "there is not one weight for each prepared number"
    if not (np.isfinite(model.weights).all() and np.isfinite(model.bias).all()):
        yield "a weight is no number"


def _trees(t: Trees, slots: int, outputs: int) -> Iterator[str]:
    nodes, trees, sets = len(t.slot), len(t.root), len(t.set_begin) - 1
    same = (t.flags, t.threshold, t.left, t.right, t.inside, t.known)
    if nodes > MOST_NODES or any(len(part) != nodes for part in same) or len(t.output) != trees:
        yield "the parts of the trees are of unlike length"
        return
    if t.width not in (1, outputs) or len(t.leaf) % max(t.width, 1) or t.leaves > MOST_NODES:
        yield "the leaves are cut wrongly"
        return
    if not _within(t.slot, 0, slots) or not _within(t.output, 0, outputs):
        yield "a node reads, or a tree adds to, what is not there"
    if not _within(t.flags, 0, (NAN_LEFT | CATEGORY) + 1):
        yield "a node is of no known kind"
    if not _within(t.root, -t.leaves, nodes):
        yield "a tree has no root"
        return
    here = np.arange(nodes, dtype=np.int64)
    for child in (t.left, t.right):
        if not _within(child, -t.leaves, nodes) or ((child >= 0) & (child <= here)).any():
            yield "a child does not lie behind its parent"
            return
    met = np.concatenate([t.root, t.left, t.right])
    if len(np.unique(met[met >= 0])) != (met >= 0).sum():
        yield "a node has two parents"
        return
    if int(depths(t).max(initial=0)) > MOST_DEEP:
        yield f"a tree is deeper than {MOST_DEEP} splits"
    yield from _sets(t, sets)
    if len(t.base) != outputs or not np.isfinite(t.base).all() or not np.isfinite(t.leaf).all():
        yield "a leaf or a base is no number"
    if np.isnan(t.threshold).any():
        yield "a threshold is no number"
    if len(t.cover) not in (0, nodes) or len(t.leaf_cover) not in (0, t.leaves):
        yield "rows are not counted for each node"
    elif len(t.leaf_cover) and (
        len(t.cover) != nodes or not _positive(t.cover) or not _positive(t.leaf_cover)
    ):
        yield "a node counts no rows"


def _sets(t: Trees, sets: int) -> Iterator[str]:
    if sets < 0 or not _offsets(t.set_begin, sets, len(t.sets)):
        yield "the sets of categories are cut wrongly"
        return
    if len(t.sets) and t.sets.min() < 0:
        yield "a category has a code below zero"
    category = (t.flags & CATEGORY) > 0
    if not _within(t.inside[category], 0, sets) or not _within(t.known[category], -1, sets):
        yield "a node reads a set that is not there"


def _within(values: Indices, low: int, high: int) -> bool:
    return len(values) == 0 or bool(values.min() >= low and values.max() < high)


def _positive(values: Floats) -> bool:
    return bool(np.isfinite(values).all() and (values > 0).all())


def _offsets(begin: Indices, parts: int, total: int, least: int = 0) -> bool:
    """Say whether offsets cut `total` items into `parts`, each of `least` items or more."""
    if len(begin) != parts + 1:
        return False
    steps = np.diff(begin.astype(np.int64))
    return bool(begin[0] == 0 and begin[-1] == total and (steps >= least).all())
