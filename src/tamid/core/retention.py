"""What of a table's past may go: which versions and which rows are needed, and why.

A version is needed by whom it is read: the loop now, the runs that live versions and open work come
from, and the audit, which repeats each decision on the tables as they were.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from tamid.core import events as ev
from tamid.core.chain import Recorded
from tamid.core.fold import evolve
from tamid.core.state import State
from tamid.core.values import TablePin

NOW, AUDIT = "the loop reads it", "a decision is repeated on it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Replaced:
    """One version of a table, and when the next one took its place; None: it is the newest."""

    version: int
    until: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Needed:
    """Which rows stay whatever their age: all from period `since` on, and the last `least`."""

    since: str
    why: str
    least: timedelta
    least_why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Which versions of a table go, and which old ones stay, each with the reason."""

    gone: tuple[int, ...]
    kept: Mapping[int, str]


def needed(
    state: State,
    records: Iterable[Recorded],
    since: datetime | None,
    unread: Collection[str] = frozenset(),
) -> dict[TablePin, str]:
    """Return every pin that somebody needs, with the reason.

    `since`: decisions before it need not be repeated; None: all must be. `unread`: tables that no
    decision looks at.
    """
    found: dict[TablePin, str] = {}
    for pin, why in _asked(records, since, unread):
        found.setdefault(pin, why)
    for run, why in runs_needed(state):
        started = state.runs[run].started
        finished = state.runs[run].finished
        judged = (finished.judged,) if finished and finished.judged else ()
        for pin in (*started.pins, *judged):
            found[pin] = why
    for pin in state.pins.values():
        found[pin] = NOW
    return found


def plan(versions: Iterable[Replaced], needs: Mapping[int, str], before: datetime | None) -> Plan:
    """Return what of one table may go: replaced `before`, and needed by nobody.

    `before` None: nothing is old enough, ever.
    """
    gone, kept = [], {}
    for one in versions:
        if one.until is None or before is None or one.until >= before:
            continue
        if one.version in needs:
            kept[one.version] = needs[one.version]
        else:
            gone.append(one.version)
    return Plan(gone=tuple(gone), kept=kept)


def outlived(
    order: Sequence[str],
    keep: Mapping[str, timedelta | None],
    lasts: Mapping[str, Mapping[str, datetime]],
    needed: Needed,
    now: datetime,
) -> tuple[dict[str, tuple[str, ...]], tuple[tuple[str, str], ...]]:
    """Return the periods that each table may lose, and for each table why older ones stay.

    `order`: tables in the order in which a period leaves them; `keep`: how long each keeps its
    rows, None for ever; `lasts`: the last moment of each period that a table holds.

    Laws: a period leaves a table only if it is older than `keep` and `needed` allow, and stands in
    no table before it in the order; longer times keep never less.

    >>> from datetime import UTC
    >>> day = lambda n: datetime(2026, 1, n, tzinfo=UTC)
    >>> held = {"a": day(1), "b": day(2), "c": day(20)}
    >>> lasts = {"rows": held, "labels": held}
    >>> keep = {"rows": timedelta(days=9), "labels": timedelta(days=3)}
    >>> all_of = Needed(since="", why="", least=timedelta(0), least_why="")
    >>> outlived(("rows", "labels"), keep, lasts, all_of, day(11))[0]
    {'rows': ('a',), 'labels': ('a',)}
    """
    gone: dict[str, tuple[str, ...]] = {}
    whys: list[tuple[str, str]] = []
    before: set[str] = set()
    for name in order:
        span, held = keep.get(name), lasts.get(name, {})
        left = set(held)
        if span is not None:
            old = {p for p, last in held.items() if last < now - span}
            young = {p for p in old if held[p] >= now - needed.least}
            used = {p for p in old - young if needed.since and p >= needed.since}
            waits = (old - young - used) & before
            free = old - young - used - waits
            left -= free
            if free:
                gone[name] = tuple(sorted(free))
            for some, why in (
                (young, needed.least_why),
                (used, needed.why),
                (waits, "another table still holds what they belong to"),
            ):
                if some:
                    whys.append((name, f"{len(some)} old periods: {why}"))
        before |= left
    return gone, tuple(whys)


def _asked(
    records: Iterable[Recorded], since: datetime | None, unread: Collection[str]
) -> Iterable[tuple[TablePin, str]]:
    """Yield what each decision that must be repeatable was taken on."""
    state = State()
    for record in records:
        decided = isinstance(record.event, ev.Decided | ev.Ticked)
        if decided and (since is None or record.at >= since):
            yield from ((pin, AUDIT) for pin in state.pins.values() if pin.table not in unread)
        state = evolve(state, record)


def runs_needed(state: State) -> Iterable[tuple[str, str]]:
    """Yield the runs whose data must stay, with the reason."""
    if state.run_in_flight is not None:
        yield state.run_in_flight.started.run, "a run is under way on it"
    for number, name in (
        (state.champion, "the champion"),
        (state.previous, "the version to fall back on"),
        (state.challenger, "the version on its way"),
    ):
        if number:
            yield state.versions[number].registered.run, f"{name} was made of it"
    for number, case in state.open_cases.items():
        for run in case.runs:
            if run in state.runs:
                yield run, f"case {number} is open"
