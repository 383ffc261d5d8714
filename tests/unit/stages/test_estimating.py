"""Estimates as the loop makes them: three small worlds, from the first files to the truth."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from in_process import InProcess, whole

from tamid.adapters.memory_clock import SimulatedClock
from tamid.core.estimates import SIGNAL, met, trust_of
from tamid.core.events import Measured
from tamid.core.state import State

WEEK = timedelta(weeks=1)
FIRST = datetime(2026, 1, 4, tzinfo=UTC)  # a Sunday
PAST, LIVE, ROWS = 10, 4, 500

CONTRACT = """\
tamid: 1
name: small
task: {task}
calendar: {{week_starts: sunday}}
data:
  source: {{path: rows/*.parquet, owner: mlops_engineer}}
  entity: customer
  time: week
  label:
    column: truth
    {positive}horizon: 7d
    reporting_lag: 1d
    source: {{path: labels/*.parquet}}
  schema:
    a: {{type: number, min: -50, max: 50}}
    b: {{type: number, min: -50, max: 50}}
    kind: {{type: category, allowed: [x, y, z]}}
    month: {{type: integer, min: 0, max: 99}}
    truth: {{type: {type}}}
training: {{model: lightgbm, params: {{n_estimators: 20, num_leaves: 7}}, threads: 1}}
gates: {{baselines: [{baseline}]}}
service: {{p99_ms: 20000, start_s: 600}}
release: {{path: [shadow, live], approval: auto}}
monitoring: {{every: 7d, quality: {{metric: {metric}}}}}
retraining: {{on: [age], max_age: 52w}}
delivery: {{every: 7d, to: [{{csv: "out/{{period}}.csv"}}], reasons: 0}}
"""
TASKS: Mapping[str, Mapping[str, str]] = {
    "binary": {
        "positive": "positive: 1\n    ", "type": "integer", "baseline": "majority", "metric": "f1",
    },
    "multiclass": {
        "positive": "", "type": "category, allowed: [p, q, r]", "baseline": "majority",
        "metric": "macro_f1",
    },
    "regression": {"positive": "", "type": "number", "baseline": "mean", "metric": "mae"},
}  # fmt: skip


def rows_of(week: int, shift: float = 0.0) -> pl.DataFrame:
    """A week of customers, moved by `shift`."""
    rng = np.random.default_rng([5, week])
    return pl.DataFrame(
        {
            "customer": [f"c{n:03d}" for n in range(ROWS)],
            "week": pl.Series([FIRST + week * WEEK] * ROWS, dtype=pl.Datetime("us", "UTC")),
            "a": rng.normal(shift, 1, ROWS),
            "b": rng.normal(0, 1, ROWS),
            "kind": rng.choice(["x", "y", "z"], ROWS),
            "month": [week // 4] * ROWS,
        }
    )


def labels_of(week: int, task: str, shift: float = 0.0) -> pl.DataFrame:
    """The truth of a week; `a` decides, `b` says how surely."""
    rows = rows_of(week, shift)
    rng = np.random.default_rng([6, week])
    a, b = rows["a"].to_numpy(), rows["b"].to_numpy()
    noisy = a + rng.normal(0, 1, ROWS) * np.exp(b / 2)
    truth = pl.Series("truth", noisy)
    if task == "binary":
        truth = pl.Series("truth", (noisy > 0.5).astype(np.int64))
    if task == "multiclass":
        truth = pl.Series("truth", np.array(["p", "q", "r"])[np.digitize(noisy, [-0.5, 0.7])])
    return rows.select("customer", "week").with_columns(truth)


def lived(root: Path, task: str, last_shift: float = 0.0) -> State:
    """Play the world in a folder; the last week's rows are moved."""
    (root / "contract.yaml").write_text(CONTRACT.format(task=task, **TASKS[task]))
    for folder in ("rows", "labels"):
        (root / folder).mkdir()
    pl.concat([rows_of(w) for w in range(PAST)]).write_parquet(root / "rows" / "past.parquet")
    past = pl.concat([labels_of(w, task) for w in range(PAST - 1)])
    past.write_parquet(root / "labels" / "past.parquet")
    clock = SimulatedClock(FIRST)
    app = InProcess(root, clock, whole)
    try:
        for week in range(PAST, PAST + LIVE):
            shift = last_shift if week == PAST + LIVE - 1 else 0.0
            rows_of(week, shift).write_parquet(root / "rows" / f"{week}.parquet")
            labels_of(week - 1, task).write_parquet(root / "labels" / f"{week}.parquet")
            clock.set(FIRST + week * WEEK + timedelta(hours=4))
            app.tick("small")
            # A turn made again says nothing new.
            before = app.state("small").seq
            app.tick("small")
            assert not [
                r
                for r in app.ledger.read("small", before)
                if isinstance(r.event, Measured) and r.event.signal == SIGNAL
            ]
        return app.state("small")
    finally:
        app.close()


def estimates(state: State) -> list[Measured]:
    """All estimates of the first version, oldest first."""
    made = state.measured[f"{SIGNAL}@1"]
    return [made[p] for p in sorted(made)]


@pytest.fixture(scope="module")
def binary(tmp_path_factory: pytest.TempPathFactory) -> State:
    """The binary world, whose last week brings rows of another kind."""
    return lived(tmp_path_factory.mktemp("binary"), "binary", last_shift=8.0)


def test_every_scored_week_is_estimated_at_once_and_near_the_truth(binary: State) -> None:
    """One estimate a week, before its labels, within .1 of what they bring."""
    assert set(binary.measured[f"{SIGNAL}@1"]) == set(binary.scored)
    history = met(binary)
    assert len(history) >= LIVE - 2
    assert all(abs(m.realised - m.reported) < 0.1 for m in history)
    assert all(e.matured == 0.0 and e.pins for e in estimates(binary))


def test_f1_at_the_usual_share_of_positives_stands_beside_it(binary: State) -> None:
    """A week with more positives has a better F1; at the usual share it is as ever."""
    *usual, last = estimates(binary)
    assert last.detail["expected_prevalence"] > usual[-1].detail["expected_prevalence"] + 0.3
    assert last.value > usual[-1].value + 0.05
    assert "at_reference_prevalence" in last.detail
    assert last.detail["at_reference_prevalence"] < last.value


def test_rows_of_another_kind_make_the_week_blind(binary: State) -> None:
    """Familiar weeks are unverified at first; foreign rows give grade C with the reasons."""
    *usual, last = estimates(binary)
    assert {trust_of(e).grade for e in usual} == {"B"}
    assert all(e.detail["domain_auc"] < 0.65 and e.detail["outside"] < 0.02 for e in usual)
    grade = trust_of(last)
    assert grade.grade == "C"
    assert last.detail["domain_auc"] > 0.95
    assert last.detail["outside"] > 0.5
    assert len(grade.reasons) == 2


def test_a_blind_estimate_starts_nothing(binary: State) -> None:
    """Grade C raises no alarm, starts no run and opens no case of its own; scores go out.

    The one case is of the check of rows, to which a column eight deviations off is broken.
    """
    last = max(binary.scored)
    assert not any(a.raised.signal == SIGNAL for a in binary.alarms.values())
    assert [case.opened.about for case in binary.cases.values()] == [f"suspected/{last}"]
    assert len(binary.runs) == 1
    assert any(period == last for period, _, _ in binary.delivered)


def test_a_model_of_errors_estimates_a_regression(tmp_path: Path) -> None:
    """The mean absolute error is estimated from features, near what the labels bring."""
    state = lived(tmp_path, "regression")
    history = met(state)
    assert len(history) >= LIVE - 2
    for m in history:
        assert abs(m.realised - m.reported) < 0.12
    assert all(0 < e.detail["sampling_error"] < 0.1 for e in estimates(state))


def test_classes_are_estimated_once_some_weeks_have_truth(tmp_path: Path) -> None:
    """What was judged keeps no chances of classes: the first weeks have no estimate."""
    state = lived(tmp_path, "multiclass")
    made = estimates(state)
    assert 0 < len(made) < LIVE
    truth = state.measured["quality@1"]
    values = [truth[p].value for p in sorted(truth)]
    assert all(abs(e.value - np.mean(values)) < 0.1 for e in made)
    assert not any(math.isnan(e.value) for e in made)
