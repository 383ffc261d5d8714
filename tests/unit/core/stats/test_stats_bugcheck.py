"""The check of a week for data bugs: what it catches, and how rarely it errs."""

from __future__ import annotations

import numpy as np
import pytest

from tamid.core.stats.arrays import Floats
from tamid.core.stats.bugcheck import BugCheck, check_week
from tamid.core.stats.calendars import calendar_columns, new_since, tenfold_now
from tamid.core.stats.family import LEAST, MOST, NEVER, Scale, family_level, oddest, oddities
from tamid.core.stats.oddities import (
    commonest_shares,
    measured_columns,
    missing_shares,
    outside_now,
    outside_shares,
    unseen_now,
    unseen_rows,
    unseen_shares,
)

KINDS = [False, False, False, True]


def week(rng: np.random.Generator, rows: int = 200, level: float = 0.0) -> Floats:
    """Two numbers that go together, one on a grid, and a category."""
    one = rng.normal(level, size=rows)
    two = one + rng.normal(size=rows) * 0.3
    grid = rng.integers(0, 20, rows).astype(np.float64)
    return np.column_stack([one, two, grid, rng.integers(0, 4, rows)])


def checked(change: str, seed: int = 0) -> BugCheck:
    """A week after one thing went wrong."""
    rng = np.random.default_rng(seed)
    past, now = [week(rng) for _ in range(16)], week(rng)
    if change == "unit":
        now[:, 0] *= 100
    elif change == "missing":
        now[rng.random(len(now)) < 0.3, 2] = np.nan
    elif change == "stuck":
        now[:, 2] = 7.0
    elif change == "grid":
        now[:, 2] *= 1.6
    elif change == "recode":
        now[:, 3] += 4
    elif change == "scramble":
        now[:, 1] = rng.permutation(now[:, 1])
    elif change == "swap":
        now[:, [0, 2]] = now[:, [2, 0]]
    return check_week(past, now, KINDS)


@pytest.mark.parametrize(
    ("change", "columns"),
    [("unit", {0}), ("missing", {2}), ("stuck", {2}), ("grid", {2}), ("recode", {3}),
     ("scramble", {0, 1}), ("swap", {0, 2})],
)  # fmt: skip
def test_each_bug_is_caught_and_its_column_named(change: str, columns: set[int]) -> None:
    """The oddest column is one that was altered."""
    found = checked(change)
    assert found.suspected
    assert found.found[0].column in columns


def test_a_sound_week_is_rarely_suspected() -> None:
    """Type I: of 60 sound weeks at most 5 % are suspected."""
    rng = np.random.default_rng(3)
    false = 0
    for i in range(60):
        if i % 20 == 0:
            past = [week(rng, 100) for _ in range(14)]
        false += check_week(past, week(rng, 100), KINDS).suspected
    assert false <= 3


def test_slow_drift_is_no_bug() -> None:
    """A level that moves by a tenth of its spread a week is the world's, not a bug's."""
    rng = np.random.default_rng(4)
    weeks = [week(rng, 100, level=0.1 * i) for i in range(28)]
    hits = [check_week(weeks[t - 14 : t], weeks[t], KINDS).suspected for t in range(14, 28)]
    assert sum(hits) <= 1


def test_one_odd_reference_week_hides_no_bug() -> None:
    """The level is bounded from above: a broken week among the reference is no excuse."""
    rng = np.random.default_rng(5)
    past, now = [week(rng) for _ in range(16)], week(rng)
    past[3][:, 2] = np.nan
    now[rng.random(len(now)) < 0.5, 3] = np.nan
    found = check_week(past, now, KINDS)
    assert found.level <= MOST
    assert found.found[0].column == 3


def test_too_few_reference_weeks_suspect_nothing() -> None:
    """With seven weeks nothing is said, and that is said."""
    rng = np.random.default_rng(6)
    found = check_week([week(rng) for _ in range(7)], week(rng) * 100, KINDS)
    assert not found.suspected
    assert not found.reliable


def test_an_empty_week_suspects_nothing() -> None:
    """No rows are a matter of delivery."""
    rng = np.random.default_rng(7)
    past = [week(rng) for _ in range(10)]
    assert not check_week(past, np.empty((0, 4)), KINDS).reliable


def test_the_order_of_rows_does_not_matter() -> None:
    """A week is a set of rows."""
    rng = np.random.default_rng(8)
    past, now = [week(rng) for _ in range(10)], week(rng)
    turned = check_week([w[::-1] for w in past], now[::-1], KINDS)
    assert turned == check_week(past, now, KINDS)


def test_all_missing_columns_are_survived() -> None:
    """A column that was never known is not odd when it stays so."""
    rng = np.random.default_rng(9)
    weeks = [np.column_stack([week(rng), np.full(200, np.nan)]) for _ in range(11)]
    assert not check_week(weeks[:-1], weeks[-1], [*KINDS, False]).suspected


