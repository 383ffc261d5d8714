"""What repairs a refused batch, and what does not: other batches of its periods do not."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from tamid.core import events as ev
from tamid.core.repairs import known, lacking, repaired
from tamid.core.state import Refusal
from tamid.core.values import Role, TablePin
from tamid.testing.histories import Story

WEEK = "2026-01-04"
PIN = TablePin(table="churn.rows", version=1, digest="d")
MARKS = tuple(f"row {n:02d}" for n in range(20))


def refused(noted: tuple[str, ...] = MARKS, rows: int = 20) -> ev.DataRefused:
    """Return the refusal of one of the files of a week."""
    return ev.DataRefused(
        source="rows", batch="north", fingerprint="bad", owner=Role.MLOPS_ENGINEER,
        reasons=("x: below min",), rows=rows, periods=(WEEK,), noted=noted,
    )  # fmt: skip


def came(batch: str, brought: tuple[str, ...] = ()) -> ev.DataAccepted:
    """Return the arrival of a file of the week."""
    return ev.DataAccepted(
        source="rows", batch=batch, fingerprint=batch, pin=PIN, rows=20, periods=(WEEK,),
        brought=brought,
    )  # fmt: skip


def left(event: ev.DataRefused, *arrivals: ev.DataAccepted) -> bool:
    """Say whether a batch is still refused after the arrivals."""
    return refused_after(event, *arrivals)


def refused_after(*events: ev.Event) -> bool:
    """Say whether anything is refused after the events."""
    story = Story()
    story.tell(*events)
    return bool(story.state.refused)


def test_another_file_of_the_week_repairs_nothing() -> None:
    """The week of the south is there; that of the north is not."""
    assert left(refused(), came("south"))


@pytest.mark.parametrize(
    ("brought", "still"), [(MARKS, False), (MARKS[2:], False), (MARKS[3:], True)]
)
def test_a_file_with_its_rows_repairs_it(brought: tuple[str, ...], still: bool) -> None:
    """A tenth of them may be left out: rubbish comes no more."""
    assert left(refused(), came("mended", brought)) == still


def test_its_rows_may_come_in_several_files() -> None:
    """What came in one file need not come in the next."""
    first, second = came("mended-1", MARKS[:10]), came("mended-2", MARKS[10:])
    assert left(refused(), first)
    assert not left(refused(), first, second)


def test_its_own_name_repairs_it_whatever_it_holds() -> None:
    """Who sends it decides what belongs in it."""
    assert not left(refused(), came("north"))
    assert not left(refused((ev.NO_KEYS,)), came("north"))


def test_rows_without_keys_are_repaired_by_name_alone() -> None:
    """Nobody can tell whether another file brings them."""
    assert left(refused((ev.NO_KEYS,)), came("mended", (ev.NO_KEYS,)))


def test_refusals_of_before_are_repaired_as_they_were_then() -> None:
    """Ledgers in which no rows were noted fold to what they folded to."""
    assert not left(refused(()), came("south"))
    assert left(refused((), rows=0), came("south"))


def test_what_is_lacking_shrinks_as_it_comes() -> None:
    """Only what has not come is looked for, and only in the same source."""
    held = {"rows/north": Refusal(event=refused(), at=datetime(2026, 1, 5, tzinfo=UTC))}
    assert lacking(held, "rows") == frozenset(MARKS)
    assert lacking(held, "calls") == frozenset()
    assert lacking(repaired(held, came("mended", MARKS[:15])), "rows") == frozenset(MARKS[15:])
    other = replace(came("mended", MARKS), source="calls")
    assert repaired(held, other) == held


def test_labels_that_come_again_are_repaired() -> None:
    """A sound file of labels under the old name settles the refusal, and training may go on."""
    bad = replace(refused(()), source="labels", batch="week", rows=0, periods=())
    good = ev.LabelsAccepted(
        source="labels", batch="week", fingerprint="good", pin=PIN, new=20, periods=(WEEK,)
    )
    assert refused_after(bad)
    assert not refused_after(bad, good)
    assert refused_after(bad, replace(good, batch="another"))


def test_what_another_contract_refused_is_read_again() -> None:
    """Once: refused by the contract in force it is known; which of its rows came is not lost."""
    story = Story()
    story.tell(refused(), came("south", MARKS[:5]))
    assert known(story.state, "rows") == {"north": "bad", "south": "south"}
    other = replace(story.state, contract="another")
    assert known(other, "rows") == {"north": known(other, "rows")["north"], "south": "south"}
    assert known(other, "rows")["north"] not in ("", "bad")
    assert known(other, "labels") == {}
    story.tell(refused())
    assert story.state.refused["rows/north"].brought == set(MARKS[:5])
