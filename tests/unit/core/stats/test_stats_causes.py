"""Statistics that tell causes apart: dependence, joins, units, concentration, labels, concept."""

from __future__ import annotations

import numpy as np
import pytest

from tamid.core.stats.concentration import concentrated, domain_auc, left_without
from tamid.core.stats.concept import concept_change
from tamid.core.stats.dependence import added, bins_of, codes_in, sums_of, unexplained
from tamid.core.stats.joins import changed
from tamid.core.stats.labelrate import (
    disagreement_share,
    join_fell,
    label_rate,
    moved_by_inputs,
    rate_moved,
    rates_together,
    within_spread,
)
from tamid.core.stats.steps import at_once, step_share
from tamid.core.stats.units import unit_change


def test_sums_of_weeks_add_up_to_the_sums_of_their_rows() -> None:
    """Models without a week need no pass over rows."""
    rng = np.random.default_rng(0)
    weeks = [rng.normal(size=(50, 3)) for _ in range(3)]
    bins = bins_of(np.concatenate(weeks), [False] * 3)
    whole = sums_of(bins, np.concatenate(weeks))
    parts = added([sums_of(bins, w) for w in weeks])
    assert parts.rows == whole.rows
    assert np.array_equal(parts.pairs, whole.pairs)
    assert np.diag(whole.pairs).sum() == 3 * 150


def test_independent_columns_explain_nothing_and_copies_everything() -> None:
    """About 1 for noise, about 0 for a copy."""
    rng = np.random.default_rng(1)
    noise = rng.normal(size=(2000, 2))
    copy = np.column_stack([noise[:, 0], noise[:, 0]])
    for rows, low, high in ((noise, 0.9, 1.1), (copy, 0.0, 0.05)):
        bins = bins_of(rows, [False, False])
        sums = sums_of(bins, rows)
        assert low <= unexplained(bins, sums, [sums])[0, 0] <= high


def test_a_shift_of_level_alone_breaks_no_dependence() -> None:
    """A week that sits at one end of the range keeps its relations nearly."""
    rng = np.random.default_rng(2)
    x = rng.normal(size=4000)
    rows = np.column_stack([x, x + 0.3 * rng.normal(size=4000)])
    bins = bins_of(rows, [False, False])
    model = sums_of(bins, rows)
    usual, high, torn = unexplained(
        bins, model,
        [model, sums_of(bins, rows[rows[:, 0] > 0]),
         sums_of(bins, np.column_stack([rows[:, 0], rng.permutation(rows[:, 1])]))],
    )[:, 1]  # fmt: skip
    assert usual < 0.75
    assert high < 1.0 < torn


def test_a_join_on_wrong_keys_is_seen_whatever_the_distributions() -> None:
    """Permuted rows have the same columns and other people's values."""
    rng = np.random.default_rng(3)
    who = np.arange(200)
    level = rng.normal(size=200)
    plan = rng.integers(0, 3, 200).astype(np.float64)
    weeks = [np.column_stack([level + 0.2 * rng.normal(size=200), plan]) for _ in range(2)]
    sound = changed(weeks[0], who, weeks[1], who, [False, True])
    wrong = changed(weeks[0], who, weeks[1][rng.permutation(200)], who, [False, True])
    assert sound[0] < 0.2
    assert sound[1] == 0
    assert wrong[0] > 0.8
    assert wrong[1] > 0.5


def test_few_common_entities_say_nothing() -> None:
    """NaN, not a number, where fewer than thirty come again."""
    rows = np.zeros((40, 1))
    assert np.isnan(changed(rows, np.arange(40), rows, np.arange(40) + 30, [False])).all()


@pytest.mark.parametrize("factor", [0.01, 0.4536, 1.6, 100.0])
def test_a_change_of_unit_is_measured(factor: float) -> None:
    """The factor is found to within sampling error."""
    rng = np.random.default_rng(4)
    found = unit_change(rng.gamma(3.0, size=2000), factor * rng.gamma(3.0, size=2000))
    assert found is not None
    assert found.kind == "times"
    assert found.amount == pytest.approx(factor, rel=0.1)


