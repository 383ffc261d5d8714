"""Tests that may be looked at every day: betting on paired differences, and a band to show."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tamid.core.values import Interval

# Stakes from timid to bold; their average wins nearly as fast as the best of them.
_STAKES = (0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 0.9)
# Evidence needed: by Ville's inequality a wrong promotion has chance 1/20, a wrong rollback 1/100.
PROMOTE_AT = 20.0
ROLL_BACK_AT = 100.0
# The asymptotic band is narrow enough to show, and wide enough to be true, from here on.
_BAND_FROM = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Bets:
    """Two opposite bets on a stream of differences in [-1, 1]; positive means challenger better.

    `better` grows against "mean <= -margin" (promote), `worse` against "mean >= -margin"
    (roll back); both hold the logarithm of each stake's wealth. The sums serve the band.
    """

    margin: float
    better: tuple[float, ...] = (0.0,) * len(_STAKES)
    worse: tuple[float, ...] = (0.0,) * len(_STAKES)
    n: int = 0
    total: float = 0.0
    squares: float = 0.0


def observe_difference(state: Bets, difference: float) -> Bets:
    """Take in one block's mean difference (champion's loss minus challenger's).

    Formula: wealth_l *= 1 + l (d + margin) / (1 + margin), and its mirror image.
    Source: Waudby-Smith and Ramdas (2024), J. Royal Statistical Society B 86. Valid at any look,
    if blocks come in an order fixed beforehand; dependence inside a block does no harm.

    Raises:
        ValueError: the difference is outside [-1, 1].

    >>> state = Bets(margin=0.01)
    >>> for _ in range(30):
    ...     state = observe_difference(state, 0.3)
    >>> evidence_better(state) > PROMOTE_AT, evidence_worse(state) < 1
    (True, True)
    """
    if not -1.0 <= difference <= 1.0:
        raise ValueError(f"a difference of losses in [0, 1] lies in [-1, 1], not {difference}")
    drawn = (difference + state.margin) / (1.0 + state.margin)
    return replace(
        state,
        better=tuple(
            b + math.log1p(stake * drawn) for b, stake in zip(state.better, _STAKES, strict=True)
        ),
        worse=tuple(
            b + math.log1p(-stake * drawn) for b, stake in zip(state.worse, _STAKES, strict=True)
        ),
        n=state.n + 1,
        total=state.total + difference,
        squares=state.squares + difference * difference,
    )


def observe_differences(state: Bets, differences: Iterable[float]) -> Bets:
    """Take in the differences of many blocks at once: their order does not matter.

    Formula and source as for :func:`observe_difference`; log-wealths add up.

    Raises:
        ValueError: a difference is outside [-1, 1] or missing.

    >>> one_by_one = observe_difference(observe_difference(Bets(margin=0.01), 0.2), -0.1)
    >>> at_once = observe_differences(Bets(margin=0.01), [-0.1, 0.2])
    >>> round(evidence_better(at_once) - evidence_better(one_by_one), 12)
    0.0
    """
    # Most differences are the same few values: each is worked out once.
    counts = sorted(Counter(float(d) for d in differences).items())
    if not all(-1.0 <= d <= 1.0 for d, _ in counts):
        raise ValueError("differences of losses in [0, 1] lie in [-1, 1]")
    drawn = [((d + state.margin) / (1.0 + state.margin), n) for d, n in counts]

    def gained(stake: float) -> float:
        return math.fsum(n * math.log1p(stake * d) for d, n in drawn)

    return replace(
        state,
        better=tuple(b + gained(k) for b, k in zip(state.better, _STAKES, strict=True)),
        worse=tuple(b + gained(-k) for b, k in zip(state.worse, _STAKES, strict=True)),
        n=state.n + sum(n for _, n in counts),
        total=state.total + math.fsum(n * d for d, n in counts),
        squares=state.squares + math.fsum(n * d * d for d, n in counts),
    )


def evidence_better(state: Bets) -> float:
    """Return the e-value against "worse than the margin allows"; promote at 20.

    >>> evidence_better(Bets(margin=0.01))
    1.0
    """
    return _mixed(state.better)


def evidence_worse(state: Bets) -> float:
    """Return the e-value against "no worse than the margin allows"; roll back at 100.

    >>> evidence_worse(Bets(margin=0.01))
    1.0
    """
    return _mixed(state.worse)


def joined(periods: Sequence[Bets]) -> Bets:
    """Return the bets on all periods after one another, for blocks that never come again.

    >>> one = observe_difference(Bets(margin=0.0), 0.5)
    >>> joined([one, one]) == observe_difference(one, 0.5)
    True
    """
    first, *others = periods
    for other in others:
        first = replace(
            first,
            better=tuple(a + b for a, b in zip(first.better, other.better, strict=True)),
            worse=tuple(a + b for a, b in zip(first.worse, other.worse, strict=True)),
            n=first.n + other.n,
            total=first.total + other.total,
            squares=first.squares + other.squares,
        )
    return first


def evidence_over(periods: Sequence[Bets], *, planned: int, returning: bool) -> tuple[float, float]:
    """Return the evidence for better and for worse after some of `planned` periods.

    New blocks in each period: the wealth of one is staked in the next (a product). `returning`
    blocks, such as the same customers every week, differ alike each time, and a product would count
    them again and again (measured over 13 periods: 19 of 100 roll back wrongly, 1 is allowed).
    There each period gets its share 1 / planned of the stake, and what the shares became is added
    up: formula sum_{v <= min(V, planned)} E_v / planned. Its expectation is at most 1 however the
    periods hang together, and it never falls, so Markov's inequality holds at all looks at once.
    Source: Vovk and Wang (2021), E-values, Annals of Statistics 49 (dependent e-values).

    >>> one = observe_difference(Bets(margin=0.0), 0.5)
    >>> evidence_over([one], planned=4, returning=True)[0] == evidence_better(one) / 4
    True
    """
    if not periods:
        return 1.0, 1.0
    if not returning:
        whole = joined(periods)
        return evidence_better(whole), evidence_worse(whole)
    counted = periods[:planned]
    better = math.fsum(evidence_better(b) for b in counted) / planned
    return better, math.fsum(evidence_worse(b) for b in counted) / planned


def confidence_sequence(state: Bets, level: float = 0.95, planned: int = 1000) -> Interval:
    """Return a band for the mean difference that holds at all times at once (for the chart).

    Formula: mean +- sd sqrt(2 (n r^2 + 1) / (n^2 r^2) ln(1 + sqrt(n r^2 + 1) / (2 a))), with
    r^2 = (-2 ln 2a + ln(-2 ln 2a) + 1) / planned, a = (1 - level) / 2 on each side: narrowest near
    `planned` blocks. Before 100 blocks: [-1, 1]. Source: Waudby-Smith, Arbour, Sinha, Kennedy and
    Ramdas (2024), Annals of Statistics 52.

    >>> state = Bets(margin=0.0)
    >>> for i in range(400):
    ...     state = observe_difference(state, 0.1 if i % 2 else 0.0)
    >>> band = confidence_sequence(state)
    >>> round(band.low, 3), round(band.high, 3)
    (0.042, 0.058)
    """
    mean = state.total / state.n if state.n else math.nan
    if state.n < _BAND_FROM:
        return Interval(point=mean, low=-1.0, high=1.0, level=level)
    n, a = state.n, (1.0 - level) / 2.0
    sd = math.sqrt(max(state.squares / n - mean * mean, 0.0))
    twice = -2.0 * math.log(2.0 * a)
    r2 = (twice + math.log(twice) + 1.0) / planned
    grown = n * r2 + 1.0
    half = sd * math.sqrt(2 * grown / (n * n * r2) * math.log(1 + math.sqrt(grown) / (2 * a)))
    return Interval(point=mean, low=max(mean - half, -1.0), high=min(mean + half, 1.0), level=level)


def bets_from(stored: Mapping[str, Any]) -> Bets:
    """Read bets back from their JSON.

    >>> from tamid.core.values import jsonable
    >>> state = observe_difference(Bets(margin=0.01), 0.2)
    >>> bets_from(jsonable(state)) == state
    True
    """
    return Bets(
        margin=float(stored["margin"]),
        better=tuple(float(x) for x in stored["better"]),
        worse=tuple(float(x) for x in stored["worse"]),
        n=int(stored["n"]),
        total=float(stored["total"]),
        squares=float(stored["squares"]),
    )


def _mixed(logs: tuple[float, ...]) -> float:
    top = max(logs)
    mean = math.fsum(math.exp(x - top) for x in logs) / len(logs)
    # Beyond this a float overflows, and nobody asks for more evidence.
    return math.exp(min(top + math.log(mean), 700.0))
