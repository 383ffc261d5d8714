"""One tick: read, fold, observe, diagnose, decide, act, append.

A tick may die anywhere and simply be run again: every act carries a key, every observation is made
once per content, and what was written without having been recorded is adopted by its key.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from tamid.core.actions import Action, Decision, Promote, RollBack, Score, action_record
from tamid.core.chain import Recorded
from tamid.core.contract.recipe import recipe
from tamid.core.decide import decide
from tamid.core.errors import Conflict
from tamid.core.events import ContractAdopted, Decided, Ticked
from tamid.core.policy import policy_of
from tamid.core.signals import RULES, Signals
from tamid.core.state import State
from tamid.core.values import Role, canonical_json, instant
from tamid.stages.acts import carry_out
from tamid.stages.aftercare import (
    compare_in_shadow,
    compare_with_previous,
    look_at_first_answers,
)
from tamid.stages.checking import check_periods
from tamid.stages.cleaning import count_cleaning
from tamid.stages.diagnosis import diagnose
from tamid.stages.estimating import estimate
from tamid.stages.feeds import NotReady
from tamid.stages.hindsight import look_back
from tamid.stages.intake import intake
from tamid.stages.journal import Journal, holding
from tamid.stages.lifting import measure_lift
from tamid.stages.lookups import materialise
from tamid.stages.missing import missing
from tamid.stages.monitoring import alarms, observe
from tamid.stages.online import measure_online
from tamid.stages.online_usual import freeze_usual
from tamid.stages.quality import due_unheard, measure
from tamid.stages.rig import Rig
from tamid.stages.servers import listen
from tamid.stages.spooling import take_in
from tamid.stages.standings import measure_rungs
from tamid.stages.thresholds import measure_threshold
from tamid.stages.unseen import quiet
from tamid.stages.views import materialise_views

# A tick that has not come to rest after this many rounds is going in circles: stop and say so.
MOST_ROUNDS = 200

# How long a controller may hold a model without renewing; longer than any single act.
LEASE = timedelta(hours=2)


# What is looked at in each turn, in this order; each look sees what those before it found.
_LOOKS = (
    listen, check_periods, measure, look_back, freeze_usual, measure_online, compare_in_shadow,
    compare_with_previous, look_at_first_answers, estimate, alarms, diagnose, measure_threshold,
    measure_rungs, measure_lift,
)  # fmt: skip
# After these acts there is something new to notice: scores, or another champion.
_TO_NOTICE = (Score, Promote, RollBack)


@dataclass(frozen=True, slots=True, kw_only=True)
class TickReport:
    """What one tick did."""

    tick: str
    now: datetime
    state: State
    actions: tuple[Action, ...]
    waiting: tuple[str, ...]
    records: tuple[Recorded, ...]


def adopt(
    rig: Rig,
    text: str,
    code: dict[str, str],
    now: datetime,
    *,
    reason: str = "",
    actor: str = "tamid",
    role: Role = Role.CONTROLLER,
    known: State | None = None,
) -> State:
    """Bring a contract and its code into force for new runs; the same again changes nothing."""
    journal = Journal(rig.ledger, rig.model, known=known)
    digest = rig.blobs.put(text.encode())
    stored = {path: rig.blobs.put(source.encode()) for path, source in sorted(code.items())}
    if (journal.state.contract, dict(journal.state.code)) == (digest, stored):
        return journal.state
    contract = rig.contract(digest)
    event = ContractAdopted(
        key=f"adopt/{digest[-12:]}",
        contract=digest,
        code=stored,
        views={f"{name}@{view.version}": view.definition for name, view in contract.views.items()},
        recipe=recipe(contract),
    )
    return journal.append(event, now, reason=reason, actor=actor, role=role)


def tick(
    rig: Rig, holder: str, known: State | None = None, stop: Callable[[], bool] = lambda: False
) -> TickReport:
    """Turn the loop once for one model.

    When `stop` says so the turn ends before its next round of acts, without being counted as one:
    the next turn goes on where this one left.

    Raises:
        Conflict: another controller holds the model, or no contract was adopted.
        LeaseLost: this controller was too slow and another one took over.
    """
    now = rig.clock.now()
    with holding(rig.leases, rig.model, holder, now, LEASE) as lease:
        journal = Journal(rig.ledger, rig.model, token=lease.token, known=known)
        if not journal.state.contract:
            raise Conflict(
                f"model {rig.model!r} has no contract yet",
                why="nobody adopted one",
                fix="Run `tamid contract adopt`, or `tamid tick` in the folder of the contract.",
            )
        if journal.state.retired:
            return _rest(journal, now)
        return _turn(rig, journal, now, lease.token, stop)


def perceive(rig: Rig, journal: Journal, now: datetime, token: int) -> tuple[str, ...]:
    """Take in data and labels, measure what became measurable and estimate what is not yet.

    Then raise and diagnose alarms.

    Returns what is there and cannot be read yet, each with the reason.
    """
    contract = rig.contract(journal.state.contract)
    unready: list[NotReady] = []
    # Answers first: a file of labels may name one.
    take_in(rig, journal, now, token)
    for event in intake(rig, contract, lambda: journal.state, now, token, unready):
        journal.append(event, now)
    journal.append_all(count_cleaning(rig, contract, journal.state, now), now)
    for made in materialise_views(rig, contract, journal.state, now):
        journal.append(made, now)
    lost = due_unheard(rig, contract, journal.state, now)
    silent = quiet(rig.tables, contract, journal.state, now)
    journal.append_all(missing(contract, journal.state, now, unready, lost, silent), now)
    _notice(rig, journal, now)
    said = tuple(f"{n.source}: {n.reason}" for n in unready)
    return (*said, _silence(lost)) if lost else said


def conclude(rig: Rig, state: State, now: datetime, rules: int = RULES) -> tuple[Signals, Decision]:
    """Return what the tick sees and decides on a state: the same for the loop and the audit.

    `rules`: by which it sees and decides, as recorded with a decision.
    """
    contract = rig.contract(state.contract)
    signals = observe(rig, contract, state, now, rules)
    return signals, decide(policy_of(contract), state, signals, now, rules)


def _rest(journal: Journal, now: datetime) -> TickReport:
    """Return the turn of a retired model: nothing is taken in, noticed or done."""
    assert journal.state.retired is not None
    said = (f"nothing: the model was retired {journal.state.retired.words}",)
    return TickReport(
        tick=instant(now), now=now, state=journal.state, actions=(), waiting=said, records=()
    )


def _turn(
    rig: Rig, journal: Journal, now: datetime, token: int, stop: Callable[[], bool]
) -> TickReport:
    name = instant(now)
    unready = perceive(rig, journal, now, token)
    done: list[Action] = []
    for round_ in range(MOST_ROUNDS):
        signals, decision = conclude(rig, journal.state, now)
        if not decision.actions or stop():
            break
        for action in _noted(rig, journal, name, round_, signals, decision, now):
            carry_out(rig, journal, action, now, token)
            done.append(action)
        if any(isinstance(action, _TO_NOTICE) for action in decision.actions):
            # At once: a turn that died here and is made again notices the same at the same moment.
            _notice(rig, journal, now)
    else:
        raise Conflict(
            f"the tick of {rig.model!r} does not come to rest",
            why=f"after {MOST_ROUNDS} rounds it still asks for {done[-1].key}",
        )
    materialise(rig, journal.state, now)
    if not decision.actions:
        journal.append(Ticked(key=f"tick/{name}", tick=name, rules=RULES), now)
    return TickReport(
        tick=name,
        now=now,
        state=journal.state,
        actions=tuple(done),
        waiting=(*decision.waiting, *unready),
        records=tuple(journal.written),
    )


def _notice(rig: Rig, journal: Journal, now: datetime) -> None:
    """Check, measure and estimate what can be, raise alarms about it, and diagnose them."""
    contract = rig.contract(journal.state.contract)
    for look in _LOOKS:
        journal.append_all(look(rig, contract, journal.state, now), now)


def _silence(lost: tuple[str, ...]) -> str:
    some = ", ".join(lost[:3]) + (f" and {len(lost) - 3} more" if len(lost) > 3 else "")
    return f"labels: none of {some} came, though all are due: not measured, not learnt from"


def _noted(
    rig: Rig,
    journal: Journal,
    name: str,
    round_: int,
    signals: Signals,
    decision: Decision,
    now: datetime,
) -> Iterator[Action]:
    """Write the decision down before the first of its actions is taken."""
    contract = rig.contract(journal.state.contract)
    journal.append(
        Decided(
            key=f"decide/{name}/{round_}",
            tick=name,
            round=round_,
            signals=canonical_json(signals),
            actions=canonical_json([action_record(a) for a in decision.actions]),
            policy=policy_of(contract).digest,
            rules=RULES,
        ),
        now,
    )
    yield from decision.actions