def test_no_unit_is_named_without_a_change_and_for_few_values() -> None:
    """Two samples of one distribution differ by chance alone."""
    rng = np.random.default_rng(5)
    named = [unit_change(rng.normal(size=300), rng.normal(size=300)) for _ in range(50)]
    assert named == [None] * 50
    assert unit_change(np.ones(5), np.ones(5)) is None


def test_a_change_of_shape_is_no_change_of_unit() -> None:
    """What no factor and no offset undoes is named none, however far it moved."""
    rng = np.random.default_rng(6)
    split = [
        unit_change(rng.normal(size=500), np.where(rng.random(500) < 0.5, 1, 9) * rng.random(500))
        for _ in range(20)
    ]
    assert split == [None] * 20


def test_the_domain_is_told_apart_by_chance_alone_in_equal_weeks() -> None:
    """The held-out AUC of equal weeks stays near a half."""
    rng = np.random.default_rng(6)
    found = []
    for _ in range(40):
        old, new = rng.integers(0, 4, (400, 3)), rng.integers(0, 4, (400, 3))
        apart = np.array([0, 4, 8])
        found.append(domain_auc(old + apart, new + apart, 12))
    assert float(np.mean(found)) < 0.53
    assert max(found) < 0.58


def test_two_kinds_of_rows_are_told_apart_as_the_likelihood_ratio_does() -> None:
    """Nine in ten rows of one kind before, half of them now: AUC .9 .5 + (.9 .5 + .1 .5) / 2 = .7.

    By the week's own shares alone nothing would be told apart.
    """
    rng = np.random.default_rng(14)
    old, new = ((rng.random((20_000, 1)) < rare).astype(np.int64) for rare in (0.1, 0.5))
    assert domain_auc(old, new, 2) == pytest.approx(0.7, abs=0.01)


def test_one_moved_column_is_concentrated_and_five_are_not() -> None:
    """Without its two oddest columns a bug is gone, a new world is not."""
    rng = np.random.default_rng(7)
    old = rng.normal(size=(600, 6))
    bins = bins_of(old, [False] * 6)
    for moved, alone in ((1, True), (5, False)):
        new = rng.normal(size=(600, 6)) + np.where(np.arange(6) < moved, 1.5, 0.0)
        codes = codes_in(bins, old), codes_in(bins, new)
        assert concentrated(*codes, bins.offsets[-1], [0, 1])[0] is alone
    assert left_without(0.5, 0.7) == 0.0


def test_label_rates_that_only_wander_are_no_bug() -> None:
    """Type I: none of 500 weeks with rates between 5 and 15 % against a usual 10 %."""
    rng = np.random.default_rng(8)
    kinds = {label_rate(rng.binomial(400, rng.uniform(0.05, 0.15)), 400, 0.1).kind
             for _ in range(500)}  # fmt: skip
    assert kinds == {""}
    assert label_rate(0, 400, 0.1).kind == "collapse"
    assert label_rate(400, 400, 0.1).kind == "jump"
    assert label_rate(0, 0, 0.1).kind == ""


def test_a_rate_that_was_there_before_is_no_bug() -> None:
    """Nights without anybody are usual; four of them in a row are not where two were the most."""
    nights = [0.2, 0.0, 0.3, 0.0, 0.0, 0.25, 0.2, 0.0]
    assert label_rate(0, 400, 0.12).kind == "collapse"
    assert label_rate(0, 400, 0.12, nights).kind == ""
    assert label_rate(0, 1600, 0.12, rates_together(nights, 4)).kind == "collapse"
    assert label_rate(400, 400, 0.1, [0.1, 1.0]).kind == ""
    assert rates_together([0.1], 2) == ()


@pytest.mark.parametrize("together", [1, 4, 8])
def test_weeks_that_differ_much_are_rarely_a_collapse_and_defaulted_ones_are(
    together: int,
) -> None:
    """Type I: of 400 times at most 4 % are, where a week is nobody or half of the rows by turns.

    Power: where weeks differ by a tenth of their rate, nine in ten labels of 0 are, but for 3 %.
    """
    rng = np.random.default_rng(9)
    false = missed = 0
    for _ in range(400):
        wild = rng.beta(0.4, 1.6, 26 + together)
        seen = rates_together(wild[:26].tolist(), together)
        hit = rng.binomial(150, wild[26:]).sum()
        false += label_rate(hit, 150 * together, wild[:26].mean(), seen).kind == "collapse"
        calm = np.clip(rng.normal(0.3, 0.03, 26 + together), 0, 1)
        lost = rng.binomial(150, calm[26:] / 10).sum()
        same = rates_together(calm[:26].tolist(), together)
        missed += label_rate(lost, 150 * together, calm[:26].mean(), same).kind != "collapse"
    assert false <= 16
    assert missed <= 12
    assert not within_spread(0.0, 0.3, [0.3] * 3)


