"""What comes in for a model: its sources, where each is stored and what it must look like."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC
from zoneinfo import ZoneInfo

from tamid.core.contract.model import Calendar, Contract
from tamid.core.errors import SystemFailure
from tamid.core.events import DataRefused
from tamid.core.periods import PeriodRule, period_rule
from tamid.core.values import Role
from tamid.ports import Batch, Source
from tamid.stages.quarantine import Shape

ROWS = "rows"
LABELS = "labels"
# What the names of tables that views read begin with.
VIEWS = "_views."
# How the tables of feature views are cut: weeks of UTC.
SHARED_RULE = PeriodRule(zone=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class NotReady:
    """A batch that could not be read yet; it is looked at again by the next tick."""

    source: str
    batch: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """One source of rows or events, where it is stored and what it must look like.

    `rule` None: nothing is cut by time, all rows are in the slice "static". `shared`: the table is
    that of a feature view, which several models read and fill.
    """

    source: str
    table: str
    owner: Role
    shape: Shape
    rule: PeriodRule | None
    max_share: float
    known_at: str | None = None
    pii: tuple[str, ...] = ()
    path: str = ""
    shared: bool = False


def listed(source: Source, name: str, path: str, waiting: list[NotReady] | None) -> Sequence[Batch]:
    """Return the batches that are there now; why there is none, or no answer, goes to `waiting`."""
    try:
        batches = source.batches()
        reason = f"no file matches {path}" if path else "nothing is there"
    except SystemFailure as error:
        batches, reason = (), error.told
    if waiting is not None and not batches:
        waiting.append(NotReady(source=name, batch="", reason=reason))
    return batches


def write_key(table: str, batch: str, fingerprint: str) -> str:
    """Return the key of a batch's rows in a table, by which a write without its event is found.

    >>> write_key("churn.rows", "week.csv", "sha256:1f")
    'churn.rows/week.csv/sha256:1f'
    """
    return f"{table}/{batch}/{fingerprint}"


def refused(
    batch: Batch,
    reasons: Sequence[str],
    *,
    table: str,
    source: str,
    owner: str,
    rows: int = 0,
    broken: Mapping[str, int] | None = None,
    periods: Sequence[str] = (),
) -> DataRefused:
    """Return the event that a batch is not used: none of its rows goes into the table."""
    return DataRefused(
        key=write_key(table, batch.name, batch.fingerprint),
        source=source,
        batch=batch.name,
        fingerprint=batch.fingerprint,
        owner=Role(owner),
        reasons=tuple(reasons),
        rows=rows,
        broken=dict(broken or {}),
        periods=tuple(periods),
    )


def rule_of(contract: Contract) -> PeriodRule | None:
    """Return how the contract cuts time; None without a time column."""
    if contract.data.time is None:
        return None
    calendar: Calendar = contract.calendar
    zone = ZoneInfo(calendar.timezone)
    return period_rule(zone, contract.delivery.every, calendar.week_starts)


def feeds(contract: Contract) -> tuple[Feed, ...]:
    """Return the feeds of a contract: the rows first, then each event table by name."""
    data, rule = contract.data, rule_of(contract)
    zone, hidden = contract.calendar.timezone, data.forbidden
    aside = [data.label.column, data.source.known_at]
    if data.label.source is not None:
        aside.append(data.label.source.known_at)
    label = data.label.column
    rows = Feed(
        source=ROWS,
        table=f"{contract.name}.{ROWS}",
        owner=Role(data.source.owner),
        shape=Shape(
            schema={n: c for n, c in data.schema.items() if n != label},
            entity=data.entity,
            time=data.time,
            timezone=zone,
            forbidden=hidden,
            aside=tuple(a for a in aside if a),
            hidden=data.pii,
            known_at=data.source.known_at,
            spared=contract.training.reduced,
        ),
        rule=rule,
        max_share=data.quarantine.max_share,
        known_at=data.source.known_at,
        pii=data.pii,
        path=data.source.path,
    )
    return (rows, *(_events(contract, name) for name in sorted(data.tables)))


def stored_name(contract: Contract, name: str) -> str:
    """Return under which name an event table is stored: a view's is the same for all contracts."""
    return f"{VIEWS}{name}" if name in contract.views else f"{contract.name}.{name}"


def _shared(contract: Contract, name: str) -> Feed:
    view = contract.views[name]
    table = view.table
    return Feed(
        source=name,
        table=stored_name(contract, name),
        owner=Role(table.owner),
        shape=Shape(
            schema=table.schema,
            entity=table.entity,
            time=table.time,
            timezone=view.timezone,
            forbidden=view.forbidden,
            aside=(table.known_at,) if table.known_at else (),
            unique=False,
            hidden=view.pii,
            known_at=table.known_at,
        ),
        # Whatever calendar a contract has: slices must be the same for all of them.
        rule=SHARED_RULE,
        max_share=view.max_share,
        known_at=table.known_at,
        pii=view.pii,
        path=table.path,
        shared=True,
    )


def _events(contract: Contract, name: str) -> Feed:
    if name in contract.views:
        return _shared(contract, name)
    data = contract.data
    table = data.tables[name]
    return Feed(
        source=name,
        table=stored_name(contract, name),
        owner=Role(table.owner),
        shape=Shape(
            schema=table.schema,
            entity=table.entity,
            time=table.time,
            timezone=contract.calendar.timezone,
            forbidden=data.forbidden,
            aside=(table.known_at,) if table.known_at else (),
            unique=False,
            hidden=data.pii,
            known_at=table.known_at,
        ),
        rule=rule_of(contract),
        max_share=data.quarantine.max_share,
        known_at=table.known_at,
        pii=data.pii,
        path=table.path,
    )
