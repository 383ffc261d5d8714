"""What can be known of a model before it is trained: how much truth there is, and what it can show.

The error of a metric is foreseen at the level that the contract demands, from the number of rows
and positives that come in a period. A model that is better than that has a smaller error.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from tamid.core.contract.metrics import METRIC_FACTS, quality_metric
from tamid.core.contract.model import Contract
from tamid.core.errors import UsageError
from tamid.core.stats.distributions import normal_quantile
from tamid.core.windows import FEWEST_POSITIVES, FEWEST_TO_START, JUDGED_SHARE, holdout

# The fall that is asked about where none is named: what a contract seldom bears. For a metric that
# has no upper end it is such a share of the level that is demanded.
FALL = 0.1
# A fall is looked for over so long.
LOOKED_AT = timedelta(weeks=4)
# A fall counts as visible if it is found with this chance at a one-sided level of 5 %.
POWER = 0.8
_LEVEL = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """What a period brings: rows whose label is known, and how many of them are positive.

    `spread`: standard deviation of what a metric of numbers averages (absolute or squared errors of
    the best constant); NaN for classes. `seen`: share of acted-on rows that are held back and so
    tell the truth; 1 where nobody acts on scores.
    """

    rows: float
    positives: float = math.nan
    spread: float = math.nan
    seen: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Foresight:
    """What a model's truth will show; NaN and None: cannot be said beforehand.

    `error`: standard error of the metric at `level`, on one period. `visible`: smallest fall seen
    in four weeks, which are `month` periods. `judged`: periods that a first run would be judged on,
    with `mass` positives (rows). `missing`: further periods until the first gate can be decided.
    `confirm`: how long after its begin a fall of size `fall` is confirmed, in `periods` periods.
    """

    metric: str
    level: float
    error: float
    visible: float
    month: int
    judged: tuple[str, ...]
    mass: int
    missing: int
    fall: float
    periods: int | None
    confirm: timedelta | None


def foresee(
    contract: Contract,
    truth: Truth,
    mass: Mapping[str, int],
    matured: timedelta | None,
    *,
    level: float | None = None,
    fall: float | None = None,
) -> Foresight:
    """Foresee what a model under this contract can show, with a truth like that of its history.

    `mass`: positives (rows) of each whole period; `matured`: see :class:`Foresight.confirm`, from a
    period's begin until its labels are due. `level`: of the metric (default: what is demanded).
    `fall`: how large a change for the worse is to be noticed in good time (default: :data:`FALL`).

    Raises:
        UsageError: the metric cannot reach the level, or not fall so far.
    """
    metric = quality_metric(contract)
    wanted = demanded(contract) if level is None else level
    _within(metric, level, fall)
    error = standard_error(metric, math.nan if wanted is None else wanted, truth)
    measurable = math.isfinite(error) and error > 0
    month = max(1, round(LOOKED_AT / contract.delivery.every))
    visible = visible_fall(error, month) if measurable else math.nan
    fall = _asked_about(metric, wanted, visible) if fall is None else fall
    judged = holdout(tuple(sorted(mass)), mass=mass) if mass else ()
    rests_on = sum(mass[p] for p in judged)
    needed = periods_to_see(fall, error) if measurable and math.isfinite(fall) else None
    late = None if matured is None or needed is None else (needed - 1) * contract.delivery.every
    return Foresight(
        metric=metric,
        level=math.nan if wanted is None else wanted,
        error=error,
        visible=visible,
        month=month,
        judged=judged,
        mass=rests_on,
        missing=_missing(mass, rests_on),
        fall=fall,
        periods=needed,
        confirm=None if late is None or matured is None else late + matured,
    )


def demanded(contract: Contract) -> float | None:
    """Return the level of its metric that a contract demands, if it names one."""
    quality, metric = contract.monitoring.quality, quality_metric(contract)
    named = (quality.at_least, quality.at_most, contract.gates.minimum.get(metric))
    return next((level for level in named if level is not None), None)


def standard_error(metric: str, level: float, truth: Truth) -> float:
    """Return the standard error of a metric measured on one period, NaN if nothing foretells it.

    Formulas: f1 by the delta method on Poisson counts with precision = recall = level, the counts
    of called rows seen at rate `seen` and weighted by 1 / seen: F = 2a / (2a + b), Var F = 4 (b^2
    Var a + a^2 Var b) / (2a + b)^4. Recall, precision and accuracy: of a proportion. AUC: Hanley
    and McNeil (1982), Radiology 143. mae: spread / sqrt(rows).

    >>> round(standard_error("f1", 0.8, Truth(rows=10_000, positives=400)), 4)
    0.0155
    >>> round(standard_error("accuracy", 0.9, Truth(rows=900)), 3)
    0.01
    """
    if metric == "mae" and truth.rows > 0:
        return truth.spread / math.sqrt(truth.rows)
    if truth.rows <= 0 or not math.isfinite(level):
        return math.nan
    positives, seen = truth.positives, truth.seen
    if metric in ("f1", "recall", "precision", "auc") and not positives > 0:
        return math.nan
    if metric == "f1":
        hit, miss, false = level * positives, (1 - level) * positives, (1 - level) * positives
        wrong = miss + false
        spread = wrong**2 * hit / seen + hit**2 * (miss + false / seen)
        return math.sqrt(4 * spread) / (2 * hit + wrong) ** 2
    if metric in ("recall", "precision"):
        return math.sqrt(level * (1 - level) / (positives * seen))
    if metric == "accuracy":
        return math.sqrt(max(level * (1 - level), 0.0) / truth.rows)
    return _auc_error(level, positives, truth.rows - positives) if metric == "auc" else math.nan


def visible_fall(error: float, periods: int) -> float:
    """Return the smallest fall that `periods` periods show with a chance of 80 %.

    Formula: (z(.95) + z(.8)) * error / sqrt(periods); periods count as independent.

    >>> round(visible_fall(0.0155, 4), 3)
    0.019
    """
    return _both() * error / math.sqrt(periods)


def periods_to_see(fall: float, error: float) -> int:
    """Return after how many periods a fall of this size is found with a chance of 80 %.

    >>> periods_to_see(0.1, 0.0155), periods_to_see(0.02, 0.0155)
    (1, 4)
    """
    return max(1, math.ceil((_both() * error / fall) ** 2 - 1e-9))


def _within(metric: str, level: float | None, fall: float | None) -> None:
    low, high = METRIC_FACTS[metric].low, METRIC_FACTS[metric].high
    span = f"{metric} lies between {low:g} and {high:g}"
    if level is not None and not low <= level <= high:
        raise UsageError(f"no {metric} is {level:g}", why=span, fix="Name another --level.")
    if fall is not None and fall > high - low:
        raise UsageError(f"no {metric} falls by {fall:g}", why=span, fix="Name a smaller --fall.")


def _asked_about(metric: str, level: float | None, visible: float) -> float:
    """Return the fall to ask about: in the metric's own unit, which for errors is the label's."""
    if math.isfinite(METRIC_FACTS[metric].high):
        return FALL
    return visible if level is None else FALL * level


def _missing(mass: Mapping[str, int], rests_on: int) -> int:
    """Return how many further periods a first run needs before its gates can be decided."""
    short = max(FEWEST_TO_START - len(mass), 0)
    a_period = sum(mass.values()) / len(mass) if mass else 0.0
    if not a_period:
        return short
    # A third of the periods is judged: the positives that lack there take three times as many.
    lacking = max(FEWEST_POSITIVES - rests_on, 0)
    return max(short, math.ceil(lacking * JUDGED_SHARE / a_period))


def _both() -> float:
    return normal_quantile(1 - _LEVEL) + normal_quantile(POWER)


def _auc_error(auc: float, positives: float, negatives: float) -> float:
    if negatives <= 0:
        return math.nan
    q1, q2 = auc / (2 - auc), 2 * auc * auc / (1 + auc)
    spread = (
        auc * (1 - auc) + (positives - 1) * (q1 - auc * auc) + (negatives - 1) * (q2 - auc * auc)
    )
    return math.sqrt(max(spread, 0.0) / (positives * negatives))