def test_a_column_of_the_calendar_may_step() -> None:
    """What is one value in every week steps by construction."""
    rng = np.random.default_rng(10)
    weeks = [np.column_stack([week(rng), np.full(200, i // 4)]) for i in range(13)]
    assert not check_week(weeks[:-1], weeks[-1], [*KINDS, True]).suspected


def test_oddity_grows_with_the_value() -> None:
    """Monotone: further above the reference is odder."""
    reference = np.random.default_rng(11).random((20, 1))
    values = [oddities(reference, np.array([v]), Scale(least=0.0, spread=0.1))[0]
              for v in (0.5, 1.5, 3.0)]  # fmt: skip
    assert values == sorted(values)
    assert oddities(reference, np.array([-1.0]), Scale(least=0.0, spread=0.1))[0] == NEVER


def test_the_level_stays_within_its_bounds() -> None:
    """Between 3 and 6 spreads, whatever the reference."""
    rng = np.random.default_rng(12)
    for heavy in (0.5, 1.0, 3.0):
        table = {"a": np.exp(heavy * rng.normal(size=(20, 5)))}
        assert LEAST <= family_level(table, {"a": Scale(least=0.0, spread=0.01)}) <= MOST


def test_the_oddest_needs_eight_weeks() -> None:
    """Fewer say nothing about the next one."""
    with pytest.raises(ValueError, match="8"):
        oddest({"a": np.zeros((7, 1))}, {"a": np.zeros(1)}, {"a": Scale(least=0.0, spread=1.0)})


def test_shares_of_a_week_agree_with_counting() -> None:
    """Leave-one-out shares are what counting row by row gives, a measure's within its range."""
    rng = np.random.default_rng(13)
    weeks = [rng.integers(0, 60, (30, 2)).astype(np.float64) for _ in range(4)]
    weeks[1][:5, 0] = np.nan
    weeks[2][:3, 1] = 99.0
    measured = np.array([False, True])
    unseen, outside = unseen_shares(weeks, measured), outside_shares(weeks, margin=0.0)
    for i, own in enumerate(weeks):
        others = [w for k, w in enumerate(weeks) if k != i]
        assert unseen[i] == pytest.approx(unseen_now(others, own, measured))
        assert outside[i] == pytest.approx(outside_now(others, own, margin=0.0))
        for j in range(2):
            known = own[:, j][~np.isnan(own[:, j])]
            there = np.concatenate([w[:, j] for w in others])
            low, high = np.nanmin(there), np.nanmax(there)
            new = [v not in there and (not measured[j] or low <= v <= high) for v in known]
            assert unseen[i, j] == pytest.approx(np.mean(new))
    assert missing_shares(weeks[1])[0] == pytest.approx(5 / 30)
    values, counts = np.unique(weeks[0][:, 1], return_counts=True)
    assert commonest_shares(weeks[0])[1] == pytest.approx(counts.max() / 30)
    assert len(values) > 1


def test_the_hottest_week_so_far_is_not_broken() -> None:
    """On a grid a new extreme is no unknown value; another unit within the range is one."""
    rng = np.random.default_rng(3)
    weeks = [rng.integers(10, 31, (150, 1)) / 2 for _ in range(13)]
    hot = rng.integers(26, 36, (150, 1)) / 2
    measured, code = np.array([True]), np.array([False])
    assert unseen_now(weeks, hot, code)[0] > 0.3
    assert unseen_now(weeks, hot, measured)[0] == 0.0
    assert unseen_now(weeks, hot * 0.8, measured)[0] > 0.6
    assert measured_columns(weeks, [False]).all()


def test_a_short_week_is_held_against_short_weeks() -> None:
    """A sixth of the rows shows more by chance, and is suspected no more often for it."""
    rng = np.random.default_rng(17)
    hits = []
    for _ in range(40):
        weeks = [np.round(rng.gamma(2.0, 5.0, (150, 6))) for _ in range(14)]
        hits.append(check_week(weeks, np.round(rng.gamma(2.0, 5.0, (24, 6))), [False] * 6))
    assert sum(h.suspected for h in hits) <= 4
    stuck = weeks[0][:24].copy()
    stuck[:, 2] = 9.0
    assert check_week(weeks, stuck, [False] * 6).suspected


def flagged(rng: np.random.Generator, step: float = 0.0) -> Floats:
    """A week with a flag that is hardly ever set, a gain that few rows have, and a calendar."""
    flag = (rng.random(150) < 0.02).astype(np.float64)
    gain = np.where(rng.random(150) < 0.06, np.round(rng.gamma(3.0, 500.0, 150)), 0.0)
    return np.column_stack([week(rng, 150), flag, gain, np.full(150, step)])


FLAGGED = [*KINDS, False, False, True]


def test_a_flag_is_no_calendar() -> None:
    """One value in nearly all rows of all weeks is a flag; one a week, not the same, a calendar."""
    rng = np.random.default_rng(20)
    weeks = [flagged(rng, i // 5) for i in range(20)]
    assert calendar_columns(weeks).tolist() == [False] * 6 + [True]
    assert calendar_columns([flagged(rng) for _ in range(9)])[6]


@pytest.mark.parametrize(("column", "change"), [(4, "recode"), (5, "unit"), (5, "stuck")])
def test_a_bug_of_a_flag_or_of_a_rare_gain_is_seen(column: int, change: str) -> None:
    """New words, a wrong unit of six rows in a hundred, and none where some always were."""
    rng = np.random.default_rng(21)
    past, now = [flagged(rng, i // 5) for i in range(26)], flagged(rng, 5)
    if change == "recode":
        now[:, column] = np.where(now[:, column] == 0, 2.0, now[:, column])
    else:
        now[:, column] *= 100.0 if change == "unit" else 0.0
    assert not check_week(past, flagged(rng, 5), FLAGGED).suspected
    found = check_week(past, now, FLAGGED).found
    assert [o.column for o in found] == [column]


def test_one_outlier_that_a_group_shares_is_none() -> None:
    """Rows of one booking with one record wait are one value, not a wrong unit."""
    rng = np.random.default_rng(22)
    past, now = [flagged(rng) for _ in range(20)], flagged(rng)
    now[:5, 5] = 90_000.0
    assert not check_week(past, now, FLAGGED).suspected


def test_a_value_of_the_calendar_is_news_where_there_long_was_none() -> None:
    """Seasons in any order, all of them known: a fifth is news. In their order it is not."""
    rng = np.random.default_rng(23)
    turns = [flagged(rng, i % 4) for i in range(26)]
    assert not check_week(turns, flagged(rng, 2), FLAGGED).suspected
    assert [o.column for o in check_week(turns, flagged(rng, 7), FLAGGED).found] == [6]
    ordered = [flagged(rng, i // 13) for i in range(26)]
    ordered[12][100:, 6] = 1.0
    assert not check_week(ordered, flagged(rng, 2), FLAGGED).suspected


def test_a_wrong_unit_of_a_calendar_is_seen_and_its_steps_are_not() -> None:
    """Months in their order, each beyond the last, until one comes in hundreds; years may step."""
    rng = np.random.default_rng(25)
    months = [flagged(rng, 1 + i // 4) for i in range(26)]
    assert not check_week(months, flagged(rng, 8), [*FLAGGED[:6], False]).suspected
    found = check_week(months, flagged(rng, 800), [*FLAGGED[:6], False]).found
    assert [(o.column, o.statistic) for o in found] == [(6, "outside")]
    assert tenfold_now([np.array([1.0])], np.array([2025.0])) == 0.0


def test_a_measure_that_rests_in_most_weeks_is_no_calendar() -> None:
    """Light in one week of three has many values there: a wrong unit of it is far outside."""
    rng = np.random.default_rng(26)

    def lit(i: int) -> Floats:
        light = np.round(rng.normal(400, 80, 150), 1) if i % 3 == 0 else np.zeros(150)
        return np.column_stack([week(rng, 150), light])

    weeks = [lit(i) for i in range(26)]
    assert not calendar_columns(weeks)[4]
    now = lit(0)
    assert not check_week(weeks, now, [*KINDS, False]).suspected
    now[:, 4] *= 100
    assert [o.column for o in check_week(weeks, now, [*KINDS, False]).found] == [4]


def test_a_flag_of_those_who_stay_away_is_not_stuck() -> None:
    """Only guests of old have it: it is gone with them, and broken where they come without it."""
    rng = np.random.default_rng(27)

    def guests(share: float) -> Floats:
        old = (rng.random(250) < share).astype(np.float64)
        return np.column_stack([week(rng, 250), old, old * (rng.random(250) < 0.3)])

    weeks, kinds = [guests(0.2) for _ in range(20)], [*KINDS, False, False]
    assert not [o for o in check_week(weeks, guests(0.004), kinds).found if o.column == 5]
    broken = guests(0.2)
    broken[:, 5] = 0.0
    found = check_week(weeks, broken, kinds).found
    assert [(o.column, o.statistic) for o in found] == [(5, "commonest")]


def test_new_rows_and_new_weeks_agree_with_counting() -> None:
    """Which rows no other week has, and what no week before had, by counting."""
    rng = np.random.default_rng(24)
    weeks = [rng.integers(0, 40, 30).astype(np.float64) for _ in range(5)]
    weeks[2][:4] = np.nan
    for measured in (False, True):
        shares = unseen_shares([w[:, None] for w in weeks], np.array([measured]))[:, 0]
        parts = np.split(unseen_rows(weeks, measured), 5)
        known = [(~np.isnan(w)).sum() for w in weeks]
        assert shares == pytest.approx([p.sum() / k for p, k in zip(parts, known, strict=True)])
    before: set[float] = set()
    for place, own in enumerate(weeks):
        there = set(own[~np.isnan(own)].tolist())
        assert new_since(weeks, 1)[place] == float(place > 0 and bool(there - before))
        before |= there
