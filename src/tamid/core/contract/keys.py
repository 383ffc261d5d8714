"""Which keys exist where, so that a key in the wrong block can be sent to the right one."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, get_args, get_type_hints

from tamid.core.contract.model import Contract
from tamid.core.contract.problems import did_you_mean, listed

# More places than this are no help.
_MOST_PLACES = 3
_FEW_KEYS = 8


def unknown_key_hint(key: str, known: Iterable[str]) -> str:
    """Return the best hint for an unknown key: a near one, its right block, or the known ones."""
    words = list(known)
    if hint := did_you_mean(key, words):
        return hint
    places = sorted(homes().get(key, ()))
    if places and len(places) <= _MOST_PLACES:
        return f"`{key}` belongs under {listed(p or 'the top level' for p in places)}"
    return f"expected {listed(words)}" if len(words) <= _FEW_KEYS else ""


@functools.cache
def homes() -> Mapping[str, frozenset[str]]:
    """Return for each key of the grammar the blocks that have it ("" is the top level).

    >>> homes()["reporting_lag"]
    frozenset({'data.label'})
    """
    found: dict[str, set[str]] = {}
    for path, key in _walk(Contract, ""):
        found.setdefault(key, set()).add(path)
    return MappingProxyType({k: frozenset(v) for k, v in found.items()})


def _walk(cls: type, path: str) -> Iterator[tuple[str, str]]:
    for name, hint in get_type_hints(cls).items():
        yield path, name
        for inner in _blocks(hint):
            yield from _walk(inner, f"{path}.{name}" if path else name)


def _blocks(hint: Any) -> Iterator[type]:
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        yield hint
    for argument in get_args(hint):
        yield from _blocks(argument)
