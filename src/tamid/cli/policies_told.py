"""What a comparison of policies found, as a value, as lines and as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tamid.cli.output import Output
    from tamid.core.policies.account import Account, Accounts
    from tamid.core.policies.money import Running, Tariff
    from tamid.stages.tensor import Made


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """What a comparison found: the accounts, what counts in them, and what it took."""

    model: str
    made: Made
    accounts: Accounts
    tariff: Tariff
    running: Running


def as_json(tried: Tried) -> Mapping[str, object]:
    """Return all numbers of a comparison."""
    from tamid.core.policies.money import bill
    from tamid.core.policies.staleness import staleness

    found, tensor = tried.accounts, tried.made.tensor
    return {
        "model": tried.model,
        "metric": tensor.metric,
        "higher_is_better": tensor.higher_is_better,
        "label_delay_weeks": tensor.delay,
        "best_fixed": {"policy": found.best_fixed, "quality": found.best},
        "telling": found.telling,
        "currency": tried.tariff.currency or "weeks of only wrong answers",
        "policies": [_row(a) | {"cost": bill(found, a, tried.tariff)} for a in found.accounts],
        "staleness": {age: one.quality for age, one in staleness(found.tables).items()},
        "running": tried.running,
        "acted": tried.made.acted,
        "computing": {"seconds": tried.made.seconds, "bare": tried.made.bare,
                      "fits": tried.made.fits, "kept": tried.made.kept},
    }  # fmt: skip


def _row(a: Account) -> dict[str, object]:
    weeks = a.walk.first
    return {
        "policy": a.name,
        "quality": a.overall,
        "regret": a.regret,
        "runs": a.runs,
        "releases": a.releases,
        "harmful": a.harmful,
        "needless": a.needless,
        "false_alarms": a.false_alarms,
        "years": a.years,
        "first_week": weeks,
        "by_week": a.quality.tolist(),
        "story": [
            {"week": r.week, "trigger": r.trigger, "outcome": r.outcome, "live": r.live}
            for r in a.walk.runs
        ],
    }


def say(tried: Tried, out: Output, title: str) -> None:
    """Print the table of a comparison, and what one must know to read it."""
    from tamid.core.policies.money import bill

    found, tensor = tried.accounts, tried.made.tensor
    unit = tried.tariff.currency or "error-weeks"
    rows = []
    for a in found.accounts:
        cost = bill(found, a, tried.tariff)
        regret = round(a.regret, 2) if isfinite(a.regret) else None
        money = [_amount(part) for part in (cost.errors, cost.runs, cost.total)]
        rows.append([a.name, a.overall, regret, a.runs, a.releases, a.harmful,
                     a.false_alarms, *money])  # fmt: skip
    span = f"{tensor.weeks[found.accounts[0].walk.first]} to {tensor.weeks[-1]}"
    out.table(
        ["policy", tensor.metric, "regret", "runs", "releases", "harmful", "false alarms",
         f"errors, {unit}", "runs cost", "total"],
        rows,
        title=f"{tried.model}, {span}" + (f": {title}" if title else ""),
    )  # fmt: skip
    for line in notes(tried):
        out.text(line)


def _amount(value: float) -> float:
    """Round an amount: whole from 100 on, else to hundredths."""
    return round(value) if abs(value) >= 100 else round(value, 2)


def notes(tried: Tried) -> Sequence[str]:
    """Return what a reader must know to read the table."""
    found, tensor, run = tried.accounts, tried.made.tensor, tried.running
    told = [
        f"regret: 0 is the best fixed policy in hindsight ({found.best_fixed}: {found.best:.4g}), "
        f"1 is never training ({found.never:.4g})",
        f"a decision sees labels of weeks that are {tensor.delay} or more weeks past, and a new "
        f"model serves {tensor.lag} week(s) after its run",
    ]
    step = int(tensor.origins[1] - tensor.origins[0]) if len(tensor.origins) > 1 else 1
    if step > 1:
        told.append(
            f"models were fitted every {step} weeks, so no policy could train more often (--every)"
        )
    if not found.telling:
        told.append(
            "no fixed policy is better than never training by two standard errors: differences "
            "between the policies may be chance"
        )
    money = tried.tariff.currency
    cost = f"one run takes {run.fit_seconds:.2g} CPU seconds, 1,000 scores {run.score_seconds:.2g}"
    if money and run.month:
        cost += (
            f"; at your prices {run.run:.4g} {money} a run, {run.thousand_scores:.3g} {money} per "
            f"1,000 scores, {run.month:.4g} {money} a month under {found.accounts[-1].name}"
        )
    elif money:
        cost += f"; name [prices] in tamid.toml to see it in {money}"
    else:
        cost += "; name [prices] in tamid.toml, or goal.value_per_saved, to see money"
    return [*told, *tried.made.acted.words, cost]
