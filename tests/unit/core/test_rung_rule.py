"""Which rung answers first while the champion is known to have fallen."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tamid.core import events as ev
from tamid.core.actions import Action, SetRung
from tamid.core.rules.scoring import best_rung
from tamid.core.signals import Signals
from tamid.core.values import VersionRef
from tamid.testing.histories import Story, fallen

WEEK = "2026-01-25"


def story(*, fell: bool = True) -> Story:
    """Return a story with a first champion, whose quality fell."""
    told = Story()
    ref = VersionRef(number=1, bundle="b", overlay="o")
    told.tell(
        ev.ContractAdopted(contract="c1"),
        ev.VersionRegistered(ref=ref, run="run-0001", contract="c1"),
        ev.Promoted(number=1, previous=0, reason="first release", evidence=""),
    )
    told.now += timedelta(days=10)
    if fell:
        told.tell(*fallen(1, WEEK))
    return told


def asked(told: Story, error: float = 0.02, **rungs: float) -> list[Action]:
    """Return what the rule asks for when the rungs reach this on the drifted weeks."""
    return best_rung(told.policy, told.state, Signals(rungs=rungs, rung_error=error), told.now)


def test_the_best_rung_by_more_than_the_error_answers_first() -> None:
    """With what it reaches, and what it gains on the one that answers now."""
    (act,) = asked(story(), champion=0.60, reduced=0.72, default=0.1)
    assert isinstance(act, SetRung)
    assert (act.rung, act.reason) == (
        "reduced", "on the drifted periods reduced reaches 0.720, 0.120 better",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("fell", "reduced"), [(True, 0.61), (True, 0.5), (False, 0.9)], ids=["like", "worse", "sound"]
)
def test_the_champion_stays_without_a_fall_or_a_better_one(fell: bool, reduced: float) -> None:
    """A gain within the error is none; and without an alarm nothing is compared."""
    assert asked(story(fell=fell), champion=0.60, reduced=reduced) == []


def test_the_champion_answers_again_once_it_is_the_better_one() -> None:
    """The world turned back before any release: what is measured anew on later weeks counts."""
    told = story()
    told.tell(ev.RungSet(rung="reduced", reason="r"))
    assert asked(told, champion=0.60, reduced=0.72) == []
    (act,) = asked(told, champion=0.75, reduced=0.70)
    assert isinstance(act, SetRung)
    assert act.rung == "champion"


def test_a_rung_that_the_contract_no_longer_has_is_left_at_once() -> None:
    """It is not measured any more, and whoever is best takes its place."""
    told = story()
    told.tell(ev.RungSet(rung="reduced", reason="r"))
    (act,) = asked(told, champion=0.60, default=0.1)
    assert isinstance(act, SetRung)
    assert act.rung == "champion"
