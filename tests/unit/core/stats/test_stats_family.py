"""One budget over many statistics: the oddest of a sound week rarely reaches the level."""

from __future__ import annotations

import numpy as np
import pytest

from tamid.core.stats.family import LEAST, MOST, Scale, family_level, oddest

WEEKS, COLUMNS = 26, 40
SCALES = {name: Scale(least=0.0, spread=0.01) for name in ("one", "two", "three")}


def drawn(rng: np.random.Generator, weeks: int, heavy: float = 3.0) -> dict[str, np.ndarray]:
    """Draw statistics of sound weeks whose tails are heavy."""
    return {name: abs(rng.standard_t(heavy, (weeks, COLUMNS))) for name in SCALES}


def test_a_sound_week_rarely_reaches_the_level() -> None:
    """Of 150 weeks drawn like their reference at most a fifth do; at the least level two thirds."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(150):
        whole = drawn(rng, WEEKS + 1)
        past = {name: values[:-1] for name, values in whole.items()}
        found.append(oddest(past, {name: v[-1] for name, v in whole.items()}, SCALES)[0])
    assert np.mean([one.alarm for one in found]) < 0.2
    assert np.mean([one.oddity >= LEAST for one in found]) > 0.4


def test_more_statistics_ask_for_more() -> None:
    """The oddest of many is odder by chance: the level grows with them, within its bounds."""
    rng = np.random.default_rng(1)
    few, many = [], []
    for _ in range(20):
        whole = drawn(rng, WEEKS)
        few.append(family_level({"one": whole["one"][:, :2]}, SCALES))
        many.append(family_level(whole, SCALES))
    assert np.mean(many) > np.mean(few)
    assert LEAST <= min(few + many) <= max(few + many) <= MOST


def test_the_order_of_weeks_and_statistics_does_not_matter() -> None:
    """A level is of a set of weeks."""
    rng = np.random.default_rng(2)
    whole = drawn(rng, WEEKS)
    order = rng.permutation(WEEKS)
    turned = {name: whole[name][order] for name in reversed(SCALES)}
    assert family_level(turned, SCALES) == pytest.approx(family_level(whole, SCALES))
