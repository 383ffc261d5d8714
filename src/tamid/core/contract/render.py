"""A contract as rows for people: each key with its value as one would write it, and its owner."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from tamid.core.contract.fields import BOTH, default_of, doc_of, limits_of, owner_of
from tamid.core.contract.kinds import holds_password
from tamid.core.contract.model import CleanStep, Contract, Rung, SinkSpec
from tamid.core.contract.short import RUNG_VALUE
from tamid.core.values import Money, Role, format_duration


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One key: where it stands, its value as text, whether it is the default, whose it is."""

    path: str
    value: str
    is_default: bool
    owner: str
    doc: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockOwner:
    """One block and the roles that must agree to a change of it; `teams` are their names."""

    block: str
    roles: tuple[Role, ...]
    teams: tuple[str, ...]
    doc: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """One value of a contract that has no keys of its own, with what is declared about it."""

    path: str
    value: Any
    default: Any
    doc: str
    share: bool


def owners(contract: Contract) -> tuple[BlockOwner, ...]:
    """Return who owns each block, in the order of the grammar."""
    return tuple(
        BlockOwner(
            block=field.name,
            roles=roles_of(owner_of(field)),
            teams=tuple(_team(contract, role) for role in roles_of(owner_of(field))),
            doc=doc_of(field),
        )
        for field in dataclasses.fields(contract)
    )


def roles_of(owner: str) -> tuple[Role, ...]:
    """Return the roles that an owner stands for: itself, or the two."""
    return (Role.ML_DEVELOPER, Role.MLOPS_ENGINEER) if owner == BOTH else (Role(owner),)


def owner_at(path: str) -> str:
    """Return the owner of the block in which a path lies.

    >>> owner_at("training.search.trials"), owner_at("data.source")
    ('ml_developer', 'both')
    """
    block = path.partition(".")[0].partition("[")[0]
    field = next(f for f in dataclasses.fields(Contract) if f.name == block)
    return owner_of(field)


def rows(contract: Contract) -> tuple[Row, ...]:
    """Return every key of the contract, those left at their default too, in the grammar's order."""
    return tuple(
        Row(
            path=leaf.path,
            value=written(leaf.value, share=leaf.share),
            is_default=leaf.value == leaf.default,
            owner=owner_at(leaf.path),
            doc=leaf.doc,
        )
        for leaf in leaves(contract)
    )


def leaves(contract: Contract) -> Iterator[Leaf]:
    """Yield every value that has no keys of its own; named things lie under their name."""
    yield from _leaves(contract, "")


def written(value: Any, *, share: bool = False) -> str:
    """Return a value as one would write it in the file, in its short form.

    >>> written(timedelta(days=7)), written(0.05, share=True), written(("a", "b"))
    ('1w', '5%', '[a, b]')
    """
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value * 100:.10g}%" if share else f"{value:.15g}"
    if isinstance(value, timedelta):
        return format_duration(value)
    if isinstance(value, Money):
        return f"{value.amount:.15g} {value.currency}"
    if isinstance(value, (tuple, list)):
        return "[" + ", ".join(written(v, share=share) for v in value) + "]"
    if isinstance(value, Mapping):
        pairs = (f"{k}: {written(v, share=share)}" for k, v in value.items())
        return "{" + ", ".join(pairs) + "}"
    if dataclasses.is_dataclass(value):
        return _short(value)
    text = str(value)
    return "(hidden)" if holds_password(text) else text


def _leaves(block: Any, path: str) -> Iterator[Leaf]:
    for field in dataclasses.fields(block):
        value = getattr(block, field.name)
        where = f"{path}.{field.name}" if path else field.name
        if dataclasses.is_dataclass(value) and not isinstance(value, Money):
            yield from _leaves(value, where)
        elif isinstance(value, Mapping) and _of_blocks(value):
            for name, inner in value.items():
                yield from _leaves(inner, f"{where}.{name}")
        else:
            yield Leaf(
                path=where,
                value=value,
                default=default_of(field),
                doc=doc_of(field),
                share=limits_of(field).share and limits_of(field).high == 1.0,
            )


def _of_blocks(value: Mapping[str, Any]) -> bool:
    return bool(value) and all(dataclasses.is_dataclass(v) for v in value.values())


def _short(value: Any) -> str:
    """Return a block that stands in a list, in the form that people write."""
    parts = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
    kept = {k: v for k, v in parts.items() if v not in (None, ())}
    if isinstance(value, Rung):
        main = kept.get(RUNG_VALUE.get(value.kind, ""))
        return value.kind if main is None else f"{value.kind}: {written(main)}"
    if isinstance(value, SinkSpec):
        rest = {k: v for k, v in kept.items() if k not in ("kind", "target")}
        return written({value.kind: value.target, **rest})
    if isinstance(value, CleanStep):
        rest = {k: v for k, v in kept.items() if k != "step"}
        return f"{value.step}: {written(rest)}" if rest else value.step
    return written(kept)


def _team(contract: Contract, role: Role) -> str:
    teams = contract.owners
    return teams.ml_developer if role is Role.ML_DEVELOPER else teams.mlops_engineer
