"""Rates and gaps against Fairlearn (MIT), where it is installed; the intervals are our own."""

from __future__ import annotations

import numpy as np
import pytest

from tamid.core.stats.fairness import Measure, fairness_gaps

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("measure", ["equal_opportunity", "equalised_odds", "demographic_parity"])
@pytest.mark.parametrize("weighted", [False, True])
def test_rates_and_gaps_are_those_of_the_oracle(measure: Measure, weighted: bool) -> None:
    """Each group's rate, and its gap to all others, on weighted rows and three groups."""
    metrics = pytest.importorskip("fairlearn.metrics", reason="pip install fairlearn pandas")
    oracle = {
        "true_positive": metrics.true_positive_rate,
        "false_positive": metrics.false_positive_rate,
        "selection": metrics.selection_rate,
    }
    rng = np.random.default_rng(0)
    n = 3000
    group = rng.choice(["a", "b", "c"], n, p=[0.6, 0.3, 0.1])
    y = (rng.random(n) < 0.4).astype(float)
    called = (rng.random(n) < 0.2 + 0.4 * y + 0.1 * (group == "b")).astype(float)
    weights = rng.random(n) + 0.5 if weighted else np.ones(n)
    gaps = fairness_gaps(y, called, {"g": group}, measure=measure, weights=weights)
    assert {g.group for g in gaps} == {"a", "b", "c"}
    for gap in gaps:
        frame = metrics.MetricFrame(
            metrics=oracle[gap.rate],
            y_true=y,
            y_pred=called,
            sensitive_features=np.where(group == gap.group, "inside", "outside"),
            sample_params={"sample_weight": weights},
        )
        inside, outside = frame.by_group["inside"], frame.by_group["outside"]
        assert gap.value == pytest.approx(inside)
        assert gap.others == pytest.approx(outside)
        assert abs(gap.gap.point) == pytest.approx(frame.difference())
