"""How long each revision was in force, and who would have answered under a manual repair."""

from __future__ import annotations

from datetime import timedelta

import polars as pl
import pytest

from tamid.core import events as ev
from tamid.examples.telecom.demo_weeks import by_hand, f1_of, in_force
from tamid.testing.life import Life
from tamid.testing.scenes import challenger, fall, first_release


def sent(life: Life, week: int, revision: int, **after: float) -> None:
    """Tell of a delivery."""
    life.at(**after)
    life.say(
        ev.Delivered(
            period=life.period(week), revision=revision, sink="csv", receipt="r", rows=10
        )
    )  # fmt: skip


def test_a_correction_shares_the_week_with_what_it_corrects() -> None:
    """Each revision counts for the days in which it was the latest one."""
    life = Life()
    sent(life, 1, 1, days=7)
    sent(life, 1, 2, days=9)
    period = life.period(1)
    shares = in_force(life.records, {period: life.begin + timedelta(days=14)})
    assert shares[period, 1] == pytest.approx(2 / 7)
    assert shares[period, 2] == pytest.approx(5 / 7)


def test_a_correction_after_the_week_was_never_in_force() -> None:
    """What comes when the week is over changes nothing of it."""
    life = Life()
    sent(life, 1, 1, days=7)
    sent(life, 1, 2, days=20)
    period = life.period(1)
    shares = in_force(life.records, {period: life.begin + timedelta(days=14)})
    assert shares == {(period, 1): 1.0, (period, 2): 0.0}


def test_a_week_answered_by_a_lower_rung_counts() -> None:
    """F1 is over all weighted rows, whoever answered them."""
    rows = pl.DataFrame(
        {
            "_period": ["a", "a", "a", "b"],
            "y": [1.0, 1.0, 0.0, 0.0],
            "weight": [1.0, 0.5, 1.0, 1.0],
            "ours": [True, False, True, False],
        }
    )
    # 2 * 1 / (called 2 + left 1.5); b has nobody who was called or left.
    assert f1_of(rows, "ours") == {"a": pytest.approx(2 / 3.5)}


def test_by_hand_a_repair_takes_three_weeks() -> None:
    """After an alarm the next version comes 21 days later, without one at once."""
    life = first_release(Life())
    fall(life, 1)
    alarm = life.now
    challenger(life)
    life.at(days=(alarm - life.begin).days + 1)
    life.say(ev.Promoted(number=2, previous=1, reason="better", evidence="e"))
    weeks = [life.period(w) for w in range(8)]
    chosen = by_hand(life.records, weeks)
    live = str((alarm + timedelta(days=21)).date())
    assert {chosen[w] for w in weeks if w < live} == {1}
    assert {chosen[w] for w in weeks if w >= live} == {2}
