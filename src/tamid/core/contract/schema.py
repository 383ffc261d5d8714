"""The JSON Schema of contracts, for editors: derived from the same classes as the parser.

It knows every key, type, choice, bound and short form. What depends on two keys at once is judged
by :mod:`check` alone, so a file may please the schema and still have problems.
"""

from __future__ import annotations

import dataclasses
import enum
import json
import types
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final, Literal, Union, get_args, get_origin, get_type_hints

from tamid.core.contract.fields import Limits, default_of, doc_of, limits_of, owner_of
from tamid.core.contract.kinds import GRAMMARS
from tamid.core.contract.model import (
    Aggregate,
    CleanStep,
    Contract,
    Measure,
    Retraining,
    Rung,
    SinkSpec,
    Threshold,
    ViewFile,
)
from tamid.core.contract.short import CHOICE_KEY, MAIN_KEY, RUNG_VALUE, choices
from tamid.core.values import Money, jsonable

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_DURATION: Final = r"^\d+(\.\d+)?\s*(ms|s|m|h|d|w|y)$"
_MONEY: Final = r"^\d+(\.\d+)? [A-Z]{3}$"
_PERCENT: Final = r"^-?\d+(\.\d+)? ?%$"
# YAML reads an unquoted 1 or true as number or truth; the parser takes its text.
_TEXT: Final = ["string", "number", "boolean"]

_Schema = dict[str, Any]


def schema_text() -> str:
    """Return the JSON Schema (draft 2020-12) of a contract, as indented JSON text."""
    return _text(Contract, "A contract of Tamid")


def views_schema_text() -> str:
    """Return the JSON Schema of a file of feature views, as indented JSON text."""
    return _text(ViewFile, "Feature views of Tamid")


def _text(cls: type, title: str) -> str:
    definitions: dict[str, _Schema] = {}
    root = _block(cls, definitions)
    schema = {
        "$schema": _DIALECT,
        "title": title,
        **root,
        "$defs": {name: definitions[name] for name in sorted(definitions)},
    }
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def _block(cls: type, definitions: dict[str, _Schema]) -> _Schema:
    """Return the full form of a block."""
    hints = get_type_hints(cls)
    properties: dict[str, _Schema] = {}
    required: list[str] = []
    for field in dataclasses.fields(cls):
        properties[field.name] = _property(field, hints[field.name], definitions)
        if default_of(field) is dataclasses.MISSING:
            required.append(field.name)
    schema: _Schema = {
        "description": (cls.__doc__ or "").strip(),
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
    }
    return schema | ({"required": required} if required else {})


def _property(field: dataclasses.Field[Any], hint: Any, definitions: dict[str, _Schema]) -> _Schema:
    owner = owner_of(field)
    schema: _Schema = {"description": doc_of(field) + (f" (owner: {owner})" if owner else "")}
    default = default_of(field)
    if default not in (dataclasses.MISSING, None) and not dataclasses.is_dataclass(default):
        schema["default"] = jsonable(default)
    return schema | _value(hint, limits_of(field), definitions)


def _value(hint: Any, limits: Limits, definitions: dict[str, _Schema]) -> _Schema:
    if get_origin(hint) in (types.UnionType, Union):
        options = get_args(hint)
        if {str, bool} <= set(options):
            nothing = ["null"] if type(None) in options else []
            return {"type": [*_TEXT, *nothing]}
        inner = [_value(o, limits, definitions) for o in options if o is not type(None)]
        return {"anyOf": [*inner, {"type": "null"}]}
    if get_origin(hint) is Literal:
        return {"enum": list(get_args(hint))}
    if get_origin(hint) is tuple:
        return _list(get_args(hint)[0], limits, definitions)
    if get_origin(hint) is Mapping:
        return _names(get_args(hint)[1], limits, definitions)
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return {"enum": [str(m.value) for m in hint]}
    if hint is not Money and dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return _reference(hint, definitions)
    return _scalar(hint, limits)


def _list(hint: Any, limits: Limits, definitions: dict[str, _Schema]) -> _Schema:
    schema: _Schema = {"type": "array", "items": _value(hint, limits, definitions)}
    return schema if dataclasses.is_dataclass(hint) else schema | {"uniqueItems": True}


def _names(hint: Any, limits: Limits, definitions: dict[str, _Schema]) -> _Schema:
    schema: _Schema = {
        "type": "object",
        "additionalProperties": _value(hint, limits, definitions),
    }
    pattern = GRAMMARS[limits.keys].pattern
    return schema | ({"propertyNames": {"pattern": pattern}} if pattern else {})


