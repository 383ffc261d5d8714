"""What was measured is told with what one must know to read it."""

from __future__ import annotations

from math import nan

import pytest

from tamid.core import events as ev
from tamid.core.view.words import sentence


@pytest.mark.parametrize(
    ("same", "told"), [(0.66, ", 0.660 at the reference's share of positives"), (nan, "")]
)
def test_what_f1_would_be_at_the_usual_share_stands_beside_it(same: float, told: str) -> None:
    """A fall by fewer positives alone is seen where the figure is read."""
    seen = ev.Measured(
        signal="quality", period="2026-01-04", value=0.6, rows=100, matured=1.0, model_version=2,
        detail={"at_reference_prevalence": same},
    )  # fmt: skip
    assert f"is 0.600 for version 2{told}, on 100 rows" in sentence(seen)


def test_what_a_version_would_have_been_worth_is_told_as_that() -> None:
    """Nobody reads as answered what another version answered."""
    seen = ev.Measured(
        signal="hindsight", period="2026-01-04", value=0.6, rows=100, matured=1.0, model_version=2
    )
    said = "realised quality in 2026-01-04 is 0.600 for version 2, asked in hindsight"
    assert said in sentence(seen)
