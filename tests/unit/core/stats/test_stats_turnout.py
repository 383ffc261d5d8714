"""A loss of entities is told if the usual one does not explain it, and hardly ever otherwise."""

from __future__ import annotations

import numpy as np
import pytest

from tamid.core.stats.turnout import MARGIN, loss_chance, unusual_loss

WEEKLY = 52.0


@pytest.mark.parametrize(
    ("lost", "usual", "told"),
    [
        (30, [0, 0, 0, 0], True),
        (7, [0, 0, 0, 0], False),
        (30, [18, 22, 20, 19], False),
        (80, [18, 22, 20, 19], True),
        (30, [0, 0, 29, 0], False),
        (30, [0, 0], False),
        (0, [0, 0, 0, 0], False),
    ],
)
def test_a_part_of_a_batch_is_told_from_usual_leaving(
    lost: int, usual: list[int], told: bool
) -> None:
    """Of 2,010: against none, twenty a week, one bad week, or too few weeks."""
    assert unusual_loss(lost, 2010, [(k, 2010) for k in usual], WEEKLY) is told


@pytest.mark.parametrize(("spread", "most"), [(0.0, 0.001), (0.2, 0.004)])
def test_usual_churn_is_hardly_ever_told(spread: float, most: float) -> None:
    """Weeks drawn like those before them: a fifth more or less leaving is no lost batch."""
    rng, weeks, told = np.random.default_rng(11), 0, 0
    for size in (500, 2000, 10_000):
        for share in (0.002, 0.01, 0.03):
            for _ in range(150):
                drawn = share * np.exp(spread * rng.standard_normal(5) - spread**2 / 2)
                now, *before = (int(k) for k in rng.binomial(size, drawn))
                told += unusual_loss(now, size, [(k, size) for k in before], WEEKLY)
                weeks += 1
    assert told <= most * weeks


@pytest.mark.parametrize("share", [0.0, 0.002, 0.01])
def test_a_lost_part_of_a_file_is_nearly_always_told(share: float) -> None:
    """Five in a hundred rows gone beside the usual leavers, in panels of some size."""
    rng, told = np.random.default_rng(12), 0
    for _ in range(100):
        size = 2000
        now, *before = (int(k) for k in rng.binomial(size, share, 5))
        told += unusual_loss(now + 100, size, [(k, size) for k in before], WEEKLY)
    assert told >= 99


def test_the_chance_of_a_loss_is_that_of_draws() -> None:
    """The tail agrees with a share drawn from what is known, and a loss under it."""
    rng, usually, size, of = np.random.default_rng(13), 12.0, 900, 800
    shares = rng.beta(usually + 0.5, size - usually + 0.5, 200_000)
    drawn = rng.binomial(of, shares)
    for lost in (5, 11, 20, 30):
        assert loss_chance(lost, of, usually, size) == pytest.approx(
            float((drawn >= lost).mean()), abs=0.004
        )


def test_a_loss_within_the_margin_is_never_told() -> None:
    """Half as many again as in the worst usual week is no matter of chance, however large."""
    usual = [(1000, 100_000)] * 12
    assert not unusual_loss(int(MARGIN * 1000), 100_000, usual, WEEKLY)
    assert unusual_loss(2000, 100_000, usual, WEEKLY)
