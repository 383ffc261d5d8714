"""Decisions are repeated by the rules that held when they were made."""

from __future__ import annotations

import json
from datetime import timedelta

import polars as pl
import pytest
import toy
from small_world import Stores

from tamid.adapters.keys import Keys
from tamid.adapters.memory_clock import SimulatedClock
from tamid.core import events as ev
from tamid.core.actions import action_record
from tamid.core.chain import Draft, chain
from tamid.core.fold import fold
from tamid.core.policy import policy_of
from tamid.core.signals import RULES
from tamid.core.values import canonical_json
from tamid.stages.audit import Difference, audit
from tamid.stages.journal import Journal, holding
from tamid.stages.loop import adopt, conclude, perceive, tick
from tamid.stages.rig import Rig

TURN = toy.life()[0]
# A week of history of which no label came.
LOST = toy.FIRST + 6 * toy.WEEK


@pytest.fixture(scope="module")
def silent(keys: Keys) -> Rig:
    """A model whose rows and labels are in, but for the labels of one week."""
    stores = Stores(toy.MODEL, keys, toy.SALT)
    for name, frame in TURN.rows.items():
        stores.rows.put(name, frame, TURN.at)
    for name, frame in TURN.labels.items():
        stores.labels.put(name, frame.filter(pl.col("week") != LOST), TURN.at)
    rig = stores.opened(SimulatedClock(TURN.at))
    text = TURN.contract.replace("horizon: 7d", "horizon: 7d\n    absence: negative")
    known = adopt(rig, text, {}, TURN.at)
    with holding(rig.leases, rig.model, "test", TURN.at, timedelta(hours=1)) as lease:
        perceive(rig, Journal(rig.ledger, rig.model, token=lease.token, known=known), TURN.at, 1)
    return rig


def matured(rig: Rig, rules: int) -> list[str]:
    """Return what is taken as matured by some rules."""
    signals, _ = conclude(rig, fold(rig.ledger.read(rig.model)), TURN.at, rules)
    return [*signals.matured]


def difference(rig: Rig, made_by: int, said: int) -> Difference | None:
    """Audit a decision that was made by some rules and recorded as made by others."""
    records = rig.ledger.read(rig.model)
    state = fold(records)
    signals, decision = conclude(rig, state, TURN.at, made_by)
    event = ev.Decided(
        tick="t",
        round=0,
        signals=canonical_json(signals),
        actions=canonical_json([action_record(a) for a in decision.actions]),
        policy=policy_of(rig.contract(state.contract)).digest,
        rules=said,
    )
    draft = Draft(event=event, at=TURN.at)
    return audit(rig, [*records, chain(rig.model, state.seq + 1, draft, state.head)]).first


def test_a_silent_week_is_a_matter_of_the_rules(silent: Rig) -> None:
    """Before they had a number, a week of which no label came was taken for one without leavers."""
    lost = LOST.date().isoformat()
    assert lost in matured(silent, 0)
    assert lost not in matured(silent, RULES)


@pytest.mark.parametrize("rules", [0, RULES])
def test_a_decision_is_repeated_by_the_rules_of_its_time(silent: Rig, rules: int) -> None:
    """Old ones by none, new ones by those that are."""
    assert difference(silent, rules, rules) is None


def test_a_decision_by_other_rules_than_it_says_is_a_difference(silent: Rig) -> None:
    """The audit does not try until something fits."""
    found = difference(silent, 0, RULES)
    assert found is not None
    assert (found.part, found.rules) == ("signals", RULES)
    assert found.recorded != found.repeated
    assert json.loads(found.recorded)["matured"] != json.loads(found.repeated)["matured"]


def test_a_turn_writes_down_by_which_rules_it_saw(silent: Rig) -> None:
    """Each decision, and each rest."""
    written = [r.event for r in tick(silent, "test").records]
    told = [e.rules for e in written if isinstance(e, ev.Decided | ev.Ticked)]
    assert len(told) > 1
    assert set(told) == {RULES}
    assert audit(silent, silent.ledger.read(silent.model)).same
