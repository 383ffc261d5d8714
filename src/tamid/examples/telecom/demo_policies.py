"""What replay says of four policies of retraining over the year that was played.

Walked over customers whom the lot kept from every offer: what they did, they would have done under
any policy. All models have the columns and the learner's settings of the contract in force at the
end, so that what differs is when they were trained, and on which window.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from math import isfinite
from time import thread_time

import numpy as np
import polars as pl

from tamid.app import Quiet
from tamid.core.contract.model import Contract
from tamid.core.control import in_control, rotation
from tamid.core.policies.account import Accounts, compare
from tamid.core.policies.money import Prices, Tariff, bill, tariff
from tamid.core.policies.policy import calendar, never, policy_from
from tamid.core.values import ENTITY, TIME
from tamid.examples.telecom.demo_year import MODEL, Year
from tamid.stages.fits import Bench
from tamid.stages.matrix import Matrix, matrix
from tamid.stages.tensor import Layout, tensor
from tamid.whatif import prices_in, sampled
from tamid.wiring import user_code
from tamid.workshop.tools import learner_of, load_features

OURS = "contract"
# Customers a week, at the most: enough leavers for the F1 of a year, in some seconds.
CUSTOMERS = 500
# Weeks between two models: a quarter of the weekly ones, so that all cost no more than a few runs.
EVERY = 4
_QUARTER = 12  # weeks, three times as many: a policy trains only where there is a model
_LAG = 1
# All history, and what happened lately: after a drift only that knows the new reasons.
WINDOWS = ("all", "short")
_TURN = "_turn"


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyRow:
    """One policy over the year: F1 over all weeks and by week, what was trained, and the cost.

    `regret`: 0 the best fixed policy in hindsight, 1 never training; None where these are level.
    `cost`: of leavers missed and offers wasted, over all customers, in the contract's currency.
    `by_week`: weeks in which nobody left and nobody was called are left out.
    """

    policy: str
    f1: float
    runs: int
    releases: int
    harmful: int
    false_alarms: int
    regret: float | None
    cost: int
    by_week: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Policies:
    """All policies, and what was walked to compare them.

    `rows`: labelled ones of about `customers` a week, each standing for `stands_for` customers;
    `origins`: weeks, `every` so many, in which the `models` were fitted, one a window. `telling`:
    the best fixed policy is better than never training by more than chance.
    """

    rows: tuple[PolicyRow, ...]
    first: str
    last: str
    walked: int
    customers: int
    stands_for: float
    origins: int
    every: int
    windows: tuple[str, ...]
    models: int
    learner: str
    columns: int
    best_fixed: str
    telling: bool
    currency: str


def policies_of(year: Year) -> Callable[[], Policies | None]:
    """Return what walks four policies over a year that was played; None: too few weeks are judged.

    All that it needs of the year is read here: the walk may go on beside other work on the year.
    """
    contract = year.app.contract(MODEL)
    rows, share = _history(year, contract)
    first = int(np.searchsorted(rows.weeks, str(year.world.first_live))) - _LAG
    prices = prices_in(year.app.config)
    return partial(_walked, contract, rows, share, first, _bench(year, contract), prices)


def _walked(
    contract: Contract, rows: Matrix, share: float, first: int, bench: Bench, prices: Prices
) -> Policies | None:
    if first + EVERY >= len(rows.weeks):
        return None
    plan = Layout(first=first, step=EVERY, windows=WINDOWS, lag=_LAG)
    made = tensor(rows, plan, bench, Quiet())
    ours = policy_from(contract, OURS)
    # The contract may also choose half a year, which was not fitted: it chooses among these.
    ours = ours if ours.window in WINDOWS else replace(ours, window="auto")
    found = compare(
        made.tensor,
        (never(), calendar("4-weekly", EVERY), calendar("quarterly", _QUARTER), ours),
    )
    price = tariff(contract, prices, made.fit_seconds)
    return Policies(
        rows=_rows(found, price, share),
        first=rows.weeks[made.tensor.first],
        last=rows.weeks[-1],
        walked=len(rows),
        customers=round(len(rows) / len(rows.weeks)),
        stands_for=round(1 / share, 2),
        origins=len(made.tensor.origins),
        every=EVERY,
        windows=WINDOWS,
        models=made.fits,
        learner=contract.training.model,
        columns=len(rows.table.features),
        best_fixed=found.best_fixed,
        telling=found.telling,
        currency=price.currency,
    )


def left_alone(rows: pl.DataFrame, contract: Contract, salt: str, share: float) -> pl.DataFrame:
    """Return the rows of a share of customers whom the lot kept from every offer in their week.

    Law: a share no larger than the control group's gives rows of the control group alone.
    """
    rotate = contract.delivery.rotate
    turns = {moment: rotation(moment, rotate) for moment in rows.get_column(TIME).unique()}
    turn = pl.col(TIME).replace_strict(turns, return_dtype=pl.Int64)
    rows = rows.with_columns(turn.alias(_TURN))
    drawn = []
    for number in sorted(set(turns.values())):  # a lot for each rotation, not for each week
        who = rows.filter(pl.col(_TURN) == number).select(ENTITY, _TURN).unique()
        lot = in_control(who.get_column(ENTITY), share, salt, number)
        drawn.append(who.filter(pl.Series(lot)))
    return rows.join(pl.concat(drawn), on=[ENTITY, _TURN], how="semi", maintain_order="left").drop(
        _TURN
    )


def _history(year: Year, contract: Contract) -> tuple[Matrix, float]:
    """Return the labelled rows of some customers, and which share of all rows they are."""
    app, salt = year.app, year.app.rig(MODEL).salt
    drawn = min(contract.delivery.control_group, CUSTOMERS / year.options.customers)
    rig, state, share = sampled(
        app.rig(MODEL), app.state(MODEL), lambda rows: left_alone(rows, contract, salt, drawn)
    )
    code, entry = user_code(contract, year.options.folder), contract.features.code
    features = load_features(code, entry) if entry else None
    return matrix(rig, contract, state, features, app.clock.now()), share


def _bench(year: Year, contract: Contract) -> Bench:
    """Return the champion's learner, on one thread: so few rows make a second one wait."""
    alone = replace(contract, training=replace(contract.training, threads=1))
    return Bench(
        learner=learner_of(alone, user_code(contract, year.options.folder), classes=2),
        params=dict(contract.training.params),
        seed=contract.training.seed,
        seconds=thread_time,
    )


def _rows(found: Accounts, price: Tariff, share: float) -> tuple[PolicyRow, ...]:
    weeks = found.tables.tensor.weeks
    return tuple(
        PolicyRow(
            policy=one.name,
            f1=one.overall,
            runs=one.runs,
            releases=one.releases,
            harmful=one.harmful,
            false_alarms=one.false_alarms,
            regret=one.regret if isfinite(one.regret) else None,
            cost=round(bill(found, one, price).total / share),
            by_week={
                week: value
                for week, value in zip(weeks[one.walk.first :], one.quality.tolist(), strict=True)
                if isfinite(value)
            },
        )
        for one in found.accounts
    )
