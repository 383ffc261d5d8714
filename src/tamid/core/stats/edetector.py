"""A detector of change with a stated budget of false alarms: Shiryaev-Roberts on ranks.

Each check's score is ranked among the reference scores; the rank becomes an e-value, and evidence
adds up until it passes the threshold. The comparison set stays the reference: if checked weeks
joined it, a shift would soon look normal (measured: 7 checks to notice instead of 4).
"""

from __future__ import annotations

import functools
import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from tamid.core.stats.distributions import normal_quantile
from tamid.core.stats.runlength import evidence_needed

# The shift that the e-values bet on, in standard deviations of the reference. With 2 the weeks of
# one population, each like the last and all within what is usual, add up to an alarm.
_SHIFT = 3.0
# With fewer reference scores no rank is small enough to say anything.
MIN_REFERENCE = 10
# The fast path: this many times the reference's spread above its maximum ...
_GROSS = 3.0
# On the way there a mean over many rows, whose tail is thin, counts ever more than the highest of
# the reference: at the end so many times as much, which with 26 weeks and four weekly signals is
# as much as an alarm takes.
_AT_LIMIT = 42.0
# ... if so many weeks tell the spread; of fewer the highest says less, and the factor grows as they
# get fewer.
_GROSS_WEEKS = 26


