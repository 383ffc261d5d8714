"""How much evidence an alarm takes, so that false ones come as seldom as is stated.

While nothing changes, the ranks of later weeks among n reference weeks have one law, whatever the
weeks measure: the number of weeks between false alarms can be had by simulation, once for all data.
"""

from __future__ import annotations

import math

import numpy as np

# Reference weeks, and mean numbers of checks between two false alarms ...
_WEEKS = (10, 12, 15, 20, 26, 39, 52, 104)
_CHECKS = (26, 104, 416, 1664, 6656, 26624, 106496)
# ... and the logarithm of the evidence at which alarms come so seldom: each row of 60,000
# simulated references with 104 checks each, and never less than that of more weeks.
_EVIDENCE = (
    (2.888, 4.679, 6.694, 9.561, 13.604, 18.859, 25.962),
    (2.888, 4.679, 6.586, 9.275, 12.435, 16.921, 23.584),
    (2.888, 3.965, 5.928, 8.341, 11.277, 14.861, 19.862),
    (2.888, 3.965, 5.841, 8.140, 10.736, 13.504, 17.047),
    (2.888, 3.965, 5.841, 7.419, 9.545, 11.921, 14.681),
    (2.102, 3.965, 5.193, 6.982, 9.316, 11.134, 13.521),
    (2.102, 3.965, 5.049, 6.931, 8.572, 10.473, 12.629),
    (1.693, 3.965, 4.691, 6.451, 8.074, 9.809, 11.910),
)
# Aimed at is a quarter of what is stated. The rest is for weeks that resemble their neighbours (a
# correlation of 0.2 takes all of it, one of 0.4 more), and for the fast path.
AIM = 4.0
# Its exponential is still a number; no evidence gets there.
_MOST = 700.0


def evidence_needed(weeks: int, run_length: float) -> float:
    """Return the evidence at which a detector with so many reference weeks alarms.

    `run_length`: stated mean number of checks between two false alarms; four times as many are
    aimed at. Formula: log A, linear in log(checks) and in 1 / weeks between simulated points; more
    weeks than 104 count as 104, fewer checks than 26 as 26.
    Source: the law of the ranks is that of a Polya urn (Vovk, Gammerman and Shafer 2005,
    Algorithmic Learning in a Random World, ch. 2); the statistic is that of
    :func:`tamid.core.stats.edetector.observe`.

    >>> round(evidence_needed(26, 208.0)), round(evidence_needed(52, 208.0))
    (757, 399)
    """
    checks = math.log(max(AIM * run_length, _CHECKS[0]))
    rows = [_at(checks, row) for row in _EVIDENCE]
    # From few weeks to many 1 / weeks falls, and interpolation wants it to rise.
    few = [-1.0 / n for n in _WEEKS]
    return math.exp(min(float(np.interp(-1.0 / weeks, few, rows)), _MOST))


def caution_needed(run_length: float, weeks: float) -> float:
    """Return by how many standard errors a centre told by few weeks is set below what they show.

    A model that was luckier than that on the weeks it was judged on looks degraded ever after; the
    longer the run length, the rarer such luck must be, and the more weeks, the less it matters.
    Formula: 0.08 + 0.237 log(checks) - 0.3 log(weeks), fitted to what simulation asks for (of one
    week 0.85, 1.44, 1.88 and 2.61 at 26, 260, 1825 and 43,800 checks), so that one judged week has
    as many false alarms as are aimed at. Twice the last term would do so for more weeks; the rest
    is for what weeks differ by beyond their rows, which few do not tell.

    >>> round(caution_needed(260.0, 1), 2), round(caution_needed(1825.0, 3), 2)
    (1.4, 1.53)
    """
    return 0.08 + 0.237 * math.log(max(run_length, _CHECKS[0])) - 0.3 * math.log(weeks)


def _at(checks: float, row: tuple[float, ...]) -> float:
    known = np.log(_CHECKS)
    if checks <= known[-1]:
        return float(np.interp(checks, known, row))
    # Beyond the table it rises as in its last part.
    return row[-1] + (checks - float(known[-1])) * (row[-1] - row[-2]) / float(known[1] - known[0])
