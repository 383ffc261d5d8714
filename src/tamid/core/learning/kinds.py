"""What kind of file a model came in; what would run code when it is opened is refused by name."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Literal

from tamid.core.errors import UsageError

Kind = Literal[
    "lightgbm-text", "lightgbm-json", "xgboost-json", "xgboost-ubj", "onnx", "skops"
]  # fmt: skip

# Endings under which people keep pickles, some of them compressed.
_PICKLED = (".pkl", ".pickle", ".joblib", ".sav", ".p", ".dill")
# A zip's list of names stands at its end.
_TAIL = 1 << 16
_CONVERT: Mapping[str, str] = {
    "scikit-learn": 'skops.io.dump(pipeline, "model.skops")',
    "LightGBM": 'model.booster_.save_model("model.txt")',
    "XGBoost": 'model.save_model("model.ubj")',
    "PyTorch": 'torch.onnx.export(module, example, "model.onnx")',
    "Keras": 'model.export("model.onnx", format="onnx")',
    "CatBoost": 'model.save_model("model.onnx", format="onnx")',
}


def kind_of(name: str, content: bytes) -> Kind:
    """Return what kind of model file this is, by its bytes; the ending only names what is refused.

    Raises:
        UsageError: a pickle, or a file of no known kind; the fix names the conversion.

    >>> kind_of("m.txt", b"tree\\nversion=v4")
    'lightgbm-text'
    >>> kind_of("m.pkl", bytes([0x80, 4]))
    Traceback (most recent call last):
    tamid.core.errors.UsageError: m.pkl is a pickle
    """
    _refuse_pickle(name, content)
    _refuse_known(name, content)
    if content.startswith(b"tree\n"):
        return "lightgbm-text"
    if content.startswith(b"PK") and b"schema.json" in content[-_TAIL:]:
        return "skops"
    if content.startswith(b"{L") and b"learner" in content[:200]:
        return "xgboost-ubj"
    if content.lstrip()[:1] == b"{":
        return _json_kind(name, content)
    # The first field of an ONNX file is its version: tag 1, a small number.
    if content[:1] == b"\x08" and name.lower().endswith(".onnx"):
        return "onnx"
    raise UsageError(
        f"{name} is no model file that is known here",
        why="known are ONNX (.onnx), LightGBM's text or JSON, XGBoost's JSON or UBJ, and skops",
        fix=f"Write the model as one of these: {'; '.join(_CONVERT.values())}.",
    )


def _refuse_pickle(name: str, content: bytes) -> None:
    lower = name.lower()
    protocol = content[:1] == b"\x80" and content[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05")
    torch = content.startswith(b"PK") and b"data.pkl" in content[-_TAIL:]
    if not (protocol or torch or lower.endswith(_PICKLED)):
        return
    wanted = ("PyTorch",) if torch else ("scikit-learn", "LightGBM", "XGBoost")
    raise UsageError(
        f"{name} is a pickle",
        why="a pickle runs whatever its author wrote when it is opened; none is ever loaded",
        fix="Where the model was made: " + "; ".join(f"{w}: {_CONVERT[w]}" for w in wanted) + ".",
    )


def _refuse_known(name: str, content: bytes) -> None:
    found = ""
    if content.startswith((b"binf", b"bs64")) or content[:4] == b"\x00\x00\x00?":
        found = "XGBoost"
    elif content.startswith(b"CBM1"):
        found = "CatBoost"
    elif content.startswith(b"\x89HDF") or name.lower().endswith(".keras"):
        found = "Keras"
    if found:
        raise UsageError(
            f"{name} is {found}'s own file, of a kind that is not taken",
            why="only formats that hold numbers alone, and stay readable, go into a bundle",
            fix=f"Where the model was made: {_CONVERT[found]}.",
        )


def _json_kind(name: str, content: bytes) -> Kind:
    try:
        data = json.loads(content)
    except ValueError as error:
        raise UsageError(
            f"{name} begins like JSON and is none: {error}",
            why="half a file, or one that was changed by hand",
            fix="Write it again where the model was made.",
        ) from error
    if "learner" in data:
        return "xgboost-json"
    if "tree_info" in data:
        return "lightgbm-json"
    raise UsageError(
        f"{name} is JSON of neither LightGBM nor XGBoost",
        why="it has neither `tree_info` nor `learner`",
        fix='Write it with `booster.save_model("model.txt")` or `save_model("model.json")`.',
    )
