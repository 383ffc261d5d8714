"""Laws of `decide` over drawn histories: it comes to rest, and never does what it must not."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from tamid.core import actions as do
from tamid.core import events as ev
from tamid.core.decide import decide
from tamid.core.fold import fold
from tamid.core.signals import Signals
from tamid.core.state import State
from tamid.core.values import Interval
from tamid.testing.histories import Story, accepted, fallen, refused

WEEKS = tuple(f"2026-{m:02d}-{d:02d}" for m in (1, 2, 3) for d in (1, 8, 15, 22))
OUTCOMES = ("promote", "keep", "held", "undecided", "system", "user_code")
ACTS = (
    "rest",
    "rows",
    "refuse",
    "repair",
    "fall",
    "blocked",
    "code",
    "pause",
    "resume",
    "sink",
    "share",
)

steps = st.lists(st.tuples(st.sampled_from(ACTS), st.integers(0, 6)), min_size=1, max_size=14)
outcomes = st.lists(st.sampled_from(OUTCOMES), min_size=1, max_size=6)


@settings(max_examples=80, deadline=None)
@given(steps=steps, outcomes=outcomes)
def test_a_tick_comes_to_rest_and_keeps_its_laws(
    steps: list[tuple[str, int]], outcomes: list[str]
) -> None:
    """Whatever happens: rest, one run, one release, reasons, and no training when forbidden."""
    story = Story(outcome=lambda run: outcomes[int(run[-4:]) % len(outcomes)])
    story.tell(ev.ContractAdopted(contract="c0"))
    for number, (act, days) in enumerate(steps):
        story.now += timedelta(days=days, hours=1)
        week = WEEKS[number % len(WEEKS)]
        _happen(story, act, week, number)
        before = story.state
        done = story.live(Signals(due=_due(story.state), matured=WEEKS, trainable=WEEKS))
        _laws(story, before, done)
    assert fold(story.records) == story.state


@settings(max_examples=30, deadline=None)
@given(steps=steps)
def test_the_same_question_gets_the_same_answer(steps: list[tuple[str, int]]) -> None:
    """`decide` is a function: asked twice on one state it answers alike."""
    story = Story()
    story.tell(ev.ContractAdopted(contract="c0"))
    for number, (act, days) in enumerate(steps):
        story.now += timedelta(days=days, hours=1)
        _happen(story, act, WEEKS[number % len(WEEKS)], number)
        signals = Signals(due=_due(story.state), matured=WEEKS, trainable=WEEKS)
        first = decide(story.policy, story.state, signals, story.now)
        assert decide(story.policy, story.state, signals, story.now) == first
        story.live(signals)


def _happen(story: Story, act: str, week: str, number: int) -> None:
    champion = story.state.champion
    if act == "rows":
        story.tell(accepted(week))
    elif act == "refuse":
        story.tell(refused(week))
    elif act == "repair":
        for refusal in list(story.state.refused.values()):
            story.tell(accepted(refusal.event.periods[0]))
    elif act in ("fall", "blocked") and champion and not story.state.open_alarms:
        story.tell(*fallen(champion, week, "needed" if act == "fall" else "blocked"))
    elif act == "share" and champion and not story.state.open_alarms:
        alarm, diagnosis = fallen(champion, week, "useless")
        assert isinstance(diagnosis, ev.Diagnosed)
        story.tell(alarm, replace(diagnosis, cause="prevalence"), _tried(champion, week, number))
    elif act == "code":
        story.tell(ev.ContractAdopted(contract=f"c{number}"))
    elif act == "pause":
        story.tell(ev.Paused())
    elif act == "resume":
        story.tell(ev.Resumed())
    elif act == "sink":
        story.sink_up = lambda now: now.day % 2 == 0


def _tried(champion: int, week: str, number: int) -> ev.Measured:
    """Another threshold was tried; every second one repairs it."""
    return ev.Measured(
        signal="threshold",
        period=week,
        value=0.8,
        interval=Interval(point=0.8, low=0.7, high=0.9),
        model_version=champion,
        detail={
            "threshold": 0.6, "without": 0.5, "demanded": 0.7, "repairs": float(number % 2),
        },
    )  # fmt: skip


def _due(state: State) -> tuple[str, ...]:
    return tuple(sorted(state.periods))[-2:]


def _laws(story: Story, before: State, done: list[do.Action]) -> None:
    assert all(a.reason and a.key for a in done)
    keys = [a.key for a in done]
    assert len(keys) == len(set(keys))
    training = [a for a in done if isinstance(a, do.Train)]
    releasing = [a for a in done if isinstance(a, (do.Promote, do.Enter, do.Register))]
    moved = [a for a in done if isinstance(a, do.MoveThreshold)]
    for action in moved:
        known = story.state.alarms[action.alarm]
        assert known.cleared
        assert not any(a.trigger == "quality" for a in training)
    if before.paused:
        assert not training
        assert not moved
        assert not releasing
    if story.state.refused:
        assert not training
    open_runs = [r for r in story.state.runs.values() if r.open]
    assert len(open_runs) <= 1
    under_way = [
        n
        for n, v in story.state.versions.items()
        if not v.stopped and v.stage not in ("live", "retired")
    ]
    assert len(under_way) <= 1
    told = [
        (e.period, e.revision, e.sink)
        for r in story.records
        if isinstance(e := r.event, ev.Delivered)
    ]
    assert len(told) == len(set(told))