@dataclass(frozen=True, slots=True, kw_only=True)
class EDetector:
    """The state between two checks.

    `weeks`: as how many reference weeks the scores count. `threshold`: the evidence at which an
    alarm is raised. `gross`: factor of the fast path, infinite where there is none. `graded`: how
    far a score lies beyond the reference counts.
    """

    reference: tuple[float, ...]
    weeks: int
    threshold: float
    statistic: float = 0.0
    checks: int = 0
    gross: float = _GROSS
    graded: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One check: the rank as a p-value, its e-value, the evidence so far, and whether to alarm.

    `gross` marks an alarm of the fast path.
    """

    score: float
    p: float
    e: float
    statistic: float
    threshold: float
    alarm: bool
    gross: bool


def detector(
    reference: Sequence[float],
    run_length: float,
    weeks: int = 0,
    *,
    fast: bool = True,
    graded: bool = False,
) -> EDetector:
    """Return a detector at rest; larger scores mean worse.

    `run_length`: at least so many checks shall lie between two false alarms on average: 52 for one
    a year of weekly checks, times the number of signals that share the budget. `weeks`: how many
    real weeks the reference scores come from, if they were resampled from fewer than they are.
    `fast`: one score far beyond all alarms at once. `graded`: for means over many rows, of which
    one somewhat beyond all is more evidence than the highest rank.

    Raises:
        ValueError: fewer than 10 reference scores, one of them not finite, or a run length <= 1.

    >>> detector([0.1] * 10, 52.0).statistic
    0.0
    """
    scores = tuple(sorted(float(x) for x in reference))
    if len(scores) < MIN_REFERENCE or not all(map(math.isfinite, scores)):
        raise ValueError(f"a detector needs {MIN_REFERENCE} finite reference scores or more")
    if run_length <= 1:
        raise ValueError("a run length of 1 check or less would alarm at every check")
    real = min(weeks or len(scores), len(scores))
    known = max(real, MIN_REFERENCE)
    return EDetector(
        reference=scores,
        weeks=known,
        threshold=evidence_needed(known, run_length),
        gross=_GROSS * max(1.0, _GROSS_WEEKS / real) if fast else math.inf,
        graded=graded and fast,
    )


def observe(state: EDetector, score: float, tie: float) -> tuple[EDetector, Check]:
    """Take in one score; `tie` in (0, 1) is its place among equal reference scores.

    Formula: M_t = e_t (1 + M_{t-1}); alarm when M_t reaches the threshold, or when the score lies
    above :func:`gross_limit`; then M starts again from 0. Graded, e_t of a score beyond the whole
    reference grows by 42^u, u its place between the highest (0) and the limit (1).
    Source: Shin, Ramdas and Rinaldo (2024), New England J. of Statistics in Data Science (e-SR);
    Gordon and Pollak (1994), Annals of Statistics 22 (Shiryaev-Roberts on ranks). The threshold is
    that of simulated ranks against a frozen reference, :mod:`tamid.core.stats.runlength`.

    Raises:
        ValueError: the score is not finite (not measurable: do not ask).

    >>> state = detector([i / 100 for i in range(26)], 52.0)
    >>> observe(state, 0.1, 0.5)[1].alarm, observe(state, 5.0, 0.5)[1].gross
    (False, True)
    """
    if not math.isfinite(score):
        raise ValueError("a score that could not be measured cannot be ranked")
    p = conformal_p(state.reference, score, tie)
    e = e_value(p, state.weeks)
    if state.graded:
        e *= _AT_LIMIT ** _place(state, score)
    statistic = e * (1.0 + state.statistic)
    gross = math.isfinite(state.gross) and score > _limit(state.reference, state.gross)
    alarm = gross or statistic >= state.threshold
    check = Check(
        score=score, p=p, e=e, statistic=statistic, threshold=state.threshold,
        alarm=alarm, gross=gross,
    )  # fmt: skip
    return replace(state, statistic=0.0 if alarm else statistic, checks=state.checks + 1), check


def family_run_length(
    checks_per_year: float, signals: int, false_alarms_per_year: float = 1.0
) -> float:
    """Return the run length of each of `signals` detectors that share one yearly budget.

    Formula: checks * signals / budget. Each then alarms falsely at most once in so many checks, and
    all together at most `budget` times a year: rates add up, however the signals depend on one
    another.

    >>> family_run_length(52, signals=3), family_run_length(52, 1, false_alarms_per_year=2)
    (156.0, 26.0)
    """
    if false_alarms_per_year <= 0 or checks_per_year <= 0:
        raise ValueError("checks and false alarms a year must be more than 0")
    return max(checks_per_year * max(signals, 1) / false_alarms_per_year, 2.0)


def alarms_in(
    reference: Sequence[float],
    run_length: float,
    scores: Sequence[float],
    ties: Sequence[float],
    weeks: int = 0,
    *,
    graded: bool = False,
) -> list[int]:
    """Return the places in a series at which a detector alarms; what is not finite is passed over.

    `ties`: one number in (0, 1) a score; `graded` as of :func:`detector`. The reference stays what
    it is throughout: no checked week, and above all no alarmed one, ever joins it.

    >>> alarms_in([i / 100 for i in range(26)], 52.0, [0.1, math.nan, 9.0], [0.5] * 3)
    [2]
    """
    running, found = detector(reference, run_length, weeks, graded=graded), []
    for place, (score, tie) in enumerate(zip(scores, ties, strict=True)):
        if math.isfinite(score):
            running, check = observe(running, float(score), float(tie))
            if check.alarm:
                found.append(place)
    return found


def conformal_p(reference: Sequence[float], score: float, tie: float) -> float:
    """Return the score's rank from above as a p-value; `reference` is sorted.

    Formula: p = (r + 1/2) / (#ref + 1), r = #{ref > s} + floor(U (#{ref = s} + 1)): if nothing
    changed, each of the #ref + 1 values is as likely as any other.
    Source: Vovk, Gammerman and Shafer (2005), Algorithmic Learning in a Random World, ch. 2.

    >>> conformal_p([1.0, 2.0, 3.0], 2.5, tie=0.5)
    0.375
    """
    first, last = bisect_left(reference, score), bisect_right(reference, score)
    rank = len(reference) - last + int(tie * (last - first + 1))
    return (rank + 0.5) / (len(reference) + 1)


def e_value(p: float, weeks: int) -> float:
    """Turn a p-value into an e-value: how much likelier it is after a shift of three spreads.

    Formula: exp(3 z_r) / mean over ranks of exp(3 z), z_r = Phi^-1(1 - (r + 1/2) / (weeks + 1)) and
    r the rank among so many weeks. The mean over ranks is 1. Source: van der Waerden (1952),
    Indagationes Mathematicae 14 (normal scores).

    >>> [round(e_value(p, 26), 2) for p in (0.02, 0.1, 0.9)]
    [17.95, 1.83, 0.0]
    """
    values = _e_values(weeks)
    return values[min(int(p * len(values)), len(values) - 1)]


@functools.lru_cache(maxsize=256)
def _e_values(weeks: int) -> tuple[float, ...]:
    ranks = (np.arange(weeks + 1) + 0.5) / (weeks + 1)
    grown = np.exp([_SHIFT * normal_quantile(1.0 - p) for p in ranks.tolist()])
    return tuple((grown / grown.mean()).tolist())


def gross_limit(reference: Sequence[float], factor: float = _GROSS) -> float:
    """Return the score above which no evidence need add up: max + 3 spreads.

    Formula: the spread is the larger of q90 - q50 and q50 - q10. Where weeks are of two kinds (days
    and nights) most may lie at the upper end, which has no spread of its own.

    >>> round(gross_limit([0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0]), 1)
    22.0
    """
    low, median, high, top = np.quantile(np.asarray(reference), [0.1, 0.5, 0.9, 1.0])
    return float(top + factor * max(high - median, median - low))


def _place(state: EDetector, score: float) -> float:
    """Return where a score lies between the reference's highest (0, or below) and the limit (1)."""
    top = state.reference[-1]
    if score <= top:
        return 0.0
    limit = _limit(state.reference, state.gross)
    return min((score - top) / (limit - top), 1.0) if limit > top else 1.0


@functools.lru_cache(maxsize=256)
def _limit(reference: tuple[float, ...], factor: float) -> float:
    # Asked at every check of a series, always of the same frozen reference.
    return gross_limit(reference, factor)
