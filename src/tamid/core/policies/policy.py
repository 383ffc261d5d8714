"""A policy of retraining as plain numbers: when to train, on what, what to take, how often at most.

The words are those of the contract's block `retraining`; spans are counted in weeks, the unit of
the tensor.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from tamid.core.contract.metrics import champion_metric, quality_metric
from tamid.core.contract.model import Contract
from tamid.core.contract.running import GROWN
from tamid.core.policies.worth import costs_of

QUALITY, AGE, NEW_DATA, DRIFT, ESTIMATE = "quality", "age", "new_data", "drift", "estimate"
TRIGGERS = (QUALITY, AGE, NEW_DATA, DRIFT, ESTIMATE)
AUTO = "auto"

# "Every four weeks" and "quarterly" in weeks.
_MONTH, _QUARTER = 4, 13
_WEEK = timedelta(weeks=1)
# No policy of the calendar reaches this number of runs in a year.
_NO_CAP = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayPolicy:
    """When a model is trained anew, and when the new one is taken.

    `on`: quality (the realised metric fell below what it was when the champion was made, by more
    than `tolerance` and `errors` standard errors), age (`max_age` weeks since the last run),
    new_data (`new_rows` matured rows since, or matured weeks grown by the share `grown` since),
    drift (score PSI above `psi` in two weeks in a row),
    estimate (as quality, on the label-free estimate, two weeks in a row).
    `window`: a name of the tensor's windows, or auto (the default one,
    unless another is shown to be better on matured weeks).
    `gate`: the candidate's recipe must not be worse than the champion by more than `margin` (in the
    metric's unit; None: half a point of a rate, half a hundredth of an error), nor look worse.
    `equal_taken`: a run for age or new_data is taken unless it is shown to be worse.
    `cooldown`: least weeks between two runs; `per_year`: most runs in 52 weeks; `lag`: weeks from a
    run to the first week it serves (None: the tensor's).
    `price`: what one run must bring, in wrong answers (cost of a run / cost of an error); then a
    fall is answered only if what of it is beyond one standard error makes more over `horizon`
    weeks, or if quality is below what is `owed` (larger is better). `season_guard`: no window that
    lacks the season of the coming month.
    """

    name: str
    on: frozenset[str] = frozenset({QUALITY, AGE})
    max_age: int = _QUARTER
    window: str = AUTO
    gate: bool = True
    margin: float | None = None
    equal_taken: bool = False
    cooldown: int = 2
    per_year: int = 26
    lag: int | None = None
    tolerance: float = 0.02
    errors: float = 2.0
    new_rows: int = 0
    grown: float = 0.0
    psi: float = 0.25
    price: float = 0.0
    horizon: int = _QUARTER
    season_guard: bool = True
    owed: float | None = None

    def __post_init__(self) -> None:
        """Refuse words and spans that mean nothing."""
        unknown = sorted(self.on - set(TRIGGERS))
        if unknown:
            raise ValueError(f"unknown trigger {unknown[0]!r}; there are {', '.join(TRIGGERS)}")
        if self.max_age < 1 or self.cooldown < 0 or self.per_year < 0 or self.horizon < 1:
            raise ValueError("max_age and horizon are at least one week, the others not negative")


def calendar(name: str, weeks: int, window: str = "all") -> ReplayPolicy:
    """Return the policy that trains every so many weeks and takes whatever comes out.

    >>> calendar("weekly", 1).gate
    False
    """
    return ReplayPolicy(
        name=name, on=frozenset({AGE}), max_age=weeks, window=window, gate=False, cooldown=0,
        per_year=_NO_CAP,
    )  # fmt: skip


def never(name: str = "never") -> ReplayPolicy:
    """Return the policy that keeps the first model for ever."""
    return ReplayPolicy(name=name, on=frozenset(), gate=False)


def drafted(name: str = "drafted") -> ReplayPolicy:
    """Return the policy that a drafted contract has: quality, age, and enough more to learn from.

    >>> drafted().grown, drafted().equal_taken
    (0.15, True)
    """
    on = frozenset({QUALITY, AGE, NEW_DATA})
    return ReplayPolicy(name=name, on=on, grown=GROWN, equal_taken=True)


def standard(default: ReplayPolicy | None = None) -> Mapping[str, ReplayPolicy]:
    """Return the policies that have a name; `default` is the product's, or the one given.

    >>> sorted(standard())
    ['4-weekly', 'age', 'default', 'never', 'quality', 'quarterly', 'weekly']
    """
    found = (
        never(),
        calendar("weekly", 1),
        calendar("4-weekly", _MONTH),
        calendar("quarterly", _QUARTER),
        ReplayPolicy(name="quality", on=frozenset({QUALITY}), window="all", gate=False),
        ReplayPolicy(name="age", on=frozenset({AGE}), window="all", gate=True),
        default or ReplayPolicy(name="default"),
    )
    return {p.name: p for p in found}


def policy_from(contract: Contract, name: str, lag: int | None = None) -> ReplayPolicy:
    """Read the policy off a contract; `code` never fires in a replay, which has one code.

    The loop's own alarm is a detector over many weeks; here a fall counts beyond the default
    `tolerance` and `errors`.
    """
    spec = contract.retraining
    margin = contract.gates.champion.margin
    costs = costs_of(contract)
    same = champion_metric(contract) == quality_metric(contract)
    return ReplayPolicy(
        name=name,
        on=frozenset(spec.on) & set(TRIGGERS),
        max_age=max(1, weeks_of(spec.max_age)),
        window=spec.window,
        gate=True,
        margin=margin if same else None,
        equal_taken=spec.equal == "release",
        cooldown=weeks_of(spec.cooldown),
        per_year=spec.per_year,
        lag=lag,
        new_rows=spec.new_data_rows or 0,
        grown=spec.new_data_grown or 0.0,
        price=costs.price if costs else 0.0,
        horizon=max(1, weeks_of(spec.costs.over)),
        owed=costs.owed if costs else None,
    )


def weeks_of(span: timedelta) -> int:
    """Return a span in whole weeks, rounded up.

    >>> weeks_of(timedelta(days=2)), weeks_of(timedelta(weeks=13)), weeks_of(timedelta(0))
    (1, 13, 0)
    """
    return math.ceil(span / _WEEK)
