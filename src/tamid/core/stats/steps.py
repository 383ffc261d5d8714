"""Did it come at once, as a deploy or a broken feed does, or by and by, as the world changes?"""

from __future__ import annotations

import math
from collections.abc import Sequence

# So much of the way in one step is a step.
AT_ONCE = 0.7
# Earlier weeks over which a gradual change would show.
_LOOK_BACK = 4


def step_share(series: Sequence[float], usual: float) -> float:
    """Return the share of the way from the usual to the latest value made in the last step.

    Formula: (x_T - max(x_{T-4}, ..., x_{T-1})) / (x_T - usual) for a value above the usual, within
    0..1; larger means worse. Source: our own, and no test: it speaks for a cause or against it
    (docs/adr/0015-diagnosis-before-training.md).

    >>> round(step_share([0.1, 0.1, 0.1, 0.9], usual=0.1), 2)
    1.0
    >>> round(step_share([0.1, 0.3, 0.6, 0.8, 0.9], usual=0.1), 2)
    0.12
    """
    if len(series) < 2 or not all(map(math.isfinite, series)):
        return 0.0
    way = series[-1] - usual
    if way <= 0:
        return 0.0
    before = max(series[-1 - _LOOK_BACK : -1])
    return min(max((series[-1] - before) / way, 0.0), 1.0)


def at_once(series: Sequence[float], usual: float) -> bool:
    """Say whether most of the way was made in the last step.

    >>> at_once([0.1, 0.1, 0.9], 0.1), at_once([0.1, 0.4, 0.7, 0.9], 0.1)
    (True, False)
    """
    return step_share(series, usual) >= AT_ONCE
