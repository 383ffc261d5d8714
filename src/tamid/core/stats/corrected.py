"""Whether an estimate is better raw or corrected: told by its own misses on matured periods."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from tamid.core.stats.arrays import floats, same_length
from tamid.core.stats.estimate import combined
from tamid.core.stats.hysteresis import kept_or_better

# Fewer comparisons than this choose nothing: a standard error of five misses is no number.
FEWEST_MET = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Reported:
    """The estimate to report, and whether it is the corrected one."""

    value: float
    corrected: bool


def reported(
    name: str, raw: float, estimates: ArrayLike, realised: ArrayLike, pending: int = 0
) -> Reported:
    """Return the raw or the corrected estimate: the corrected one, unless raw is shown nearer.

    `estimates` are raw ones that have met their truth, `realised` what that was, both oldest first;
    `pending`: estimates made since that have not met theirs. Each earlier period is corrected by
    what was known when it was estimated (`pending` periods less), so that nothing is judged on
    what it was corrected by. A correction takes a lasting bias away and adds the noise of four
    misses: where a weekly refitted curve has no bias left, it costs.
    Formula: d_t = |corrected_t - y_t| - |raw_t - y_t|; raw if mean(d) > sd(d) / sqrt(n), n >= 8.
    Source: Diebold and Mariano (1995), Comparing Predictive Accuracy, without their correction for
    autocorrelation: one standard error is a preference here and no test.

    >>> truth = np.array([0.70, 0.80, 0.66, 0.78, 0.71, 0.83, 0.69, 0.76, 0.72, 0.81, 0.67])
    >>> reported("accuracy", 0.8, truth + 0.01, truth).corrected  # raw follows every move
    False
    >>> reported("accuracy", 0.8, 0.9 - 0.2 * truth, truth).corrected
    True
    """
    guess, truth = floats(estimates, "estimates"), floats(realised, "realised")
    n = same_length(estimates=guess, realised=truth)
    mended = combined(name, raw, guess, truth)
    steps = range(max(pending, 0) + 1, n)
    made = [combined(name, guess[t], guess[: t - pending], truth[: t - pending]) for t in steps]
    if len(made) < FEWEST_MET:
        return Reported(value=mended, corrected=True)
    later = slice(steps.start, n)
    gain = np.abs(np.array(made) - truth[later]) - np.abs(guess[later] - truth[later])
    error = float(gain.std(ddof=1)) / len(gain) ** 0.5
    taken = kept_or_better(0, [0.0, float(gain.mean())], [0.0, error])
    return Reported(value=raw, corrected=False) if taken else Reported(value=mended, corrected=True)
