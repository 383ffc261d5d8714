"""Another threshold: what it is said to repair, it repairs; and how often that is wrong."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tamid.core.stats.arrays import Floats
from tamid.core.stats.metrics import terms
from tamid.core.stats.rethreshold import Trial, try_threshold
from tamid.core.stats.threshold import best_for_f1
from tamid.core.values import Task


def _best(y: np.ndarray, score: np.ndarray, weight: np.ndarray) -> float:
    return best_for_f1(y, score, weight).threshold


def _scores(rng: np.random.Generator, y: np.ndarray) -> Floats:
    """Chances that lie apart by 2.5 standard deviations before the logistic curve."""
    found: Floats = 1.0 / (1.0 + np.exp(-(rng.normal(size=len(y)) + 2.5 * y - 1.2)))
    return found


def _tried(
    rng: np.random.Generator, n: int, demanded: float, *, order: np.ndarray | None = None,
    share: float = 0.15, old: float = 0.5,
) -> Trial | None:  # fmt: skip
    y = (rng.random(n) < share).astype(np.float64)
    score = _scores(rng, y)
    rows = np.arange(n)
    order = rows if order is None else order
    return try_threshold(
        "f1", y[order], score[order], np.ones(n), entities=rows[order], learns=rows[order] % 2 == 0,
        old=old, choose=_best, demanded=demanded, rng=np.random.default_rng(0),
    )  # fmt: skip


def _reachable() -> tuple[float, float]:
    """The best threshold on very many rows, and the F1 that it has."""
    rng = np.random.default_rng(0)
    y = (rng.random(400_000) < 0.15) * 1.0
    score = _scores(rng, y)
    cut = _best(y, score, np.ones(len(y)))
    return cut, terms("f1", Task.BINARY, y, score, threshold=cut).point()


def test_what_is_just_reachable_is_rarely_taken_for_repaired() -> None:
    """Type I: exactly as much is owed as the best threshold reaches: at most 5 % say repaired."""
    (_, owed), rng = _reachable(), np.random.default_rng(1)
    found = [_tried(rng, 1500, owed) for _ in range(100)]
    assert np.mean([t is not None and t.repairs for t in found]) <= 0.05


def test_what_is_clearly_reachable_is_repaired() -> None:
    """Power: six points less are owed, and most trials on 4,000 rows say so."""
    (_, best), rng = _reachable(), np.random.default_rng(2)
    found = [_tried(rng, 4000, best - 0.06) for _ in range(40)]
    assert np.mean([t is not None and t.repairs for t in found]) > 0.7


def test_a_threshold_that_is_right_already_is_not_moved() -> None:
    """Nothing is owed, but no gain is shown either: at most 5 % would move."""
    (cut, _), rng = _reachable(), np.random.default_rng(3)
    found = [_tried(rng, 1000, 0.0, old=cut) for _ in range(60)]
    assert np.mean([t is not None and t.repairs for t in found]) <= 0.1


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000))
def test_the_order_of_rows_is_no_matter(seed: int) -> None:
    """The same rows in another order choose and reach the same."""
    order = np.random.default_rng(seed).permutation(800)
    one = _tried(np.random.default_rng(seed), 800, 0.5)
    two = _tried(np.random.default_rng(seed), 800, 0.5, order=order)
    assert (one is None) == (two is None)
    if one is not None and two is not None:
        assert np.isclose(one.threshold, two.threshold)
        assert np.isclose(one.reached.point, two.reached.point)


def test_too_few_rows_say_nothing() -> None:
    """Neither half may have fewer than 30 of either kind."""
    rng = np.random.default_rng(4)
    assert _tried(rng, 150, 0.5) is None
    assert _tried(rng, 2000, 0.5, share=0.0) is None
    assert _tried(rng, 0, 0.5) is None
