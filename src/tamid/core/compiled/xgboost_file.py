"""XGBoost's own JSON as a program: read strictly, without XGBoost; what is not known is refused.

XGBoost rounds what it reads to 32 bits and asks `x < t`. Here values stay as they are: the split is
`x <= T` with the largest T that rounds to less than t, so that every value goes the same way. Sums
run in 64 bits, where XGBoost's run in 32.

The format is XGBoost's `doc/model.schema` of versions 1.6 to 3.2.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tamid.core.compiled.program import (
    CATEGORY,
    NAN_LEFT,
    Floats,
    Link,
    Program,
    Trees,
    make_trees,
    plain_slots,
)
from tamid.core.errors import Uncompilable
from tamid.core.learning.model import Schema
from tamid.core.values import Task

LINKS: Mapping[str, Link] = {
    "binary:logistic": "sigmoid",
    "reg:logistic": "sigmoid",
    "multi:softprob": "softmax",
    "multi:softmax": "softmax",
    **dict.fromkeys(
        (
            "reg:squarederror", "reg:linear", "reg:absoluteerror", "reg:pseudohubererror",
            "reg:quantileerror",
        ),
        "identity",
    ),
    **dict.fromkeys(("count:poisson", "reg:gamma", "reg:tweedie"), "exp"),
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class _Head:
    outputs: int
    link: Link
    base: Floats
    rounds: int


def compile_json(data: Mapping[str, Any], schema: Schema) -> Program:
    """Return the program of a model's JSON that reads the schema's features in their order.

    Raises:
        Uncompilable: it uses what a program does not know; the message says what.
    """
    try:
        return _program(data["learner"], schema)
    except (KeyError, ValueError, IndexError, TypeError, OverflowError) as error:
        raise Uncompilable(f"the model's JSON cannot be read: {error!r}") from error


def _program(learner: Mapping[str, Any], schema: Schema) -> Program:
    booster = learner["gradient_booster"]
    dart = booster["name"] == "dart"
    if booster["name"] not in ("gbtree", "dart"):
        raise Uncompilable(f"the booster `{booster['name']}` is no forest of trees")
    model = (booster["gbtree"] if dart else booster)["model"]
    dropped = booster["weight_drop"] if dart else [1.0] * len(model["trees"])
    head = _head(learner, model)
    made = _Grown()
    for tree, output, share in zip(model["trees"], model["tree_info"], dropped, strict=True):
        if made.trees_of(output) >= head.rounds:
            continue
        made.add(tree, int(output), float(share))
    width = int(learner["learner_model_param"]["num_feature"])
    if width != len(schema.features):
        raise Uncompilable(f"the model reads {width} columns, not {len(schema.features)}")
    trees = made.trees(head)
    return Program(
        task=schema.task,
        features=schema.features,
        slots=plain_slots(width),
        model=trees,
        classes=schema.classes if schema.task is Task.MULTICLASS else (),
        outputs=head.outputs,
        link=head.link,
        explain="shap" if len(trees.leaf_cover) else "none",
    )


def _head(learner: Mapping[str, Any], model: Mapping[str, Any]) -> _Head:
    objective = str(learner["objective"]["name"])
    param = learner["learner_model_param"]
    if objective not in LINKS:
        raise Uncompilable(f"the objective `{objective}` is not known")
    if int(param.get("num_target", 1)) > 1:
        raise Uncompilable("the model answers several questions at once")
    link, outputs = LINKS[objective], max(1, int(param["num_class"]))
    if (outputs > 1) != (link == "softmax"):
        raise Uncompilable(f"{outputs} classes do not go with the objective `{objective}`")
    parallel = int(model["gbtree_model_param"].get("num_parallel_tree", 1) or 1)
    best = learner.get("attributes", {}).get("best_iteration")
    rounds = len(model["trees"]) if best is None else (int(best) + 1) * parallel
    base = np.array([float(v) for v in str(param["base_score"]).strip("[]").split(",")])
    base = np.broadcast_to(base, (outputs,)).astype(np.float32).astype(np.float64)
    # A chance or a positive number as it is said; the trees add to what the link makes it from.
    if link == "sigmoid":
        base = np.array([math.log(b) - math.log1p(-b) for b in base])
    elif link == "exp":
        base = np.log(base)
    return _Head(outputs=outputs, link=link, base=base, rounds=rounds)


class _Grown:
    """Gathers trees into flat arrays, children behind their parents."""

    def __init__(self) -> None:
        self._columns: dict[str, list[Any]] = {name: [] for name in _NODE}
        self._root: list[int] = []
        self._output: list[int] = []
        self._leaf: list[float] = []
        self._leaf_cover: list[float] = []
        self._sets: list[list[int]] = []

    def trees_of(self, output: int) -> int:
        """Return how many trees of one output there are."""
        return self._output.count(int(output))

    def add(self, tree: Mapping[str, Any], output: int, share: float) -> None:
        """Take in one tree; `share` is what dropping others has left of its answers."""
        if int(tree["tree_param"].get("size_leaf_vector", 1) or 1) > 1:
            raise Uncompilable("the leaves hold several numbers")
        sets = self._categories(tree)
        order, places = _order(tree)
        begin, leaves = len(self._columns["slot"]), len(self._leaf)
        where = {
            node: begin + at if tree["left_children"][node] >= 0 else -1 - (leaves + at)
            for node, at in places.items()
        }
        self._root.append(where[0])
        self._output.append(output)
        for node in order:
            if tree["left_children"][node] < 0:
                value = float(np.float32(tree["split_conditions"][node]))
                self._leaf.append(share * value)
                self._leaf_cover.append(float(tree["sum_hessian"][node]))
            else:
                self._split(tree, node, where, sets)

    def _split(
        self, tree: Mapping[str, Any], node: int, where: Mapping[int, int], sets: Mapping[int, int]
    ) -> None:
        left, right = tree["left_children"][node], tree["right_children"][node]
        missing_left = bool(tree["default_left"][node])
        inside = sets.get(node, -1)
        if inside >= 0:
            # XGBoost sends what is in the set to the right, a program to the left.
            left, right, missing_left = right, left, not missing_left
        flags = (NAN_LEFT if missing_left else 0) | (CATEGORY if inside >= 0 else 0)
        row = {
            "slot": tree["split_indices"][node],
            "flags": flags,
            "threshold": 0.0 if inside >= 0 else below(float(tree["split_conditions"][node])),
            "left": where[left],
            "right": where[right],
            "inside": inside,
            "cover": float(tree["sum_hessian"][node]),
        }
        for name, value in row.items():
            self._columns[name].append(value)

    def _categories(self, tree: Mapping[str, Any]) -> Mapping[int, int]:
        """Return by node which set of categories it asks for."""
        found = {}
        parts = zip(
            tree.get("categories_nodes", ()),
            tree.get("categories_segments", ()),
            tree.get("categories_sizes", ()),
            strict=True,
        )
        for node, begin, size in parts:
            found[int(node)] = len(self._sets)
            self._sets.append([int(c) for c in tree["categories"][begin : begin + size]])
        return found

    def trees(self, head: _Head) -> Trees:
        """Return all trees; counts are left out where a node has seen nothing."""
        nodes: dict[str, list[Any]] = dict(self._columns)
        covers = nodes.pop("cover")
        counted = all(value > 0 for value in (*covers, *self._leaf_cover))
        return make_trees(
            {**nodes, "cover": covers} if counted else nodes,
            root=self._root,
            output=self._output,
            leaf=self._leaf,
            base=head.base,
            sets=self._sets,
            leaf_cover=self._leaf_cover if counted else (),
        )


_NODE = ("slot", "flags", "threshold", "left", "right", "inside", "cover")


def _order(tree: Mapping[str, Any]) -> tuple[list[int], Mapping[int, int]]:
    """Return the nodes from the root down, and each one's place among splits or among leaves."""
    left, right = tree["left_children"], tree["right_children"]
    order, splits, leaves = [0], 0, 0
    places: dict[int, int] = {}
    for node in order:
        if node in places or len(order) > len(left):
            raise Uncompilable("a tree of the model goes in circles")
        if left[node] < 0:
            places[node], leaves = leaves, leaves + 1
            continue
        places[node], splits = splits, splits + 1
        order += [left[node], right[node]]
    return order, places


def below(threshold: float) -> float:
    """Return the largest number of 64 bits that, rounded to 32, is less than a threshold.

    Half way between two numbers of 32 bits the one with an even last digit is taken (IEEE 754).

    >>> below(1.0) < 1.0, float(np.float32(below(1.0))) < 1.0
    (True, True)
    >>> float(np.float32(np.nextafter(below(1.0), 2.0)))
    1.0
    """
    t = np.float32(threshold)
    before = np.nextafter(t, np.float32(-np.inf))
    middle = (float(t) + float(before)) / 2
    if not math.isfinite(middle):
        return -math.inf if t < 0 else float(np.finfo(np.float64).max)
    return middle if np.float32(middle) < t else float(np.nextafter(middle, -np.inf))
