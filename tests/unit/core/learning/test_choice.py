"""Choices on tuning rows: hysteresis of the window, threshold and calibration by contract."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tamid.core.contract.model import Contract
from tamid.core.learning.choice import Tuned, choose, tune
from tamid.core.stats.calibration import Calibration
from tamid.testing.candidates import contract_text
from tamid.workshop import parse


@pytest.fixture
def contract() -> Contract:
    """A binary contract."""
    return parse(contract_text())


def scored(y: np.ndarray, noise: float, seed: int, name: str) -> Tuned:
    """Return scores that tell the label up to noise."""
    rng = np.random.default_rng(seed)
    score = np.clip(0.5 + 0.25 * (2 * y - 1) + noise * rng.normal(size=len(y)), 0, 1)
    return Tuned(window=name, score=score, calibration=Calibration(), threshold=0.5)


def chosen(contract: Contract, first: float, second: float) -> str:
    """Return which of two windows of this noise is chosen."""
    y = (np.arange(2000) % 4 == 0).astype(np.float64)
    tuned = {"all": scored(y, first, 1, "all"), "short": scored(y, second, 2, "short")}
    blocks = (np.arange(2000) % 300, np.arange(2000) // 500)
    found, candidates = choose(contract, tuned, y, np.ones(2000), blocks, np.random.default_rng(0))
    assert [c.window for c in candidates] == ["all", "short"]
    return found


def test_a_clearly_better_window_is_taken(contract: Contract) -> None:
    """A gain of many standard errors moves the window."""
    assert chosen(contract, 0.4, 0.2) == "short"


def test_a_window_as_good_as_the_default_is_not_taken(contract: Contract) -> None:
    """Noise of the same size keeps the default, and a worse window all the more."""
    assert chosen(contract, 0.3, 0.3) == "all"
    assert chosen(contract, 0.2, 0.4) == "all"


def test_errors_are_metrics_too(contract: Contract) -> None:
    """For an error less is better."""
    regression = parse(contract_text(task="regression", model="ridge"))
    y = np.linspace(0, 1, 400)
    tuned = {
        name: Tuned(window=name, score=y + off, calibration=Calibration(), threshold=0.5)
        for name, off in (("all", 0.5), ("short", np.linspace(0.0, 0.1, 400)))
    }
    blocks = (np.arange(400) % 40,)
    assert contract.task != regression.task
    found, _ = choose(regression, tuned, y, np.ones(400), blocks, np.random.default_rng(0))
    assert found == "short"


def test_a_fixed_threshold_is_kept(contract: Contract) -> None:
    """A threshold set by hand is not searched."""
    fixed = parse(contract_text(training=", threshold: {fixed: 0.31}"))
    y = (np.arange(200) % 2).astype(np.float64)
    assert tune(fixed, "all", y, 0.2 + 0.6 * y, np.ones(200)).threshold == 0.31
    assert tune(contract, "all", y, 0.2 + 0.6 * y, np.ones(200)).threshold != 0.31


@pytest.mark.parametrize("kind", ["platt", "isotonic", "none"])
def test_calibration_follows_the_contract(kind: str) -> None:
    """The kind of curve is the contract's; overconfident scores are drawn in."""
    rng = np.random.default_rng(0)
    truth = rng.uniform(0.2, 0.8, 4000)
    y = (rng.random(4000) < truth).astype(np.float64)
    raw = np.clip(0.5 + 1.6 * (truth - 0.5), 0, 1)
    made = tune(parse(contract_text(training=f", calibrate: {kind}")), "all", y, raw, np.ones(4000))
    assert made.calibration.kind == kind
    gap = np.abs(made.score - truth).mean()
    assert (gap < 0.05) == (kind != "none")