def _scalar(hint: Any, limits: Limits) -> _Schema:
    if hint is bool:
        return {"type": "boolean"}
    if hint is timedelta:
        return {"type": "string", "pattern": _DURATION}
    if hint is Money:
        amount = {"type": "number", "minimum": 0}
        currency = {"type": "string", "pattern": "^[A-Z]{3}$"}
        stored = {"type": "object", "properties": {"amount": amount, "currency": currency},
                  "required": ["amount", "currency"], "additionalProperties": False}  # fmt: skip
        return {"anyOf": [{"type": "string", "pattern": _MONEY}, stored]}
    if hint in (int, float):
        return _number(hint, limits)
    pattern = GRAMMARS[limits.kind].pattern.replace("\\Z", "$")
    if limits.kind in ("", "column"):
        return {"type": _TEXT} | ({"pattern": pattern} if pattern else {})
    return {"type": "string"} | ({"pattern": pattern} if pattern else {})


def _number(hint: Any, limits: Limits) -> _Schema:
    schema: _Schema = {"type": "integer" if hint is int else "number"}
    if limits.low is not None:
        schema["exclusiveMinimum" if limits.above else "minimum"] = limits.low
    if limits.high is not None:
        schema["maximum"] = limits.high
    if limits.share:
        return {"anyOf": [schema, {"type": "string", "pattern": _PERCENT}]}
    return schema


def _reference(cls: type, definitions: dict[str, _Schema]) -> _Schema:
    name = cls.__name__
    if name not in definitions:
        definitions[name] = {}  # stands in while the block refers to itself
        full = _block(cls, definitions)
        shorts = _short_forms(cls, full["properties"])
        about = {"description": full.pop("description")}
        definitions[name] = about | ({"anyOf": [full, *shorts]} if shorts else full)
    return {"$ref": f"#/$defs/{name}"}


def _short_forms(cls: type, keys: Mapping[str, _Schema]) -> list[_Schema]:
    """Return the schemas of what may stand in place of a block's full form."""
    forms: list[_Schema] = []
    if cls is Rung:
        forms.append({"enum": ["previous", "reduced", "last_score", "abstain"]})
    elif cls in MAIN_KEY:
        forms.append(_bare(keys[MAIN_KEY[cls]]))
    if cls is Threshold:
        forms += [_bare(keys["fixed"]), _bare(keys["maximise"])]
    if cls in CHOICE_KEY:
        others = {k: v for k, v in keys.items() if k != CHOICE_KEY[cls]}
        forms += [_keyed(cls, choice, others) for choice in choices(cls)]
    if cls is Retraining:
        forms.append(_retraining(keys))
    return forms


def _keyed(cls: type, choice: str, keys: Mapping[str, _Schema]) -> _Schema:
    """Return the form in which a choice is written as a key."""
    value, rest = _chosen(cls, choice, keys)
    return {
        "type": "object",
        "properties": {choice: value, **rest},
        "required": [choice, "table"] if cls is Aggregate else [choice],
        "additionalProperties": False,
    }


def _chosen(
    cls: type, choice: str, keys: Mapping[str, _Schema]
) -> tuple[_Schema, Mapping[str, _Schema]]:
    """Return what may stand behind the choice, and which keys may stand beside it."""
    if cls is Rung:
        target = RUNG_VALUE.get(choice)
        return (_bare(keys[target]) if target else {"type": "null"}), {}
    if cls is SinkSpec:
        return _bare(keys["target"]), {k: v for k, v in keys.items() if k != "target"}
    if cls in (Aggregate, Measure):
        column = _bare(keys["column"])
        value = {"anyOf": [{"const": True}, column]} if choice == "count" else column
        return value, {k: v for k, v in keys.items() if k != "column"}
    assert cls is CleanStep
    inside = {"type": "object", "properties": dict(keys), "additionalProperties": False}
    main = _bare(keys["values" if choice == "blank" else "columns"])
    return {"anyOf": [inside, main, {"type": [*_TEXT, "null"]}]}, keys


# Written inside `on`, stored beside it.
_MOVED = ("new_data_rows", "new_data_grown")


def _retraining(keys: Mapping[str, _Schema]) -> _Schema:
    trigger = _bare(keys["on"])["items"]
    rows = {"type": "object", "properties": {"matured_rows": {"type": "integer", "minimum": 1}},
            "required": ["matured_rows"], "additionalProperties": False}  # fmt: skip
    grown = {"type": "object", "properties": {"grown": _bare(keys["new_data_grown"])},
             "required": ["grown"], "additionalProperties": False}  # fmt: skip
    moved = {
        "type": "object",
        "properties": {"new_data": {"anyOf": [rows, grown, {"type": "integer", "minimum": 1}]}},
        "required": ["new_data"],
        "additionalProperties": False,
    }
    on = {"type": "array", "items": {"anyOf": [trigger, moved]}, "uniqueItems": True}
    properties = {k: v for k, v in keys.items() if k not in _MOVED} | {"on": on}
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _bare(schema: _Schema) -> _Schema:
    return {k: v for k, v in schema.items() if k not in ("description", "default")}
