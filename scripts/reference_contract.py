"""The page of the contract: every key with its type, default, meaning and owner."""

from __future__ import annotations

import ast
import dataclasses
import enum
import re
import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

import tamid
from tamid.core.contract.fields import Limits, default_of, doc_of, limits_of, owner_of
from tamid.core.contract.kinds import GRAMMARS
from tamid.core.contract.metrics import METRIC_FACTS
from tamid.core.contract.model import Contract, Retraining, Threshold
from tamid.core.contract.render import owner_at, written
from tamid.core.contract.short import CHOICE_KEY, MAIN_KEY, choices
from tamid.core.values import Money

# Beyond what no line of code reads: keys whose names other things have, too. A pattern that is
# found in the package means that the key came to life, and the page cannot be written any more.
_UNREAD: Mapping[str, str] = {
    "goal.by": r"goal\.by\b",
}
_MARK = " ¹"


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One class of the contract and all the paths at which it may stand."""

    kind: type
    paths: list[str]


def contract_page() -> str:
    """Return the reference of the contract."""
    lines = ["# The contract", "", "This page is written by `make docs`.", ""]
    lines += [
        "One YAML file a model (YAML 1.2; a key that stands twice is refused). Each block has an",
        "owner: a change of it is signed by that role, or by both. `tamid contract check` names",
        "every problem with its line, `tamid contract show --all` prints every key as it stands,",
        "`tamid contract schema` the JSON Schema for editors (also in",
        "[contract.schema.json](contract.schema.json)). How to write one:",
        "[how-to/contract.md](../how-to/contract.md).",
        "",
        f"{_MARK.strip()} The key is checked, shown and signed; the loop does not act on it yet.",
    ]
    unread = _unread()
    for block in blocks():
        lines += _section(block, unread)
    lines += ["", "## How values are written", "", "| kind | written |", "|---|---|"]
    lines += [f"| {name} | {_cell(text)} |" for name, text in _kinds()]
    lines += ["", "## Metrics", "", "| metric | task | better |", "|---|---|---|"]
    for fact in METRIC_FACTS.values():
        tasks = ", ".join(sorted(task.value for task in fact.tasks))
        better = "larger" if fact.higher_is_better else "smaller"
        lines.append(f"| `{fact.name}` | {tasks} | {better} |")
    return "\n".join(lines) + "\n"


def blocks() -> list[Block]:
    """Return every class of the contract in the order of the grammar, the whole contract first."""
    found: dict[type, Block] = {}
    _collect(Contract, "", found)
    return list(found.values())


def contract_keys() -> Iterator[tuple[str, type]]:
    """Yield every key by the first path at which it may stand, with the class that holds it."""
    for block in blocks():
        for field in dataclasses.fields(block.kind):
            yield _join(block.paths[0], field.name), block.kind


def _collect(kind: type, path: str, found: dict[type, Block]) -> None:
    block = found.setdefault(kind, Block(kind=kind, paths=[]))
    if path in block.paths:
        return
    block.paths.append(path)
    hints = typing.get_type_hints(kind)
    for field in dataclasses.fields(kind):
        inner, suffix = _inside(hints[field.name])
        if inner is not None:
            _collect(inner, _join(path, field.name) + suffix, found)


def _inside(hint: Any) -> tuple[type | None, str]:
    """Return the block that a hint holds, and what its path gets: a name, a place, or nothing."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is Mapping:
        return _inside(args[1])[0], ".<name>"
    if origin is tuple:
        return _inside(args[0])[0], "[]"
    if origin in (types.UnionType, typing.Union):
        return next((b for a in args if (b := _inside(a)[0]) is not None), None), ""
    is_block = isinstance(hint, type) and dataclasses.is_dataclass(hint) and hint is not Money
    return (hint if is_block else None), ""


