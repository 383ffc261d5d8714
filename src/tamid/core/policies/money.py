"""What a policy costs: errors, runs and the people they keep busy, in the user's own money."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tamid.core.contract.model import Contract
from tamid.core.errors import UsageError
from tamid.core.policies.account import Account, Accounts
from tamid.core.policies.walk import Walk
from tamid.core.policies.worth import costs_of

# Without prices one run counts like so many weeks in which every answer is wrong: between the two
# hundredths and the tenth of a week at which retraining every four to every eight weeks pays.
ERROR_WEEKS_A_RUN = 0.05
_HOUR, _GB = 3600.0, 1e9


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """What things cost in the workspace's `currency`; zero where nothing is said.

    `cpu_hour` of computing, `gb_month` of storage, `review`: the people's time that one run takes,
    `error`: one wrong answer (a unit of loss), where the contract names no costs.
    """

    currency: str = ""
    cpu_hour: float = 0.0
    gb_month: float = 0.0
    review: float = 0.0
    error: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Tariff:
    """What counts in a bill: a missed case, a wasted treatment, another error, one run.

    An empty `currency` says that nothing has a price: then all is in weeks of only wrong answers.
    """

    currency: str
    missed: float
    wasted: float
    error: float
    run: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """One policy's costs over the history: of what was answered wrongly, and of the runs."""

    errors: float
    runs: float

    @property
    def total(self) -> float:
        """Return both together."""
        return self.errors + self.runs


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """What operating costs by the prices: one run, a thousand scores, a month of both and storage.

    `fit_seconds`, `score_seconds` (of 1,000 rows), `stored_bytes` (of one version) are measured.
    """

    fit_seconds: float
    score_seconds: float
    stored_bytes: float
    run: float
    thousand_scores: float
    month: float


def tariff(contract: Contract, prices: Prices, fit_seconds: float) -> Tariff:
    """Return what counts, from the contract's goal and costs and the workspace's prices.

    Raises:
        UsageError: these are in different currencies.
    """
    goal = contract.goal
    own = costs_of(contract)
    named = [m.currency for m in (goal.value_per_saved, goal.offer_cost, own) if m is not None]
    known = {*named, *([prices.currency] if prices.currency else [])}
    if len(known) > 1:
        raise UsageError(
            f"costs are in different currencies: {', '.join(sorted(known))}",
            why="the contract's goal, retraining.costs and [prices] in tamid.toml are added up",
            fix="Write all in one currency.",
        )
    offer = goal.offer_cost.amount if goal.offer_cost else 0.0
    saved = goal.value_per_saved.amount if goal.value_per_saved else 0.0
    run = own.run if own else prices.review + prices.cpu_hour * fit_seconds / _HOUR
    error = own.error if own else prices.error
    priced = bool(saved or error)
    return Tariff(
        currency=known.pop() if priced and known else "",
        # Who is found late costs what saving would have brought, less the offer that it takes.
        missed=max(saved - offer, 0.0),
        wasted=offer if saved else 0.0,
        error=0.0 if saved else error if priced else 1.0,
        run=run if priced else ERROR_WEEKS_A_RUN,
    )


def bill(accounts: Accounts, account: Account, by: Tariff) -> Bill:
    """Return what a policy cost over the weeks that it served.

    Without a currency: weeks of only wrong answers (for errors without a natural size: relative to
    the first model's mean error).
    """
    tensor = accounts.tables.tensor
    sums = served_sums(accounts, account.walk)
    names = {name: sums[:, place] for place, name in enumerate(tensor.terms)}
    if by.currency:
        errors = by.error * float(names["loss"].sum())
        for price, name in ((by.missed, "fn"), (by.wasted, "fp")):
            errors += price * float(names[name].sum()) if name in names else 0.0
        return Bill(errors=errors, runs=by.run * account.runs)
    mass = names["mass"]
    weekly = np.divide(names["loss"], mass, out=np.zeros_like(mass), where=mass > 0)
    size = 1.0
    if tensor.metric in ("mae", "rmse", "r2"):
        first = tensor.sums[0, 0, :, :, [tensor.terms.index(n) for n in ("loss", "mass")]]
        size = float(first[0].sum() / first[1].sum()) or 1.0
    return Bill(errors=float(weekly.sum()) / size, runs=by.run * account.runs)


def served_sums(accounts: Accounts, one: Walk) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """Return the sums (weeks, K) of what served in each week of a walk."""
    sums = accounts.tables.tensor.sums
    weeks = one.first + np.arange(len(one.origin))
    return np.asarray(sums[one.origin, one.window, weeks].sum(axis=1))


def running(
    prices: Prices,
    *,
    fit_seconds: float,
    score_seconds: float,
    stored_bytes: float,
    runs_a_year: float,
    scores_a_month: float,
) -> Running:
    """Return what operating costs; `score_seconds` is the time of 1,000 rows."""
    run = prices.cpu_hour * fit_seconds / _HOUR + prices.review
    scores = prices.cpu_hour * score_seconds / _HOUR
    kept = stored_bytes * max(runs_a_year, 1.0) / _GB * prices.gb_month
    return Running(
        fit_seconds=fit_seconds,
        score_seconds=score_seconds,
        stored_bytes=stored_bytes,
        run=run,
        thousand_scores=scores,
        month=run * runs_a_year / 12 + scores * scores_a_month / 1000 + kept,
    )
