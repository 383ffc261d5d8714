"""Profiles of columns and the stability index between them."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from tamid.core.stats.drift import (
    number_counts,
    number_places,
    profile_from,
    profile_numbers,
    profile_texts,
    psi,
    text_counts,
    weighted_psi,
)
from tamid.core.stats.reference import leave_one_out
from tamid.core.values import canonical_json


def test_ten_bins_of_equal_mass() -> None:
    """A continuous column is cut at its deciles, and counts all of its rows."""
    x = np.random.default_rng(0).normal(size=1000)
    profile = profile_numbers("x", x)
    assert profile.kind == "quantiles"
    assert profile.counts[:10] == (100.0,) * 10
    assert profile.n == 1000


def test_missing_and_extreme_numbers_have_their_place() -> None:
    """NaN is counted as missing; infinities fall into the outermost bins; none is lost."""
    profile = profile_numbers("x", np.arange(100.0))
    counts = number_counts(profile, [np.nan, -np.inf, np.inf, 1e300])
    assert (counts[0], counts[-2], counts[-1], counts.sum()) == (1.0, 2.0, 1.0, 4.0)


@pytest.mark.parametrize("distinct", [3, 9, 40, 10_000])
def test_many_rows_are_placed_as_each_row_alone(distinct: int) -> None:
    """Long columns are placed block by block: the bins are those of a row on its own."""
    rng = np.random.default_rng(distinct)
    drawn = rng.integers(0, distinct, 20_000) / 7
    profile = profile_numbers("x", drawn[:5000])
    x = np.concatenate([drawn, np.asarray(profile.edges), [np.nan, np.inf, -np.inf, -0.0, 1e300]])
    shorter = [number_places(profile, part) for part in np.array_split(x, 40)]
    assert max(map(len, shorter)) < 2048
    assert number_places(profile, x).tolist() == np.concatenate(shorter).tolist()


def test_a_constant_column_notices_any_change() -> None:
    """A column that was constant has one known value; anything else is unseen."""
    profile = profile_numbers("x", [3.0] * 50)
    assert number_counts(profile, [3.0, 2.0, 4.0]).tolist() == [1.0, 2.0, 0.0]
    assert psi(profile.counts, number_counts(profile, [4.0] * 50)) > 5


def test_an_all_missing_column_can_be_profiled() -> None:
    """A column without one number still has a profile, and a later number is unseen."""
    profile = profile_numbers("x", [np.nan] * 20)
    assert number_counts(profile, [1.0, np.nan]).tolist() == [1.0, 1.0]


def test_texts_of_any_script_unseen_and_missing() -> None:
    """Known texts, unseen ones and missing ones are counted apart."""
    profile = profile_texts("plan", ["בסיסי", "סיבים", "בסיסי", None])
    assert profile.names == ("בסיסי", "סיבים")
    assert text_counts(profile, ["סיבים", "basic", None]).tolist() == [0.0, 1.0, 0.0, 1.0, 1.0]


def test_a_long_tail_shares_a_bin() -> None:
    """Beyond fifty names the rest is known, though not by name, and is not unseen."""
    profile = profile_texts("city", [f"c{i:03}" for i in range(80) for _ in range(1 + (i < 50))])
    assert len(profile.names) == 50
    counts = text_counts(profile, ["c000", "c079", "new"])
    assert counts[-3:].tolist() == [1.0, 1.0, 0.0]


def test_profiles_survive_json() -> None:
    """A stored profile, read back, counts the same."""
    rng = np.random.default_rng(1)
    for profile in (
        profile_numbers("x", rng.normal(size=300)),
        profile_numbers("flag", rng.integers(0, 3, 300)),
        profile_texts("plan", ["a", None, "b"]),
    ):
        assert profile_from(json.loads(canonical_json(profile))) == profile


def test_rows_count_by_their_weight() -> None:
    """A weight of three is a row thrice, for numbers and for texts."""
    numbers = profile_numbers("x", [1.0, 2.0], weights=[3.0, 1.0])
    assert numbers.counts[:2] == (3.0, 1.0)
    assert number_counts(numbers, [2.0], weights=[0.5])[1] == 0.5
    texts = profile_texts("plan", ["a", "b"], weights=[3.0, 1.0])
    assert texts.counts[:2] == (3.0, 1.0)


def test_the_index_is_symmetric_and_grows_with_the_shift() -> None:
    """No shift gives 0; a larger one gives more; both directions agree."""
    x = np.random.default_rng(2).normal(size=5000)
    profile = profile_numbers("x", x)
    values = [psi(profile.counts, number_counts(profile, x + d)) for d in (0.0, 0.2, 0.5, 1.0)]
    assert values[0] == 0.0
    assert values == sorted(values)
    assert psi([5, 20, 75], [30, 30, 40]) == pytest.approx(psi([30, 30, 40], [5, 20, 75]))


def test_the_index_matches_its_formula() -> None:
    """Two bins, worked by hand, with half a count added to each."""
    p1, p2, q1, q2 = 30.5 / 41, 10.5 / 41, 5.5 / 41, 35.5 / 41
    expected = (p1 - q1) * math.log(p1 / q1) + (p2 - q2) * math.log(p2 / q2)
    assert psi([30, 10], [5, 35]) == pytest.approx(expected)


def test_bins_that_nobody_uses_do_not_count() -> None:
    """An index is not diluted by empty bins for missing or unseen values."""
    assert psi([50, 50, 0, 0], [80, 20, 0, 0]) == pytest.approx(psi([50, 50], [80, 20]))


def test_no_rows_have_no_index() -> None:
    """Without rows the index is NaN; with other bins it is an error."""
    assert math.isnan(psi([10, 10], [0, 0]))
    with pytest.raises(ValueError, match="bins"):
        psi([1, 2], [1, 2, 3])


def test_importance_decides_what_counts() -> None:
    """A column that the model does not use, or that was not measured, does not move the sum."""
    values = {"used": 0.2, "unused": 9.0, "unmeasured": math.nan}
    assert weighted_psi(values, {"used": 0.5, "unmeasured": 0.5}) == pytest.approx(0.2)
    assert math.isnan(weighted_psi(values, {}))


def test_the_odd_week_out_scores_highest() -> None:
    """Among reference weeks, the one unlike the others has the largest leave-one-out index."""
    weeks = np.random.default_rng(3).multinomial(500, [0.25] * 4, size=12).astype(float)
    weeks[7] = [250, 150, 60, 40]
    scores = leave_one_out(weeks)
    assert int(scores.argmax()) == 7
    assert np.delete(scores, 7).max() < 0.1
