"""Intake: every source is looked at once a tick; what is new is checked, stored and told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime

from tamid.core.contract.model import Contract
from tamid.core.contract.running import ACTIONS
from tamid.core.events import Event
from tamid.core.repairs import known
from tamid.core.state import State
from tamid.stages import acting, data, inbox
from tamid.stages.feeds import LABELS, ROWS, NotReady, feeds
from tamid.stages.named import by_id
from tamid.stages.rig import Rig
from tamid.stages.sharing import ingest_shared, recogniser_of


def intake(
    rig: Rig,
    contract: Contract,
    state: Callable[[], State],
    now: datetime,
    token: int,
    waiting: list[NotReady] | None = None,
) -> Iterator[Event]:
    """Yield what new batches brought: rows first, then event tables, then labels.

    `state` gives the state after the events that were yielded and appended so far. Batches that
    cannot be read yet are added to `waiting`.
    """
    for feed in feeds(contract):
        source = rig.sources.get(feed.source)
        if source is not None and feed.shared:
            some = [] if waiting is None else waiting
            yield from ingest_shared(rig, feed, source, state, now, token, some)
        elif source is not None:
            present = state()
            yield from data.ingest(
                feed,
                source,
                rig.tables,
                known=known(present, feed.source),
                now=now,
                token=token,
                waiting=waiting,
                first=_is_first(present, feed.source),
                noted=present.noted.get(feed.source),
                recogniser=recogniser_of(rig, feed.source, state),
            )
    if ACTIONS in rig.sources:
        yield from acting.ingest(rig, contract, state(), rig.sources[ACTIONS], now, token, waiting)
    # A replay gives labels apart from the rows that hold them: they become known later.
    apart = LABELS in rig.sources or contract.data.label.source is not None
    source = rig.sources.get(LABELS if apart else ROWS)
    if source is None:
        return
    present = state()
    yield from inbox.ingest(
        contract,
        source,
        rig.tables,
        rows=present.pins.get(rig.table(ROWS)),
        known=known(present, LABELS),
        now=now,
        token=token,
        accepted=None if apart else _accepted(present),
        waiting=waiting,
        hearer=by_id(rig, contract, state, now),
    )


def _is_first(state: State, source: str) -> bool:
    """Say whether no turn has ended since the first batch of a source came."""
    seen = state.first_seen.get(source)
    return seen is None or state.last_tick is None or state.last_tick < seen


def _accepted(state: State) -> dict[str, str]:
    """Return the batches of rows that were not refused, with their fingerprints."""
    seen = state.batches.get(ROWS, {})
    return {name: mark for name, mark in seen.items() if f"{ROWS}/{name}" not in state.refused}
