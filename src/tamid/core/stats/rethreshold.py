"""Would another threshold do? Chosen on one half of the entities, judged on the other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from numpy.random import Generator

from tamid.core.stats.arrays import Bools, Floats, Ints
from tamid.core.stats.blocks import Groups
from tamid.core.stats.compare import MIN_MASS_ROWS, MIN_ROWS, Finding, compare
from tamid.core.stats.intervals import metric_interval
from tamid.core.stats.metrics import Terms, terms
from tamid.core.values import Interval, Task

# Both bounds are one-sided at 5 %, as those of every gate.
LEVEL = 0.9

Choose = Callable[[Floats, Floats, Floats], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What another threshold reaches on the half that it was not chosen on.

    `reached`: the metric with bounds that are one-sided at 5 %; `without`: with the old threshold;
    `demanded`: what is owed; `better`: whether it is shown to be better than the old threshold.
    """

    threshold: float
    reached: Interval
    without: float
    demanded: float
    better: bool
    rows: int

    @property
    def repairs(self) -> bool:
        """Whether it alone brings back what is owed."""
        return self.better and self.reached.low >= self.demanded


def try_threshold(
    metric: str,
    y: Floats,
    score: Floats,
    weights: Floats,
    *,
    entities: Ints,
    learns: Bools,
    old: float | Floats,
    choose: Choose,
    demanded: float,
    rng: Generator,
) -> Trial | None:
    """Choose a threshold on the rows that `learns` marks, and judge it on the others.

    Columns (n,); all rows of an entity lie on one side of `learns`. `choose(y, score, weights)`
    returns the best threshold on some rows. None: either half is too small to tell.

    Formula: repaired if the lower 95 % bound of the metric on the judging half reaches what is
    owed, and the paired gain over the old threshold has its lower 95 % bound above 0. The rows that
    judge had no part in the choice: the chance of a wrong "repaired" is at most 5 %.
    Source: sample splitting, Cox (1975), Biometrika 62; prior shift moves the best threshold and no
    ranking, Saerens, Latinne and Decaestecker (2002), Neural Computation 14.

    >>> import numpy as np
    >>> from tamid.core.stats.threshold import best_for_f1
    >>> y = np.tile([0.0, 0.0, 0.0, 1.0], 200)
    >>> score = np.tile([0.1, 0.2, 0.6, 0.8], 200)
    >>> rows = np.arange(800)
    >>> found = try_threshold("f1", y, score, np.ones(800), entities=rows, learns=rows < 400,
    ...     old=0.5, choose=lambda *a: best_for_f1(*a).threshold, demanded=0.9,
    ...     rng=np.random.default_rng(0))
    >>> round(found.threshold, 2), found.without < 0.7, found.repairs
    (0.7, True, True)
    """
    judges = ~learns
    if not _enough(y[learns]) or not _enough(y[judges]):
        return None
    threshold = choose(y[learns], score[learns], weights[learns])

    def measured(cut: float | Floats) -> Terms:
        return terms(
            metric, Task.BINARY, y[judges], score[judges], threshold=cut, weights=weights[judges]
        )

    before = measured(old if isinstance(old, float) else old[judges])
    after = measured(threshold)
    gain = compare(
        before, after, Groups(entity=entities[judges]), margin=0.0, rng=rng, degraded=True
    )
    return Trial(
        threshold=threshold,
        reached=metric_interval(after, clusters=entities[judges], level=LEVEL),
        without=before.point(),
        demanded=demanded,
        better=gain.finding is Finding.SUPERIOR,
        rows=int(judges.sum()),
    )


def _enough(y: Floats) -> bool:
    return len(y) >= MIN_ROWS and min(int(y.sum()), int((1 - y).sum())) >= MIN_MASS_ROWS
