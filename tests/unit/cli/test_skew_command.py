"""`tamid skew`: what it says where there was nothing to compare."""

from __future__ import annotations

from tamid.cli.skew import lines
from tamid.core.skew import Skew
from tamid.stages.skew import SkewReport

ALIKE = Skew(column="calls", rows=7, differing=0)


def test_what_was_compared_is_counted() -> None:
    """Scores by version, then each feature."""
    found = SkewReport(answers=9, matched=7, scores={2: (0, 9)}, features=(ALIKE,))
    assert list(lines("churn", found))[1:] == [
        "  scores of version 2: 0 of 9 differ",
        "  calls: 0 of 7 differ",
    ]


def test_what_was_not_compared_says_why() -> None:
    """No row of the entity, or an input that the log does not hold: that is no agreement."""
    found = SkewReport(answers=9, matched=0, scores={2: (0, 0)}, features=(ALIKE,))
    _, scores, features = lines("churn", found)
    assert "cannot be recomputed" in scores
    assert "none to compare" in features
