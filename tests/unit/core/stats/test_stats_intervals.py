"""Intervals against published examples, and their coverage by simulation."""

from __future__ import annotations

import numpy as np
import pytest

from tamid.core.stats.intervals import (
    effective_sample_size,
    effective_trials,
    exact_binomial,
    influence,
    metric_interval,
    newcombe,
    wilson,
)
from tamid.core.stats.metrics import terms
from tamid.core.values import Interval, Task


@pytest.mark.parametrize(
    ("x", "n", "low", "high"),
    # Newcombe (1998), Statistics in Medicine 17:857, table I.
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (29, 29, 0.8830, 1.0),
    ],
)
def test_wilson_matches_the_published_examples(x: int, n: int, low: float, high: float) -> None:
    """Wilson intervals agree with Newcombe's table."""
    got = wilson(x, n)
    assert [got.low, got.high] == pytest.approx([low, high], abs=5e-5)


@pytest.mark.parametrize(
    ("x", "n", "low", "high"),
    [
        (81, 263, 0.2527, 0.3676),
        (15, 148, 0.0578, 0.1617),
        (0, 20, 0.0, 0.1684),
        (29, 29, 0.8806, 1.0),
    ],
)
def test_exact_interval_matches_the_published_examples(
    x: int, n: int, low: float, high: float
) -> None:
    """Clopper-Pearson intervals agree with Newcombe's table."""
    got = exact_binomial(x, n)
    assert [got.low, got.high] == pytest.approx([low, high], abs=5e-5)


@pytest.mark.parametrize(
    ("x1", "n1", "x2", "n2", "low", "high"),
    # Newcombe (1998), Statistics in Medicine 17:873, table II, method 10.
    [
        (56, 70, 48, 80, 0.0524, 0.3339),
        (9, 10, 3, 10, 0.1705, 0.8090),
        (10, 10, 0, 20, 0.6791, 1.0),
    ],
)
def test_newcombe_matches_the_published_examples(
    x1: int, n1: int, x2: int, n2: int, low: float, high: float
) -> None:
    """Intervals of a difference agree with Newcombe's table."""
    got = newcombe(x1, n1, x2, n2)
    assert [got.low, got.high] == pytest.approx([low, high], abs=6e-5)


def test_no_rows_mean_no_knowledge() -> None:
    """Without rows the interval is the whole range."""
    assert (wilson(0, 0).low, wilson(0, 0).high) == (0.0, 1.0)
    assert (exact_binomial(0, 0).low, exact_binomial(0, 0).high) == (0.0, 1.0)
    assert (newcombe(0, 0, 1, 2).low, newcombe(0, 0, 1, 2).high) == (-1.0, 1.0)
    nothing = metric_interval(terms("f1", Task.BINARY, [], []))
    assert (nothing.low, nothing.high) == (0.0, 1.0)


def test_equal_weights_lose_nothing_and_unequal_ones_do() -> None:
    """The effective size is n for equal weights, and less for unequal ones."""
    assert effective_sample_size([3.0] * 10) == pytest.approx(10)
    assert effective_sample_size([1.0] * 9 + [20.0]) < 3


def test_rows_that_repeat_count_once() -> None:
    """Ten copies of each row are worth no more than the rows themselves."""
    hits = np.random.default_rng(0).integers(0, 2, 50)
    _, alone = effective_trials(hits)
    _, copied = effective_trials(np.repeat(hits, 10), clusters=np.repeat(np.arange(50), 10))
    assert alone == pytest.approx(49)  # n - 1: the variance is estimated
    assert copied == pytest.approx(alone)


