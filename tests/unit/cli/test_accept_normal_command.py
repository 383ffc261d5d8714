"""`tamid accept-normal`: who may, which alarms may be accepted, and what is recorded."""

from __future__ import annotations

from pathlib import Path

import pytest
from shop import Shop

from tamid.cli.main import main
from tamid.core import events as ev

WHY = ["--reason", "the new tariff: checked with sales"]
ML = ["--as", "ml_developer"]


def run(shop: Shop, *words: str) -> int:
    """Run a command in the workspace."""
    return main(["-C", str(shop.root), "-q", *words])


def alarm(signal: str, version: int = 1) -> ev.AlarmRaised:
    """An alarm about scores, or about quality."""
    name = f"{signal}/{version}/2026-03-01"
    return ev.AlarmRaised(
        key=f"alarm/{name}", alarm=name, signal=signal, failure="model_failure",
        severity="warning", period="2026-03-01", periods=("2026-03-01",), noticed_by="test",
        message="moved", budget="at most 1 false alarm a year expected",
    )  # fmt: skip


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """A live model with alarms about quality and about the scores of a version that is gone."""
    made = Shop(tmp_path).live()
    for raised in (alarm("quality"), alarm("score_psi", version=7)):
        made.life.say(raised)
    return made.keep()


def test_quality_is_no_normal_to_be_accepted(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is owed by contract is changed there, by both roles; nothing is recorded."""
    before = len(shop.app.ledger.read("churn"))
    assert run(shop, "accept-normal", "quality/1/2026-03-01", *ML, *WHY) != 0
    said = capsys.readouterr().err
    assert "no normal to be accepted" in said
    assert "monitoring: quality" in said
    assert len(shop.app.ledger.read("churn")) == before


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("score_psi/1/2020-01-05", "there is no alarm"),
        ("score_psi/7/2026-03-01", "another version than the champion"),
    ],
)
def test_an_alarm_that_is_not_there_or_not_of_the_champion_is_refused(
    shop: Shop, capsys: pytest.CaptureFixture[str], name: str, says: str
) -> None:
    """With the reason, and without a traceback."""
    assert run(shop, "accept-normal", name, *ML, *WHY) != 0
    said = capsys.readouterr().err
    assert says in said
    assert "Traceback" not in said


def test_a_settled_alarm_is_not_accepted_again(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    """What ended it is told."""
    name = "score_psi/7/2026-03-01"
    shop.life.say(ev.AlarmCleared(key="c", alarm=name, reason="as the reference again"))
    shop.keep()
    assert run(shop, "accept-normal", name, *ML, *WHY) != 0
    said = capsys.readouterr().err
    assert "is over" in said
    assert "as the reference again" in said


@pytest.mark.parametrize("given", [ML, WHY])
def test_role_and_reason_are_asked_for(
    shop: Shop, capsys: pytest.CaptureFixture[str], given: list[str]
) -> None:
    """Without either nothing is recorded."""
    before = len(shop.app.ledger.read("churn"))
    assert run(shop, "accept-normal", "score_psi/7/2026-03-01", *given) != 0
    assert capsys.readouterr().err
    assert len(shop.app.ledger.read("churn")) == before
