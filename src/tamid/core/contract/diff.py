"""What changed between two contracts, what each change means for the running model, and who signs.

*compatible*: the running champion keeps this contract too. *retrain*: a model made under the old
one must be made anew. *break*: past figures and what consumers read cannot be compared any more.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from tamid.core.contract.model import Contract
from tamid.core.contract.render import Leaf, leaves, owner_at, roles_of, written
from tamid.core.values import Role, canonical_json

Effect = Literal["compatible", "retrain", "break"]
_ORDER: Final[tuple[Effect, ...]] = ("compatible", "retrain", "break")
ABSENT: Final = "(absent)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One key that differs: both values as text, what it means, why, and who must agree."""

    path: str
    before: str
    after: str
    effect: Effect
    reason: str
    roles: tuple[Role, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractDiff:
    """All changes from one contract to another; `effect` is the gravest of them."""

    changes: tuple[Change, ...]
    effect: Effect
    roles: tuple[Role, ...]


def diff(old: Contract, new: Contract) -> ContractDiff:
    """Compare two contracts key by key.

    Laws: a contract does not differ from itself; the same paths change in both directions.
    """
    before = {leaf.path: leaf for leaf in leaves(old)}
    after = {leaf.path: leaf for leaf in leaves(new)}
    changes = tuple(
        _change(path, before.get(path), after.get(path), old, new)
        for path in dict.fromkeys((*before, *after))
        if _differs(before.get(path), after.get(path))
    )
    effects = {c.effect for c in changes}
    gravest = next((e for e in reversed(_ORDER) if e in effects), _ORDER[0])
    roles = {role for c in changes for role in c.roles}
    return ContractDiff(
        changes=changes, effect=gravest, roles=tuple(sorted(roles, key=list(Role).index))
    )


def _differs(before: Leaf | None, after: Leaf | None) -> bool:
    """Say whether a key differs; the defaults of a block that came or went say nothing."""
    if before is None or after is None:
        only = before or after
        return only is not None and only.value != only.default
    # As JSON, since 1 and True are equal to Python, but not to a column.
    return canonical_json(before.value) != canonical_json(after.value)


def _change(
    path: str, before: Leaf | None, after: Leaf | None, old: Contract, new: Contract
) -> Change:
    for pattern, judge in _RULES:
        if match := pattern.match(path):
            values = (
                None if before is None else before.value,
                None if after is None else after.value,
            )
            effect, reason = judge(_Pair(values[0], values[1], match.groups(), old, new))
            return Change(
                path=path,
                before=_text(before),
                after=_text(after),
                effect=effect,
                reason=reason,
                roles=roles_of(owner_at(path)),
            )
    raise LookupError(path)


def _text(leaf: Leaf | None) -> str:
    return ABSENT if leaf is None else written(leaf.value, share=leaf.share)


@dataclass(frozen=True, slots=True)
class _Pair:
    """One changed path: its two values (None: absent), the names in it, and both contracts."""

    before: Any
    after: Any
    names: tuple[str, ...]
    old: Contract
    new: Contract


_Judge = Callable[[_Pair], tuple[Effect, str]]


def _always(effect: Effect, reason: str) -> _Judge:
    return lambda pair: (effect, reason)


def _column(pair: _Pair) -> tuple[Effect, str]:
    name, key = pair.names
    was, now = pair.old.data.schema.get(name), pair.new.data.schema.get(name)
    if was is None or now is None:
        column = was or now
        offered = column is not None and column.feature and name != pair.old.data.label.column
        if not offered:
            return "compatible", "the model does not use the column"
        if was is None:
            return "retrain", "the model has never seen the column"
        return "break", "the running model needs the column"
    if key == "type":
        return "break", "the running model was made for the other type"
    if key == "nullable" and now.nullable:
        return "retrain", "the model has never seen a gap in this column"
    if key in ("min", "max", "allowed") and _wider(key, pair.before, pair.after):
        return "retrain", "values come in that the model has never seen"
    if key == "feature":
        return "retrain", "the model sees other columns"
    return "compatible", "more rows are set aside; the model is the same"


def _wider(key: str, before: Any, after: Any) -> bool:
    if after is None or before is None:
        return after is None
    if key == "allowed":
        return not set(after) <= set(before)
    return bool(after < before) if key == "min" else bool(after > before)


def _table(pair: _Pair) -> tuple[Effect, str]:
    name, key = pair.names
    was, now = name in pair.old.data.tables, name in pair.new.data.tables
    used = any(a.table == name for a in pair.old.features.aggregates.values())
    if was and now:
        if key in ("path", "format", "owner"):
            return "compatible", "the same events from another place"
        return ("retrain", "its numbers are computed from other events") if used else _UNUSED
    return ("break", "the running model needs the table") if was and used else _UNUSED


def _label_source(pair: _Pair) -> tuple[Effect, str]:
    if (pair.old.data.label.source is None) != (pair.new.data.label.source is None):
        return "retrain", "labels come from elsewhere"
    return _KEEP(pair)


def _forbidden(pair: _Pair) -> tuple[Effect, str]:
    added = set(pair.after) - set(pair.before)
    if any(name in pair.old.data.schema and pair.old.data.schema[name].feature for name in added):
        return "break", "the running model reads a column that is now forbidden"
    if added and pair.old.features.code:
        return "retrain", "the features' code may read the column"
    return "compatible", "no model reads it"


def _bands(pair: _Pair) -> tuple[Effect, str]:
    before: Mapping[str, float] = pair.before or {}
    after: Mapping[str, float] = pair.after or {}
    if set(before) - set(after):
        return "break", "consumers read a band that is gone"
    return "compatible", "bands are cut from the same scores"


def _targets(pair: _Pair) -> tuple[Effect, str]:
    if set(pair.before) - set(pair.after):
        return "break", "a consumer no longer gets the scores there"
    return "compatible", "one more target of the same scores"


_UNUSED: Final[tuple[Effect, str]] = ("compatible", "the running model does not use the table")
_KEEP = _always("compatible", "the model is the same")
_NEXT = _always("compatible", "it counts from the next candidate on")
_LATER = _always("retrain", "events are known at other times")
_REMAKE = _always("retrain", "the model sees other inputs")
# The first pattern that fits decides; the last fits everything that only runs the same model.
_TABLE: Final[tuple[tuple[str, _Judge], ...]] = (
    (r"(?:tamid|name|task)\Z", _always("break", "it is another model")),
    (r"calendar\.(?:timezone|week_starts)\Z", _always("break", "past weeks were cut otherwise")),
    (r"data\.(?:entity|time)\Z", _always("break", "rows mean something else")),
    (r"data\.label\.(?:column|positive|horizon)\Z", _always("break", "it is another outcome")),
    (r"data\.label\.(?:absence|event_time)\Z", _always("retrain", "labels are read otherwise")),
    (r"data\.label\.source\.known_at\Z", _always("retrain", "labels are known at other times")),
    (r"data\.source\.known_at\Z", _always("retrain", "rows are known at other times")),
    (
        r"data\.tables\.(.+?)\.(?:known_at|delay)\Z",
        _always("retrain", "events are known at other times"),
    ),
    (r"data\.schema\.(.+)\.(\w+)\Z", _column),
    (r"data\.tables\.(.+?)\.(path|format|owner|entity|time|schema)\b", _table),
    (r"data\.label\.source", _label_source),
    (r"data\.forbidden\Z", _forbidden),
    (r"clean", _REMAKE),
    (r"features", _REMAKE),
    (
        r"training\.(?:model|params|reduced|calibrate|seed)",
        _always("retrain", "it makes another model"),
    ),
    (r"training\.threshold", _always("compatible", "a new overlay moves it, not a new model")),
    (r"(?:training|gates|retraining\.window)", _NEXT),
    (r"delivery\.every\Z", _always("break", "consumers wait for another period")),
    (r"delivery\.to\Z", _targets),
    (r"delivery\.bands\Z", _bands),
    (r"", _KEEP),
)
_RULES: Final = tuple((re.compile(pattern), judge) for pattern, judge in _TABLE)
