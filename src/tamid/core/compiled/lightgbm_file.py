"""LightGBM models from elsewhere: their JSON as the text it says; what a text reads and answers.

The JSON is what `Booster.dump_model()` gives. LightGBM itself cannot read it back; the text made
here holds the same trees, number by number.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from tamid.core.compiled.bundled import TEXT, TEXT_FORMAT
from tamid.core.errors import UsageError
from tamid.core.learning.given import Described, Input
from tamid.core.learning.model import StoredModel

_MISSING = {"None": 0, "Zero": 1, "NaN": 2}
_PANDAS = "\npandas_categorical:"
# The name that LightGBM gives to columns of a bare matrix.
_NAMELESS = re.compile(r"^Column_\d+$")
_CHANCES = ("binary", "cross_entropy", "multiclass", "multiclassova")
_NUMBERS = (
    "regression", "regression_l1", "huber", "fair", "quantile", "mape", "poisson", "gamma",
    "tweedie", "l2", "l1",
)  # fmt: skip


def described_text(text: str, source: str = "text") -> Described:
    """Return what a model's text reads and answers; words of pandas are taken out of the text.

    Raises:
        UsageError: it is no whole text of LightGBM.
    """
    body, _, pandas = text.partition(_PANDAS)
    head = dict(line.partition("=")[::2] for line in body.partition("\nTree=")[0].splitlines())
    try:
        names = head["feature_names"].split(" ")
        infos = head["feature_infos"].split(" ")
        outputs = int(head["num_tree_per_iteration"])
        words = json.loads(pandas.strip() or "null") or []
        if "\nend of trees" not in body or len(infos) != len(names):
            raise ValueError("it ends before its trees do")
    except (KeyError, ValueError) as error:
        raise UsageError(
            f"the text is no whole model of LightGBM: {error}",
            why="half a file, or one that was changed by hand",
            fix='Write it again with `booster.save_model("model.txt")`.',
        ) from error
    known = [[str(w) for w in column] for column in words]
    nameless = all(_NAMELESS.match(n) for n in names)
    return Described(
        stored=StoredModel(format=TEXT_FORMAT, files={TEXT.rpartition("/")[2]: body.encode()}),
        inputs=_inputs(["" for _ in names] if nameless else names, infos, known),
        answers=_answers(head.get("objective", "")),
        outputs=outputs,
        made_with=f"LightGBM ({source} of version {head.get('version', '?')})",
    )


def _inputs(names: list[str], infos: list[str], words: list[list[str]]) -> tuple[Input, ...]:
    """Return the inputs; pandas' categories belong to the categorical columns in their order."""
    made, left = [], list(words)
    for name, info in zip(names, infos, strict=True):
        numbered = info == "none" or info.startswith("[")
        if not numbered and left:
            made.append(Input(name=name, kind="category", words=tuple(left.pop(0))))
        else:
            made.append(Input(name=name))
    return tuple(made)


def _answers(objective: str) -> str:
    name = objective.partition(" ")[0]
    if name in _CHANCES:
        return "chances"
    if name in _NUMBERS:
        return "numbers"
    return (
        f"by the objective `{objective or 'of its own'}`, which gives neither chances nor numbers"
    )


def text_of(data: Mapping[str, Any]) -> str:
    """Return the text of a model's JSON.

    Raises:
        UsageError: the JSON is damaged, or has leaves that hold linear models.
    """
    try:
        trees = [_tree(tree) for tree in data["tree_info"]]
        return "\n".join([*_head(data), "", *trees, "end of trees", "", _pandas(data), ""])
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise UsageError(
            f"the JSON is no whole model of LightGBM: {error!r}",
            why="it is not what `booster.dump_model()` gives",
            fix='Write the model with `booster.save_model("model.txt")`.',
        ) from error


def _pandas(data: Mapping[str, Any]) -> str:
    return f"pandas_categorical:{json.dumps(data.get('pandas_categorical'))}"


