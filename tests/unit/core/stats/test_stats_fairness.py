"""Gaps between groups: what is flagged, blocked, or too small to judge."""

from __future__ import annotations

import numpy as np
import pytest

from tamid.core.stats.fairness import Gap, Standing, fairness_gaps, gap_changes, worst_gap


def _gap(gaps: tuple[Gap, ...], group: str, rate: str = "true_positive") -> Gap:
    return next(g for g in gaps if g.group == group and g.rate == rate)


def test_a_large_proven_gap_blocks_and_is_signed() -> None:
    """A group with fewer true positives has a negative gap that blocks; the other mirrors it."""
    rng = np.random.default_rng(0)
    sex = np.repeat(["f", "m"], 1000)
    called = np.where(sex == "f", rng.random(2000) < 0.5, rng.random(2000) < 0.8)
    gaps = fairness_gaps(np.ones(2000), called, {"sex": sex})
    assert [g.standing for g in gaps] == [Standing.BLOCK, Standing.BLOCK]
    assert _gap(gaps, "f").gap.point == pytest.approx(-_gap(gaps, "m").gap.point)
    assert _gap(gaps, "f").gap.point == pytest.approx(-0.3, abs=0.06)


def test_a_proven_gap_within_the_limit_is_flagged_only() -> None:
    """The interval shows a gap above 0.05, but not one above what the contract allows."""
    called = np.concatenate([np.arange(1000) % 10 < 7, np.arange(1000) % 10 < 8])
    gaps = fairness_gaps(np.ones(2000), called, {"sex": np.repeat(["f", "m"], 1000)}, max_gap=0.09)
    assert {g.standing for g in gaps} == {Standing.FLAG}


def test_small_groups_are_not_judged() -> None:
    """Under 30 relevant rows nothing is said, under 200 the lack of power is."""
    group = np.array(["tiny"] * 29 + ["small"] * 100 + ["large"] * 900)
    called = np.concatenate([np.zeros(29), np.arange(1000) % 2])
    gaps = fairness_gaps(np.ones(1029), called, {"g": group})
    assert _gap(gaps, "tiny").standing is Standing.TOO_SMALL
    assert _gap(gaps, "small").low_power
    both = fairness_gaps(np.ones(1029), called, {"g": np.arange(1029) % 2})
    assert not any(g.low_power for g in both)
    assert _gap(gaps, "tiny").gap.point == pytest.approx(-0.5, abs=0.02)


def test_weights_and_repeats_shrink_a_group() -> None:
    """Forty rows of two people, or of which one weighs most, are no forty people."""
    group = np.array(["a"] * 40 + ["b"] * 400)
    called = np.concatenate([np.repeat([0.0, 1.0], 20), np.arange(400) % 2])
    people = np.concatenate([np.repeat([0, 1], 20), np.arange(2, 402)])
    plain = _gap(fairness_gaps(np.ones(440), called, {"g": group}), "a")
    repeated = _gap(fairness_gaps(np.ones(440), called, {"g": group}, clusters=people), "a")
    heavy = np.ones(440)
    heavy[0] = 100.0
    weighed = _gap(fairness_gaps(np.ones(440), called, {"g": group}, weights=heavy), "a")
    assert plain.standing is not Standing.TOO_SMALL
    assert repeated.standing is Standing.TOO_SMALL
    assert weighed.standing is Standing.TOO_SMALL
    assert repeated.n_effective < 3


def test_measures_compare_their_own_rates() -> None:
    """Equalised odds reports both error rates; demographic parity looks at all rows."""
    y = np.tile([0.0, 1.0], 400)
    called = np.where(np.arange(800) < 400, y, 1.0)
    sex = {"sex": np.repeat(["f", "m"], 400)}
    odds = fairness_gaps(y, called, sex, measure="equalised_odds")
    assert _gap(odds, "f").gap.point == 0.0
    assert _gap(odds, "f", "false_positive").gap.point == -1.0
    parity = fairness_gaps(y, called, sex, measure="demographic_parity")
    assert (_gap(parity, "f", "selection").n, _gap(parity, "f", "selection").value) == (400, 0.5)


def test_more_groups_make_wider_intervals() -> None:
    """Bonferroni: the same two groups get a wider interval when more attributes are looked at."""
    rng = np.random.default_rng(1)
    y, called = np.ones(800), rng.random(800) < 0.5
    sex, region = np.repeat(["f", "m"], 400), rng.integers(0, 8, 800)
    alone = _gap(fairness_gaps(y, called, {"sex": sex}), "f").gap
    among = _gap(fairness_gaps(y, called, {"sex": sex, "region": region}), "f").gap
    assert among.high - among.low > 1.1 * (alone.high - alone.low)


