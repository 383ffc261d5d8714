"""Nothing that an event points to may be missed by proof, backup or clearing."""

from __future__ import annotations

import dataclasses
import inspect
import typing

import pytest

from tamid.core.events import Event
from tamid.core.values import TablePin
from tamid.stages.naming import named_blobs, named_pins

# A slotted dataclass leaves its unslotted twin behind until it is collected.
KINDS = sorted(
    (kind for kind in Event.__subclasses__() if "__slots__" in vars(kind)),
    key=lambda kind: kind.__name__,
)
# What fields are called that hold the digest of stored content.
BLOBS = {"contract", "bundle", "overlay", "report", "evidence", "usual", "diff"}


def _pinned(kind: type[Event]) -> bool:
    hints = typing.get_type_hints(kind)
    return any("TablePin" in str(hints[f.name]) for f in dataclasses.fields(kind))


@pytest.mark.parametrize("kind", [k for k in KINDS if _pinned(k)], ids=lambda k: k.__name__)
def test_every_event_with_a_pin_is_looked_at(kind: type[Event]) -> None:
    """Who adds such an event finds here that its tables must be named, too."""
    assert f"ev.{kind.__name__}(" in inspect.getsource(named_pins)


@pytest.mark.parametrize(
    "kind",
    [k for k in KINDS if BLOBS & {f.name for f in dataclasses.fields(k)} - {"evidence"}],
    ids=lambda k: k.__name__,
)
def test_every_event_with_content_is_looked_at(kind: type[Event]) -> None:
    """Content that is not named is cleared away after a day: each field must be yielded."""
    source = inspect.getsource(named_blobs)
    assert f"ev.{kind.__name__}(" in source
    fields = BLOBS & {f.name for f in dataclasses.fields(kind)}
    assert all(f"event.{name}" in source for name in fields)


def test_a_pin_is_what_is_looked_for() -> None:
    """The test above would see nothing if the class had another name."""
    assert TablePin.__name__ == "TablePin"
    assert sum(_pinned(kind) for kind in KINDS) > 6
