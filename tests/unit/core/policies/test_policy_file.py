"""Policies from files, their costs in money, and the choice of one on the first part of history."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tamid.config import read
from tamid.core.contract.model import Contract
from tamid.core.contract.running import RetrainingCosts
from tamid.core.errors import ContractError, NotFound, UsageError
from tamid.core.policies.account import compare
from tamid.core.policies.money import Prices, bill, running, tariff
from tamid.core.policies.policy import calendar, never, policy_from
from tamid.core.policies.tensor import Tensor, simple_tensor
from tamid.core.policies.tune import tune
from tamid.core.values import Money
from tamid.whatif import policy_at, prices_in
from tamid.wiring import load_contract

ASSETS = Path(__file__).parents[3] / "assets" / "contracts"
EVERYTHING = ASSETS / "everything.yaml"


@pytest.fixture
def contract() -> Contract:
    """The contract that says everything there is to say."""
    return load_contract(EVERYTHING)


def _written(folder: Path, text: str) -> Path:
    path = folder / "mine.yaml"
    path.write_text(text, "utf-8")
    return path


def _ageing(fall: float = 0.003) -> Tensor:
    """Models that lose so much a week."""
    age = np.arange(100) - np.arange(20, 100)[:, None, None]
    values = 0.9 - fall * np.maximum(age, 0)
    return simple_tensor(values, list(range(20, 100)), delay=1)


@pytest.mark.parametrize(
    "text",
    [
        "retraining: {max_age: 5w, cooldown: 2w}\nreplay: {tolerance: 0.03, gate: false}\n",
        "max_age: 5w\ncooldown: 2w\ntolerance: 0.03\ngate: false\n",
    ],
)
def test_a_file_is_laid_over_the_contract(tmp_path: Path, contract: Contract, text: str) -> None:
    """Blocks or keys side by side say what changes; all else is as in the folder's contract."""
    found = policy_at(_written(tmp_path, text), EVERYTHING)
    today = policy_from(contract, "mine.yaml")
    assert found == replace(today, max_age=5, cooldown=2, tolerance=0.03, gate=False)


def test_a_whole_contract_is_a_policy(contract: Contract) -> None:
    """A file with `tamid` is read as the contract that it is."""
    assert policy_at(EVERYTHING, EVERYTHING) == policy_from(contract, "everything.yaml")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("max_agee: 5w\n", "did you mean `max_age`"),
        ("retraining: {max_age: soon}\n", "max_age"),
        ("replay: {gate: maybe}\n", "neither true nor false"),
        ("replay: {lags: 1w}\n", "replay.lags"),
        ("- a\n", "expected keys and values"),
    ],
)
def test_what_a_file_gets_wrong_is_told_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    """Mistakes are the user's: named, with a hint, never a traceback."""
    with pytest.raises(ContractError) as told:
        policy_at(_written(tmp_path, text), EVERYTHING)
    assert said in f"{told.value} {told.value.why}"


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    """The error says which names there are instead of a file."""
    with pytest.raises(NotFound, match="no policy at"):
        policy_at(tmp_path / "none.yaml", EVERYTHING)


def test_errors_and_runs_become_money(contract: Contract) -> None:
    """With a goal's two costs a missed case costs its value less the offer; runs cost reviews."""
    goal = replace(contract.goal, value_per_saved=Money(amount=100, currency="EUR"),
                   offer_cost=Money(amount=10, currency="EUR"))  # fmt: skip
    prices = Prices(currency="EUR", cpu_hour=3600, review=5)
    by = tariff(replace(contract, goal=goal), prices, fit_seconds=2.0)
    assert (by.missed, by.wasted, by.run, by.currency) == (90, 10, 7, "EUR")
    with pytest.raises(UsageError, match="different currencies"):
        tariff(replace(contract, goal=goal), Prices(currency="ILS"), 1.0)


