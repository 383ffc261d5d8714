"""Each injected event does what it says, from its onset to its end, and nothing else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from bench_worlds import a_world

from tamid.core.values import Task
from tamid.loopbench.events import BUGS, KINDS, Event, Kind, draw, inject
from tamid.loopbench.world import World

IMPORTANCE = np.array([0.7, 0.2, 0.1])
ONSET = 25


def injected(kind: Kind, world: World | None = None, until: int = 40) -> tuple[World, World, Event]:
    """Inject one event into the made world."""
    before = world or a_world()
    event = Event(kind=kind, seed=1, onset=ONSET, until=until)
    after, told = inject(before, event, IMPORTANCE, np.random.default_rng(7))
    return before, after, told


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_changes_before_the_onset_or_after_the_repair(kind: Kind) -> None:
    """Weeks outside the event are the twin's."""
    before, after, _ = injected(kind, until=29)
    for span in (slice(0, int(before.start[ONSET])), slice(int(before.start[29]), None)):
        np.testing.assert_array_equal(after.values[span], before.values[span])
        np.testing.assert_array_equal(after.y[span], before.y[span])
        np.testing.assert_array_equal(after.told[span], before.told[span])


@pytest.mark.parametrize("kind", sorted(BUGS))
def test_a_bug_leaves_the_truth_alone(kind: Kind) -> None:
    """What is true does not depend on what was delivered."""
    before, after, _ = injected(kind)
    np.testing.assert_array_equal(after.y, before.y)


def struck(world: World, event: Event) -> int:
    """Return the place of the struck column."""
    return [f.name for f in world.features].index(event.columns[0])


def test_units_offsets_nulls_and_stuck_values() -> None:
    """A hundredfold, three standard deviations, three in ten missing, one value only."""
    rows = slice(ONSET * 60, None)
    before, after, event = injected("unit")
    j = struck(before, event)
    np.testing.assert_allclose(after.values[rows, j], before.values[rows, j] * 100)
    before, after, event = injected("offset")
    j = struck(before, event)
    shift = (after.values[rows, j] - before.values[rows, j]).mean()
    assert shift == pytest.approx(3 * before.values[: ONSET * 60, j].std())
    _, after, event = injected("nulls")
    assert np.isnan(after.values[rows, struck(after, event)]).mean() == pytest.approx(0.3, abs=0.05)
    _, after, event = injected("stuck")
    assert np.ptp(after.values[rows, struck(after, event)]) == 0


def one_in_a_hundred(world: World, columns: list[int]) -> World:
    """Make flags of these columns that one row in a hundred has."""
    values = world.values.copy()
    values[:, columns] = (np.arange(len(values)) % 100 == 7)[:, None]
    return replace(world, values=values)


def altered(before: World, after: World, event: Event) -> float:
    """Count the rows of the event whose struck column is another value."""
    rows = slice(int(before.start[event.onset]), int(before.start[event.until]))
    j = struck(before, event)
    return float((before.values[rows, j] != after.values[rows, j]).mean())


@pytest.mark.parametrize("seed", range(6))
def test_a_column_that_would_hardly_alter_is_drawn_again(seed: int) -> None:
    """Stuck at what nearly all rows have is no event: the one column that varies is struck."""
    world = one_in_a_hundred(a_world(), [0, 2])
    event = Event(kind="stuck", seed=seed, onset=ONSET, until=29)
    after, told = inject(world, event, IMPORTANCE, np.random.default_rng(seed))
    assert told.columns == ("second",)
    assert altered(world, after, told) > 0.9


def test_where_no_column_alters_more_the_most_is_taken() -> None:
    """Flags of one in a hundred, and of one in thirty: the second sticks."""
    world = one_in_a_hundred(a_world(), [0, 1, 2])
    values = world.values.copy()
    values[:, 1] = np.arange(len(values)) % 30 == 3
    before, after, told = injected("stuck", replace(world, values=values), until=29)
    assert told.columns == ("second",)
    assert 0.0 < altered(before, after, told) < 0.05


def test_a_column_sticks_at_what_came_before() -> None:
    """A month that sticks is last week's, so that its first week alters, too."""
    world = a_world()
    months = np.repeat(np.arange(world.weeks), 60)[:, None] * np.ones((1, 3))
    before, after, told = injected("stuck", replace(world, values=months), until=29)
    rows = slice(ONSET * 60, 29 * 60)
    assert (after.values[rows, struck(before, told)] == ONSET - 1).all()


def test_swap_scramble_and_recode() -> None:
    """Columns change places; rows get others' values; known words come back as new ones."""
    rows = slice(ONSET * 60, None)
    before, after, event = injected("swap")
    names = [f.name for f in before.features]
    a, b = (names.index(c) for c in event.columns)
    np.testing.assert_array_equal(after.values[rows, a], before.values[rows, b])
    before, after, event = injected("scramble")
    j = struck(before, event)
    week = before.rows(ONSET)
    assert sorted(after.values[week, j]) == sorted(before.values[week, j])
    assert (after.values[week, j] != before.values[week, j]).mean() > 0.5
    before, after, event = injected("recode")
    assert event.columns == ("word",)
    assert (after.values[rows, 2] > 2).mean() > 0.2


def test_labels_default_or_come_late() -> None:
    """Nine labels in ten become 0, or every label waits twice as long."""
    before, after, _ = injected("label_default")
    rows = slice(ONSET * 60, None)
    assert after.told[rows].mean() < 0.2 * before.told[rows].mean()
    before, after, _ = injected("label_delay")
    assert after.lag[ONSET] == 2 * before.lag[ONSET]
    assert ONSET not in after.matured(ONSET + 4)
    assert ONSET in after.matured(ONSET + 5)


def test_drifts_move_who_is_there() -> None:
    """A tilt raises important columns, a segment grows, positives become rarer."""
    rows = slice(ONSET * 60, None)
    before, after, _ = injected("tilt")
    assert after.values[rows, 0].mean() > before.values[rows, 0].mean() + 0.3
    before, after, _ = injected("segment")
    grown = [(after.values[rows, 2] == w).mean() for w in range(3)]
    assert max(grown) > 0.6
    before, after, _ = injected("prior")
    assert after.y[rows].mean() < 0.8 * before.y[rows].mean()


@pytest.mark.parametrize("task", list(Task))
def test_a_concept_turns_a_third_of_half_the_space(task: Task) -> None:
    """About 17 % of the outcomes change, inputs stay."""
    before, after, _ = injected("concept", a_world(task=task))
    rows = slice(ONSET * 60, None)
    np.testing.assert_array_equal(after.values, before.values)
    assert (after.y[rows] != before.y[rows]).mean() == pytest.approx(0.175, abs=0.08)
    np.testing.assert_array_equal(after.told, after.y)


def test_half_of_the_bugs_are_repaired() -> None:
    """Even seeds end after four weeks, odd ones and drifts never do."""
    world = a_world()
    rng = np.random.default_rng(0)
    repaired = draw("unit", 0, world, 13, rng)
    assert repaired.until == repaired.onset + 4
    assert draw("unit", 1, world, 13, rng).until == world.weeks
    assert draw("tilt", 0, world, 13, rng).until == world.weeks