def test_a_rate_that_wanders_by_chance_is_hardly_ever_called_moved() -> None:
    """Five errors and a quarter of the usual: none of 2,000 weeks of 500 rows; a halving is."""
    rng = np.random.default_rng(8)
    same, half = rng.binomial(500, 0.3, 2000), rng.binomial(500, 0.15, 2000)
    assert not any(rate_moved(n, 500, 0.3) for n in same)
    assert np.mean([rate_moved(n, 500, 0.3) for n in half]) > 0.98


@pytest.mark.parametrize("slope", [1.0, 2.0, 4.0])
def test_positives_that_moved_alone_and_with_the_inputs_are_told_apart(slope: float) -> None:
    """Half of the positives gone, or inputs so chosen that half are left: 95 of 100 weeks right."""
    rng = np.random.default_rng(9)
    right = []
    for _ in range(100):
        x = rng.normal(size=8000)
        p = 1 / (1 + np.exp(-(slope * x - 1)))
        y = rng.random(8000) < p
        usual, announced = y.mean(), p.mean()
        for alone in (True, False):
            odds = np.where(y, 0.4, 1.0) if alone else np.exp(-0.8 * x) / 8
            kept = np.flatnonzero(rng.random(8000) < odds)[:1500]
            truth, chance = y[kept], p[kept]
            apart = float(chance[truth].mean() - chance[~truth].mean())
            with_inputs = moved_by_inputs(truth.mean() - usual, chance.mean() - announced, apart)
            right.append(bool(with_inputs) != alone)
    assert np.mean(right) > 0.95


def test_a_fall_of_the_join_needs_a_past() -> None:
    """Without four earlier periods nothing is said."""
    assert not join_fell([0.9, 0.9], 0.1)
    assert join_fell([0.9, 0.95, 0.92, 0.99], 0.1)
    assert disagreement_share([0, 0], ["a", "b"]) == 1.0


def test_shares_that_wander_are_no_fall_of_the_join() -> None:
    """Of 2,000 sound weeks after eight whose shares wander by five points at most 1 % are told.

    Nearly each that lost half of its keys is.
    """
    rng = np.random.default_rng(13)
    shares = rng.binomial(300, rng.beta(30, 2, (2000, 9))) / 300
    sound = [join_fell(week[:8].tolist(), float(week[8])) for week in shares]
    lost = [join_fell(week[:8].tolist(), float(week[8]) / 2) for week in shares]
    assert np.mean(sound) <= 0.01
    assert np.mean(lost) > 0.9


def test_labels_as_announced_are_no_concept_drift() -> None:
    """Type I: of 300 weeks drawn from the chances at most 2 % are called drifted."""
    rng = np.random.default_rng(9)
    false = 0
    for _ in range(300):
        p = rng.beta(1, 4, 500)
        false += concept_change((rng.random(500) < p) * 1.0, p, p >= 0.5).drifted
    assert false <= 6


def test_turned_labels_are_concept_drift_at_any_inputs() -> None:
    """Inputs that moved alone change what is announced, and nothing is called drifted."""
    rng = np.random.default_rng(10)
    p = rng.beta(4, 2, 1000)
    y = (rng.random(1000) < p) * 1.0
    assert not concept_change(y, p, p >= 0.5).drifted
    assert concept_change(1 - y, p, p >= 0.5).drifted
    assert not concept_change([], [], []).drifted


def test_steps_and_slopes_are_told_apart() -> None:
    """What was there already the week before came by and by."""
    assert at_once([0, 0, 0, 0, 1], 0)
    assert not at_once([0, 0.25, 0.5, 0.75, 1], 0)
    assert step_share([1.0], 0) == 0.0
    assert step_share([2.0, 1.0], 2.0) == 0.0
