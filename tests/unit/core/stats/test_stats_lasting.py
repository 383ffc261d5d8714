"""What one week shows too faintly: how soon it is seen, and how rarely sound weeks add up."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tamid.core.stats.arrays import Floats
from tamid.core.stats.bugcheck import check_week
from tamid.core.stats.family import NEVER, Scale, oddities

KINDS = [False, False, False, True]
SCALE = Scale(least=0.0, spread=0.1, lasts=True)


def tied(rng: np.random.Generator, tie: float = 0.7) -> Floats:
    """A week of two numbers that go together by so much, another number and a word."""
    one, noise, other = rng.normal(size=(3, 150))
    two = tie * one + np.sqrt(1 - tie**2) * noise
    return np.round(np.column_stack([one, two, other, rng.integers(0, 5, 150)]), 1)


def joined_wrongly(rng: np.random.Generator) -> Floats:
    """The same with one column of other rows."""
    week = tied(rng)
    week[:, 1] = rng.permutation(week[:, 1])
    return week


def test_a_faint_bug_that_lasts_is_seen_in_its_third_week() -> None:
    """One week of it is within what sound weeks do, and does not excuse the next ones."""
    rng = np.random.default_rng(30)
    seen = []
    for _ in range(8):
        past = [tied(rng) for _ in range(20)]
        for _ in range(3):
            past.append(joined_wrongly(rng))
            found = check_week(past[:-1], past[-1], KINDS)
            if found.suspected:
                break
        seen.append(len(past) - 20 if found.suspected else 9)
    assert sum(weeks == 1 for weeks in seen) <= 2
    assert sum(weeks <= 3 for weeks in seen) >= 6


def test_what_a_person_found_sound_begins_no_run() -> None:
    """The weeks since are held against it, too."""
    rng = np.random.default_rng(31)
    past = [tied(rng) for _ in range(20)]
    past += [joined_wrongly(rng) for _ in range(2)]
    now = joined_wrongly(rng)
    assert check_week(past, now, KINDS).suspected
    assert not check_week(past, now, KINDS, vouched=[21]).suspected


def test_ties_that_wander_are_rarely_suspected() -> None:
    """Type I where neighbours are alike and sound weeks run together: at most two of 50."""
    rng = np.random.default_rng(32)
    level, weeks = 0.0, []
    for _ in range(66):
        level = 0.9 * level + np.sqrt(1 - 0.9**2) * rng.normal()
        weeks.append(tied(rng, float(np.clip(0.7 + 0.06 * level, 0.0, 0.95))))
    hits = [check_week(weeks[t - 16 : t], weeks[t], KINDS).suspected for t in range(16, 66)]
    assert sum(hits) <= 2


tables = st.integers(0, 2**32 - 1).map(lambda seed: np.random.default_rng(seed).random((20, 3)))


@given(tables, st.integers(1, 3))
def test_a_longer_run_never_takes_away(table: Floats, weeks: int) -> None:
    """Alone a week is as odd as a run of one; with those before it no less."""
    past = table[:-1]
    run = np.vstack([past[-3:], table[-1] * 2])
    alone = oddities(past, run[-1:], SCALE)
    np.testing.assert_array_equal(alone, oddities(past, run[-1], SCALE))
    less, more = (oddities(past, run[-n:], SCALE) for n in (weeks, weeks + 1))
    assert (more >= less).all()


@given(tables)
def test_a_run_needs_each_of_its_weeks(table: Floats) -> None:
    """One odd week before an ordinary one is no run, and two odd ones are as their fainter one."""
    past, odd = table[:-2], table[-2] + 2.0
    weeks, ordinary, faint = np.vstack([past, odd]), np.median(past, axis=0), odd - 0.5
    assert (oddities(weeks, np.stack([odd, ordinary]), SCALE) <= 0).all()
    found = oddities(weeks, np.stack([odd, faint]), SCALE)
    np.testing.assert_allclose(found, 2 * oddities(past, faint, SCALE))


def test_too_few_weeks_before_a_run_make_none() -> None:
    """Eight are needed to know what is usual."""
    past = np.vstack([np.zeros((7, 1)), [[1.0]]])
    assert oddities(past, np.array([[1.0], [1.0]]), SCALE)[0] == 0.0
    assert oddities(past, np.array([[1.0], [-1.0]]), SCALE)[0] == NEVER
