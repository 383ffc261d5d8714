"""What a source should have brought and has not is told once, and settled when it comes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from weekly import number, weekly, with_calls

from tamid.adapters.memory_tables import MemoryTables
from tamid.core import events as ev
from tamid.core.contract.model import Contract, Delivery, Label, Source
from tamid.core.periods import shift
from tamid.core.rules.incidents import incidents
from tamid.core.signals import Signals
from tamid.core.state import State
from tamid.core.values import ENTITY, KNOWN_AT, PERIOD, TIME, Role, VersionRef
from tamid.stages.feeds import NotReady, rule_of
from tamid.stages.missing import missing, refused_periods, unheard
from tamid.stages.reading import MOMENT
from tamid.testing.histories import PIN, Story, accepted, refused

SUNDAY = datetime(2026, 3, 1, tzinfo=UTC)
DAY = timedelta(days=1)
BY = Delivery(by="Sunday 06:00")


def gone(source: str = "rows") -> list[NotReady]:
    """Return that nothing lies where a source should."""
    return [NotReady(source=source, batch="", reason=f"no file matches {source}/*")]


def served(rules: Contract, weeks: Sequence[int] = range(8)) -> Story:
    """Return a story that is live since the first week before SUNDAY, with rows of some weeks."""
    story = Story(now=SUNDAY - 56 * DAY)
    ref = VersionRef(number=1, bundle="b", overlay="o")
    story.tell(
        ev.ContractAdopted(contract="c"),
        ev.VersionRegistered(ref=ref, run="run-0001", contract="c"),
        ev.Promoted(number=1, previous=0, reason="r", evidence=""),
    )
    rule = rule_of(rules)
    assert rule is not None
    story.tell(*(accepted(shift(rule, "2026-03-01", -8 + week)) for week in weeks))
    return story


def told(
    story: Story, rules: Contract, now: datetime, unready: Sequence[NotReady] = ()
) -> list[str]:
    """Tell the story what is missing; return the alarms that were raised and cleared."""
    story.now = now
    found = list(missing(rules, story.state, now, unready))
    story.tell(*found)
    return [f"{type(e).__name__} {e.alarm}" for e in found
            if isinstance(e, (ev.AlarmRaised, ev.AlarmCleared))]  # fmt: skip


def test_rows_are_missing_from_the_hour_on_at_which_they_are_due() -> None:
    """Not before; told once, with path and hour; over when they come."""
    rules = replace(weekly(), delivery=BY)
    story = served(rules)
    assert told(story, rules, SUNDAY + timedelta(hours=6), gone()) == []
    late = SUNDAY + timedelta(hours=7)
    assert told(story, rules, late, gone()) == ["AlarmRaised source/rows/2026-03-01"]
    raised = story.state.alarms["source/rows/2026-03-01"].raised
    assert raised.message == (
        "rows of 2026-03-01 were due at 2026-03-01T06:00 UTC and are missing: "
        "no file matches rows/*"
    )
    assert (raised.failure, raised.severity) == ("system_failure", "warning")
    assert told(story, rules, late + DAY, gone()) == []
    assert told(story, rules, late + 7 * DAY, gone()) == []
    story.tell(accepted("2026-03-01"))
    assert told(story, rules, late + 8 * DAY) == ["AlarmCleared source/rows/2026-03-01"]


def test_without_an_hour_rows_have_a_whole_period_more() -> None:
    """They are late, as scores are, when the next period has passed."""
    rules = weekly()
    story = served(rules)
    assert told(story, rules, SUNDAY + 14 * DAY - timedelta(seconds=1), gone()) == []
    after = SUNDAY + 14 * DAY + timedelta(seconds=1)
    assert told(story, rules, after, gone()) == ["AlarmRaised source/rows/2026-03-01"]


def test_files_without_the_rows_that_are_due_are_missing_data_too() -> None:
    """Unless such gaps are usual; a file that cannot be read is named."""
    rules, late = replace(weekly(), delivery=BY), SUNDAY + DAY
    stuck = [NotReady(source="rows", batch="w9", reason="w9 is empty")]
    story = served(rules)
    assert told(story, rules, late, stuck) == ["AlarmRaised source/rows/2026-03-01"]
    assert "w9 is empty" in story.state.alarms["source/rows/2026-03-01"].raised.message
    assert told(served(rules), rules, late) == ["AlarmRaised source/rows/2026-03-01"]
    assert told(served(rules, (0, 1, 2, 3, 4, 6, 7)), rules, late) == []


def test_refused_rows_are_not_missing() -> None:
    """They came; their own incident says what is wrong with them."""
    rules = replace(weekly(), delivery=BY)
    story = served(rules)
    story.tell(replace(refused("2026-03-01"), source="calls"))
    assert refused_periods(story.state) == set(), "events of a period are not its rows"
    story.tell(refused("2026-03-01"))
    assert told(story, rules, SUNDAY + DAY) == []
    assert refused_periods(story.state) == {"2026-03-01"}


def test_a_table_of_events_without_any_file_is_missing_and_comes_back() -> None:
    """Whether events are there cannot be told of a period: only that there is no file at all."""
    rules = replace(with_calls(number("count")), delivery=BY)
    story = served(rules, range(9))
    assert told(story, rules, SUNDAY + DAY) == []
    assert told(story, rules, SUNDAY + DAY, gone("calls")) == [
        "AlarmRaised source/calls/2026-03-01"
    ]
    assert told(story, rules, SUNDAY + 2 * DAY) == ["AlarmCleared source/calls/2026-03-01"]
    assert told(story, rules, SUNDAY + 3 * DAY, gone("calls")) == [], "told for this week already"
    assert told(story, rules, SUNDAY + 8 * DAY, gone("calls"))[0].endswith("calls/2026-03-08")
    dropped = replace(weekly(), delivery=BY)
    story.tell(accepted("2026-03-08"))
    assert told(story, dropped, SUNDAY + 9 * DAY)[0].startswith("AlarmCleared source/calls")


@pytest.mark.parametrize("known", [False, True])
def test_labels_are_missing_when_a_period_has_matured_without_any(known: bool) -> None:
    """Horizon and reporting lag after the period's end; labels that came under it are enough."""
    rules = replace(weekly(), delivery=BY)
    label = Label(
        column="left", positive=1, horizon=7 * DAY, reporting_lag=DAY, source=Source(path="l")
    )
    rules = replace(rules, data=replace(rules.data, label=label))
    story = served(rules, range(10))
    heard = ("2026-02-15", "2026-02-22") if known else ("2026-02-15",)
    story.tell(
        ev.LabelsAccepted(
            source="labels", batch="l", fingerprint="f", pin=PIN, new=1, periods=heard
        )
    )
    matured = SUNDAY + 8 * DAY
    assert told(story, rules, matured, gone("labels")) == []
    expected = [] if known else ["AlarmRaised source/labels/2026-02-22"]
    assert told(story, rules, matured + timedelta(seconds=1), gone("labels")) == expected


