"""Raw or corrected: whichever its own misses on matured periods show to be nearer."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tamid.core.stats.corrected import FEWEST_MET, reported
from tamid.core.stats.estimate import combined

VALUES = st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), max_size=30)


def told(
    bias: float, noise: float, seed: int, weeks: int = 200, delay: int = 3
) -> tuple[float, ...]:
    """Return mean misses of what is reported, of raw and of always corrected; and how often raw."""
    rng = np.random.default_rng(seed)
    truth = 0.7 + 0.06 * rng.normal(size=weeks)
    raw = truth + bias + noise * rng.normal(size=weeks)
    off = []
    for t in range(26 + delay, weeks):
        known = slice(max(t - delay - 26, 0), t - delay)
        found = reported("f1", raw[t], raw[known], truth[known], delay)
        always = combined("f1", raw[t], raw[known], truth[known])
        off.append(
            [abs(v - truth[t]) for v in (found.value, raw[t], always)] + [not found.corrected]
        )
    return tuple(np.mean(off, axis=0).tolist())


def test_without_a_bias_the_raw_estimate_is_reported_where_that_pays() -> None:
    """The correction only adds noise there; half of what it costs is saved (fixed seed)."""
    ours, raw, always, share = told(0.0, 0.02, seed=1)
    assert raw < always
    assert ours < raw + 0.5 * (always - raw)
    assert share > 0.15


def test_with_a_bias_the_corrected_estimate_is_reported() -> None:
    """A bias of three spreads of the noise: corrected as ever."""
    ours, raw, always, share = told(0.06, 0.02, seed=2)
    assert always < 0.5 * raw
    assert ours == pytest.approx(always, abs=0.001)
    assert share < 0.05


def test_few_periods_choose_nothing() -> None:
    """Corrected, as it was before there was a choice."""
    truth = np.linspace(0.6, 0.8, FEWEST_MET)
    assert reported("accuracy", 0.9, truth, truth).corrected
    assert not reported("accuracy", 0.9, np.tile(truth, 3), np.tile(truth, 3)).corrected
    assert reported("f1", 0.9, [], []).value == 0.9


@given(VALUES, st.floats(0, 1), st.integers(0, 6))
def test_what_is_reported_is_one_of_the_two(
    pairs: list[tuple[float, float]], raw: float, pending: int
) -> None:
    """Whatever the past; and it does not see the future."""
    guess, truth = [p[0] for p in pairs], [p[1] for p in pairs]
    found = reported("f1", raw, guess, truth, pending)
    assert found.value == (combined("f1", raw, guess, truth) if found.corrected else raw)