def _head(data: Mapping[str, Any]) -> list[str]:
    infos = data["feature_infos"]
    lines = [
        "tree",
        f"version={data['version']}",
        f"num_class={data['num_class']}",
        f"num_tree_per_iteration={data['num_tree_per_iteration']}",
        f"label_index={data['label_index']}",
        f"max_feature_idx={data['max_feature_idx']}",
    ]
    lines += [f"objective={data['objective']}"] if data.get("objective") else []
    lines += ["average_output"] if data.get("average_output") else []
    return [
        *lines,
        f"feature_names={' '.join(data['feature_names'])}",
        f"feature_infos={' '.join(_info(infos.get(name)) for name in data['feature_names'])}",
    ]


def _info(info: Mapping[str, Any] | None) -> str:
    if not info:
        return "none"
    if info["values"]:
        return ":".join(str(v) for v in info["values"])
    return f"[{info['min_value']!r}:{info['max_value']!r}]"


class _Flat:
    """One tree's columns, filled while it is walked."""

    def __init__(self, leaves: int) -> None:
        self.inner: dict[str, list[Any]] = {n: [None] * (leaves - 1) for n in _INNER}
        self.leaf: dict[str, list[Any]] = {n: [0] * leaves for n in _LEAF}
        self.sets: list[list[int]] = []

    def walk(self, node: Mapping[str, Any]) -> int:
        """Take in a node and what is below it; return how its parent points at it."""
        if "leaf_coeff" in node:
            raise ValueError("its leaves hold linear models")
        if "split_index" not in node:
            at = int(node.get("leaf_index", 0))
            for name in _LEAF:
                self.leaf[name][at] = node.get(name, 0)
            return -1 - at
        at = int(node["split_index"])
        category = node["decision_type"] == "=="
        kind = int(category) | 2 * bool(node["default_left"]) | _MISSING[node["missing_type"]] << 2
        row = {
            "split_feature": node["split_feature"],
            "split_gain": node["split_gain"],
            "threshold": self._set(node["threshold"]) if category else node["threshold"],
            "decision_type": kind,
            "left_child": self.walk(node["left_child"]),
            "right_child": self.walk(node["right_child"]),
            "internal_value": node["internal_value"],
            "internal_weight": node["internal_weight"],
            "internal_count": node["internal_count"],
        }
        for name, value in row.items():
            self.inner[name][at] = value
        return at

    def _set(self, threshold: object) -> int:
        self.sets.append([int(c) for c in str(threshold).split("||")])
        return len(self.sets) - 1


_INNER = (
    "split_feature", "split_gain", "threshold", "decision_type", "left_child", "right_child",
    "internal_value", "internal_weight", "internal_count",
)  # fmt: skip
_LEAF = ("leaf_value", "leaf_weight", "leaf_count")
# The order in which LightGBM writes a tree.
_ORDER = (
    "split_feature", "split_gain", "threshold", "decision_type", "left_child", "right_child",
    "leaf_value", "leaf_weight", "leaf_count", "internal_value", "internal_weight",
    "internal_count",
)  # fmt: skip


def _tree(tree: Mapping[str, Any]) -> str:
    leaves = int(tree["num_leaves"])
    flat = _Flat(leaves)
    flat.walk(tree["tree_structure"])
    columns = {**flat.inner, **flat.leaf}
    lines = [f"Tree={tree['tree_index']}", f"num_leaves={leaves}", f"num_cat={len(flat.sets)}"]
    lines += [f"{name}={' '.join(_number(v) for v in columns[name])}" for name in _ORDER]
    if flat.sets:
        words = [_bits(codes) for codes in flat.sets]
        cuts = [sum(len(w) for w in words[:i]) for i in range(len(words) + 1)]
        lines.append(f"cat_boundaries={' '.join(map(str, cuts))}")
        lines.append(f"cat_threshold={' '.join(str(w) for ws in words for w in ws)}")
    return "\n".join([*lines, "is_linear=0", f"shrinkage={_number(tree['shrinkage'])}", "", ""])


def _bits(codes: list[int]) -> list[int]:
    """Return a set of codes as words of 32 bits, the lowest first."""
    words = [0] * (max(codes) // 32 + 1)
    for code in codes:
        words[code // 32] |= 1 << code % 32
    return words


def _number(value: Any) -> str:
    if not isinstance(value, int | float):
        raise ValueError(f"{value!r} stands where a number should")
    return repr(value)
