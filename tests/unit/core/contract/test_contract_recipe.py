"""What makes a new model necessary, and what does not."""

from __future__ import annotations

import pytest

from tamid.adapters.yaml import read
from tamid.core.contract.parse import parse
from tamid.core.contract.recipe import recipe

TEXT = """\
tamid: 1
name: churn
task: binary
data:
  source: {path: rows/*.csv}
  entity: customer
  time: week
  label: {column: left, positive: 1, horizon: 7d, source: {path: labels/*.csv}}
  schema:
    minutes: {type: number, min: 0}
training: {model: logistic}
gates: {minimum: {f1: 0.3}}
service: {p99_ms: 50}
monitoring: {every: 1d, quality: {metric: f1, at_least: 0.3}}
retraining: {cooldown: 2d}
delivery: {every: 7d}
"""


def made(text: str) -> str:
    """Return the recipe of a contract."""
    return recipe(parse(read(text, "contract.yaml")))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("tamid: 1", "# for the board\ntamid: 1"),
        ("rows/*.csv", "new/*.parquet"),
        ("labels/*.csv", "labels/*.csv, owner: ml_developer"),
        ("{every: 1d,", "{every: 1h, false_alarms_per_year: 2,"),
        ("{cooldown: 2d}", "{cooldown: 9d, per_year: 4}"),
        ("{every: 7d}", '{every: 7d, to: [{csv: "out/{period}.csv"}]}'),
        ("{p99_ms: 50}", "{p99_ms: 50, fallback: [default: 0.2]}"),
    ],
)
def test_what_training_and_gates_never_read_changes_no_recipe(old: str, new: str) -> None:
    """Comments, places, owners, the service's ladder and where scores go."""
    assert old in TEXT
    assert made(TEXT.replace(old, new)) == made(TEXT)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("logistic", "lightgbm"),
        ("f1: 0.3}}\nservice", "f1: 0.4}}\nservice"),
        ("p99_ms: 50", "p99_ms: 20"),
        ("horizon: 7d", "horizon: 14d"),
        ("min: 0", "min: 1"),
        ("at_least: 0.3", "at_least: 0.5"),
        ("{cooldown: 2d}", "{cooldown: 2d, window: short}"),
        ("{cooldown: 2d}", "{cooldown: 2d, window: decay}"),
        ("{every: 7d}", "{every: 7d, control_group: 10%}"),
    ],
)
def test_what_makes_or_judges_a_model_is_another_recipe(old: str, new: str) -> None:
    """Learner, gates, limits of the service, label, schema, window and control group."""
    assert old in TEXT
    assert made(TEXT.replace(old, new)) != made(TEXT)
