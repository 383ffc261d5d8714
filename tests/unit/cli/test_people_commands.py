"""What people decide on the command line: who may, what is recorded, what is refused."""

from __future__ import annotations

import getpass
import json
from pathlib import Path

import pytest
from shop import Shop

from tamid.cli.main import main
from tamid.core import events as ev
from tamid.core.values import Role, TablePin
from tamid.testing.life import CONTRACT

BOTH = CONTRACT.replace("approval: auto", "approval: both")
WHY = ["--reason", "because I say so"]
OPS = ["--as", "mlops_engineer"]
ML = ["--as", "ml_developer"]


def run(shop: Shop, *words: str) -> int:
    """Run a command in the workspace."""
    return main(["-C", str(shop.root), "-q", *words])


def last(shop: Shop) -> ev.Event:
    """Return the last event of the ledger."""
    return shop.app.ledger.read("churn")[-1].event


@pytest.fixture
def pending(tmp_path: Path) -> Shop:
    """Version 2 in shadow waits for both roles."""
    return Shop(tmp_path, BOTH).pending()


def test_an_approval_is_recorded_with_person_role_and_reason(pending: Shop) -> None:
    """The ledger names who agreed and why."""
    assert run(pending, "approve", "2", *ML, *WHY) == 0
    record = pending.app.ledger.read("churn")[-1]
    assert record.event == ev.ApprovalGiven(key="approve/2/ml_developer", number=2)
    assert (record.actor, record.role.value) == (getpass.getuser(), "ml_developer")
    assert record.reason == "because I say so"