def test_balanced_clusters_are_worth_no_more_than_their_rows() -> None:
    """Rows that cancel out within clusters do not pass for more rows than there are."""
    hits = np.tile([1.0, 0.0], 50)
    hits[:2] = 1.0
    _, trials = effective_trials(hits, clusters=np.arange(100) // 2)
    assert trials == 100


def test_influence_adds_up_to_nothing_and_predicts_removal() -> None:
    """Contributions sum to zero, and removing a row moves the metric by minus its contribution."""
    rng = np.random.default_rng(1)
    y = (rng.random(500) < 0.3).astype(float)
    s = np.clip(0.3 * y + 0.7 * rng.random(500), 0, 1)
    for name in ("f1", "auc", "brier"):
        z = influence(terms(name, Task.BINARY, y, s))
        assert abs(z.sum()) < 1e-8
        whole = terms(name, Task.BINARY, y, s).point()
        for row in (0, 17, 255):
            keep = np.arange(500) != row
            moved = terms(name, Task.BINARY, y[keep], s[keep]).point() - whole
            assert moved == pytest.approx(-z[row], abs=2e-4)


@pytest.mark.parametrize("name", ["f1", "auc", "brier"])
def test_weighted_clustered_intervals_cover(name: str) -> None:
    """95 % intervals of rows that repeat and are seen with unequal chance cover in 90-99 %."""
    rng = np.random.default_rng(2)
    truth = _point(name, *_world(np.random.default_rng(3), 60_000)[:2])
    hits = 0
    for _ in range(200):
        y, s, entity, chance = _world(rng, 200)
        seen = rng.random(len(y)) < chance
        t = terms(name, Task.BINARY, y[seen], s[seen], weights=1 / chance[seen])
        got = metric_interval(t, clusters=entity[seen])
        hits += got.low <= truth <= got.high
    assert 0.90 <= hits / 200 <= 0.99


def test_ignoring_repeats_makes_the_interval_too_narrow() -> None:
    """With rows that repeat, the interval over entities is wider than that over rows."""
    y, s, entity, _ = _world(np.random.default_rng(4), 200)
    t = terms("f1", Task.BINARY, y, s)
    assert _width(metric_interval(t, clusters=entity)) > 1.2 * _width(metric_interval(t))


def test_a_perfect_metric_still_has_an_interval() -> None:
    """F1 of exactly 1 on 20 rows does not claim to be certain."""
    got = metric_interval(terms("f1", Task.BINARY, [1] * 20, [1.0] * 20))
    assert (got.point, got.high) == (1.0, 1.0)
    assert 0.8 < got.low < 0.9


def test_one_entity_tells_nothing() -> None:
    """Rows of a single entity leave the whole range open."""
    got = metric_interval(terms("accuracy", Task.BINARY, [1, 0, 1], [1, 1, 1]), clusters=[5, 5, 5])
    assert (got.low, got.high) == (0.0, 1.0)


def test_losses_stay_positive_and_r2_may_be_negative() -> None:
    """Bounds of an error are above zero; those of R2 may lie below."""
    rng = np.random.default_rng(5)
    y, s = rng.normal(size=30), rng.normal(size=30)
    assert metric_interval(terms("mae", Task.REGRESSION, y, s)).low > 0
    assert metric_interval(terms("r2", Task.REGRESSION, y, s)).low < 0


def _world(
    rng: np.random.Generator, entities: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Draw 4 rows an entity; both label and score share a part; high scores are seen less often."""
    entity = np.repeat(np.arange(entities), 4)
    shared, own = rng.normal(size=entities)[entity], rng.normal(size=4 * entities)
    latent = 0.8 * shared + 0.6 * own
    noise = 0.8 * rng.normal(size=entities)[entity] + 0.6 * rng.normal(size=4 * entities)
    score = 1 / (1 + np.exp(-2 * (latent + 0.7 * noise - 0.7)))
    return (latent > 0.7).astype(float), score, entity, np.where(score > 0.6, 0.3, 1.0)


def _point(name: str, y: np.ndarray, s: np.ndarray) -> float:
    return terms(name, Task.BINARY, y, s).point()


def _width(interval: Interval) -> float:
    return interval.high - interval.low
