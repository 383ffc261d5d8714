"""All sets of a folder within one budget of time."""

from __future__ import annotations

import multiprocessing
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from time import monotonic

from tamid.loopbench.descriptions import Description
from tamid.loopbench.oneset import SEEDS, SetResult, measure_set

# Kept for starting, and for the last fit of each set that is under way when its time is over.
_RESERVE = 0.08


def measure_all(
    sets: Sequence[Description], *, minutes: float, jobs: int = 1, seeds: int = SEEDS
) -> tuple[tuple[SetResult, ...], dict[str, str]]:
    """Measure every set; return the results, and why a set could not be measured.

    Time that one set leaves over goes to those after it. With several `jobs` each set is measured
    by one process of its own, on one thread.
    """
    seconds = minutes * 60 * (1 - _RESERVE)
    if jobs > 1 and len(sets) > 1:
        share = seconds * min(jobs, len(sets)) / len(sets)
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(max_workers=jobs, mp_context=context) as pool:
            waiting = [pool.submit(_measured, one, share, seeds) for one in sets]
            found = [task.result() for task in waiting]
    else:
        begun, found = monotonic(), []
        for place, one in enumerate(sets):
            left = seconds - (monotonic() - begun)
            found.append(_measured(one, max(left, 0.0) / (len(sets) - place), seeds))
    named = zip(sets, found, strict=True)
    failed = {one.name: result for one, result in named if isinstance(result, str)}
    return tuple(r for r in found if not isinstance(r, str)), failed


def _measured(described: Description, seconds: float, seeds: int) -> SetResult | str:
    """Return what was measured, or why nothing was: one odd set must not cost all the others."""
    tell = _teller(described.name)
    try:
        return measure_set(described, seconds, seeds, tell)
    except Exception as error:
        tell(f"cannot be measured: {error}")
        return f"{type(error).__name__}: {error}"


def _teller(name: str) -> Callable[[str], None]:
    begun = monotonic()

    def tell(text: str) -> None:
        sys.stderr.write(f"{monotonic() - begun:7.0f}s  {name}: {text}\n")
        sys.stderr.flush()

    return tell