def _section(block: Block, unread: frozenset[str]) -> list[str]:
    title = ", ".join(f"`{p}`" for p in block.paths) if block.paths[0] else "The whole"
    about = (block.kind.__doc__ or "").strip()
    lines = ["", f"## {title}", "", about]
    if block.paths[0]:
        lines[-1] += f" Owner: {owner_at(block.paths[0])}."
    lines += [line for line in _short_forms(block.kind) if line]
    whole = block.kind is Contract
    head = "| key | type | default | meaning |" + (" owner |" if whole else "")
    lines += ["", head, "|---" * head.count("|", 1) + "|"]
    hints = typing.get_type_hints(block.kind)
    for field in dataclasses.fields(block.kind):
        path = _join(block.paths[0], field.name)
        mark = _MARK if path in unread else ""
        cells = [f"`{path}`{mark}", _type(hints[field.name], limits_of(field)), _default(field)]
        cells += [doc_of(field)] + ([owner_of(field)] if whole else [])
        lines.append("| " + " | ".join(map(_cell, cells)) + " |")
    return lines


def _short_forms(kind: type) -> Iterator[str]:
    if kind in MAIN_KEY:
        yield f"A lone text stands for `{MAIN_KEY[kind]}`."
    if kind in CHOICE_KEY:
        words = ", ".join(f"`{c}`" for c in choices(kind))
        yield f"The value of `{CHOICE_KEY[kind]}` may stand as a key of its own: {words}."
    if kind is Threshold:
        yield "A lone number stands for `fixed`, a lone word for `maximise`."
    if kind is Retraining:
        yield "`on: [new_data: {matured_rows: N}]` sets `new_data_rows` as well."


def _type(hint: Any, limits: Limits) -> str:
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        kept = [a for a in args if a is not type(None)]
        plain = {str, int, float, bool} & set(kept)
        return "a value" if len(plain) > 1 else _type(kept[0], limits)
    if origin is Literal:
        return ", ".join(f"`{a}`" for a in args)
    if origin is tuple:
        return f"list of: {_type(args[0], limits)}"
    if origin is Mapping:
        return f"names with: {_type(args[1], limits)}"
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return ", ".join(f"`{m.value}`" for m in hint)
    return _plain_type(hint, limits)


def _plain_type(hint: Any, limits: Limits) -> str:
    if hint is Money:
        return "money"
    if dataclasses.is_dataclass(hint):
        return "a block"
    if hint is timedelta:
        return "duration" + (f", {limits.low:g} s or more" if limits.low else "")
    if hint is bool:
        return "`true`, `false`"
    if hint in (int, float):
        word = "whole number" if hint is int else ("number or share" if limits.share else "number")
        return word + _bounds(limits)
    return limits.kind or "text"


def _bounds(limits: Limits) -> str:
    low, high = limits.low, limits.high
    if low is None and high is None:
        return ""
    least = "" if low is None else ("above " if limits.above else "from ") + f"{low:.10g}"
    most = "" if high is None else f" to {high:.10g}"
    return f", {least}{most}"


def _default(field: dataclasses.Field[Any]) -> str:
    default = default_of(field)
    if default is dataclasses.MISSING:
        return "**required**"
    if default is None:
        return "none"
    if dataclasses.is_dataclass(default) and not isinstance(default, Money):
        return "as below"
    limits = limits_of(field)
    return f"`{written(default, share=limits.share and limits.high == 1.0)}`"


def _kinds() -> Iterator[tuple[str, str]]:
    yield "duration", "a number and one of ms, s, m, h, d, w, y, such as `30s`, `12h`, `7d`, `13w`"
    yield "money", "an amount and a currency of three capitals, such as `400 ILS`"
    yield "share", "a number from 0 to 1, or such as `15%`"
    for name, grammar in GRAMMARS.items():
        if name:
            yield name, grammar.expects


def _unread() -> frozenset[str]:
    """Return the keys that no code of the package reads beyond the contract's own."""
    root = Path(tamid.__file__).parent
    names: set[str] = set()
    text = ""
    for path in root.rglob("*.py"):
        if path.relative_to(root).parts[:2] == ("core", "contract") or "examples" in path.parts:
            continue
        source = path.read_text(encoding="utf-8")
        text += source
        names |= {n.attr for n in ast.walk(ast.parse(source)) if isinstance(n, ast.Attribute)}
    alive = [key for key, pattern in _UNREAD.items() if re.search(pattern, text)]
    if alive:
        raise SystemExit(f"read by now, take them out of _UNREAD: {', '.join(alive)}")
    never = {path for path, _ in contract_keys() if path.rpartition(".")[2] not in names}
    return frozenset(never - {"tamid"}) | _UNREAD.keys()


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