def test_a_contract_s_own_two_costs_count(contract: Contract) -> None:
    """What the loop goes by is what a replay is told in: a run, and without a goal each error."""
    costs = RetrainingCosts(run=Money(amount=40, currency="EUR"),
                            error=Money(amount=0.5, currency="EUR"))  # fmt: skip
    bare = replace(contract, goal=type(contract.goal)(),
                   retraining=replace(contract.retraining, costs=costs))  # fmt: skip
    by = tariff(bare, Prices(), 1.0)
    assert (by.run, by.error, by.missed, by.currency) == (40, 0.5, 0, "EUR")
    goal = replace(bare.goal, value_per_saved=Money(amount=100, currency="EUR"))
    by = tariff(replace(bare, goal=goal), Prices(currency="EUR", review=5), 1.0)
    assert (by.run, by.error, by.missed) == (40, 0, 100)
    with pytest.raises(UsageError, match="different currencies"):
        tariff(bare, Prices(currency="ILS"), 1.0)


def test_without_prices_weeks_of_errors_are_counted(contract: Contract) -> None:
    """Then a run counts like a twentieth of a week of only wrong answers."""
    bare = replace(contract, goal=type(contract.goal)())
    by = tariff(bare, Prices(), 1.0)
    found = compare(_ageing(), [never(), calendar("weekly", 1)])
    costs = {a.name: bill(found, a, by) for a in found.accounts}
    assert by.currency == ""
    assert costs["weekly"].runs == pytest.approx(0.05 * found["weekly"].runs)
    wrong = 1 - found["never"].quality
    assert costs["never"].errors == pytest.approx(wrong.sum())
    assert costs["never"].errors > costs["weekly"].errors


def test_running_costs_come_from_measured_seconds() -> None:
    """CPU seconds and bytes times the workspace's prices: a run, 1,000 scores, a month."""
    found = running(
        Prices(currency="EUR", cpu_hour=36.0, gb_month=2.0, review=1.0), fit_seconds=100.0,
        score_seconds=0.1, stored_bytes=1e9, runs_a_year=12, scores_a_month=1e6,
    )  # fmt: skip
    assert found.run == pytest.approx(2.0)
    assert found.thousand_scores == pytest.approx(0.001)
    assert found.month == pytest.approx(2.0 + 1.0 + 24.0)


def test_the_cheapest_policy_is_chosen_before_the_cut(contract: Contract) -> None:
    """What comes after the cut has no say; where models age fast, frequent training wins."""
    bare = replace(contract, goal=type(contract.goal)())
    by, today = tariff(bare, Prices(), 1.0), replace(policy_from(bare, "today"), window="auto")
    found = tune(_ageing(0.006), today, by)
    assert found.policy.max_age == 4
    assert found.told_on["tuned"].walk.first == found.cut == 21 + int(79 * 0.6)
    assert found.told_on["tuned"].overall > found.told_on["never"].overall
    later = _ageing(0.006)
    sums = later.sums.copy()
    sums[:, :, found.cut :, :, 2] = 0
    assert tune(replace(later, sums=sums), today, by).policy == found.policy


def test_prices_stand_in_the_workspace_file(tmp_path: Path) -> None:
    """Amounts need a currency; unknown names and wrong amounts are told together."""
    path = tmp_path / "tamid.toml"
    path.write_text('[prices]\ncurrency = "EUR"\ncpu_hour = 0.1\nreview = 40\n', "utf-8")
    assert prices_in(read(tmp_path)) == Prices(currency="EUR", cpu_hour=0.1, review=40)
    path.write_text('[prices]\ncpu_hours = 0.1\nreview = "much"\n', "utf-8")
    with pytest.raises(UsageError) as told:
        read(tmp_path)
    assert "cpu_hour" in f"{told.value} {told.value.why}"
    assert "review" in f"{told.value} {told.value.why}"
    assert "currency" in f"{told.value} {told.value.why}"
