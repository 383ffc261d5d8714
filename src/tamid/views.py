"""The feature views of a workspace: read from the files that `tamid.toml` lists, and pinned.

A contract names the views that it uses. When it is adopted, what they say is written behind its own
text, so that a model keeps the definition that it was trained with, whatever the files say later.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from tamid.core.errors import ContractError, NotFound, Problem

if TYPE_CHECKING:
    from tamid.config import Config
    from tamid.core.contract.model import Contract, View
    from tamid.core.contract.node import Node
    from tamid.core.state import State


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """A view and the file in which it is declared."""

    view: View
    file: Path


def declared(config: Config) -> Mapping[str, Declared]:
    """Return every view of a workspace by name.

    Raises:
        ContractError: problems of all files, with lines; NotFound: a file is not there.
    """
    found: dict[str, Declared] = {}
    problems: list[Problem] = []
    for file in config.features:
        try:
            views = _read(_content(file), file.name)
        except ContractError as error:
            problems += [replace(p, path=f"{file.name}: {p.path}") for p in error.problems]
            continue
        for name, view in views.items():
            if name in found:
                what = f"the view `{name}` stands in {found[name].file.name} already"
                problems.append(Problem(line=1, path=f"{file.name}: views.{name}", message=what))
            found.setdefault(name, Declared(view=view, file=file))
    if problems:
        lines = [f"the feature views have {len(problems)} problem(s):"]
        lines += [f"  {problem}" for problem in problems]
        raise ContractError("\n".join(lines), problems=tuple(problems))
    return found


def pinned(contract: Path, content: bytes, name: str) -> str:
    """Return the block, as YAML, that says what the views are that a contract uses; "" for none.

    Where it names a view that there is not, all views are told, so that the nearest can be named.

    Raises:
        ContractError: the block stands in the contract already, or the views have problems.
    """
    if b"views" not in content:
        return ""
    used = _used(content, name)
    if not used:
        return ""
    from tamid.config import find
    from tamid.core.values import canonical_json

    try:
        known = declared(find(contract.parent))
    except NotFound as error:
        if not error.what.startswith("no workspace"):
            raise
        known = {}
    names = used if all(view in known for view in used) else tuple(known)
    views = {view: _seen_from(contract.parent, known[view]) for view in names}
    return f"views: {canonical_json(views)}\n"


def admitted(
    contract: Contract,
    models: Iterable[str],
    state: Callable[[str], State],
    in_force: Callable[[str], Contract],
    reason: str,
) -> str:
    """Return the reason of an adoption, with the views that are redefined and whom that touches.

    `models`: of the workspace; `state` and `in_force` give the state and the contract of each.

    Raises:
        ContractError: a view says something else under a number that was in force before; all such
            views are named.
    """
    if not contract.views:
        return reason
    states = {model: state(model) for model in models}
    problems, news = [], []
    for name, view in contract.views.items():
        known = {v: d for s in states.values() for v, d in s.definitions.items()
                 if v.rpartition("@")[0] == name}  # fmt: skip
        numbers = [int(v.rpartition("@")[2]) for v in known]
        if known.get(f"{name}@{view.version}", view.definition) != view.definition:
            problems.append(
                Problem(
                    line=1,
                    path=f"views.{name}.version",
                    message=f"the definition changed, and version {view.version} is the old one",
                    hint=f"write version: {1 + max(numbers)}",
                )
            )
        elif known and f"{name}@{view.version}" not in states[contract.name].definitions:
            users = [m for m, s in states.items() if s.contract and name in in_force(m).views]
            told = f"; it is used by {', '.join(users)}" if users else ""
            news.append(f"feature view {name} is version {view.version} now{told}")
    if problems:
        lines = ["feature views changed without a new version:"] + [f"  {p}" for p in problems]
        raise ContractError("\n".join(lines), problems=tuple(problems))
    return "; ".join([reason, *news]) if reason else "; ".join(news)


def _content(file: Path) -> bytes:
    from tamid.adapters import yaml

    try:
        with file.open("rb") as opened:
            return opened.read(yaml.MAX_BYTES + 1)
    except OSError as error:
        raise NotFound(
            f"there is no file of feature views at {file}",
            why=f"tamid.toml lists it under `features`: {error.strerror}",
            fix="Write the file, or take it out of the list.",
        ) from None


@functools.lru_cache(maxsize=32)
def _read(content: bytes, name: str) -> Mapping[str, View]:
    from tamid.adapters import yaml
    from tamid.core.contract.parse import parse_views

    return parse_views(yaml.read(content, name), name=name, zones=known_zones() or None)


@functools.cache
def known_zones() -> frozenset[str]:
    """Return the IANA time zones that this machine knows."""
    from zoneinfo import available_timezones

    return frozenset(available_timezones())


@functools.lru_cache(maxsize=32)
def _used(content: bytes, name: str) -> tuple[str, ...]:
    """Return the views that a contract names."""
    from tamid.adapters import yaml
    from tamid.core.contract.node import Entries

    node = yaml.read(content, name)
    if not isinstance(node, Entries):
        return ()
    block = node.get("views")
    features = node.get("features")
    used = features.get("views") if isinstance(features, Entries) else None
    if block is not None:
        problem = Problem(
            line=block.line,
            path="views",
            message="is written by Tamid when it adopts the contract",
            hint="declare views in a file that tamid.toml lists under `features`",
        )
        raise ContractError(f"{name} has a problem:\n  {problem}", problems=(problem,))
    return tuple(dict.fromkeys(_names(used)))


def _names(used: Node | None) -> Iterator[str]:
    from tamid.core.contract.node import Entries, Items, Scalar

    for item in used.items if isinstance(used, Items) else ():
        named = item.get("view") if isinstance(item, Entries) else item
        if isinstance(named, Scalar):
            yield named.text


def _seen_from(folder: Path, found: Declared) -> View:
    """Return a view whose path starts at another folder, as a contract's own paths do."""
    path = found.view.table.path
    if "://" in path or Path(path).is_absolute():
        return found.view
    there = os.path.relpath(found.file.parent / path, folder)
    table = replace(found.view.table, path=Path(there).as_posix())
    return replace(found.view, table=table)
