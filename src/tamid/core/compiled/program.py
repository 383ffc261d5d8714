"""A compiled model as a value: how each row is prepared, its trees or weights, its link.

A program holds numbers only. It names no library, runs no code, and :func:`problems` says of any
program, wherever its bytes came from, whether an interpreter may run it without looking again.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tamid.core.learning.model import Feature
from tamid.core.stats.calibration import Calibration
from tamid.core.values import Task

Floats = NDArray[np.float64]
Indices = NDArray[np.int32]
Link = Literal["identity", "sigmoid", "softmax", "exp", "divide"]
Explain = Literal["shap", "linear", "neutral", "none"]

# A row, and what is prepared of it, lie on an interpreter's stack: 64 KiB each.
MOST_SLOTS = 8192
# Nodes of all trees: 16 million take 500 MB, more than a server should hold.
MOST_NODES = 1 << 24
# Splits on the way to a leaf: SHAP values go down by recursion.
MOST_DEEP = 400
# Class chances of one answer; they lie on the stack, too.
MOST_OUTPUTS = 1024
# How a leaf is pointed at: child -1 is leaf 0, child -2 is leaf 1.
NAN_LEFT, CATEGORY = 1, 2


class Op(enum.IntEnum):
    """One step that prepares one number; missing stays missing but for FILL, ISNAN and MAP."""

    FILL = 0  # missing becomes the argument
    SUBTRACT = 1
    DIVIDE = 2
    MULTIPLY = 3
    ADD = 4
    EQUALS = 5  # 1 if it is the argument, else 0
    ISNAN = 6  # 1 if it is missing, else 0
    AT_LEAST = 7  # what is smaller becomes the argument
    AT_MOST = 8  # what is larger becomes the argument
    SINGLE = 9  # rounded to 32 bits
    MAP = 10  # by a table (which may say missing): missing, any other number, then 0, 1, 2...


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Slots:
    """How a row of features becomes the row that the model reads.

    Slot j takes feature `source[j]` through the steps `begin[j]` to `begin[j + 1]`. A step is an
    `op` with an `argument`; a MAP reads table `round(argument)`, which lies in `table` from
    `table_begin[i]` to `table_begin[i + 1]`.
    """

    source: Indices
    begin: Indices
    op: Indices
    argument: Floats
    table_begin: Indices
    table: Floats

    @property
    def width(self) -> int:
        """Return the number of slots."""
        return len(self.source)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Linear:
    """Weights (outputs x slots, row by row) and one bias for each output."""

    weights: Floats
    bias: Floats


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trees:
    """Binary trees in flat arrays; children lie behind their parents.

    Node i goes left if `slot <= threshold` (missing: if flag NAN_LEFT); with flag CATEGORY, if the
    whole part of the slot is in set `inside[i]`; if `known[i]` is a set (not -1) that lacks it, it
    counts as missing. A child below 0 is leaf `-1 - child`. Tree t starts at `root[t]` (below 0: it
    is a leaf) and adds to output `output[t]`; leaves of `width` > 1 numbers add to all outputs.
    `cover` and `leaf_cover` count training rows; they are empty where SHAP values are not asked.
    """

    root: Indices
    output: Indices
    slot: Indices
    flags: Indices
    threshold: Floats
    left: Indices
    right: Indices
    inside: Indices
    known: Indices
    set_begin: Indices
    sets: Indices
    leaf: Floats
    base: Floats
    cover: Floats
    leaf_cover: Floats
    width: int = 1

    @property
    def leaves(self) -> int:
        """Return the number of leaves."""
        return len(self.leaf) // max(self.width, 1)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Program:
    """A model that anybody can run.

    `link` turns the sums into answers: sigmoid(factor * sum), softmax, exp, sum / factor.
    `calibration` is the overlay's. `neutral` holds one value per feature, where `explain` asks it.
    """

    task: Task
    features: tuple[Feature, ...]
    slots: Slots
    model: Trees | Linear
    classes: tuple[str, ...] = ()
    outputs: int = 1
    link: Link = "identity"
    factor: float = 1.0
    calibration: Calibration = field(default_factory=Calibration)
    explain: Explain = "none"
    neutral: tuple[float | None, ...] = ()


def indices(values: object) -> Indices:
    """Return whole numbers as an array of 32 bits."""
    return np.ascontiguousarray(np.asarray(values, dtype=np.int32).reshape(-1))


def numbers(values: object) -> Floats:
    """Return numbers as an array of 64 bits."""
    return np.ascontiguousarray(np.asarray(values, dtype=np.float64).reshape(-1))


def make_trees(
    nodes: Mapping[str, ArrayLike],
    *,
    root: ArrayLike,
    output: ArrayLike,
    leaf: ArrayLike,
    base: ArrayLike,
    sets: Sequence[ArrayLike] = (),
    leaf_cover: ArrayLike = (),
    width: int = 1,
) -> Trees:
    """Return trees from each field of their nodes; `known` and `cover` may be left out.

    >>> nodes = dict(slot=[0], flags=[0], threshold=[0.5], left=[-1], right=[-2], inside=[-1])
    >>> trees = make_trees(nodes, root=[0], output=[0], leaf=[1.0, 2.0], base=[0.0])
    >>> trees.known.tolist(), trees.set_begin.tolist(), trees.leaves
    ([-1], [0], 2)
    """
    members = [indices(one) for one in sets]
    return Trees(
        root=indices(root),
        output=indices(output),
        slot=indices(nodes["slot"]),
        flags=indices(nodes["flags"]),
        threshold=numbers(nodes["threshold"]),
        left=indices(nodes["left"]),
        right=indices(nodes["right"]),
        inside=indices(nodes["inside"]),
        known=indices(nodes.get("known", np.full(np.size(nodes["slot"]), -1))),
        set_begin=indices(np.cumsum([0, *(len(one) for one in members)])),
        sets=indices(np.concatenate(members) if members else ()),
        leaf=numbers(leaf),
        base=numbers(base),
        cover=numbers(nodes.get("cover", ())),
        leaf_cover=numbers(leaf_cover),
        width=width,
    )


def plain_slots(width: int) -> Slots:
    """Return slots that hand each feature on as it is.

    >>> plain_slots(2).source.tolist()
    [0, 1]
    """
    return make_slots([(i, []) for i in range(width)])


def make_slots(
    steps: list[tuple[int, list[tuple[Op, float]]]], tables: list[list[float]] | None = None
) -> Slots:
    """Return slots from each one's source and steps.

    >>> make_slots([(3, [(Op.FILL, 0.5)])]).argument.tolist()
    [0.5]
    """
    begin = np.cumsum([0, *(len(ops) for _, ops in steps)])
    flat = [step for _, ops in steps for step in ops]
    rows = tables or []
    return Slots(
        source=indices([source for source, _ in steps]),
        begin=indices(begin),
        op=indices([int(op) for op, _ in flat]),
        argument=numbers([argument for _, argument in flat]),
        table_begin=indices(np.cumsum([0, *(len(t) for t in rows)])),
        table=numbers([v for t in rows for v in t]),
    )
