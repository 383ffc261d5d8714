"""Champion against challenger: findings, error rates by simulation, and when it is decidable."""

from __future__ import annotations

import math
import pickle

import numpy as np
import pytest

from tamid.core.stats.arrays import Floats
from tamid.core.stats.blocks import Groups, Unit
from tamid.core.stats.compare import Comparison, Finding, compare
from tamid.core.stats.metrics import Terms, terms
from tamid.core.values import Task, canonical_json


def _f1(y: Floats, s: Floats) -> Terms:
    return terms("f1", Task.BINARY, y, 1 / (1 + np.exp(-s)))


def _rows(
    rng: np.random.Generator,
    n: int,
    *,
    gap: float = 0.0,
    shift: tuple[Floats, Floats] | None = None,
) -> tuple[Terms, Terms]:
    """Two models of one quality, the challenger's noise smaller by `gap`; 20 % are positive."""
    latent = rng.normal(size=n)
    a, b = shift if shift is not None else (np.zeros(n), np.zeros(n))
    old = latent + a + 0.8 * rng.normal(size=n) - 0.84
    new = latent + b + (0.8 - gap) * rng.normal(size=n) - 0.84
    y = (latent > 0.84).astype(float)
    return _f1(y, old), _f1(y, new)


def _judge(old: Terms, new: Terms, groups: Groups, seed: int = 0, **options: float) -> Comparison:
    return compare(
        old, new, groups, margin=options.get("margin", 0.005), rng=np.random.default_rng(seed),
        draws=400, degraded=bool(options.get("degraded", 0)),
    )  # fmt: skip


def test_a_better_challenger_is_superior_and_a_worse_one_worse() -> None:
    """A clear difference is found in both directions, and the numbers mirror each other."""
    old, new = _rows(np.random.default_rng(0), 4000, gap=0.4)
    up, down = _judge(old, new, Groups()), _judge(new, old, Groups())
    assert (up.finding, down.finding) == (Finding.SUPERIOR, Finding.WORSE)
    assert up.difference.point == pytest.approx(-down.difference.point)
    assert up.decidable_after_weeks is None
    assert "shown to be better" in up.message


def test_the_sign_is_turned_for_errors() -> None:
    """For a metric where less is better, positive still means a better challenger."""
    rng = np.random.default_rng(1)
    y = rng.normal(size=800)
    old = terms("mae", Task.REGRESSION, y, y + rng.normal(size=800))
    new = terms("mae", Task.REGRESSION, y, y + 0.5 * rng.normal(size=800))
    got = _judge(old, new, Groups())
    assert got.finding is Finding.SUPERIOR
    assert got.difference.point == pytest.approx(got.champion - got.challenger)


def test_a_copy_is_equal() -> None:
    """The champion itself as challenger is within any margin, and no reason for a change."""
    old, _ = _rows(np.random.default_rng(2), 1000)
    got = _judge(old, old, Groups())
    assert got.finding is Finding.EQUAL
    assert (got.difference.low, got.difference.high) == (0.0, 0.0)


def test_a_refresh_of_equal_quality_is_mostly_equal() -> None:
    """Without a true difference most findings are equal, and few are superior or worse."""
    rng = np.random.default_rng(3)
    found = [_judge(*_rows(rng, 800), Groups(), seed=i).finding for i in range(120)]
    assert found.count(Finding.EQUAL) > 80
    assert found.count(Finding.SUPERIOR) <= 12
    assert found.count(Finding.WORSE) <= 12


def test_error_rate_on_the_fewest_rows() -> None:
    """A hundred rows are judged, so equal models must not be told apart more often there."""
    rng = np.random.default_rng(14)
    found = [_judge(*_rows(rng, 100), Groups(), seed=i).finding for i in range(150)]
    # Three standard errors of a 5 % rate over 150 runs are 5.3 points.
    assert found.count(Finding.SUPERIOR) / 150 < 0.105
    assert found.count(Finding.WORSE) / 150 < 0.105