def two_windows(contract: Contract, rows: int, **held: object) -> str:
    """Return the choice between two windows that differ by half a standard error."""
    y = (np.arange(rows) % 4 == 0).astype(np.float64)
    tuned = {"all": scored(y, 0.3, 1, "all"), "short": scored(y, 0.3, 7, "short")}
    blocks = (np.arange(rows) % (rows // 8), np.arange(rows) * 4 // rows)
    rng = np.random.default_rng(0)
    return choose(contract, tuned, y, np.ones(rows), blocks, rng, **held)[0]  # type: ignore[arg-type]


def test_the_window_in_force_stays_until_another_is_shown_to_be_better(contract: Contract) -> None:
    """Of two alike each stays where it is in force: noise changes nothing."""
    assert two_windows(contract, 400) == "all"
    assert two_windows(contract, 400, held="all") == "all"
    assert two_windows(contract, 400, held="short") == "short"


def test_a_window_in_force_that_is_clearly_worse_is_left(contract: Contract) -> None:
    """Back to all data, as readily as away from it."""
    y = (np.arange(2000) % 4 == 0).astype(np.float64)
    tuned = {"all": scored(y, 0.2, 1, "all"), "short": scored(y, 0.4, 2, "short")}
    blocks = (np.arange(2000) % 300, np.arange(2000) // 500)
    rng = np.random.default_rng(0)
    found, told = choose(contract, tuned, y, np.ones(2000), blocks, rng, held="short")
    assert found == "all"
    assert [c.gain > c.error for c in told] == [True, False]


def test_a_window_in_force_that_is_no_candidate_gives_way_to_the_default(
    contract: Contract,
) -> None:
    """What was learnt after a drift, or out of season, is no choice of today."""
    assert two_windows(contract, 400, held="recent") == "all"


@pytest.mark.parametrize(
    ("noises", "wanted"),
    [((0.2, 0.2, 0.2, 0.2), "short"), ((0.4, 0.4, 0.4, 0.02), "all")],
)
def test_a_window_must_be_better_in_more_than_one_week(
    contract: Contract, noises: tuple[float, ...], wanted: str
) -> None:
    """With as many rows as one likes: by the error of rows alone both were taken. What is in force
    does not count, and where all rows are of one week nothing is shown.
    """
    y = (np.arange(4000) % 4 == 0).astype(np.float64)
    week = np.arange(4000) // 1000
    short = scored(y, 1.0, 2, "short")
    even = 0.5 + 0.25 * (2 * y - 1)
    noisy = np.clip(even + np.array(noises)[week] * (short.score - even), 0, 1)
    tuned = {"all": scored(y, 0.4, 1, "all"), "short": replace(short, score=noisy)}

    def taken(held: str, weeks: np.ndarray | None) -> str:
        rng = np.random.default_rng(0)
        rows = (np.arange(4000),)
        return choose(contract, tuned, y, np.ones(4000), rows, rng, held=held, weeks=weeks)[0]

    assert taken("all", None) == "short"
    assert taken("all", week) == taken("short", week) == wanted
    assert taken("short", np.zeros(4000, dtype=np.int64)) == "all"


def test_too_few_rows_change_no_window(contract: Contract) -> None:
    """However much better another one looks on them."""
    y = (np.arange(400) % 4 == 0).astype(np.float64)
    tuned = {"all": scored(y, 0.5, 1, "all"), "short": scored(y, 0.1, 2, "short")}
    blocks = (np.arange(400) % 100,)
    for least, wanted in ((500, "all"), (400, "short")):
        rng = np.random.default_rng(0)
        found, _ = choose(contract, tuned, y, np.ones(400), blocks, rng, least=least)
        assert found == wanted


@pytest.mark.parametrize(
    ("noises", "usual", "asked_for_proof"),
    [
        # Somewhat better: taken as ever, and not where the coming season is unknown.
        ({"all": 0.3, "short": 0.28}, "short", "all"),
        # Better beyond doubt: the season holds back nothing.
        ({"all": 0.4, "mixed": 0.35, "short": 0.2}, "short", "short"),
        # The best of those that know the season is what a window without it must beat.
        ({"all": 0.4, "mixed": 0.3, "short": 0.28}, "short", "mixed"),
    ],
)
def test_a_window_without_the_coming_season_must_be_better_beyond_doubt(
    contract: Contract, noises: dict[str, float], usual: str, asked_for_proof: str
) -> None:
    """One standard error suffices in season; out of it one chance in a hundred is asked for."""
    y = (np.arange(4000) % 4 == 0).astype(np.float64)
    tuned = {n: scored(y, noise, seed, n) for seed, (n, noise) in enumerate(noises.items(), 1)}
    blocks = (np.arange(4000) % 600,)

    def taken(*out_of_season: str) -> str:
        rng = np.random.default_rng(0)
        found, candidates = choose(
            contract, tuned, y, np.ones(4000), blocks, rng, out_of_season=out_of_season
        )
        assert [c.window for c in candidates] == list(noises)
        return found

    assert (taken(), taken("short")) == (usual, asked_for_proof)


def test_where_no_window_knows_the_season_all_are_alike(contract: Contract) -> None:
    """A guard that would leave nothing asks nothing of anybody."""
    y = (np.arange(2000) % 4 == 0).astype(np.float64)
    tuned = {"all": scored(y, 0.4, 1, "all"), "short": scored(y, 0.2, 2, "short")}
    found, _ = choose(
        contract, tuned, y, np.ones(2000), (np.arange(2000) % 300,), np.random.default_rng(0),
        held="short", out_of_season=("all", "short"),
    )  # fmt: skip
    assert found == "short"
