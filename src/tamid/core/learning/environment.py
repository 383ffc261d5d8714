"""What two environments differ in: the packages that one model was made with, and another."""

from __future__ import annotations

import json
from collections.abc import Mapping

# A change in one of these can change scores, those of the same fit included: told first.
DECISIVE = (
    "python", "numpy", "scikit-learn", "lightgbm", "polars", "skops", "onnxruntime", "scipy",
    "joblib", "optuna", "tamid",
)  # fmt: skip


def changed(before: bytes, after: bytes) -> tuple[str, ...]:
    """Return what changed between two `environment.json`, decisive packages first, then by name.

    >>> old = b'{"python":"3.11.7","packages":{"ruff":"0.1","polars":"2.0","zip":"1"}}'
    >>> new = b'{"python":"3.11.7","packages":{"ruff":"0.2","polars":"2.1","add":"3"}}'
    >>> changed(old, new)
    ('polars 2.0 -> 2.1', 'add 3 is new', 'ruff 0.1 -> 0.2', 'zip 1 is gone')
    """
    old, new = _parts(before), _parts(after)
    names = sorted(
        (n for n in {*old, *new} if old.get(n) != new.get(n)), key=lambda n: (_rank(n), n)
    )
    return tuple(_told(name, old.get(name), new.get(name)) for name in names)


def decisive(changes: tuple[str, ...]) -> tuple[str, ...]:
    """Return those changes that can change scores."""
    return tuple(c for c in changes if c.partition(" ")[0] in DECISIVE)


def in_short(changes: tuple[str, ...], most: int = 5) -> str:
    """Name the first few changes and count the others.

    >>> in_short(("polars 2.0 -> 2.1", "a 1 is new", "b 1 is new"), most=2)
    'polars 2.0 -> 2.1, a 1 is new and 1 more'
    """
    more = f" and {len(changes) - most} more" if len(changes) > most else ""
    return ", ".join(changes[:most]) + more


def _parts(content: bytes) -> Mapping[str, str]:
    about = json.loads(content)
    packages = about.get("packages", {})
    return {**{n: str(v) for n, v in about.items() if n != "packages"}, **packages}


def _rank(name: str) -> int:
    return DECISIVE.index(name) if name in DECISIVE else len(DECISIVE)


def _told(name: str, old: str | None, new: str | None) -> str:
    if old is None:
        return f"{name} {new} is new"
    return f"{name} {old} is gone" if new is None else f"{name} {old} -> {new}"
