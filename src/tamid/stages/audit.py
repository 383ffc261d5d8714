"""The ledger held against what is stored: are the decisions repeatable, is the evidence whole?"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from tamid.core import events as ev
from tamid.core.actions import action_record
from tamid.core.chain import Recorded, verify_chain
from tamid.core.errors import TamidError
from tamid.core.fold import evolve
from tamid.core.policy import policy_of
from tamid.core.signals import Signals
from tamid.core.state import State
from tamid.core.values import TablePin, canonical_json, jsonable
from tamid.stages.answered import SERVED, TIMINGS
from tamid.stages.loop import conclude
from tamid.stages.naming import cleared, named_blobs, named_bundles, named_pins
from tamid.stages.packaging import unpack
from tamid.stages.rig import Rig

_T = TypeVar("_T")
# Tables that no decision looks at.
UNREAD = (SERVED, TIMINGS, "judged")


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A decision that came out otherwise when it was repeated: which part, both ways.

    `rules`: the number of the rules that it was recorded and repeated by.
    """

    seq: int
    tick: str
    round: int
    part: str
    recorded: str
    repeated: str
    rules: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Something stored that is not what the ledger says: `event` is the first that names it."""

    event: int
    what: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """How many decisions were repeated, and the first that differs, if one does.

    `ticks`: turns in which something was decided; `rests`: turns that found nothing more to do.
    `beyond`: decisions whose tables were cleared away; they were not repeated. `altered`: stored
    content that the next decision rested on and that is no more what it was: nothing from there on
    was repeated.
    """

    decisions: int
    ticks: int
    rests: int = 0
    beyond: int = 0
    first: Difference | None = None
    altered: tuple[Fault, ...] = ()

    @property
    def same(self) -> bool:
        """Whether everything that was repeated came out the same, on what it had rested on."""
        return self.first is None and not self.altered


def audit(rig: Rig, records: Sequence[Recorded]) -> Audit:
    """Repeat every recorded decision on the events before it and on the pinned tables.

    Each by the rules that held when it was made, whose number is recorded with it.
    That a turn ended is a decision too: that there was nothing more to do. Stops at the first
    decision whose signals, actions or policy are not the same bytes, or whose tables were altered:
    what is read of them might happen to fit.
    """
    asked = sum(isinstance(r.event, ev.Decided | ev.Ticked) for r in records)
    gone = cleared(records, rig.blobs)
    state, done, rests, ticks, beyond = State(), 0, 0, set(), 0
    found: Difference | None = None
    sound, altered = set[TablePin](), list[Fault]()
    for record in records:
        event = record.event
        if isinstance(event, ev.Decided | ev.Ticked) and _lost(rig, state, gone):
            beyond += 1
        elif isinstance(event, ev.Decided | ev.Ticked) and (
            altered := _altered(rig, state, record.seq, sound)
        ):
            break
        elif isinstance(event, ev.Decided):
            done += 1
            ticks.add(event.tick)
            found = _repeat(rig, state, record, event)
        elif isinstance(event, ev.Ticked):
            rests += 1
            found = _repeat_rest(rig, state, record, event)
        if isinstance(event, ev.Decided | ev.Ticked):
            rig.progress.step("decisions repeated", done + rests, asked)
        if found is not None:
            break
        state = evolve(state, record)
    return Audit(
        decisions=done, ticks=len(ticks), rests=rests, beyond=beyond, first=found,
        altered=tuple(altered),
    )  # fmt: skip


def _altered(rig: Rig, state: State, seq: int, sound: set[TablePin]) -> list[Fault]:
    """Return what a decision rests on and does not fit its digest; `sound`: pins looked at."""
    found: list[Fault] = []
    for pin in _read(rig, state):
        if pin not in sound:
            what = f"table {pin.table} at version {pin.version}"
            found += _tried(seq, what, partial(rig.tables.verify, pin))
            sound.add(pin)
    return found


def _read(rig: Rig, state: State) -> list[TablePin]:
    unread = {rig.table(name) for name in UNREAD}
    return [pin for pin in state.pins.values() if pin.table not in unread]


def _lost(rig: Rig, state: State, gone: frozenset[tuple[str, int]]) -> bool:
    """Say whether a decision rests on a version that was cleared away."""
    return any((pin.table, pin.version) in gone for pin in _read(rig, state))


def _repeat_rest(rig: Rig, state: State, record: Recorded, event: ev.Ticked) -> Difference | None:
    _, decision = conclude(rig, state, record.at, event.rules)
    if not decision.actions:
        return None
    return Difference(
        seq=record.seq,
        tick=event.tick,
        round=-1,
        part="actions",
        recorded="[]",
        repeated=canonical_json([action_record(a) for a in decision.actions]),
        rules=event.rules,
    )


def _repeat(rig: Rig, state: State, record: Recorded, event: ev.Decided) -> Difference | None:
    signals, decision = conclude(rig, state, record.at, event.rules)
    again = {
        "signals": (event.signals, _as_recorded(signals, event.signals)),
        "actions": (event.actions, canonical_json([action_record(a) for a in decision.actions])),
        "policy": (event.policy, policy_of(rig.contract(state.contract)).digest),
    }
    for part, (recorded, repeated) in again.items():
        if recorded != repeated:
            return Difference(
                seq=record.seq,
                tick=event.tick,
                round=event.round,
                part=part,
                recorded=recorded,
                repeated=repeated,
                rules=event.rules,
            )
    return None


def _as_recorded(signals: Signals, recorded: str) -> str:
    """Return signals as JSON, without what no tick of that time could see and this one does not."""
    seen, usual = jsonable(signals), jsonable(Signals())
    then = json.loads(recorded)
    assert isinstance(seen, dict)
    assert isinstance(usual, dict)
    return canonical_json({k: v for k, v in seen.items() if k in then or v != usual[k]})


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What was checked, and every fault that was found."""

    events: int
    blobs: int
    tables: int
    bundles: int
    faults: tuple[Fault, ...]


