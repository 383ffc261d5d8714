"""A version on trial beside the champion: what is counted of each arm, and when it is stopped."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from tamid.core.stats.intervals import newcombe, wilson
from tamid.core.values import Task

Verdict = Literal["pass", "fail", "nodata"]

CANARY, SHADOW = "canary", "shadow"
# Answers that each arm needs before a pass can be given: one in a hundred shows among so many.
LEAST_ROWS = 200
# Answers that are needed to say something about how scores are spread.
LEAST_SPREAD = 50
# Looked at twice a second for days: at one in ten thousand a sound version is hardly ever stopped.
LEVEL = 0.9999
# An arm may fail, or be late, for so much larger a share of its rows than the champion.
WORSE_BY = 0.01
# Without a champion beside it: no more than this share may fail.
MOST_FAILED = 0.05
# (Nearly) all get the same score, while the champion tells them apart.
CONSTANT, TOLD_APART = 0.99, 0.9
# Largest distance of two distributions of scores over the same population (Kolmogorov-Smirnov),
# beyond chance. After a drift new scores should differ; a third of everybody elsewhere is a bug.
UNLIKE = 0.3
# Nor may it call so many times as many, or as few, as the champion: a threshold that went astray
# moves no score. Fewer calls of both arms than this say nothing.
CALLS_TIMES, LEAST_CALLS = 1.5, 50
_BINS, _STEPS, _FARTHEST = 20, 4, 100


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmCounts:
    """What one arm did, as counts that can be added up over processes.

    `failed`: rows without a usable answer of this arm (error, time-out, no number). `slow`: answers
    past the contract's time. `same`: answers equal to the most frequent one. `called`: answers that
    reach the version's own threshold, where there is one. `scores`: answers by bin
    (:func:`score_bin`), `times`: by bin of time (:func:`time_bin`). `skipped`: rows that a shadow
    was not asked for, as it was busy.
    """

    rows: int = 0
    failed: int = 0
    slow: int = 0
    same: int = 0
    skipped: int = 0
    called: int = 0
    scores: Mapping[int, int] = field(default_factory=dict)
    times: Mapping[int, int] = field(default_factory=dict)

    @property
    def answered(self) -> int:
        """Rows with an answer of this arm."""
        return self.rows - self.failed

    def __add__(self, other: ArmCounts) -> ArmCounts:
        """Add up two processes, or two stretches of time."""
        return _combined(self, other, 1)

    def __sub__(self, earlier: ArmCounts) -> ArmCounts:
        """Return what came since an earlier look."""
        return _combined(self, earlier, -1)

    def p99(self) -> float:
        """Return seconds that 99 % of the answers stayed below, to within a fifth; NaN: none."""
        left = 0.99 * sum(self.times.values())
        for bin_ in sorted(self.times):
            left -= self.times[bin_]
            if left <= 0:
                return time_of(bin_ + 1)
        return math.nan


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """What is made of a trial so far; `reasons`: what speaks against it, or what is missing."""

    verdict: Verdict
    reasons: tuple[str, ...] = ()


def rule(
    trial: ArmCounts, champion: ArmCounts, expected: float = 0.0, calls: float = 1.0
) -> Ruling:
    """Judge a version on trial by its own counts and the champion's over the same time.

    `expected`: how far apart the scores were on the same rows before (they may be twice that).
    `calls`: how many times as many it called there as the champion.
    Laws: too few answers never pass; what fails the champion alike stops nobody.

    >>> well = ArmCounts(rows=300, same=3, scores={1: 150, 9: 150})
    >>> rule(well, well).verdict, rule(ArmCounts(rows=20), well).verdict
    ('pass', 'nodata')
    >>> rule(ArmCounts(rows=20, failed=20), well).reasons
    ('20 of 20 rows got no answer of it (champion: 0 of 300)',)
    """
    against = (
        *_worse("got no answer of it", trial.failed, champion.failed, trial.rows, champion.rows),
        *_worse("were answered late", trial.slow, champion.slow, trial.rows, champion.rows),
        *_constant(trial, champion),
        *_shifted(trial, champion, expected),
        *_calls(trial, champion, calls),
    )
    if against:
        return Ruling(verdict="fail", reasons=against)
    if min(trial.answered, champion.answered) < LEAST_ROWS:
        text = f"{trial.answered} answers (champion: {champion.answered}), {LEAST_ROWS} are needed"
        return Ruling(verdict="nodata", reasons=(text,))
    return Ruling(verdict="pass")


def distance(one: Mapping[int, int], other: Mapping[int, int]) -> float:
    """Return the largest difference of two distribution functions over bins, 0..1.

    Formula: max |F(x) - G(x)|. Source: Smirnov (1948), Annals of Mathematical Statistics 19.

    >>> distance({1: 5, 2: 5}, {2: 5, 3: 5}), distance({}, {1: 1})
    (0.5, 0.0)
    """
    n, m = sum(one.values()), sum(other.values())
    if not n or not m:
        return 0.0
    apart = largest = 0.0
    for bin_ in sorted({*one, *other}):
        apart += one.get(bin_, 0) / n - other.get(bin_, 0) / m
        largest = max(largest, abs(apart))
    return largest


def score_bin(score: float, task: Task) -> int:
    """Return the bin of a score: twentieths of a chance, a class, or steps of a fifth of a number.

    >>> score_bin(0.05, Task.BINARY), score_bin(1.0, Task.BINARY), score_bin(2.0, Task.MULTICLASS)
    (1, 19, 2)
    >>> score_bin(100.0, Task.REGRESSION), score_bin(-1e30, Task.REGRESSION)
    (21, -100)
    """
    if task is Task.BINARY:
        return min(int(score * _BINS), _BINS - 1)
    if task is Task.MULTICLASS:
        return int(score)
    return max(-_FARTHEST, min(_FARTHEST, round(_STEPS * math.asinh(score))))


def time_bin(seconds: float) -> int:
    """Return the bin of a time: four to a doubling, from a microsecond on.

    >>> time_bin(0.0), time_bin(0.001), round(time_of(time_bin(0.001)), 4)
    (0, 39, 0.0009)
    """
    return max(0, int(_STEPS * math.log2(max(seconds, 1e-6) / 1e-6)))


def time_of(bin_: int) -> float:
    """Return the seconds at which a bin of :func:`time_bin` begins."""
    return 1e-6 * math.exp2(bin_ / _STEPS)


def _worse(what: str, bad: int, usual: int, rows: int, others: int) -> tuple[str, ...]:
    if not rows:
        return ()
    text = f"{bad} of {rows} rows {what} (champion: {usual} of {others})"
    if others:
        least, most = newcombe(bad, rows, usual, others, LEVEL).low, WORSE_BY
    else:
        least, most = wilson(bad, rows, LEVEL).low, MOST_FAILED
    return (text,) if least > most else ()


def _constant(trial: ArmCounts, champion: ArmCounts) -> tuple[str, ...]:
    if min(trial.answered, champion.answered) < LEAST_SPREAD:
        return ()
    told_apart = champion.same <= TOLD_APART * champion.answered
    if told_apart and trial.same > CONSTANT * trial.answered:
        return (f"{trial.same} of {trial.answered} answers are the same score",)
    return ()


def _shifted(trial: ArmCounts, champion: ArmCounts, expected: float) -> tuple[str, ...]:
    n, m = sum(trial.scores.values()), sum(champion.scores.values())
    if min(n, m) < LEAST_SPREAD:
        return ()
    # Dvoretzky, Kiefer, Wolfowitz (1956): what chance alone may make of it.
    chance = math.sqrt(-math.log((1 - LEVEL) / 2) / 2 * (n + m) / (n * m))
    apart, most = distance(trial.scores, champion.scores), max(UNLIKE, 2 * expected)
    if apart - chance <= most:
        return ()
    return (f"its scores lie {apart:.2f} from the champion's ({most:.2f} is allowed)",)


def _calls(trial: ArmCounts, champion: ArmCounts, usual: float) -> tuple[str, ...]:
    """Say that the share of calls is another one: the whole interval of the ratio is out of bounds.

    Formula: r = s / (1 - s) * m / n, s the trial's part of both arms' calls, by Wilson's interval.
    Source: Przyborowski and Wilenski (1940), Biometrika 31: given their sum, one count is binomial.
    """
    n, m, both = trial.answered, champion.answered, trial.called + champion.called
    if min(n, m) < LEAST_SPREAD or both < LEAST_CALLS:
        return ()
    part = wilson(trial.called, both, LEVEL)
    point, low, high = (
        s / (1.0 - s) * m / n if s < 1.0 else math.inf for s in (part.point, part.low, part.high)
    )
    least, most = min(1.0, usual) / CALLS_TIMES, max(1.0, usual) * CALLS_TIMES
    if low <= most and high >= least:
        return ()
    return (
        f"it calls {trial.called} of {n}, the champion {champion.called} of {m}: {point:.2f} times "
        f"as many ({least:.2f} to {most:.2f} is allowed)",
    )


def _combined(one: ArmCounts, other: ArmCounts, sign: int) -> ArmCounts:
    return ArmCounts(
        rows=one.rows + sign * other.rows,
        failed=one.failed + sign * other.failed,
        slow=one.slow + sign * other.slow,
        same=max(0, one.same + sign * other.same),
        skipped=one.skipped + sign * other.skipped,
        called=max(0, one.called + sign * other.called),
        scores=_merged(one.scores, other.scores, sign),
        times=_merged(one.times, other.times, sign),
    )


def _merged(one: Mapping[int, int], other: Mapping[int, int], sign: int) -> dict[int, int]:
    found = {b: one.get(b, 0) + sign * other.get(b, 0) for b in {*one, *other}}
    return {b: n for b, n in sorted(found.items()) if n > 0}
