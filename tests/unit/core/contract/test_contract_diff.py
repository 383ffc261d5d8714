"""Comparing contracts: what each change means, and who must sign it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tamid.adapters.yaml import read
from tamid.core.contract.diff import ABSENT, diff
from tamid.core.contract.model import Contract
from tamid.core.contract.parse import parse
from tamid.core.values import Role

TEXT = (Path(__file__).parents[3] / "assets" / "contracts" / "everything.yaml").read_text("utf-8")


def contract(old: str = "", new: str = "") -> Contract:
    """Return the full example with one text replaced."""
    assert old in TEXT
    return parse(read(TEXT.replace(old, new) if old else TEXT, "c"))


@pytest.mark.parametrize(
    ("old", "new", "path", "effect"),
    [
        ("name: churn", "name: churn-2", "name", "break"),
        ("by: 15%", "by: 20%", "goal.by", "compatible"),
        ("sunday,", "monday,", "calendar.week_starts", "break"),
        ("horizon: 7d", "horizon: 14d", "data.label.horizon", "break"),
        ("positive: true", "positive: 1", "data.label.positive", "break"),
        ("reporting_lag: 2d", "reporting_lag: 3d", "data.label.reporting_lag", "compatible"),
        ("absence: negative", "absence: unknown", "data.label.absence", "retrain"),
        ("customers.parquet", "c.parquet", "data.source.path", "compatible"),
        ("min: 0", "min: -5", "data.schema.tenure_months.min", "retrain"),
        ("min: 0", "min: 5", "data.schema.tenure_months.min", "compatible"),
        ("basic, plus", "basic, gold, plus", "data.schema.plan.allowed", "retrain"),
        ("basic, plus", "basic", "data.schema.plan.allowed", "compatible"),
        ("number, min", "integer, min", "data.schema.tenure_months.type", "break"),
        ("region: category", "region: category, age: number", "data.schema.age.type", "retrain"),
        ("complaints.parquet", "c.parquet", "data.tables.complaints.path", "compatible"),
        ("time: at}", "time: moment}", "data.tables.complaints.time", "retrain"),
        ("national_id", "national_id, tax_id", "data.forbidden", "retrain"),
        ("drop_duplicates", "{strip: [plan]}", "clean", "retrain"),
        ("features.py:build", "f.py:build", "features.code", "retrain"),
        ("reduced: [tenure_months]", "reduced: [plan]", "training.reduced", "retrain"),
        ("window: 28d", "window: 56d", "features.aggregates.complaints_28d.window", "retrain"),
        ("model.py:build", "lightgbm", "training.model", "retrain"),
        ("maximise: f1", "maximise: value", "training.threshold.maximise", "compatible"),
        ("trials: 20", "trials: 9", "training.search.trials", "compatible"),
        ("max_gap: 0.05", "max_gap: 0.04", "gates.fairness.max_gap", "compatible"),
        ("window: auto", "window: decay", "retraining.window", "compatible"),
        ("p99_ms: 20", "p99_ms: 9", "service.p99_ms", "compatible"),
        ("every: 7d", "every: 14d", "delivery.every", "break"),
        ("{csv: out/scores.csv}, ", "", "delivery.to", "break"),
        ("{csv: out/scores.csv}, ", "{csv: out/scores.csv}, {csv: b.csv}, ", "delivery.to",
         "compatible"),
    ],
)  # fmt: skip
def test_each_change_has_its_effect(old: str, new: str, path: str, effect: str) -> None:
    """What the champion keeps, what needs a new model, and what breaks with the past."""
    result = diff(contract(), contract(old, new))
    assert [(c.path, c.effect) for c in result.changes] == [(path, effect)]
    assert result.effect == effect
    assert result.changes[0].before != result.changes[0].after


def test_a_contract_does_not_differ_from_itself() -> None:
    """No change, no signature."""
    result = diff(contract(), contract())
    assert (result.changes, result.effect, result.roles) == ((), "compatible", ())


def test_a_removed_column_breaks_and_an_unused_one_does_not() -> None:
    """Only what the model sees can break it."""
    old = contract()
    text = TEXT.replace(", region: category}", "}").replace("[plan, region]", "[plan]")
    new = parse(read(text, "c"))
    gone = {c.path: c for c in diff(old, new).changes}
    assert gone["data.schema.region.type"].effect == "break"
    assert gone["data.schema.region.type"].after == ABSENT
    hidden = TEXT.replace("region: category}", "region: {type: category, feature: false}}")
    again = {c.path: c for c in diff(parse(read(hidden, "c")), new).changes}
    assert again["data.schema.region.type"].effect == "compatible"


def test_the_gravest_change_decides_and_every_owner_signs() -> None:
    """A change of the service and one of the training need both roles."""
    text = TEXT.replace("p99_ms: 20", "p99_ms: 9").replace("seed: 7", "seed: 8")
    result = diff(contract(), parse(read(text, "c")))
    assert result.effect == "retrain"
    assert result.roles == (Role.ML_DEVELOPER, Role.MLOPS_ENGINEER)
    assert [c.roles for c in result.changes] == [(Role.ML_DEVELOPER,), (Role.MLOPS_ENGINEER,)]


def test_a_label_source_of_its_own_needs_a_new_model() -> None:
    """Labels that come from elsewhere are other labels."""
    new = contract("label: {", "label: {source: labels.csv, ")
    (change,) = diff(contract(), new).changes
    assert (change.path, change.effect) == ("data.label.source.path", "retrain")


def test_another_window_counts_from_the_next_run_on() -> None:
    """The model that is live stays as it is; what comes is made of other rows, and that is said."""
    found = diff(contract(), contract("window: auto", "window: decay"))
    (change,) = found.changes
    assert (change.before, change.after) == ("auto", "decay")
    assert change.reason == "it counts from the next candidate on"