@pytest.mark.parametrize("shared", ["rows", "days", "entities", "weeks", "both"])
def test_error_rate_at_nominal_five_percent(shared: str) -> None:
    """Equal models are called different in about 5 % each way, however rows hang together."""
    rng = np.random.default_rng(4)
    runs, above, below = 150, 0, 0
    for i in range(runs):
        if shared in ("rows", "days"):
            day = np.sort(rng.integers(0, 63, 1200))
            groups = Groups(entity=np.arange(1200), day=day, week=day // 7)
            parts = [rng.normal(size=63)[day] * (shared == "days") for _ in range(2)]
        else:
            entity, week = np.repeat(np.arange(200), 7), np.tile(np.arange(7), 200)
            groups = Groups(entity=entity, day=7 * week, week=week)
            by_entity, by_week = shared in ("entities", "both"), shared in ("weeks", "both")
            parts = [
                rng.normal(size=200)[entity] * by_entity + 0.6 * rng.normal(size=7)[week] * by_week
                for _ in range(2)
            ]
        old, new = _rows(rng, len(parts[0]), shift=(parts[0], parts[1]))
        got = _judge(old, new, groups, seed=i)
        above += got.difference.low > 0
        below += got.difference.high < 0
    # Three standard errors of a 5 % rate over 150 runs are 5.3 points.
    assert above / runs < 0.105
    assert below / runs < 0.105


def test_the_wider_bound_decides_in_a_panel() -> None:
    """Entities and weeks are both drawn, and the difference carries the wider of their bounds."""
    entity, week = np.repeat(np.arange(150), 6), np.tile(np.arange(6), 150)
    old, new = _rows(np.random.default_rng(5), 900, gap=0.3)
    got = _judge(old, new, Groups(entity=entity, week=week))
    assert [b.unit for b in got.bounds] == [Unit.ENTITY, Unit.WEEK]
    assert got.difference.low == min(b.low for b in got.bounds)
    assert got.difference.high == max(b.high for b in got.bounds)
    assert got.blocks == 6


def test_seven_clear_weeks_are_enough() -> None:
    """A gain that every week shares is found over weeks, within what the weeks showed."""
    week = np.repeat(np.arange(7), 600)
    old, new = _rows(np.random.default_rng(12), 4200, gap=0.5)
    got = _judge(old, new, Groups(week=week))
    assert [(b.unit, b.method) for b in got.bounds] == [(Unit.WEEK, "sign flips")]
    assert got.finding is Finding.SUPERIOR
    weekly = [
        new.value(new.rows[week == k].sum(axis=0)) - old.value(old.rows[week == k].sum(axis=0))
        for k in range(7)
    ]
    assert min(weekly) < got.difference.low < got.difference.point < got.difference.high
    assert got.difference.high < max(weekly)


@pytest.mark.parametrize(("weeks", "missing"), [(2, 3), (4, 1)])
def test_too_few_weeks_say_when_to_come_back(weeks: int, missing: int) -> None:
    """Four weekly blocks can never reach 5 %; the number of weeks still needed is given."""
    n = 400 * weeks
    old, new = _rows(np.random.default_rng(6), n, gap=0.5)
    got = _judge(old, new, Groups(week=np.arange(n) % weeks))
    assert (got.finding, got.decidable_after_weeks) == (Finding.UNDECIDED, missing)
    assert f"decidable in {missing} more week" in got.message


def test_a_degraded_champion_is_judged_by_entity() -> None:
    """The same two weeks are decidable when the champion is known to have failed."""
    entity, week = np.repeat(np.arange(500), 2), np.tile(np.arange(2), 500)
    old, new = _rows(np.random.default_rng(7), 1000, gap=0.5)
    got = _judge(old, new, Groups(entity=entity, week=week), degraded=1)
    assert got.degraded
    assert got.finding is Finding.SUPERIOR
    assert [b.unit for b in got.bounds] == [Unit.ENTITY]


def test_too_few_rows_are_undecided_even_without_time() -> None:
    """Sixty rows decide nothing, and no week is promised where there is no time."""
    old, new = _rows(np.random.default_rng(8), 60, gap=0.6)
    got = _judge(old, new, Groups())
    assert (got.finding, got.decidable_after_weeks) == (Finding.UNDECIDED, None)


def test_rows_needed_are_counted_in_weeks() -> None:
    """Ten rows a week need ten weeks for the least number of rows, though blocks are enough."""
    old, new = _rows(np.random.default_rng(9), 70)
    got = _judge(old, new, Groups(week=np.repeat(np.arange(7), 10)))
    assert got.finding is Finding.UNDECIDED
    assert got.decidable_after_weeks is not None
    assert got.decidable_after_weeks >= 3


def test_nothing_to_measure_is_undecided() -> None:
    """No positive in the window, or no row at all, is a lack of evidence and no error."""
    flat = terms("f1", Task.BINARY, np.zeros(300), np.full(300, 0.1))
    empty = terms("f1", Task.BINARY, [], [])
    none = np.empty(0, dtype=np.int64)
    for t, groups in ((flat, Groups()), (empty, Groups(entity=none, day=none, week=none))):
        got = _judge(t, t, groups)
        assert got.finding is Finding.UNDECIDED
        assert math.isnan(got.difference.point)


def test_a_slightly_worse_model_within_the_margin_is_equal() -> None:
    """Worse beyond doubt, but by less than the margin, is equal and no failure."""
    y = np.tile([0.0, 1.0], 5000)
    old = terms("accuracy", Task.BINARY, y, y)
    new = terms("accuracy", Task.BINARY, y, np.where(np.arange(10_000) % 1000 == 7, 1 - y, y))
    got = _judge(old, new, Groups(), margin=0.01)
    assert got.difference.high < 0
    assert got.finding is Finding.EQUAL


def test_weights_enter_the_comparison() -> None:
    """Rows on which the challenger wins decide for it once they weigh enough."""
    rng = np.random.default_rng(10)
    y = (rng.random(600) < 0.5).astype(float)
    part = np.arange(600) < 300
    old = np.where(part ^ (rng.random(600) < 0.2), 1 - y, y)
    new = np.where(~part ^ (rng.random(600) < 0.2), 1 - y, y)
    for heavy, expected in ((part, Finding.SUPERIOR), (~part, Finding.WORSE)):
        w = np.where(heavy, 10.0, 1.0)
        a, b = (terms("accuracy", Task.BINARY, y, s, weights=w) for s in (old, new))
        assert _judge(a, b, Groups()).finding is expected


def test_different_metrics_are_not_compared() -> None:
    """Terms of two metrics, or of other rows, are refused."""
    y = np.tile([0.0, 1.0], 100)
    with pytest.raises(ValueError, match="same rows"):
        _judge(terms("f1", Task.BINARY, y, y), terms("recall", Task.BINARY, y, y), Groups())
    with pytest.raises(ValueError, match="same rows"):
        _judge(terms("f1", Task.BINARY, y, y), terms("f1", Task.BINARY, y[:9], y[:9]), Groups())


def test_a_comparison_can_be_recorded() -> None:
    """The result is the same for the same seed, survives pickling and has a canonical text."""
    old, new = _rows(np.random.default_rng(11), 300)
    first, second = (_judge(old, new, Groups(), seed=5) for _ in range(2))
    assert first == second
    assert pickle.loads(pickle.dumps(first)) == first
    assert '"finding":' in canonical_json(first)
