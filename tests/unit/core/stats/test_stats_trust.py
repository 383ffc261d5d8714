"""Grades of trust: when an estimate is verified, unverified or blind, and why."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tamid.core.stats.trust import blind_sentence, outside_share, skill, trust

_ORDER = {"A": 0, "B": 1, "C": 2}


def test_a_verified_estimate_needs_skill_weeks_and_familiar_rows() -> None:
    """A asks for all at once, and each lack alone makes it B."""
    best = trust(weeks=8, skill=0.1, domain_auc=0.9, outside=0.05)
    assert (best.grade, best.word) == ("A", "verified")
    for worse in (
        trust(weeks=7, skill=0.1, domain_auc=0.9, outside=0.0),
        trust(weeks=8, skill=0.1, domain_auc=0.92, outside=0.0),
        trust(weeks=8, skill=0.1, outside=0.0),
        trust(weeks=8, skill=0.1, domain_auc=0.6),
        trust(weeks=8, domain_auc=0.6, outside=0.0),
    ):
        assert (worse.grade, worse.word, len(worse.reasons)) == ("B", "unverified", 1)


@pytest.mark.parametrize(
    ("facts", "word"),
    [
        ({"weeks": 8, "skill": 0.0}, "no nearer"),
        ({"weeks": 20, "skill": 0.5, "domain_auc": 0.96}, "AUC 0.96"),
        ({"weeks": 20, "skill": 0.5, "outside": 0.06}, "6% of the rows"),
        ({"weeks": 20, "skill": 0.5, "bug_open": True}, "data bug"),
    ],
)
def test_any_of_four_grounds_makes_an_estimate_blind(facts: dict[str, float], word: str) -> None:
    """No skill, foreign rows, values never seen, an open bug: each alone is grade C."""
    found = trust(**facts)  # type: ignore[arg-type]
    assert (found.grade, found.word) == ("C", "blind")
    assert word in found.reasons[0]


def test_too_few_weeks_prove_no_lack_of_skill() -> None:
    """A bad beginning is unverified, not blind: eight weeks are needed for and against."""
    assert trust(weeks=7, skill=-1.0, domain_auc=0.5, outside=0.0).grade == "B"


_share = st.one_of(st.just(math.nan), st.floats(0, 1))


@given(st.integers(0, 60), st.floats(-2, 1), st.floats(-2, 1), _share, _share, _share)
def test_a_worse_fact_never_makes_a_better_grade(
    weeks: int, one: float, two: float, auc: float, worse_auc: float, outside: float
) -> None:
    """Grades fall, or stay, with less skill and with stranger rows, and always have a reason."""
    low, high = sorted((one, two))
    bad = trust(weeks=weeks, skill=low, domain_auc=auc, outside=outside)
    good = trust(weeks=weeks, skill=high, domain_auc=auc, outside=outside)
    assert _ORDER[bad.grade] >= _ORDER[good.grade]
    assert bad.reasons
    if worse_auc >= auc:
        strange = trust(weeks=weeks, skill=low, domain_auc=worse_auc, outside=outside)
        assert _ORDER[strange.grade] >= _ORDER[bad.grade]


def test_skill_compares_with_the_recent_past() -> None:
    """Nearer than the mean of the last four is positive; no weeks give NaN."""
    assert skill([0.7, 0.6], [0.7, 0.6], [0.5, 0.5]) == 1.0
    assert skill([0.5], [0.7], [0.6]) == pytest.approx(-1.0)
    assert math.isnan(skill([], [], []))
    assert skill([0.5], [0.5], [0.5]) == 0.0
    assert skill([0.6], [0.5], [0.5]) == -math.inf
    with pytest.raises(ValueError, match="NaN"):
        skill([math.nan], [0.5], [0.5])


def test_the_sentence_names_the_date() -> None:
    """Who reads it knows from when a real number is there."""
    assert blind_sentence("2026-03-01").endswith("first real number on 2026-03-01.")


def test_rows_like_the_reference_are_not_called_strange() -> None:
    """Thirty columns of 500 rows: each has a newest extreme by chance, which is taken off.

    Without that an eighth of sound rows would be strange. Of broken ones nearly the true share is.
    """
    rng = np.random.default_rng(17)
    numbers = np.zeros(30, dtype=bool)
    sound, broken = [], []
    for _ in range(40):
        reference, now = rng.normal(size=(500, 30)), rng.normal(size=(1000, 30))
        sound.append(outside_share(reference, now, numbers))
        now[:200, rng.integers(30)] *= 100
        broken.append(outside_share(reference, now, numbers))
    assert np.mean(sound) < 0.005
    assert max(sound) < 0.05
    assert 0.15 < np.mean(broken) < 0.22


def test_a_gap_and_a_word_that_were_never_there_are_strange() -> None:
    """Codes within the range are no known words, and a gap is news only where there was none."""
    reference = np.tile([[1.0, 0.0, np.nan], [2.0, 7.0, 3.0]], (400, 1))
    words = np.array([False, True, False])
    for row, share in (([1.5, 7.0, np.nan], 0), ([np.nan, 7.0, 3.0], 1), ([1.5, 3.0, 3.0], 1)):
        assert outside_share(reference, np.array([row]), words) == pytest.approx(share, abs=0.01)
    assert math.isnan(outside_share(reference, np.empty((0, 3)), words))


@given(st.permutations(range(8)))
def test_the_order_of_rows_does_not_matter(order: list[int]) -> None:
    """Strange is a row among rows."""
    rows = np.random.default_rng(3).normal(size=(8, 2))
    numbers = np.zeros(2, dtype=bool)
    found = outside_share(rows, rows * 2, numbers)
    assert outside_share(rows[order], (rows * 2)[order], numbers) == found
