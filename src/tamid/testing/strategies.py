"""Hypothesis strategies for events: every kind of event, with generated values."""

from __future__ import annotations

import dataclasses
import enum
import types
import typing
from datetime import UTC, datetime
from typing import Any, Literal

from hypothesis import strategies as st

from tamid.core import events as vocabulary
from tamid.core.chain import Draft
from tamid.core.events import Event
from tamid.core.values import Role

_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


def kinds() -> list[type[Event]]:
    """Return every class of the ledger's vocabulary, sorted by name."""
    found = [
        value
        for value in vars(vocabulary).values()
        if isinstance(value, type) and issubclass(value, Event) and value is not Event
    ]
    return sorted(found, key=lambda kind: kind.__name__)


def of_kind(kind: type[Any]) -> st.SearchStrategy[Any]:
    """Return values of a frozen class of the vocabulary, made from its annotations."""
    hints = typing.get_type_hints(kind)
    return st.builds(kind, **{f.name: _values(hints[f.name]) for f in dataclasses.fields(kind)})


def any_event() -> st.SearchStrategy[Event]:
    """Return any event with any content."""
    return st.one_of([of_kind(kind) for kind in kinds()])


def any_draft() -> st.SearchStrategy[Draft]:
    """Return any event about to be appended, by anybody, at any moment."""
    return st.builds(
        Draft,
        event=any_event(),
        at=st.datetimes(min_value=datetime(1970, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
        actor=_TEXT,
        role=st.sampled_from(list(Role)),
        reason=_TEXT,
    )


def _values(hint: Any) -> st.SearchStrategy[Any]:
    origin, inside = typing.get_origin(hint), typing.get_args(hint)
    if origin is Literal:
        return st.sampled_from(inside)
    if origin in (typing.Union, types.UnionType):
        return st.one_of([st.none() if a is type(None) else _values(a) for a in inside])
    if origin is tuple:
        return st.lists(_values(inside[0]), max_size=3).map(tuple)
    if origin is not None:
        return st.dictionaries(_TEXT, _values(inside[1]), max_size=3)
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return st.sampled_from(list(hint))
    if dataclasses.is_dataclass(hint):
        return of_kind(typing.cast(type, hint))
    simple = {
        str: _TEXT,
        bool: st.booleans(),
        int: st.integers(-(2**63), 2**63),
        float: st.floats(allow_nan=False, allow_infinity=False),
    }
    return simple[hint]
