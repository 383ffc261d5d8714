"""What an offer brings: how often its interval is wrong, and what small or empty sides say."""

from __future__ import annotations

import numpy as np
import pytest

from tamid.core.stats.lift import Lift, alike, lift

DRAWS = 400


def drawn(rng: np.random.Generator, entities: int, weeks: int, usual: float, effect: float) -> Lift:
    """Return the lift in one drawn world: half of the entities offered, each by its own nature."""
    nature = rng.beta(4 * usual, 4 * (1 - usual), entities)
    offered = rng.random(entities) < 0.5
    chance = np.repeat(np.clip(nature - effect * offered, 0, 1), weeks)
    outcome = (rng.random(entities * weeks) < chance).astype(np.float64)
    who = np.repeat(np.arange(entities), weeks)
    return lift(outcome, np.repeat(offered, weeks), who, reduces=True)


@pytest.mark.parametrize("weeks", [1, 6])
def test_without_an_effect_it_is_hardly_ever_said_to_help(weeks: int) -> None:
    """Type I: helps and harms in 2.5 % each at most, also where customers come again each week."""
    rng = np.random.default_rng(0)
    words = [drawn(rng, 400, weeks, 0.3, 0.0).word for _ in range(DRAWS)]
    assert words.count("helps") <= 0.04 * DRAWS
    assert words.count("harms") <= 0.04 * DRAWS
    assert words.count("not shown") >= 0.93 * DRAWS


@pytest.mark.parametrize("weeks", [1, 6])
def test_the_interval_holds_the_effect(weeks: int) -> None:
    """Coverage of a lift of 10 points at nominal 95 %, for rows of their own and for panels."""
    rng = np.random.default_rng(1)
    held, effect = 0, 0.1
    for _ in range(DRAWS):
        nature = rng.beta(2.0, 3.0, 500)
        offered = rng.random(500) < 0.5
        chance = np.repeat(nature * (1 - effect / 0.4 * offered), weeks)
        outcome = (rng.random(500 * weeks) < chance).astype(np.float64)
        who = np.repeat(np.arange(500), weeks)
        found = lift(outcome, np.repeat(offered, weeks), who, reduces=True).difference
        held += found.low <= effect <= found.high
    assert 0.92 <= held / DRAWS <= 0.985


def test_order_means_nothing_and_the_wanted_outcome_turns_the_sign() -> None:
    """Rows in another order give the same; "prevent" and "bring about" are mirror images."""
    rng = np.random.default_rng(2)
    outcome = (rng.random(300) < 0.3).astype(np.float64)
    offered = rng.random(300) < 0.5
    who, order = rng.integers(0, 120, 300), rng.permutation(300)
    one = lift(outcome, offered, who, reduces=True)
    other = lift(outcome[order], offered[order], who[order], reduces=True)
    turned = lift(outcome, offered, who, reduces=False).difference
    assert other.difference.low == pytest.approx(one.difference.low)
    assert other.difference.point == pytest.approx(one.difference.point)
    assert (turned.low, turned.high) == pytest.approx((-one.difference.high, -one.difference.low))


@pytest.mark.parametrize(("offered", "rows"), [(True, 40), (False, 40), (True, 1), (True, 0)])
def test_an_empty_side_is_too_small_to_judge(offered: bool, rows: int) -> None:
    """Nobody offered, nobody held back, one row or none: no word, and no warning."""
    found = lift(np.ones(rows), np.full(rows, offered), np.arange(rows), reduces=True)
    assert found.word == "too small to judge"
    assert found.offered + found.held == rows


def test_chosen_offers_are_compared_with_alike() -> None:
    """Offers that went to the high scores: plain shares are off by far, weighted ones hardly."""
    rng, plain, fair = np.random.default_rng(3), [], []
    for _ in range(60):
        score = rng.random(3000)
        offered = rng.random(3000) < 0.1 + 0.8 * score
        outcome = (rng.random(3000) < 0.7 * score - 0.1 * offered + 0.1).astype(np.float64)
        who = np.arange(3000)
        plain.append(lift(outcome, offered, who, reduces=True).difference.point)
        weights = alike(score, offered)
        found = lift(outcome, offered, who, reduces=True, weights=weights)
        fair.append(found.difference.point)
    assert abs(np.mean(plain) - 0.1) > 0.1
    assert abs(np.mean(fair) - 0.1) < 0.03
