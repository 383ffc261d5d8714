"""From a score to a risk band."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tamid.core.bands import band_edges, bands_of


@pytest.mark.parametrize(
    ("bands", "threshold", "names"),
    [
        ({}, 0.6, ["high", "medium", "low"]),
        ({"medium": 0.3}, 0.6, ["high", "medium", "low"]),
        ({"medium": 0.7}, 0.6, ["high", "medium", "low"]),
        ({"critical": 0.9, "high": 0.6, "medium": 0.2}, 0.5, ["critical", "high", "medium", "low"]),
        ({}, None, []),
        ({"high": 100.0}, None, ["high", "medium", "low"]),
    ],
)
def test_bands_are_ordered_and_cover_everything(
    bands: dict[str, float], threshold: float | None, names: list[str]
) -> None:
    """From the highest down, the last without a lower bound, whatever the threshold has become."""
    edges = band_edges(bands, threshold)
    assert [name for name, _ in edges] == names
    assert not edges or edges[-1][1] == float("-inf")


@given(
    scores=st.lists(st.floats(0, 1), max_size=20),
    threshold=st.floats(0.01, 0.99),
    medium=st.floats(0, 1),
)
def test_a_higher_score_never_has_a_lower_band(
    scores: list[float], threshold: float, medium: float
) -> None:
    """Bands rise with the score, and `high` begins exactly at the threshold."""
    edges = band_edges({"medium": medium}, threshold)
    found = bands_of(np.array(sorted(scores)), edges).tolist()
    ranks = [["low", "medium", "high"].index(str(name)) for name in found]
    assert ranks == sorted(ranks)
    assert [s >= threshold for s in sorted(scores)] == [name == "high" for name in found]
