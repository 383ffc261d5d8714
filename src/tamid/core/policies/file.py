"""A policy from a file: the contract's own blocks, and the few words that only a replay knows.

Three forms: a whole contract (has `tamid`); blocks `retraining`, `gates` and `replay`; or the keys
of `retraining` and `replay` side by side. What is not said is as in the contract it is held
against.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from tamid.core.contract.model import Contract, Retraining
from tamid.core.contract.node import Entries, Entry, Node, Scalar, resolve
from tamid.core.contract.parse import parse
from tamid.core.contract.problems import Report, contract_error, did_you_mean
from tamid.core.policies.policy import ReplayPolicy, policy_from, weeks_of
from tamid.core.values import parse_duration

_BLOCKS = ("retraining", "gates", "monitoring", "replay")
_OWN_TRIGGERS = frozenset({"drift", "estimate"})


def policy_in(node: Node, basis: Node, name: str) -> ReplayPolicy:
    """Return the policy that a file describes; `basis` is the contract in the folder.

    Raises:
        ContractError: all problems at once, with lines.
    """
    report = Report()
    if not isinstance(node, Entries) or not isinstance(basis, Entries):
        report.add(node.line, "", "expected keys and values here", "such as `max_age: 13w`")
        raise contract_error(name, report.problems())
    if node.get("tamid") is not None:
        return policy_from(parse(node, name=name), name)
    blocks = _blocks(node)
    own = _own_words(blocks.pop("replay", Entries()), report)
    unknown = [e for e in node.entries if e.key.text not in (*_BLOCKS, *_fields(), *_WORDS)]
    for entry in unknown:
        known = [*_BLOCKS, *_fields(), *_WORDS]
        hint = did_you_mean(entry.key.text, known) or f"known are {', '.join(known[:4])} ..."
        report.add(entry.key.line, entry.key.text, "is no word of a policy", hint)
    if report.problems():
        raise contract_error(name, report.problems())
    found = policy_from(_contract(basis, blocks, name), name)
    on = found.on | {trigger for trigger in _OWN_TRIGGERS if own.pop(trigger, False)}
    try:
        return dataclasses.replace(found, on=on, **own)
    except ValueError as error:
        report.add(node.line, "replay", str(error))
        raise contract_error(name, report.problems()) from None


def _blocks(node: Entries) -> dict[str, Node]:
    """Return the blocks of a file, those written side by side put into their own."""
    found = {e.key.text: e.value for e in node.entries if e.key.text in _BLOCKS}
    for block, words in (("retraining", _fields()), ("replay", tuple(_WORDS))):
        loose = tuple(e for e in node.entries if e.key.text in words)
        if loose and block not in found:
            found[block] = Entries(entries=loose, line=node.line)
    return found


def _contract(basis: Entries, blocks: Mapping[str, Node], name: str) -> Contract:
    """Return the contract with these blocks in place of, or laid over, its own."""
    kept = [e for e in basis.entries if e.key.text not in blocks]
    laid = [
        Entry(key=Scalar(text=block), value=_over(basis.get(block), node))
        for block, node in blocks.items()
    ]
    return parse(Entries(entries=(*kept, *laid), line=basis.line), name=name)


def _over(below: Node | None, above: Node) -> Node:
    """Lay a block over another: what the upper one does not say stays."""
    if not isinstance(below, Entries) or not isinstance(above, Entries):
        return above
    said = {e.key.text for e in above.entries}
    rest = tuple(e for e in below.entries if e.key.text not in said)
    return Entries(entries=(*rest, *above.entries), line=above.line)


def _own_words(node: Node, report: Report) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if not isinstance(node, Entries):
        report.add(node.line, "replay", "expected keys and values here")
        return found
    for entry in node.entries:
        key, where = entry.key.text, f"replay.{entry.key.text}"
        if key not in _WORDS:
            report.add(entry.key.line, where, "is not known here", did_you_mean(key, _WORDS))
            continue
        try:
            if not isinstance(entry.value, Scalar):
                raise ValueError("expected one value")
            found[key] = _WORDS[key](resolve(entry.value))
        except (ValueError, TypeError) as error:
            report.add(entry.value.line, where, str(error))
    return found


def _yes(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"{value!r} is neither true nor false")
    return value


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not value >= 0:
        raise ValueError(f"{value!r} is not a number of at least 0")
    return float(value)


def _weeks(value: object) -> int:
    return weeks_of(parse_duration(str(value)))


def _fields() -> tuple[str, ...]:
    return tuple(f.name for f in dataclasses.fields(Retraining))


_WORDS: Mapping[str, Callable[[object], Any]] = {
    "gate": _yes,
    "margin": _number,
    "lag": _weeks,
    "tolerance": _number,
    "errors": _number,
    "psi": _number,
    "price": _number,
    "horizon": _weeks,
    "season_guard": _yes,
    "drift": _yes,
    "estimate": _yes,
}
