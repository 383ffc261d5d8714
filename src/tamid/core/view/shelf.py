"""The feature views of a workspace at a glance: who owns them, who uses what, what a change means.

Pure: made of what is declared, of each model's state, and of the contracts that it works under.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tamid.core.contract.model import Contract, View
from tamid.core.state import State
from tamid.core.values import jsonable

ABSENT = "(absent)"


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A model with its state and contracts: in the folder, in force, and of its champion."""

    model: str
    state: State
    folder: Contract | None
    in_force: Contract | None
    champion: Contract | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """How a model uses a view: which features, and by which version of the view.

    `version`: of the contract in force, 0 before it is adopted. `champion`: number of the version
    that answers, 0 if none does with this view; `trained_with`: the version of the view it keeps.
    """

    model: str
    features: tuple[str, ...]
    version: int = 0
    champion: int = 0
    trained_with: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A view as people see it; `computed`: when it was materialised last, None: never."""

    view: str
    version: int
    owner: str
    about: str
    features: tuple[str, ...]
    uses: tuple[Use, ...]
    computed: datetime | None = None
    rows: int = 0
    entities: int = 0
    late: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """One key of a view that differs: its values as JSON types, `ABSENT` where there is none."""

    path: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewChange:
    """What a file says otherwise than what is in force, and every model that it touches.

    `redefined`: other numbers come of it, so that the models are trained anew. `unnumbered`: it is
    redefined and still has a number that was in force for something else; it is not adopted.
    """

    view: str
    before: int
    after: int
    redefined: bool
    unnumbered: bool
    edits: tuple[Edit, ...]
    touches: tuple[Use, ...]


def shown(declared: Mapping[str, View], users: Sequence[User]) -> tuple[Shown, ...]:
    """Return every view that is declared or in use, by name."""
    views = dict(declared)
    for user in users:
        for contract in (user.champion, user.in_force):
            for name, view in contract.views.items() if contract else ():
                views.setdefault(name, view)
    return tuple(_shown(name, view, users) for name, view in sorted(views.items()))


def changed(declared: Mapping[str, View], users: Sequence[User]) -> tuple[ViewChange, ...]:
    """Return how the declared views differ from those in force, each with its models."""
    found = []
    for name, view in sorted(declared.items()):
        olds = [
            (user, user.in_force.views[name])
            for user in users
            if user.in_force and name in user.in_force.views
        ]
        for old in {o.definition + str(o.version) + o.owner: o for _, o in olds}.values():
            edits = tuple(_edits(old, view))
            if not edits:
                continue
            known = {d for user in users for d in _recorded(user, name, view.version)}
            redefined = old.definition != view.definition
            touched = tuple(_use(user, name) for user, other in olds if other == old)
            change = ViewChange(
                view=name,
                before=old.version,
                after=view.version,
                redefined=redefined,
                unnumbered=bool(known - {view.definition}),
                edits=edits,
                touches=touched,
            )
            found.append(change)
    return tuple(found)


def _recorded(user: User, name: str, version: int) -> Iterator[str]:
    if (definition := user.state.definitions.get(f"{name}@{version}")) is not None:
        yield definition


def _shown(name: str, view: View, users: Sequence[User]) -> Shown:
    uses = tuple(u for u in (_use(user, name) for user in users) if u.features)
    made = [
        m for user in users for m in user.state.views.values()
        if m.event.view == name and m.event.definition == view.definition
    ]  # fmt: skip
    last = max(made, key=lambda m: m.at, default=None)
    return Shown(
        view=name,
        version=view.version,
        owner=view.owner,
        about=view.about or "",
        features=tuple(view.features),
        uses=uses,
        computed=last.at if last else None,
        rows=last.event.rows if last else 0,
        entities=last.event.entities if last else 0,
        late=last.event.late if last else 0,
    )


def _use(user: User, name: str) -> Use:
    named = [c for c in (user.folder, user.in_force, user.champion) if c and name in c.views]
    return Use(
        model=user.model,
        features=_features(named[0], name) if named else (),
        version=_version(user.in_force, name),
        champion=user.state.champion if _version(user.champion, name) else 0,
        trained_with=_version(user.champion, name),
    )


def _features(contract: Contract, name: str) -> tuple[str, ...]:
    return tuple(n for n, a in contract.features.aggregates.items() if a.table == name)


def _version(contract: Contract | None, name: str) -> int:
    view = contract.views.get(name) if contract else None
    return view.version if view else 0


def _edits(old: View, new: View) -> Iterator[Edit]:
    before, after = dict(_flat(jsonable(old), "")), dict(_flat(jsonable(new), ""))
    for path in dict.fromkeys((*before, *after)):
        was, now = before.get(path, ABSENT), after.get(path, ABSENT)
        # A contract's paths start at its own folder.
        if was != now and path != "table.path":
            yield Edit(path=path, before=was, after=now)


def _flat(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        for name, inner in value.items():
            yield from _flat(inner, f"{path}.{name}" if path else name)
    elif value is not None:
        yield path, value
