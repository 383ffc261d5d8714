"""The cost rule: a fall is answered by a run only if it costs more than the run."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC

import pytest

from tamid.core import events as ev
from tamid.core.decide import decide
from tamid.core.policies.worth import Costs, may_save, stake_of
from tamid.core.rules.worth import not_worth
from tamid.core.signals import Signals
from tamid.core.values import Interval, TablePin
from tamid.core.view.build import alarm_card
from tamid.core.view.scene import Scene
from tamid.testing.histories import POLICY, Story, fallen
from tamid.testing.life import CONTRACT
from tamid.workshop import parse

PERIODS = ("2026-01-04", "2026-01-11", "2026-01-18", "2026-01-25")
READY = Signals(trainable=PERIODS, matured=PERIODS)
USUAL = tuple(0.80 + 0.002 * (k - 5.5) for k in range(12))
# 24 positives and 22 called positive in a hundred rows: .46 answers hang on a fall of F1 by one.
RATES = {"positive_rate": 0.24, "recall": 0.75, "false_positive_rate": 0.04 / 0.76}


def measured(period: str, value: float, signal: str = "quality") -> tuple[ev.Event, ...]:
    """Return the scores of a period, and its quality."""
    pin = TablePin(table="t", version=0, digest="sha256:0")
    span = Interval(point=value, low=value - 0.01, high=value + 0.01)
    return (
        ev.Scored(
            period=period, revision=1, number=1, pin=pin, rows=1000, rungs={"champion": 1000}
        ),
        ev.Measured(
            key=f"q/{period}", signal=signal, period=period, value=value, interval=span,
            model_version=1, rows=200, detail=RATES,
        ),
    )  # fmt: skip


def story(costs: Costs | None, value: float, signal: str = "quality") -> Story:
    """Version 1 was usually at .8, and fell to a value in all four periods."""
    told = Story(policy=replace(POLICY, costs=costs))
    told.tell(ev.ContractAdopted(contract="c0"))
    told.live(READY)
    told.now = told.now.replace(day=28)
    version = told.state.versions[1]
    known = replace(version, registered=replace(version.registered, reference={"quality": USUAL}))
    told.state = replace(told.state, versions={1: known})
    for period in PERIODS:
        told.tell(*measured(period, value, signal))
    told.tell(*fallen(1, PERIODS[0]))
    return told


def costs(run: float, owed: float | None = None) -> Costs:
    """Return a run of this price, where one wrong answer costs 2."""
    return Costs(run=run, error=2.0, currency="ILS", periods=13, owed=owed)


def runs(told: Story) -> int:
    """Return how many runs there were after one more tick, the first one apart."""
    told.live(READY)
    return len(told.state.runs) - 1


def test_without_costs_every_confirmed_fall_is_answered() -> None:
    """Nothing changes for those who name none."""
    assert runs(story(None, 0.78)) == 1


def test_a_fall_is_answered_if_it_costs_more_than_the_run() -> None:
    """.06 of F1 less its doubt, on 460 answers a period, over 13 periods, at 2 each."""
    told = story(costs(run=1.0), 0.74)
    text = not_worth(replace(told.policy, costs=costs(run=1e9)), told.state, PERIODS)
    assert "f1 by 0.060" in text
    saved = float(text.partition("sure to save ")[2].split()[0])
    assert 0.05 * 13 * 460 < saved < 0.06 * 13 * 460
    assert runs(story(costs(run=1.9 * saved), 0.74)) == 1
    assert runs(story(costs(run=2.1 * saved), 0.74)) == 0


def test_a_fall_within_its_doubt_is_worth_nothing() -> None:
    """However cheap the run."""
    assert runs(story(costs(run=0.01), 0.80)) == 0
    assert runs(story(costs(run=0.01), 0.82)) == 0


def test_below_what_the_contract_demands_the_promise_is_kept() -> None:
    """Whatever the run costs; above it the costs decide."""
    assert runs(story(costs(run=1e9, owed=0.75), 0.74)) == 1
    assert runs(story(costs(run=1e9, owed=0.73), 0.74)) == 0


def test_the_tick_says_why_it_waits() -> None:
    """With the wrong answers and the money on both sides."""
    told = story(costs(run=1e9), 0.74)
    waiting = " ".join(decide(told.policy, told.state, READY, told.now).waiting)
    assert "no run for a fall of f1" in waiting
    assert "1,000,000,000 ILS" in waiting
    cheap = story(costs(run=1.0), 0.74)
    assert "no run for" not in " ".join(decide(cheap.policy, cheap.state, READY, cheap.now).waiting)


@pytest.mark.parametrize("signal", ["quality", "hindsight"])
def test_the_alarm_on_the_page_says_why_it_waits(signal: str) -> None:
    """As the tick does, of periods before it was live as well."""
    dear = "retraining: {costs: {run: 1000000000 ILS, error: 2 ILS}}\n"
    plain = CONTRACT.replace(", at_least: 0.75", "")
    told = story(None, 0.74, signal)
    scene = Scene(
        model="churn", contract=parse(plain + dear), state=told.state, records=(),
        now=told.now, zone=UTC,
    )  # fmt: skip
    (alarm,) = told.state.open_alarms.values()
    assert "1,000,000,000 ILS" in alarm_card(scene, alarm).left


def test_an_old_champion_is_renewed_all_the_same() -> None:
    """The costs weigh a fall; the age of a model has its own word in the contract."""
    told = story(costs(run=1e9), 0.79)
    told.now = told.now.replace(month=6)
    told.live(READY)
    assert [r.started.trigger for r in told.state.runs.values()][1:] == ["age"]


def test_errors_fall_upwards() -> None:
    """For a metric where less is better, a larger one is the fall."""
    told = story(costs(run=1.0), 0.9)
    policy = replace(told.policy, metric="mae", sign=-1.0, costs=costs(run=1.0))
    assert not_worth(policy, told.state, PERIODS) == ""
    assert "no run for" in not_worth(policy, story(None, 0.7).state, PERIODS)


@pytest.mark.parametrize("metric", ["accuracy", "mae", "macro_f1", "auc"])
def test_of_most_metrics_every_answer_hangs_on_a_fall(metric: str) -> None:
    """F1, precision and recall are about a part of the rows."""
    assert stake_of(metric, RATES) == 1.0
    assert stake_of("f1", RATES) == pytest.approx(0.46)
    assert stake_of("recall", RATES) == pytest.approx(0.24)
    assert stake_of("precision", RATES) == pytest.approx(0.22)
    assert stake_of("f1", {}) == 1.0


def test_doubt_is_taken_off_and_nothing_is_saved_by_a_rise() -> None:
    """More rows and more time save more; a fall smaller than its doubt saves nothing."""
    assert may_save(0.02, 0.03, 1000, 13) == 0.0
    assert may_save(-0.02, 0.0, 1000, 13) == 0.0
    assert may_save(0.05, 0.01, 1000, 26) == 2 * may_save(0.05, 0.01, 500, 26)
