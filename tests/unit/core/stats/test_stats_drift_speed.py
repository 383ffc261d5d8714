"""How fast a week is held against stored profiles."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import numpy as np
import pytest

from tamid.core.stats.drift import number_counts, profile_numbers, psi

ROWS, COLUMNS = 1_000_000, 20


def _seconds(*works: Callable[[], object]) -> list[float]:
    """Return the least processor time of each, in rounds one after the other."""
    best = [float("inf")] * len(works)
    for _ in range(3):
        for place, work in enumerate(works):
            began = time.process_time()
            work()
            best[place] = min(best[place], time.process_time() - began)
    return best


@pytest.mark.bench
def test_drift_of_a_million_rows_costs_at_most_twice_bare_numpy() -> None:
    """Twenty columns of a million rows against stored bins, missing values included."""
    rng = np.random.default_rng(0)
    table = rng.normal(size=(COLUMNS, ROWS))
    table[:, ::100] = np.nan
    profiles = [profile_numbers(f"c{n}", column[:50_000]) for n, column in enumerate(table)]
    edges = [np.asarray(p.edges) for p in profiles]

    def ours() -> list[float]:
        pairs = zip(profiles, table, strict=True)
        return [psi(p.counts, number_counts(p, column)) for p, column in pairs]

    def bare() -> list[float]:
        found = []
        for p, cuts, column in zip(profiles, edges, table, strict=True):
            counts = np.bincount(np.searchsorted(cuts, column), minlength=len(cuts) + 2) + 0.5
            share, usual = counts / counts.sum(), np.asarray(p.counts) + 0.5
            usual = usual / usual.sum()
            found.append(float(((share - usual) * np.log(share / usual)).sum()))
        return found

    fast, plain = _seconds(ours, bare)
    sys.stdout.write(f"\ndrift: 20 million values in {fast:.2f} s, {fast / plain:.2f} of bare")
    assert fast < 2 * plain, f"{fast:.2f} s are {fast / plain:.2f} times bare numpy"
