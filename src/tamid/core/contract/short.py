"""Short forms: what people would rather write, turned into the full form before it is parsed."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, get_args, get_type_hints

from tamid.core.contract.model import (
    Aggregate,
    CleanStep,
    Column,
    Label,
    Measure,
    Retraining,
    Rung,
    SinkSpec,
    Source,
    Threshold,
    ViewUse,
)
from tamid.core.contract.node import Entries, Entry, Items, Node, Scalar, is_null, resolve

if TYPE_CHECKING:
    from tamid.core.contract.problems import Report

# The key that a lone text stands for: `source: data.csv` is `source: {path: data.csv}`.
MAIN_KEY: Mapping[type, str] = MappingProxyType(
    {Source: "path", Label: "column", Column: "type", CleanStep: "step", Rung: "kind",
     ViewUse: "view"}
)  # fmt: skip
# The key whose values may stand as keys themselves: `{csv: a.csv}` is `{kind: csv, target: a.csv}`.
CHOICE_KEY: Mapping[type, str] = MappingProxyType(
    {CleanStep: "step", Rung: "kind", SinkSpec: "kind", Aggregate: "function",
     Measure: "function"}
)  # fmt: skip
# Where the value of such a key goes.
RUNG_VALUE: Mapping[str, str] = MappingProxyType(
    {"last_score": "max_age", "rule": "code", "default": "value", "abstain": "unsure"}
)


def expand(cls: type, node: Node, path: str, report: Report) -> Node:
    """Return the full form of a block of class `cls`; what is not a short form comes back as is."""
    if isinstance(node, Scalar) and cls in MAIN_KEY and not is_null(node):
        return _block(node, _entry(MAIN_KEY[cls], node))
    rewrite = _REWRITE.get(cls)
    return rewrite(node, path, report) if rewrite else node


@functools.cache
def choices(cls: type) -> tuple[str, ...]:
    """Return the values that may stand as keys of their own in a block of class `cls`."""
    if cls not in CHOICE_KEY:
        return ()
    return tuple(str(a) for a in get_args(get_type_hints(cls)[CHOICE_KEY[cls]]))


def _entry(key: str, value: Node) -> Entry:
    return Entry(key=Scalar(text=key, line=value.line, column=value.column), value=value)


def _word(text: str, like: Node) -> Scalar:
    return Scalar(text=text, line=like.line, column=like.column)


def _block(like: Node, *entries: Entry) -> Entries:
    return Entries(entries=entries, line=like.line, column=like.column)


def _split(
    cls: type, node: Entries, path: str, report: Report
) -> tuple[Entry | None, tuple[Entry, ...]]:
    """Return the entry whose key is a choice of `cls`, and all the others."""
    known = choices(cls)
    chosen = [e for e in node.entries if e.key.text in known]
    others = tuple(e for e in node.entries if e.key.text not in known)
    for extra in chosen[1:]:
        both = f"`{chosen[0].key.text}` and `{extra.key.text}` stand together"
        report.add(extra.key.line, path, both, "write one item for each")
    return (chosen[0] if chosen else None), others


def _clean_step(node: Node, path: str, report: Report) -> Node:
    if not isinstance(node, Entries):
        return node
    chosen, others = _split(CleanStep, node, path, report)
    if chosen is None:
        return node
    step, value = _entry("step", _word(chosen.key.text, chosen.key)), chosen.value
    if isinstance(value, Entries):
        return _block(node, step, *value.entries, *others)
    if is_null(value):
        return _block(node, step, *others)
    main = "values" if chosen.key.text == "blank" else "columns"
    if isinstance(value, Items):
        return _block(node, step, _entry(main, value), *others)
    if chosen.key.text == "fill":
        return _block(node, step, _entry("value", value), *others)
    only = Items(items=(value,), line=value.line, column=value.column)
    return _block(node, step, _entry(main, only), *others)


def _aggregate(
    node: Node, path: str, report: Report, cls: type[Aggregate | Measure] = Aggregate
) -> Node:
    if not isinstance(node, Entries):
        return node
    chosen, others = _split(cls, node, path, report)
    if chosen is None:
        return node
    function = _entry("function", _word(chosen.key.text, chosen.key))
    meaning = resolve(chosen.value) if isinstance(chosen.value, Scalar) else ""
    if meaning is True and chosen.key.text == "count":
        return _block(node, function, *others)
    if isinstance(meaning, bool):
        need = "write `count: true`" if chosen.key.text == "count" else "name a column"
        report.add(chosen.value.line, path, f"`{chosen.key.text}` has no column", need)
        return _block(node, function, *others)
    return _block(node, function, _entry("column", chosen.value), *others)


def _rung(node: Node, path: str, report: Report) -> Node:
    if not isinstance(node, Entries):
        return node
    chosen, others = _split(Rung, node, path, report)
    if chosen is None:
        return node
    kind = _entry("kind", _word(chosen.key.text, chosen.key))
    if is_null(chosen.value):
        return _block(node, kind, *others)
    target = RUNG_VALUE.get(chosen.key.text)
    if target is None:
        word = chosen.key.text
        report.add(chosen.value.line, path, f"`{word}` takes no value", f"write `- {word}`")
        return _block(node, kind, *others)
    return _block(node, kind, _entry(target, chosen.value), *others)


def _sink(node: Node, path: str, report: Report) -> Node:
    if not isinstance(node, Entries):
        return node
    chosen, others = _split(SinkSpec, node, path, report)
    if chosen is None:
        return node
    kind = _entry("kind", _word(chosen.key.text, chosen.key))
    return _block(node, kind, _entry("target", chosen.value), *others)


def _threshold(node: Node, path: str, report: Report) -> Node:
    del path, report
    if not isinstance(node, Scalar) or is_null(node):
        return node
    meaning = resolve(node)
    is_number = not isinstance(meaning, str) or meaning.endswith("%")
    return _block(node, _entry("fixed" if is_number else "maximise", node))


def _retraining(node: Node, path: str, report: Report) -> Node:
    """Move `new_data: {matured_rows: N}` or `{grown: 15%}` out of `on` into keys of their own."""
    on = node.get("on") if isinstance(node, Entries) else None
    if not isinstance(node, Entries) or not isinstance(on, Items):
        return node
    items: list[Node] = []
    moved: list[Entry] = []
    for index, item in enumerate(on.items):
        if not isinstance(item, Entries):
            items.append(item)
            continue
        where = f"{path}.on[{index}]"
        for entry in item.entries:
            items.append(_word(entry.key.text, entry.key))
            moved.extend(_new_data(entry, where, report))
    full = Items(items=tuple(items), line=on.line, column=on.column)
    kept = tuple(Entry(key=e.key, value=full) if e.value is on else e for e in node.entries)
    return _block(node, *kept, *moved)


_NEW_DATA = {"matured_rows": "new_data_rows", "grown": "new_data_grown"}
_EITHER = "{matured_rows: 50000} or {grown: 15%}"


def _new_data(entry: Entry, path: str, report: Report) -> list[Entry]:
    if entry.key.text != "new_data":
        if not is_null(entry.value):
            report.add(
                entry.key.line, path, f"`{entry.key.text}` takes no settings here",
                f"only new_data does: {_EITHER}",
            )  # fmt: skip
        return []
    if isinstance(entry.value, Entries):
        known = [e for e in entry.value.entries if e.key.text in _NEW_DATA]
        if len(known) == 1 == len(entry.value.entries):
            return [_entry(_NEW_DATA[known[0].key.text], known[0].value)]
    elif isinstance(entry.value, Scalar) and isinstance(resolve(entry.value), int):
        return [_entry("new_data_rows", entry.value)]
    hint = f"write new_data: {_EITHER}"
    report.add(entry.key.line, path, "`new_data` is not understood", hint)
    return []


_REWRITE: Mapping[type, Callable[[Any, str, Report], Node]] = MappingProxyType(
    {
        CleanStep: _clean_step,
        Aggregate: _aggregate,
        Measure: functools.partial(_aggregate, cls=Measure),
        Rung: _rung,
        SinkSpec: _sink,
        Threshold: _threshold,
        Retraining: _retraining,
    }
)
