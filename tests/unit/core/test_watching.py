"""Two versions side by side: what shadow and the weeks after a release lead to."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from tamid.core import events as ev
from tamid.core.chain import decode, encode
from tamid.core.decide import decide
from tamid.core.rules.release import LEAST_STAY
from tamid.core.signals import Signals
from tamid.core.stats.betting import Bets, observe_differences
from tamid.core.values import instant
from tamid.core.watching import AFTER, FIRST_ANSWERS, SHADOW, harmful, watched, with_band
from tamid.testing.histories import POLICY, Story, fallen

PERIODS = ("2026-01-11", "2026-01-18", "2026-01-25")
READY = Signals(trainable=PERIODS, matured=PERIODS)


def compared(
    signal: str, version: int, period: str, d: list[float], *, again: bool = False
) -> ev.Measured:
    """A measurement of two versions with the differences of its blocks."""
    bets = observe_differences(Bets(margin=0.0), np.array(d))
    seen = ev.Measured(
        signal=signal,
        period=period,
        value=float(np.mean(d)),
        model_version=version,
        detail={"planned": 4.0, "returning": float(again), "against": 1.0},
        bets=bets,
    )
    return with_band([], seen, 1.0)


def in_shadow() -> Story:
    """Version 1 is live, version 2 has just entered shadow."""
    story = Story()
    story.tell(ev.ContractAdopted(contract="c0"))
    story.live(READY)
    story.now += timedelta(days=10)
    story.tell(*fallen(1, PERIODS[-1]))
    story.live(READY)
    assert story.state.versions[2].stage == "shadow"
    return story


def released() -> Story:
    """Version 2 is live, version 1 was before it."""
    story = in_shadow()
    story.now += timedelta(days=1)
    story.live(READY)
    assert story.state.champion == 2
    return story


def test_without_labels_in_time_the_gates_verdict_stands() -> None:
    """It stays for its least time, which is told, and nothing is said to be undecided."""
    story = in_shadow()
    (told,) = decide(POLICY, story.state, READY, story.now).waiting
    until = instant(story.now + LEAST_STAY)[:16]
    assert told == f"version 2 stays in shadow until {until}"
    story.now += LEAST_STAY
    story.live(READY)
    assert story.state.champion == 2


def test_labels_that_are_due_in_time_are_waited_for_and_told() -> None:
    """The version stays in shadow, undecided until a moment; then the gates' verdict stands."""
    story = in_shadow()
    due = Signals(trainable=PERIODS, matured=PERIODS, shadow_until="2026-01-17T00:00:00.000000Z")
    story.now += timedelta(days=1)
    (told,) = decide(POLICY, story.state, due, story.now).waiting
    assert "version 2 is undecided in shadow until 2026-01-17T00:00" in told
    assert story.live(due) == []
    story.tell(compared(SHADOW, 2, "2026-02-01", [0.0] * 40))
    assert story.live(due) == []
    story.now += POLICY.shadow_wait
    done = story.live(due)
    assert "the gates' verdict stands on live rows" in done[0].reason
    assert story.state.champion == 2


def test_a_version_shown_to_be_better_goes_on_at_once() -> None:
    """Whatever labels are still due."""
    story = in_shadow()
    due = Signals(trainable=PERIODS, matured=PERIODS, shadow_until="2026-01-17T00:00:00.000000Z")
    story.tell(compared(SHADOW, 2, "2026-02-01", [0.5] * 40))
    story.now += LEAST_STAY
    done = story.live(due)
    assert "better on live rows" in done[0].reason
    assert story.state.champion == 2


def test_a_version_shown_to_be_worse_is_withdrawn() -> None:
    """Even before its least stay is over; the champion stays."""
    story = in_shadow()
    story.tell(compared(SHADOW, 2, "2026-02-01", [-0.5] * 40))
    done = story.live(READY)
    assert type(done[0]).__name__ == "StopRelease"
    assert "shown to be worse in shadow" in story.state.versions[2].stopped
    assert story.state.champion == 1


def test_proven_harm_brings_the_previous_champion_back() -> None:
    """At evidence of 100, and not before."""
    story = released()
    story.tell(compared(AFTER, 2, "2026-02-01", [-0.1] * 40))
    assert story.live(READY) == []
    story.tell(compared(AFTER, 2, "2026-02-08", [-0.1] * 40))
    done = story.live(READY)
    assert type(done[0]).__name__ == "RollBack"
    assert story.state.champion == 1


def test_harm_counts_after_the_watch_if_its_labels_come_late() -> None:
    """What is measured is about the watched weeks, whenever that is known."""
    story = released()
    story.now += timedelta(weeks=9)
    story.tell(compared(AFTER, 2, "2026-02-01", [-0.5] * 40))
    assert "RollBack" in [type(a).__name__ for a in story.live(READY)]


def test_customers_that_come_again_need_evidence_of_one_period() -> None:
    """The same differences in each of two weeks are no proof, the shares of the stake say."""
    story = released()
    for period in ("2026-02-01", "2026-02-08"):
        story.tell(compared(AFTER, 2, period, [-0.1] * 40, again=True))
    assert story.live(READY) == []
    found = watched(story.state, AFTER, 2)
    assert found is not None
    assert 1 < found.worse < 50


@pytest.mark.parametrize(
    ("value", "detail", "says"),
    [
        (0.1, {"previous": 0.9}, "had to answer 90%"),
        (1.0, {"commonest": 1.0, "previous_commonest": 0.1}, "the same score"),
        (1.0, {"moved": 0.6, "previous_moved": 0.01}, "moved by a PSI of 0.60"),
        (1.0, {"moved": 0.6, "previous_moved": 0.5}, ""),
        (1.0, {"commonest": 1.0, "previous_commonest": 1.0}, ""),
        (1.0, {"commonest": 1.0}, ""),
        (0.1, {"previous": 0.0}, ""),
        (1.0, {"moved": 0.2, "previous_moved": 0.0, "commonest": 0.5}, ""),
    ],
)
def test_faults_of_the_answers_themselves_act_at_once(
    value: float, detail: dict[str, float], says: str
) -> None:
    """Unanswered, constant or moved scores, unless the version before does the same."""
    story = released()
    story.tell(
        ev.Measured(
            signal=FIRST_ANSWERS, period="2026-02-01", value=value, model_version=2, detail=detail
        )
    )
    found = harmful(story.state, story.now, POLICY.watch)
    assert (says in found) if says else found == ""
    story.live(READY)
    assert story.state.champion == (1 if says else 2)


def test_bets_and_band_survive_the_ledger() -> None:
    """What was measured reads back the same."""
    seen = compared(SHADOW, 2, "2026-02-01", [0.0, 0.2] * 60)
    assert decode(encode(seen)) == seen
    assert seen.band is not None
    assert seen.band.low < 0.1 < seen.band.high + 1e-9
