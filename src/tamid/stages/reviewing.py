"""Reviews: answers that the ladder left to a person, and what the person decided about them.

An answer of the rung `abstain` waits until its label is known: by a review, a file, or by itself.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import polars as pl

from tamid.core.contract.model import Contract
from tamid.core.errors import Conflict
from tamid.core.events import LabelsAccepted
from tamid.core.ladder import ABSTAIN
from tamid.core.periods import period_of
from tamid.core.state import State
from tamid.core.values import ENTITY, TIME, Role
from tamid.stages import dataset, labels
from tamid.stages.answered import SERVED
from tamid.stages.feeds import LABELS, rule_of
from tamid.stages.journal import Journal, holding
from tamid.stages.loop import LEASE
from tamid.stages.named import PREDICTIONS, REVIEW, decided
from tamid.stages.rig import Rig

_ONLINE = ["id", ENTITY, TIME, "score", "rung", "reason", "inputs"]
_BATCH = ["id", ENTITY, TIME, "score", "rung", "revision"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """An answer that waits for a person; `online`: it was asked for one by one, with `inputs`."""

    id: str
    entity: str
    moment: datetime | None
    online: bool
    reason: str = ""
    inputs: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a person decided about the answer `id`: the value that its label would have."""

    id: str
    value: str
    actor: str
    role: Role
    reason: str


def waiting(rig: Rig, contract: Contract, state: State, now: datetime) -> tuple[Review, ...]:
    """Return the answers that wait for a person, the oldest first.

    As far back as `service.log.keep` goes, whose label is not known, each id once.
    """
    found = pl.concat([_online(rig, contract, state, now), _scored(rig, contract, state, now)])
    done = [b.removeprefix(REVIEW) for b in state.batches.get(LABELS, {}) if b.startswith(REVIEW)]
    found = found.filter(~pl.col("id").is_in(done))
    if found.is_empty():
        return ()
    told = dataset.resolved(rig.tables, _patient(contract), state.pins, found, now)
    open_ = told.filter(~pl.col(labels.KNOWN)).sort(TIME, "id", nulls_last=True)
    return tuple(
        Review(
            id=row["id"],
            entity=row[ENTITY],
            moment=row[TIME],
            online=row["online"],
            reason=row["reason"],
            inputs=json.loads(row["inputs"]),
        )
        for row in open_.iter_rows(named=True)
    )


def decide(rig: Rig, holder: str, verdict: Verdict) -> tuple[LabelsAccepted, float]:
    """Put a person's verdict into the inbox and the ledger at once.

    Returns the event, and what the verdict counts as: 0 or 1, the class's index, or the number.

    Raises:
        Conflict: another controller holds the model just now, or nobody adopted a contract.
        NotFound: no such answer; DataError: the value is no label.
    """
    now = rig.clock.now()
    with holding(rig.leases, rig.model, holder, now, LEASE) as lease:
        journal = Journal(rig.ledger, rig.model, token=lease.token)
        state = journal.state
        if not state.contract:
            raise Conflict(
                f"model {rig.model!r} has no contract yet",
                why="nobody adopted one",
                fix="Run `tamid contract adopt`.",
            )
        contract = rig.contract(state.contract)
        event, counts_as = decided(
            rig, contract, state, verdict.id, verdict.value, now, lease.token
        )
        journal.append(event, now, reason=verdict.reason, actor=verdict.actor, role=verdict.role)
        return event, counts_as


def _online(rig: Rig, contract: Contract, state: State, now: datetime) -> pl.DataFrame:
    pin = state.pins.get(rig.table(SERVED))
    if pin is None:
        return _nothing()
    periods = _since(contract, state.answered, now)
    rows = rig.tables.read(pin, periods=periods, columns=_ONLINE)
    left = rows.filter(pl.col("rung") == ABSTAIN).unique("id", keep="last", maintain_order=True)
    return _shaped(left, online=True)


def _scored(rig: Rig, contract: Contract, state: State, now: datetime) -> pl.DataFrame:
    pin = state.pins.get(rig.table(PREDICTIONS))
    if pin is None or all(rung.kind != ABSTAIN for rung in contract.service.fallback):
        return _nothing()
    rows = dataset.in_force(rig.tables, state, pin, _since(contract, state.scored, now))
    left = rows.filter(pl.col("rung") == ABSTAIN)
    return _shaped(left.with_columns(reason=pl.lit("no rung answered"), inputs=pl.lit("{}")))


def _patient(contract: Contract) -> Contract:
    """Take no label's absence for an answer where no time is given in which one could come."""
    label = contract.data.label
    if label.horizon + label.reporting_lag:
        return contract
    return replace(contract, data=replace(contract.data, label=replace(label, absence="unknown")))


def _since(contract: Contract, periods: Iterable[str], now: datetime) -> list[str]:
    rule = rule_of(contract)
    first = period_of(rule, now - contract.service.log.keep) if rule else ""
    return sorted(p for p in periods if p >= first)


def _shaped(rows: pl.DataFrame, *, online: bool = False) -> pl.DataFrame:
    wanted = rows.select(
        "id",
        pl.col(ENTITY).cast(pl.String),
        pl.col(TIME).cast(pl.Datetime("us", "UTC")),
        pl.col("reason").cast(pl.String),
        pl.col("inputs").cast(pl.String),
    )
    return wanted.with_columns(online=pl.lit(online))


def _nothing() -> pl.DataFrame:
    texts = dict.fromkeys(("id", ENTITY, TIME, "reason", "inputs"), pl.String)
    return _shaped(pl.DataFrame(schema={**texts, TIME: pl.Datetime("us", "UTC")}))