def test_an_approval_says_what_is_still_missing(
    pending: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    """After the first of two, the other role is named; after both the tick goes on."""
    run(pending, "approve", "2", *ML, *WHY)
    assert "it still waits for the mlops_engineer" in capsys.readouterr().out
    run(pending, "approve", "2", *OPS, *WHY)
    assert "the next tick goes on" in capsys.readouterr().out


def test_a_hand_over_is_accepted_or_rejected_with_a_reason(tmp_path: Path) -> None:
    """With a block `handoff` the engineer's yes is needed though releases approve themselves."""
    shop = Shop(tmp_path, CONTRACT + "handoff: {accept: mlops_engineer}\n").pending()
    assert run(shop, "approve", "2", *ML, *WHY) == 2
    assert run(shop, "approve", "2", *OPS, "--reason", "card and metrics read") == 0
    record = shop.app.ledger.read("churn")[-1]
    assert record.event == ev.ApprovalGiven(key="approve/2/mlops_engineer", number=2)
    assert record.reason == "card and metrics read"
    assert run(shop, "reject", "2", *OPS, "--reason", "no: the card says nothing") == 0
    assert isinstance(last(shop), ev.ApprovalRefused)


def test_the_same_role_approves_once(pending: Shop) -> None:
    """A second approval of the same role is a conflict and leaves no event."""
    run(pending, "approve", "2", *ML, *WHY)
    before = len(pending.app.ledger.read("churn"))
    assert run(pending, "approve", "2", *ML, *WHY) == 5
    assert len(pending.app.ledger.read("churn")) == before


def test_without_a_role_the_rule_is_said(pending: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever forgets --as learns which roles may."""
    assert run(pending, "approve", "2", *WHY) == 2
    assert "ml_developer or mlops_engineer" in capsys.readouterr().err


def test_without_a_reason_nothing_is_recorded(pending: Shop) -> None:
    """--reason is part of the act."""
    before = len(pending.app.ledger.read("churn"))
    assert run(pending, "approve", "2", *ML) == 2
    assert len(pending.app.ledger.read("churn")) == before


def test_the_contract_says_who_approves(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With `approval: mlops_engineer` the developer may not."""
    text = CONTRACT.replace("approval: auto", "approval: mlops_engineer")
    shop = Shop(tmp_path, text).pending()
    assert run(shop, "approve", "2", *ML, *WHY) == 2
    assert "this may be done by mlops_engineer" in capsys.readouterr().err


def test_an_automatic_release_needs_no_approval(tmp_path: Path) -> None:
    """With `approval: auto` there is nothing to approve."""
    assert run(Shop(tmp_path).pending(), "approve", "2", *ML, *WHY) == 2


@pytest.mark.parametrize(("number", "status"), [("1", 5), ("9", 2)])
def test_only_a_version_on_its_way_is_approved(pending: Shop, number: str, status: int) -> None:
    """A live version is a conflict, an unknown one a mistake."""
    assert run(pending, "approve", number, *ML, *WHY) == status


def test_a_rejected_version_is_stopped(pending: Shop) -> None:
    """The champion stays and the version is out of the race."""
    assert run(pending, "reject", "2", *OPS, *WHY) == 0
    state = pending.app.state("churn")
    assert (state.champion, state.challenger) == (1, 0)
    assert "because I say so" in state.versions[2].stopped


def test_rollback_brings_the_champion_before_back(pending: Shop) -> None:
    """Without --to it is the version before; the reign names the person."""
    pending.life.say(ev.Promoted(number=2, previous=1, reason="passed shadow", evidence=""))
    pending.keep()
    assert run(pending, "rollback", *OPS, *WHY) == 0
    state = pending.app.state("churn")
    assert state.champion == 1
    assert (state.reigns[-1].actor, state.reigns[-1].role) == (getpass.getuser(), "mlops_engineer")


def test_rollback_is_for_the_operator_alone(pending: Shop) -> None:
    """The developer may not change what answers now."""
    pending.life.say(ev.Promoted(number=2, previous=1, reason="passed shadow", evidence=""))
    pending.keep()
    assert run(pending, "rollback", *ML, *WHY) == 2
    assert pending.app.state("churn").champion == 2


@pytest.mark.parametrize(("to", "status"), [("1", 5), ("2", 2), ("7", 2)])
def test_rollback_goes_only_to_a_version_that_was_live(pending: Shop, to: str, status: int) -> None:
    """Not to the champion itself, not to one in shadow, not to an unknown one."""
    assert run(pending, "rollback", "--to", to, *OPS, *WHY) == status
    assert pending.app.state("churn").champion == 1


def test_rollback_without_an_earlier_champion_is_refused(tmp_path: Path) -> None:
    """With one version only there is nowhere to go."""
    assert run(Shop(tmp_path).live(), "rollback", *OPS, *WHY) == 2


def test_pause_and_resume(pending: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    """A pause holds until it is resumed; each once."""
    assert run(pending, "pause", *OPS, *WHY) == 0
    assert run(pending, "pause", *OPS, *WHY) == 5
    assert run(pending, "status") == 0
    assert "because I say so" in capsys.readouterr().out
    assert run(pending, "resume", *ML, *WHY) == 2
    assert run(pending, "resume", *OPS, *WHY) == 0
    assert run(pending, "resume", *OPS, *WHY) == 5
    assert pending.app.state("churn").paused is None


@pytest.mark.parametrize("case", [[], ["--case", "1"]])
def test_a_paused_model_is_not_trained_by_hand_either(
    pending: Shop, case: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """The command ends with 5, says how to go on, and begins no run."""
    assert run(pending, "pause", *OPS, *WHY) == 0
    before = pending.app.state("churn").seq
    assert run(pending, "train", *case) == 5
    assert "the loop is paused" in (said := capsys.readouterr().err)
    assert "tamid resume" in said
    assert "--experiment" in said
    assert pending.app.state("churn").seq == before


def test_an_act_is_printed_as_json(pending: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    """Programs get the event, who and why."""
    assert run(pending, "approve", "2", *ML, *WHY, "--json") == 0
    body = json.loads(capsys.readouterr().out)
    assert body["event"]["kind"] == "ApprovalGiven"
    assert (body["role"], body["reason"]) == ("ml_developer", "because I say so")


def test_nothing_is_decided_about_a_model_without_a_contract(tmp_path: Path) -> None:
    """Before the first adoption there is nothing to pause."""
    assert run(Shop(tmp_path), "pause", *OPS, *WHY) == 2


@pytest.fixture
def fallen(tmp_path: Path) -> Shop:
    """A held candidate has opened case 1 for the developer."""
    return Shop(tmp_path).fallen()


def test_cases_are_listed_with_their_clock(
    fallen: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    """Number, role, kind, date and title in one line."""
    assert run(fallen, "cases") == 0
    line = capsys.readouterr().out.splitlines()[1]
    for part in ("churn", "ml_developer", "held", "no candidate is good enough"):
        assert part in line


def test_a_case_is_shown_as_its_page(fallen: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    """The Markdown that was stored, then the comments."""
    run(fallen, "cases", "comment", "1", "payments look late", *ML)
    capsys.readouterr()
    assert run(fallen, "cases", "1") == 0
    text = capsys.readouterr().out
    assert text.startswith("# Case 1: no candidate is good enough")
    assert f"- ml_developer {getpass.getuser()}: payments look late" in text


def test_a_case_is_resolved_by_its_owner(fallen: Shop) -> None:
    """The other role may comment, not close."""
    assert run(fallen, "cases", "resolve", "1", *OPS, *WHY) == 2
    assert run(fallen, "cases", "resolve", "1", *ML, *WHY) == 0
    assert not fallen.app.state("churn").open_cases
    assert run(fallen, "cases", "resolve", "1", *ML, *WHY) == 5


def test_a_bug_is_not_resolved_while_a_batch_of_it_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first of two came again; the other is named, and the case stays open."""
    shop = Shop(tmp_path).live()
    for week in (1, 2):
        shop.life.say(
            ev.DataRefused(source="labels", batch=f"w{week}.csv", fingerprint="f", rows=9,
                           owner=Role.MLOPS_ENGINEER, reasons=("r",), broken={"left: null": 9})
        )  # fmt: skip
    shop.life.say(
        ev.CaseOpened(case=1, role=Role.MLOPS_ENGINEER, kind="bug", title="2 batches",
                      report=shop.digests["case"], about="refused/labels: left: null")
    )  # fmt: skip
    pin = TablePin(table="churn.labels", version=1, digest="sha256:0")
    shop.life.say(
        ev.LabelsAccepted(source="labels", batch="w1.csv", fingerprint="g", pin=pin, new=9)
    )
    shop.keep()
    assert run(shop, "cases", "resolve", "1", *OPS, *WHY) == 5
    assert "still refused: labels/w2.csv" in capsys.readouterr().err


def test_an_unknown_case_is_named(fallen: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    """A wrong number says how to list the right ones."""
    assert run(fallen, "cases", "8") == 2
    assert "tamid cases --all" in capsys.readouterr().err


def test_no_case_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An empty list is a sentence."""
    assert run(Shop(tmp_path).live(), "cases") == 0
    assert capsys.readouterr().out == "no open case\n"


@pytest.mark.parametrize("text", ["", "   "])
def test_an_empty_reason_is_refused(
    pending: Shop, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A person's act needs a reason that says something; so does a comment."""
    assert run(pending, "pause", "--as", "mlops_engineer", "--reason", text) == 2
    assert run(pending, "cases", "comment", "1", text, "--as", "ml_developer") == 2
    assert "an empty text says nothing" in capsys.readouterr().err
