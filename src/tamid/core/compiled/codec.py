"""A program's canonical bytes: a header in JSON, then raw arrays. Nothing in them is executed."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tamid.core.compiled.check import problems
from tamid.core.compiled.program import Linear, Program, Slots, Trees
from tamid.core.errors import IntegrityError
from tamid.core.learning.model import Feature
from tamid.core.stats.calibration import calibration_from
from tamid.core.values import Task, canonical_json

FORMAT = 1
_MAGIC = b"TAMIDROW"
_START = struct.Struct("<8sII")
# Vocabularies of a thousand features with a thousand words each stay below.
_MOST_HEADER = 64 << 20
# What damaged bytes make of the parser, deep nesting included.
_DAMAGE = (
    ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError, struct.error,
)  # fmt: skip
_SLOTS = {
    "source": "<i4", "begin": "<i4", "op": "<i4", "argument": "<f8", "table_begin": "<i4",
    "table": "<f8",
}  # fmt: skip
_LINEAR = {"weights": "<f8", "bias": "<f8"}
_TREES = {
    "root": "<i4", "output": "<i4", "slot": "<i4", "flags": "<i4", "threshold": "<f8",
    "left": "<i4", "right": "<i4", "inside": "<i4", "known": "<i4", "set_begin": "<i4",
    "sets": "<i4", "leaf": "<f8", "base": "<f8", "cover": "<f8", "leaf_cover": "<f8",
}  # fmt: skip


def write(program: Program) -> bytes:
    """Return the canonical bytes. Raises IntegrityError if the program may not be run."""
    _refuse(program)
    kinds, parts = _parts(program)
    header = {
        "task": program.task,
        "features": program.features,
        "classes": program.classes,
        "outputs": program.outputs,
        "link": program.link,
        "factor": program.factor,
        "calibration": program.calibration,
        "explain": program.explain,
        "neutral": program.neutral,
        "model": "linear" if isinstance(program.model, Linear) else "trees",
        "width": program.model.width if isinstance(program.model, Trees) else 1,
        "counts": [len(part) for part in parts],
    }
    text = canonical_json(header).encode()
    arrays = b"".join(p.astype(k).tobytes() for k, p in zip(kinds, parts, strict=True))
    return _START.pack(_MAGIC, FORMAT, len(text)) + text + arrays


def read(content: bytes) -> Program:
    """Read canonical bytes, trusting none of them.

    Laws: `write(read(b)) == b`.

    Raises:
        IntegrityError: they are cut, too long, of another format, not canonical, or may not be run.
    """
    try:
        program = _read(content)
    except _DAMAGE as error:
        raise IntegrityError("the compiled model is damaged", why=str(error)) from error
    if write(program) != content:
        raise IntegrityError("the compiled model is damaged", why="its bytes are not canonical")
    return program


def _refuse(program: Program) -> None:
    found = problems(program)
    if found:
        raise IntegrityError("the compiled model may not be run", why="; ".join(found[:10]))


def _parts(program: Program) -> tuple[list[str], list[NDArray[Any]]]:
    kinds = _LINEAR if isinstance(program.model, Linear) else _TREES
    found = [getattr(program.slots, name) for name in _SLOTS]
    found += [getattr(program.model, name) for name in kinds]
    return [*_SLOTS.values(), *kinds.values()], found


def _read(content: bytes) -> Program:
    magic, version, size = _START.unpack_from(content)
    if magic != _MAGIC or version != FORMAT or size > _MOST_HEADER:
        raise ValueError("this is no compiled model of a known format")
    header = json.loads(content[_START.size : _START.size + size])
    linear = {"linear": True, "trees": False}[header["model"]]
    kinds = [*_SLOTS.items(), *(_LINEAR if linear else _TREES).items()]
    counts = [_whole(n) for n in header["counts"]]
    if len(counts) != len(kinds):
        raise ValueError("parts are missing")
    place, found = _START.size + size, []
    for (_, kind), count in zip(kinds, counts, strict=True):
        width = np.dtype(kind).itemsize
        if count > (len(content) - place) // width:
            raise ValueError("it is cut off")
        part = np.frombuffer(content, dtype=kind, count=count, offset=place)
        found.append(part.astype(kind[1:]))
        place += count * width
    if place != len(content):
        raise ValueError("something is behind its end")
    named = dict(zip([name for name, _ in kinds], found, strict=True))
    return _program(header, linear, named)


def _program(header: Mapping[str, Any], linear: bool, named: Mapping[str, Any]) -> Program:
    slots = Slots(**{name: named[name] for name in _SLOTS})
    model: Linear | Trees
    if linear:
        model = Linear(weights=named["weights"], bias=named["bias"])
    else:
        trees = {name: named[name] for name in _TREES}
        model = Trees(**trees, width=_whole(header["width"]))
    neutral = tuple(None if v is None else float(v) for v in header["neutral"])
    return Program(
        task=Task(header["task"]),
        features=tuple(_feature(f) for f in header["features"]),
        slots=slots,
        model=model,
        classes=tuple(_text(c) for c in header["classes"]),
        outputs=_whole(header["outputs"]),
        link=header["link"],
        factor=float(header["factor"]),
        calibration=calibration_from(header["calibration"]),
        explain=header["explain"],
        neutral=neutral,
    )


def _feature(data: Mapping[str, Any]) -> Feature:
    if data["kind"] not in ("number", "category"):
        raise ValueError("a feature is of no known kind")
    words = tuple(_text(w) for w in data["categories"])
    return Feature(name=_text(data["name"]), kind=data["kind"], categories=words)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("a name is no text")
    return value


def _whole(value: object) -> int:
    if type(value) is not int or value < 0:
        raise ValueError("a count is no whole number")
    return value
