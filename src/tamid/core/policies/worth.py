"""Whether a fall is worth a new model: what the run costs against the wrong answers it may save."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tamid.core.contract.metrics import METRIC_FACTS, quality_metric
from tamid.core.contract.model import Contract
from tamid.core.policies.measure import COMMON, COUNTS, Measure, measure
from tamid.core.stats.arrays import Floats

# Of these metrics one point is not one wrong answer in a hundred rows, but in a hundred of those
# that the metric is about: the denominator of their ratio.
_ABOUT_A_PART = frozenset({"f1", "precision", "recall"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """The user's two costs: of one `run`, its people included, and of one wrong answer (`error`).

    `periods`: how long a repair counts. `owed`: the quality that the contract demands, turned so
    that larger is better (None if nothing is): below it the promise is kept, whatever it costs.
    """

    run: float
    error: float
    currency: str
    periods: float
    owed: float | None = None

    @property
    def price(self) -> float:
        """What a run must bring, in wrong answers."""
        return self.run / self.error


def costs_of(contract: Contract) -> Costs | None:
    """Return the costs that a contract names, None if it does not."""
    spec, quality = contract.retraining.costs, contract.monitoring.quality
    if spec.run is None or spec.error is None:
        return None
    sign = 1.0 if METRIC_FACTS[quality_metric(contract)].higher_is_better else -1.0
    least = quality.at_least if sign > 0 else quality.at_most
    return Costs(
        run=spec.run.amount,
        error=spec.error.amount,
        currency=spec.run.currency,
        periods=spec.over / contract.delivery.every,
        owed=None if least is None else sign * least,
    )


def may_save(fall: float, doubt: float, answers: float, periods: float) -> float:
    """Return the wrong answers that a repair saves over so many periods, its doubt taken off.

    Formula: H n max(0, fall - SE), n the answers in a period that a fall of one would make wrong.
    Source: Mahadevan & Mathioudakis (2024), Cost-aware retraining, Knowledge-Based Systems 293: a
    model is retrained when its staleness costs more than the retraining.

    >>> may_save(0.05, 0.01, answers=500, periods=13)
    260.0
    """
    return round(periods * answers * max(0.0, fall - doubt), 9)


def at_stake(by: Measure, terms: tuple[str, ...], sums: Floats) -> Floats:
    """Return the answers (...) that a fall of one would make wrong, of sums (..., K).

    >>> m = measure("f1", (*COMMON, *COUNTS))
    >>> float(at_stake(m, (*COMMON, *COUNTS), np.array([100.0, 100, 9, 20, 5, 4])))
    49.0
    """
    if by.metric not in _ABOUT_A_PART:
        return np.asarray(sums[..., terms.index("rows")])
    return np.asarray(by.parts(sums)[1].sum(axis=-1))


def stake_of(metric: str, rates: Mapping[str, float]) -> float:
    """Return the share of answers that a fall of one would make wrong, from measured rates.

    `rates`: `positive_rate`, `recall`, `false_positive_rate`; 1 where one of them is not known.

    >>> rates = {"positive_rate": 0.24, "recall": 20 / 24, "false_positive_rate": 5 / 76}
    >>> round(stake_of("f1", rates), 9), stake_of("accuracy", rates)
    (0.49, 1.0)
    """
    known = [rates.get(k) for k in ("positive_rate", "recall", "false_positive_rate")]
    if metric not in _ABOUT_A_PART or any(k is None for k in known):
        return 1.0
    share, tpr, fpr = (k or 0.0 for k in known)
    tp, fp, fn = share * tpr, (1 - share) * fpr, share * (1 - tpr)
    terms = (*COMMON, *COUNTS)
    sums = np.array([1.0, 1.0, fp + fn, tp, fp, fn])
    return float(at_stake(measure(metric, terms), terms, sums))