def left_files(weeks: int, lost: str, late: bool) -> tuple[MemoryTables, State, Contract]:
    """Return a world of weekly rows whose files of leavers came, but for that of one week.

    `late`: the lost week's labels were there before its rows, so that no event names its period.
    """
    label = Label(
        column="left", positive=1, horizon=7 * DAY, absence="negative", source=Source(path="l")
    )
    rules = weekly()
    rules = replace(rules, data=replace(rules.data, label=label))
    tables, story = MemoryTables(), Story(now=SUNDAY)
    names = [f"{SUNDAY + 7 * DAY * n:%Y-%m-%d}" for n in range(weeks)]
    rows = [(f"c{n}", SUNDAY + 7 * DAY * w, names[w]) for w in range(weeks) for n in range(30)]
    frame = pl.DataFrame(rows, schema=[ENTITY, TIME, PERIOD], orient="row").with_columns(
        pl.col(TIME).cast(MOMENT)
    )
    of_rows = tables.write(f"{rules.name}.rows", frame, key="r", token=1, mode="append")
    came = frame.filter((pl.col(PERIOD) != lost) | late).with_columns(
        pl.lit(None).cast(MOMENT).alias("_event"), pl.lit(1.0).alias("_value"),
        pl.col(TIME).alias(KNOWN_AT), pl.lit(1).alias("revision"),
    )  # fmt: skip
    of_labels = tables.write(f"{rules.name}.labels", came, key="l", token=1, mode="append")
    story.tell(
        ev.DataAccepted(source="rows", batch="b", fingerprint="f", pin=of_rows, rows=len(rows),
                        quarantined={}, periods=tuple(names)),
        ev.LabelsAccepted(source="labels", batch="b", fingerprint="f", pin=of_labels,
                          new=30 * (weeks - 1), periods=tuple(n for n in names if n != lost)),
    )  # fmt: skip
    return tables, story.state, rules


@pytest.mark.parametrize("late", [False, True])
def test_a_week_whose_labels_got_lost_is_no_week_in_which_nobody_left(late: bool) -> None:
    """Where absence is negative a lost file would teach that all stayed; labels there count."""
    lost = "2026-03-29"
    tables, state, rules = left_files(6, lost, late)
    due = tuple(sorted(state.periods))
    assert unheard(tables, rules, state, due, SUNDAY + 60 * DAY) == (() if late else (lost,))


def test_labels_that_got_lost_are_an_alarm_until_they_come() -> None:
    """Files of other weeks do not hide it."""
    label = Label(column="left", positive=1, horizon=7 * DAY, source=Source(path="l"))
    rules = replace(weekly(), delivery=BY)
    rules = replace(rules, data=replace(rules.data, label=label))
    story = served(rules, range(10))
    now = SUNDAY + 8 * DAY
    found = list(missing(rules, story.state, now, (), ("2026-02-22",)))
    assert isinstance(found[0], ev.AlarmRaised)
    assert found[0].alarm == "source/labels/2026-02-22"
    story.tell(*found)
    assert not list(missing(rules, story.state, now + DAY, (), ("2026-02-22",)))
    (cleared,) = missing(rules, story.state, now + 2 * DAY, ())
    assert isinstance(cleared, ev.AlarmCleared)


def test_nothing_is_due_before_a_champion_is_live() -> None:
    """A model that was never released owes nobody anything, nor one without time."""
    rules = replace(weekly(), delivery=BY)
    assert told(Story(), rules, SUNDAY + DAY, gone()) == []
    static = replace(rules, data=replace(rules.data, time=None))
    assert told(served(rules), static, SUNDAY + DAY, gone()) == []


def test_a_missing_source_is_a_warning_of_the_system() -> None:
    """An incident with what is done meanwhile; it ends with the alarm, and starts no training."""
    rules = replace(weekly(), delivery=BY)
    story = served(rules)
    told(story, rules, SUNDAY + DAY, gone())
    name = "alarm/source/rows/2026-03-01"
    (opened,) = incidents(story.policy, story.state, Signals(), story.now)
    assert opened.key == f"incident/{name}"
    assert "lower rungs answer" in getattr(opened, "response", "")
    assert Role.MLOPS_ENGINEER.value == rules.data.source.owner
