"""Estimates and the truth they met: bias, baseline, width, grade; and what is said of them."""

from __future__ import annotations

from datetime import UTC

import pytest

from tamid.core import events as ev
from tamid.core.estimates import SIGNAL, met, outlook, trust_of
from tamid.core.values import Interval
from tamid.core.view.build import snapshot
from tamid.core.view.scene import Scene
from tamid.core.view.snapshot import EstimateCard
from tamid.core.view.why import explain
from tamid.core.view.words import sentence
from tamid.testing import scenes
from tamid.testing.life import CONTRACT, Life
from tamid.workshop import parse


def estimated(life: Life, week: int, value: float, **detail: float) -> ev.Measured:
    """Tell of a week's estimate."""
    facts = {"raw": value, "baseline": 0.8, "periods": 1.0} | detail
    event = ev.Measured(
        key=f"{SIGNAL}/1/{life.period(week)}/1",
        signal=SIGNAL,
        period=life.period(week),
        value=value,
        interval=Interval(point=value, low=value - 0.1, high=value + 0.1, level=0.9),
        model_version=1,
        rows=1000,
        matured=0.0,
        detail=facts,
    )
    life.say(event)
    return event


def lived(weeks: int, estimate: float, truth: float) -> Life:
    """Weeks that were scored, estimated and, all but the last, measured."""
    life = scenes.first_release(Life())
    for week in range(weeks):
        scenes.served(life, week)
        estimated(life, week, estimate)
        if week < weeks - 1:
            scenes.measured(life, week, truth)
    return life


def looked(life: Life) -> Scene:
    """The scene at the story's moment."""
    return Scene(
        model="churn",
        contract=parse(CONTRACT),
        state=life.state,
        records=life.records,
        now=life.now,
        zone=UTC,
    )


def card(life: Life) -> EstimateCard:
    """What status shows of the estimate."""
    found = snapshot(looked(life)).estimate
    assert found is not None
    return found


def test_an_estimate_meets_its_truth_when_its_period_is_measured() -> None:
    """Only measured periods count, each with the value that was reported then."""
    life = lived(4, 0.85, 0.80)
    found = met(life.state)
    assert [m.period for m in found] == [life.period(w) for w in range(3)]
    assert {(m.reported, m.realised, m.baseline) for m in found} == {(0.85, 0.80, 0.8)}


def test_merged_periods_wait_for_the_last_of_them() -> None:
    """An estimate over two periods meets the mean of both, weighted by rows, and not before."""
    life = scenes.first_release(Life())
    for week in range(2):
        scenes.served(life, week)
    estimated(life, 1, 0.9, periods=2.0)
    scenes.measured(life, 1, 0.80)
    assert met(life.state) == ()
    scenes.measured(life, 0, 0.70)
    assert met(life.state)[0].realised == pytest.approx(0.75)


def test_the_next_estimate_is_corrected_and_as_wide_as_the_misses() -> None:
    """Six equal misses of .05 are taken off, the width is theirs, and all is told beside it."""
    state = lived(7, 0.85, 0.80).state
    found = outlook("f1", state, 1, 0.85, pending=1)
    assert found.value == pytest.approx(0.80)
    assert found.interval is not None
    assert found.interval.high - found.value == pytest.approx(0.05)
    assert found.interval.level == pytest.approx(6 / 7)
    assert found.detail["raw"] == 0.85
    assert found.detail["weeks"] == 6
    assert found.detail["baseline"] == pytest.approx(0.80)
    assert found.detail["skill"] == -99.0  # a baseline that was never wrong


def test_an_estimate_stays_within_the_metric() -> None:
    """A correction does not carry an F1 above one."""
    assert outlook("f1", lived(6, 0.5, 0.99).state, 1, 0.9, pending=1).value == 1.0


def test_another_version_starts_without_bias_but_not_without_width() -> None:
    """What one version was wrong by is its own; how wrong estimates are is known of all."""
    found = outlook("f1", lived(7, 0.85, 0.80).state, 2, 0.9, pending=1)
    assert found.value == 0.9
    assert found.interval is not None


def test_a_grade_is_read_from_the_facts_recorded_beside_the_estimate() -> None:
    """The same event gives the same grade for ever; facts that are missing never make an A."""
    life = lived(2, 0.85, 0.80)
    good = {"weeks": 9.0, "skill": 0.3, "domain_auc": 0.6, "outside": 0.0, "bug": 0.0}
    assert trust_of(estimated(life, 1, 0.8, **good)).grade == "A"
    assert trust_of(estimated(life, 1, 0.8, **good | {"bug": 1.0})).grade == "C"
    assert trust_of(estimated(life, 1, 0.8)).grade == "B"


def test_status_says_estimate_grade_record_and_the_date_of_truth() -> None:
    """The second question is followed by what is estimated, how intervals fared, and until when."""
    life = lived(3, 0.85, 0.80)
    estimated(life, 2, 0.83, coverage=0.8, checks=5.0, at_reference_prevalence=0.81)
    found = card(life)
    assert (found.grade, found.word, found.value) == ("B", "unverified", 0.83)
    assert "estimated at 0.830 (0.730 to 0.930 at 90 %)" in found.sentence
    assert "0.810 with the reference's share of positives" in found.sentence
    assert "4 of 5 intervals so far held the truth" in found.sentence
    due = looked(life).truth_at(life.period(2))
    assert found.first_truth == due is not None
    assert f"First real number on {due:%Y-%m-%d}" in found.sentence


def test_a_blind_week_gives_no_number() -> None:
    """Grade C says that nothing can be estimated, until when, and what was last known."""
    life = lived(3, 0.85, 0.80)
    seen = estimated(life, 2, 0.9, domain_auc=0.99)
    found = card(life)
    assert found.grade == "C"
    assert found.sentence.startswith("We cannot estimate performance this week; first real number")
    assert "0.900" not in found.sentence
    assert "0.900" not in sentence(seen)
    assert "0.800" in found.sentence


def test_a_measured_period_needs_no_estimate() -> None:
    """Once the truth is in, status speaks of that alone."""
    life = lived(3, 0.85, 0.80)
    scenes.measured(life, 2, 0.79)
    assert snapshot(looked(life)).estimate is None
    assert snapshot(looked(scenes.first_release(Life()))).estimate is None


def test_why_shows_the_estimate_beside_the_truth() -> None:
    """A period's story and an alarm's tell what had been estimated before the labels."""
    life = lived(1, 0.85, 0.80)
    alarm = scenes.fall(life, 0)
    told = [step.line.text for step in explain(looked(life), "period", life.period(0)).steps]
    assert any("estimated at 0.850" in text and "grade B" in text for text in told)
    assert any("no interval has met its truth yet" in text for text in told)
    told = [step.line.text for step in explain(looked(life), "alarm", alarm).steps]
    assert any("estimated at 0.850" in text for text in told)