def prove(rig: Rig, records: Sequence[Recorded]) -> Proof:
    """Check the chain, every blob, every pinned table and every bundle that a ledger names."""
    blobs = _first_named((r.seq, d) for r in records for d in named_blobs(r.event))
    pins = _first_named((r.seq, p) for r in records for p in named_pins(r.event))
    bundles = _first_named((r.seq, b) for r in records for b in named_bundles(r.event))
    faults = [*_chain_faults(records)]
    checks: list[tuple[int, str, Callable[[], object]]] = []
    for digest, seq in blobs.items():
        checks.append((seq, f"blob {digest}", partial(rig.blobs.get, digest)))
    gone = cleared(records, rig.blobs)
    for pin, seq in pins.items():
        if (pin.table, pin.version) in gone:
            continue
        what = f"table {pin.table} at version {pin.version}"
        checks.append((seq, what, partial(rig.tables.verify, pin)))
    for (bundle, overlay), seq in bundles.items():
        what = f"bundle {bundle} with overlay {overlay}"
        checks.append((seq, what, partial(unpack, bundle, overlay, rig.blobs, rig.signer)))
    for done, (seq, what, check) in enumerate(checks, 1):
        faults += _tried(seq, what, check)
        rig.progress.step("checked", done, len(checks))
    return Proof(
        events=len(records),
        blobs=len(blobs),
        tables=len(pins),
        bundles=len(bundles),
        faults=tuple(sorted(faults, key=lambda f: (f.event, f.what))),
    )


def _first_named(pairs: Iterable[tuple[int, _T]]) -> dict[_T, int]:
    found: dict[_T, int] = {}
    for seq, name in pairs:
        if name:
            found.setdefault(name, seq)
    return found


def _chain_faults(records: Sequence[Recorded]) -> list[Fault]:
    try:
        verify_chain(records)
    except TamidError as error:
        return [Fault(event=0, what=error.what, why=error.why)]
    return []


def _tried(seq: int, what: str, check: Callable[[], object]) -> list[Fault]:
    try:
        check()
    except TamidError as error:
        return [Fault(event=seq, what=what, why=error.told)]
    return []
