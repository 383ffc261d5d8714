"""What the year was worth: customers kept, money, and churn against the control group.

Nothing is taken from the world: only from predictions, labels and the control group.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from tamid.app import App
from tamid.core.contract.model import Contract
from tamid.core.values import ENTITY, LABEL, PERIOD, Interval
from tamid.examples.telecom.demo_weeks import POLICIES, Weeks, outcomes
from tamid.stages import dataset

# Resamples of customers behind each interval, and how many are drawn at once (memory).
RESAMPLES = 400
_AT_ONCE = 50

Floats = np.ndarray[tuple[int, ...], np.dtype[np.float64]]

# What is summed over rows, customer by customer.
_CAMPAIGN = ("treated", "treated_left", "held", "held_left", "all", "all_left", "kept", "kept_left")


@dataclass(frozen=True, slots=True, kw_only=True)
class Worth:
    """What the year was worth; money in the contract's currency.

    `effect`: share of would-be leavers of the high band whom the campaign keeps. `reduction`: of
    churn, everybody under the policy against the control group. `net`: by policy, value of those
    kept less the cost of the offers. `saved`: ours against the other policies.
    """

    currency: str
    effect: Interval
    reduction: Interval
    control_rate: float
    policy_rate: float
    customers_kept: Interval
    net: dict[str, Interval]
    saved: dict[str, Interval]


def worth_of(app: App, model: str, weeks: Weeks, seed: int) -> Worth:
    """Estimate effect, reduction and money with intervals at 95 %, resampling customers."""
    contract = app.contract(model)
    sums = _campaign(app, model, weeks.periods)
    # In one order, so that the same year draws the same customers again.
    sums = sums.join(_policies(weeks), on=ENTITY, how="full", coalesce=True).sort(ENTITY)
    names = [*_CAMPAIGN, *(f"{p}_{what}" for p in POLICIES for what in ("called", "caught"))]
    table = sums.select(names).fill_null(0.0).to_numpy()
    point = _figures(table.sum(axis=0, keepdims=True), names, contract)
    spread = _figures(_resampled(table, seed), names, contract)

    def interval(name: str) -> Interval:
        low, high = np.quantile(spread[name], (0.025, 0.975))
        return Interval(point=float(point[name][0]), low=float(low), high=float(high))

    value = contract.goal.value_per_saved
    return Worth(
        currency=value.currency if value else "",
        effect=interval("effect"),
        reduction=interval("reduction"),
        control_rate=float(point["control_rate"][0]),
        policy_rate=float(point["policy_rate"][0]),
        customers_kept=interval("kept"),
        net={p: interval(f"net_{p}") for p in POLICIES},
        saved={p: interval(f"saved_{p}") for p in POLICIES[1:]},
    )


def _campaign(app: App, model: str, periods: tuple[str, ...]) -> pl.DataFrame:
    """Return by customer: rows and leavers among treated, held back, control and the others."""
    rig, state, now = app.rig(model), app.state(model), app.clock.now()
    rows = outcomes(app, model, periods)
    rows = rows.filter(pl.col("revision") == pl.col("revision").max().over(PERIOD))
    rows = dataset.labelled(rig.tables, app.contract(model), state.pins, rows, now)
    left = pl.col(LABEL).cast(pl.Float64)
    high, control, treated = pl.col("chance") < 1, pl.col("control"), pl.col("acted")
    groups = {"treated": treated, "held": high & control, "all": control, "kept": ~control}
    counted = [
        part
        for name, group in groups.items()
        for part in (
            group.sum().cast(pl.Float64).alias(name),
            left.filter(group).sum().alias(f"{name}_left"),
        )
    ]
    return rows.group_by(ENTITY).agg(counted)


def _policies(weeks: Weeks) -> pl.DataFrame:
    """Return by customer: weighted rows in the high band, and leavers among them, per policy."""
    weight, left = pl.col("weight"), pl.col("y")
    parts = [
        part
        for name in POLICIES
        for part in (
            weight.filter(pl.col(name)).sum().alias(f"{name}_called"),
            (weight * left).filter(pl.col(name)).sum().alias(f"{name}_caught"),
        )
    ]
    return weeks.rows.group_by(ENTITY).agg(parts)


def _resampled(table: Floats, seed: int) -> Floats:
    """Return sums over customers drawn again and again: each counts Poisson(1) times."""
    rng = np.random.default_rng(seed)
    drawn = [
        rng.poisson(1.0, (_AT_ONCE, len(table))).astype(np.float64) @ table
        for _ in range(RESAMPLES // _AT_ONCE)
    ]
    return np.concatenate(drawn)


def _figures(sums: Floats, names: list[str], contract: Contract) -> dict[str, Floats]:
    """Return each figure, one value a resample."""
    s = {name: sums[:, i] for i, name in enumerate(names)}
    effect = 1.0 - (s["treated_left"] / s["treated"]) / (s["held_left"] / s["held"])
    control, policy = s["all_left"] / s["all"], s["kept_left"] / s["kept"]
    goal = contract.goal
    value = float(goal.value_per_saved.amount) if goal.value_per_saved else 0.0
    cost = float(goal.offer_cost.amount) if goal.offer_cost else 0.0
    called = 1.0 - contract.delivery.control_group
    net = {
        p: called * (value * effect * s[f"{p}_caught"] - cost * s[f"{p}_called"]) for p in POLICIES
    }
    return {
        "effect": effect,
        "reduction": 1.0 - policy / control,
        "control_rate": control,
        "policy_rate": policy,
        "kept": called * effect * s["ours_caught"],
        **{f"net_{p}": net[p] for p in POLICIES},
        **{f"saved_{p}": net["ours"] - net[p] for p in POLICIES[1:]},
    }