def test_fair_models_are_rarely_flagged() -> None:
    """Four groups and no unfairness: at most about 5 % of the models get a flag or a block."""
    rng = np.random.default_rng(2)
    condemned = 0
    for _ in range(300):
        group = rng.choice(4, 800, p=[0.1, 0.2, 0.3, 0.4])
        gaps = fairness_gaps(np.ones(800), rng.random(800) < 0.6, {"g": group})
        condemned += any(g.standing in (Standing.FLAG, Standing.BLOCK) for g in gaps)
    assert condemned / 300 < 0.08


def test_the_worst_gap_is_named() -> None:
    """A blocking gap comes before a larger one of a group too small to judge."""
    group = np.array(["tiny"] * 10 + ["a"] * 500 + ["b"] * 500)
    called = np.concatenate([np.zeros(10), np.arange(500) % 2, np.ones(500)])
    worst = worst_gap(fairness_gaps(np.ones(1010), called, {"g": group}))
    assert worst is not None
    assert worst.standing is Standing.BLOCK
    assert worst.group in ("a", "b")


def test_missing_groups_and_no_rows() -> None:
    """Rows without group or weight count nowhere; without rows every gap is too small."""
    seen = fairness_gaps(np.ones(4), [1, 0, 1, 0], {"g": [0, 0, 1, 1]}, weights=[1, 0, 1, 1])
    assert [g.n for g in seen] == [1, 2]
    mixed = np.array(["f", None, "m", None], dtype=object)
    gaps = fairness_gaps([1, 1, 1, 1], [1, 0, 1, 0], {"sex": mixed})
    assert [g.group for g in gaps] == ["f", "m"]
    assert fairness_gaps([], [], {"sex": []}) == ()
    nobody = fairness_gaps([0, 0], [1, 0], {"sex": ["f", "m"]})
    assert {g.standing for g in nobody} == {Standing.TOO_SMALL}


def _decisions(
    rng: np.random.Generator, n: int, group: np.ndarray, rates: tuple[float, float]
) -> np.ndarray:
    return (rng.random(n) < np.where(group == "b", rates[1], rates[0])).astype(float)


def test_two_equal_models_rarely_differ_in_their_gaps() -> None:
    """Nominal 5 % over both groups: of 150 pairs without a difference few are called wider."""
    rng = np.random.default_rng(0)
    wider = 0
    for i in range(150):
        group = np.where(rng.random(500) < 0.3, "b", "a")
        old, new = (_decisions(rng, 500, group, (0.8, 0.7)) for _ in range(2))
        found = gap_changes(
            np.ones(500), old, new, {"g": group}, rng=np.random.default_rng(i), draws=200
        )
        wider += any(c.change.low > 0 for c in found)
    # Three standard errors of 5 % over 150 pairs are 5.3 points.
    assert wider / 150 < 0.105


def test_a_gap_that_grew_is_found_and_one_that_shrank_is_no_fault() -> None:
    """Both directions of 20 points on a thousand rows."""
    rng = np.random.default_rng(1)
    group = np.where(rng.random(1000) < 0.3, "b", "a")
    fair = _decisions(rng, 1000, group, (0.8, 0.8))
    unfair = _decisions(rng, 1000, group, (0.8, 0.6))
    y = np.ones(1000)
    grew = gap_changes(y, fair, unfair, {"g": group}, rng=rng)
    shrank = gap_changes(y, unfair, fair, {"g": group}, rng=rng)
    assert min(c.change.low for c in grew) > 0
    assert max(c.change.high for c in shrank) < 0


def test_rows_of_one_person_count_as_one() -> None:
    """Every row four times over, as one cluster each, leaves the bounds as they were."""
    rng = np.random.default_rng(2)
    group = np.where(rng.random(400) < 0.4, "b", "a")
    old, new = (_decisions(rng, 400, group, (0.8, 0.6)) for _ in range(2))
    once = gap_changes(np.ones(400), old, new, {"g": group}, rng=np.random.default_rng(0))
    four = gap_changes(
        np.ones(1600), np.tile(old, 4), np.tile(new, 4), {"g": np.tile(group, 4)},
        clusters=np.tile(np.arange(400), 4), rng=np.random.default_rng(0),
    )  # fmt: skip
    assert once[0].change.low == pytest.approx(four[0].change.low)
    loose = gap_changes(
        np.ones(1600), np.tile(old, 4), np.tile(new, 4), {"g": np.tile(group, 4)},
        rng=np.random.default_rng(0),
    )  # fmt: skip
    assert loose[0].change.low > once[0].change.low


def test_small_groups_have_no_change() -> None:
    """Under thirty relevant rows nothing is said."""
    group = np.array(["a"] * 200 + ["b"] * 29)
    found = gap_changes(
        np.ones(229), np.ones(229), np.zeros(229), {"g": group}, rng=np.random.default_rng(0)
    )
    assert found == ()
