"""Why it became slow: the part of a request, the version, the load or the size that changed."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

# The parts of a request in its order, and the whole of it. `log` is what an answer waited for the
# prediction log, counted in sums only.
PARTS = ("read", "features", "queue", "model", "whole", "log")
# Durations are counted in bins of a quarter of an octave from one microsecond on: 2**24 are 17 s.
BINS, _PER_OCTAVE, _LEAST = 97, 4, 1e-6


def bins_of(seconds: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Return the bin of each duration.

    >>> bins_of(np.array([0.0, 1e-6, 2e-6, 1.0, 1e9])).tolist()
    [0, 0, 4, 79, 96]
    """
    octaves = np.log2(np.maximum(seconds, _LEAST) / _LEAST)
    found: npt.NDArray[np.int64] = np.minimum(octaves * _PER_OCTAVE, BINS - 1).astype(np.int64)
    return found
