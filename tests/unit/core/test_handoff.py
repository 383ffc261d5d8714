"""What each side owes when a model changes hands, and who accepts it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from tamid.core import actions as do
from tamid.core import events as ev
from tamid.core.decide import decide
from tamid.core.handoff import awaits_acceptance, unbrought, unheld, unsupplied
from tamid.core.policy import policy_of
from tamid.core.signals import Signals
from tamid.core.state import State
from tamid.core.values import Role
from tamid.testing.histories import POLICY, accepted
from tamid.testing.life import Life
from tamid.workshop import parse

CONTRACT = """\
tamid: 1
name: m
task: binary
data:
  source: {path: rows.csv}
  label: {column: left, positive: 1}
"""
OWING = CONTRACT + "handoff: {mlops_engineer: [data, labels, targets, fallback]}\n"
WHOLE = (
    "model/model.txt", "schema.json", "environment.json", "golden.json", "card.md", "metrics.json",
    "profile.json",
)  # fmt: skip
PERIODS = tuple(f"2026-01-{d:02d}" for d in (4, 11, 18, 25))
READY = Signals(trainable=PERIODS, matured=PERIODS)


def test_without_the_block_nothing_is_asked() -> None:
    """A contract that says nothing of a hand-over asks for nothing, and its policy is as it was."""
    plain = parse(CONTRACT)
    assert unbrought(plain, ()) == unheld(plain, (), given=True) == ()
    assert unsupplied(plain, State(), labelled=False) == ()
    assert policy_of(plain).acceptor == ""
    assert policy_of(parse(OWING)).acceptor == "mlops_engineer"
    assert (
        policy_of(parse(OWING.replace("handoff: {", "handoff: {accept: nobody, "))).acceptor == ""
    )


def test_what_a_bundle_lacks_is_listed() -> None:
    """Each item that the ml_developer owes is looked for; a whole bundle owes nothing."""
    owing = parse(OWING)
    assert unheld(owing, WHOLE, given=False) == ()
    missing = unheld(owing, WHOLE[:-2], given=False)
    assert [m.rpartition("(no ")[2] for m in missing] == ["metrics.json)", "profile.json)"]
    named = parse(OWING + "features: {code: 'f.py:build'}\n")
    assert "code that the contract names" in unheld(named, WHOLE, given=False)[0]
    assert unheld(named, (*WHOLE, "code/f.py"), given=False) == ()


def test_a_model_from_elsewhere_brings_its_papers() -> None:
    """Its lock, card and code are its maker's: what lies here says nothing of them."""
    owing = parse(OWING)
    assert len(unbrought(owing, ())) == 3
    papers = ("handoff/lock/requirements.txt", "handoff/card/card.md")
    assert [m.partition("(")[2] for m in unbrought(owing, papers)] == ["--code FILE)"]
    assert unheld(owing, (*WHOLE, *papers, "handoff/code/t.py"), given=True) == ()


def test_the_engineer_owes_data_labels_targets_and_a_rung() -> None:
    """What is not there is listed; a refused batch is no supply."""
    owing = parse(OWING)
    assert len(unsupplied(owing, State(), labelled=False)) == 4
    rich = parse(
        OWING
        + 'delivery: {to: [{csv: "out.csv"}]}\nservice: {fallback: [previous, default: 0.1]}\n'
    )
    life = Life()
    life.tell(accepted(PERIODS[0]))
    assert unsupplied(rich, life.state, labelled=True) == ()


def told() -> Life:
    """Return a life in which a hand-over has to be accepted, after a first tick."""
    life = Life()
    life.policy = replace(POLICY, acceptor="mlops_engineer", path=("live",))
    life.tell(ev.ContractAdopted(contract="c1"))
    life.live(READY)
    return life


def test_a_new_recipe_waits_until_the_engineer_accepts_it() -> None:
    """It is registered and goes no further; accepted, it goes live; the wait is said."""
    life = told()
    assert life.state.versions[1].stage == "registered"
    waiting = decide(life.policy, life.state, READY, life.now).waiting
    assert any("accepts its hand-over" in text for text in waiting)
    life.say(ev.ApprovalGiven(number=1), role=Role.MLOPS_ENGINEER)
    assert do.Promote in {type(a) for a in life.live(READY)}
    assert life.state.champion == 1


def test_a_rejected_hand_over_is_stopped() -> None:
    """The engineer's no withdraws the version; nobody is champion."""
    life = told()
    life.say(ev.ApprovalRefused(number=1), role=Role.MLOPS_ENGINEER, reason="no card worth reading")
    life.live(READY)
    assert life.state.champion == 0
    assert life.state.versions[1].stopped


@pytest.mark.parametrize(("contract", "waits"), [("c1", False), ("c2", True)])
def test_newer_data_under_an_accepted_recipe_need_no_second_yes(contract: str, waits: bool) -> None:
    """What was accepted stays accepted; another contract is another hand-over."""
    life = told()
    life.say(ev.ApprovalGiven(number=1), role=Role.MLOPS_ENGINEER)
    life.live(READY)
    if contract != "c1":
        life.tell(ev.ContractAdopted(contract=contract))
    life.now += timedelta(days=200)
    life.live(replace(READY, fresh_rows=10**9))
    assert 2 in life.state.versions
    assert awaits_acceptance(life.state, 2, "mlops_engineer") is waits
    assert (life.state.champion == 2) is not waits
