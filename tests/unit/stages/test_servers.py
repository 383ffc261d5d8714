"""What servers told becomes events, and a version on trial goes on, waits or is withdrawn by it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, cast

import pytest

from tamid.adapters.memory_reports import MemoryReports
from tamid.core import actions as do
from tamid.core import events as ev
from tamid.core.decide import decide
from tamid.core.signals import Signals
from tamid.core.state import State
from tamid.core.trial import ArmCounts
from tamid.core.values import Role, instant
from tamid.ports import Reports, ServerReport, TrialReport
from tamid.stages.servers import listen
from tamid.testing.histories import POLICY, Story

READY = Signals(trainable=("2026-01-04",), matured=("2026-01-04",))
CANARY = "canary 5%"
GOOD = ArmCounts(rows=300, same=3, scores={2: 150, 9: 150}, times={40: 300})
BAD = ArmCounts(rows=300, failed=200, same=3, scores={2: 50, 9: 50}, times={40: 100})
FEW = ArmCounts(rows=12, scores={2: 12})


@dataclass(frozen=True)
class Ears:
    """The part of a rig that is asked here."""

    model: str
    reports: Reports | None


def tried(stage: str = CANARY, *, online: bool = True) -> Story:
    """Return a story with a champion and a second version in a stage."""
    story = Story(policy=replace(POLICY, path=("shadow", CANARY, "live")))
    story.tell(ev.ContractAdopted(contract="c1"))
    story.live(READY)
    before = story.state.versions[1].registered
    ref = replace(before.ref, number=2)
    story.tell(replace(before, ref=ref, key="register/2"))
    story.tell(ev.StageEntered(key="enter/2", number=2, stage=stage, online=online))
    return story


def report(story: Story, own: ArmCounts, process: str = "p1", **values: Any) -> ServerReport:
    """Return what a process tells of the second version."""
    version = story.state.versions[2]
    assert version.stage_at is not None
    arms = {version.stage.partition(" ")[0]: own, "champion": GOOD}
    stopped = values.pop("stopped", "")
    trial = TrialReport(
        number=2, stage=version.stage, since=instant(version.stage_at), arms=arms, stopped=stopped
    )
    at = instant(story.now)
    return ServerReport(process=process, began=at, at=at, champion=1, trial=trial, **values)


def hear(story: Story, *reports: ServerReport) -> Sequence[ev.Event]:
    """Let the controller listen, and tell the story what it heard."""
    kept = MemoryReports()
    for one in reports:
        kept.tell("m", one)
    ears = cast(Any, Ears("m", kept))
    found = list(listen(ears, cast(Any, None), story.state, story.now))
    story.tell(*found)
    return found


def next_day(story: Story) -> list[do.Action]:
    """Let a day pass and the loop turn; return what it did about releases."""
    story.now += timedelta(days=1)
    kinds = (do.Enter, do.Promote, do.StopRelease, do.OpenCase)
    return [a for a in story.live(READY) if isinstance(a, kinds)]


def test_a_canary_that_does_well_goes_on() -> None:
    """Enough answers, as good as the champion's: the next day it is promoted."""
    story = tried()
    hear(story, report(story, GOOD))
    assert story.state.versions[2].trial is not None
    assert [type(a) for a in next_day(story)] == [do.Promote]
    assert story.state.champion == 2


@pytest.mark.parametrize("told", [None, FEW])
def test_nothing_known_never_promotes(told: ArmCounts | None) -> None:
    """Without answers, or with too few: it waits for ever, and says so."""
    story = tried()
    if told is not None:
        hear(story, report(story, told))
    for _ in range(30):
        assert not next_day(story)
    assert (story.state.champion, story.state.challenger) == (1, 2)
    waiting = decide(story.policy, story.state, READY, story.now).waiting
    assert any("version 2 waits in canary 5% for answers of the server" in text for text in waiting)


def test_a_canary_that_fails_is_withdrawn_with_a_case() -> None:
    """The champion stays, and who made the version learns what was seen."""
    story = tried()
    hear(story, report(story, BAD))
    done = next_day(story)
    assert [type(a) for a in done] == [do.StopRelease, do.OpenCase]
    assert "200 of 300 rows got no answer" in done[0].reason
    assert (story.state.champion, story.state.challenger) == (1, 0)
    (case,) = story.state.open_cases.values()
    assert (case.opened.role, case.opened.kind) == (Role.ML_DEVELOPER, "held")
    assert not next_day(story)


def test_what_one_process_stopped_is_stopped() -> None:
    """A window may show what the whole does not: the word of the process counts."""
    story = tried()
    found = hear(story, report(story, GOOD), report(story, GOOD, "p2", stopped="all NaN"))
    assert [e.reasons for e in found if isinstance(e, ev.TrialMeasured)] == [("all NaN",)]
    assert do.StopRelease in [type(a) for a in next_day(story)]


def test_processes_are_added_up() -> None:
    """Too few each, enough together."""
    story = tried()
    some = replace(GOOD, rows=120, scores={2: 60, 9: 60})
    first = hear(story, report(story, some))
    assert [e.verdict for e in first if isinstance(e, ev.TrialMeasured)] == ["nodata"]
    both = hear(story, report(story, some), report(story, some, "p2"))
    assert [e.verdict for e in both if isinstance(e, ev.TrialMeasured)] == ["pass"]


def test_a_shadow_needs_no_callers_but_stops_on_harm() -> None:
    """It was scored on a whole period already; what a server sees of it can still stop it."""
    story = tried("shadow")
    assert [type(a) for a in next_day(story)] == [do.Enter]
    story = tried("shadow")
    hear(story, report(story, BAD))
    assert do.StopRelease in [type(a) for a in next_day(story)]


def test_where_nobody_serves_a_canary_is_a_stage_of_time() -> None:
    """A model that is only scored in batches goes on after its stay, as before."""
    assert [type(a) for a in next_day(tried(online=False))] == [do.Promote]


def test_what_belongs_to_another_stage_counts_for_nothing() -> None:
    """Reports of an earlier stage, version or entry say nothing about this one."""
    story = tried()
    told = report(story, BAD)
    assert told.trial is not None
    for other in (
        replace(told.trial, stage="canary 1%"),
        replace(told.trial, number=1),
        replace(told.trial, since="2020-01-01T00:00:00.000000Z"),
    ):
        hear(story, replace(told, trial=other))
    assert story.state.versions[2].trial is None


def test_only_news_is_written_down() -> None:
    """The same again is not told twice; what only grew is told once an hour, a change at once."""
    story = tried()
    told = report(story, GOOD)
    assert len(hear(story, told)) == 2
    assert not hear(story, told)
    story.now += timedelta(minutes=59)
    later = instant(story.now)
    assert not hear(story, replace(told, at=later, rungs={"champion": 9}))
    change = replace(told, at=later, changes=("champion -> default (overload)",))
    assert [type(e) for e in hear(story, change)] == [ev.ServerReported]
    assert story.state.servers["p1"].changes == ("champion -> default (overload)",)
    story.now += timedelta(minutes=61)
    assert len(hear(story, replace(change, at=instant(story.now)))) == 2


def test_nobody_serves() -> None:
    """Without a place for reports nothing is heard."""
    ears = cast(Any, Ears("m", None))
    assert not list(listen(ears, cast(Any, None), State(), tried().now))
