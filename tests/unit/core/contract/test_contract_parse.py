"""Reading contracts: short forms, types, names, and how problems are told."""

from __future__ import annotations

import pickle
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from tamid.adapters.yaml import read
from tamid.core.contract.model import Aggregate, CleanStep, Contract, Rung, SinkSpec, Source
from tamid.core.contract.node import Scalar
from tamid.core.contract.parse import parse, restore
from tamid.core.contract.stored import from_json, to_json
from tamid.core.errors import ContractError, Problem
from tamid.core.policies.policy import drafted, policy_from
from tamid.core.policy import policy_of
from tamid.core.values import Money, Task

ASSETS = Path(__file__).parents[3] / "assets" / "contracts"
HEAD = "tamid: 1\nname: churn\ntask: binary\n"
DATA = (
    "data: {source: rows.csv, entity: id, time: week, label: {column: churned, positive: true}}\n"
)


def contract(text: str) -> Contract:
    """Parse a whole contract."""
    return parse(read(text, "churn.yaml"), name="churn.yaml")


def more(text: str) -> Contract:
    """Parse a contract of a weekly binary task with further blocks."""
    return contract(HEAD + DATA + text)


def problems(text: str) -> tuple[Problem, ...]:
    """Return the problems of a contract that has some."""
    with pytest.raises(ContractError) as caught:
        contract(text)
    return caught.value.problems


def test_every_block_and_short_form_of_the_grammar_is_read() -> None:
    """The full example, in which every block stands, has no problems and keeps its values."""
    parsed = contract((ASSETS / "everything.yaml").read_text("utf-8"))
    assert parsed.task is Task.BINARY
    assert parsed.goal.by == 0.15
    assert parsed.goal.value_per_saved == Money(amount=400.0, currency="ILS")
    assert parsed.service.availability == 0.999
    assert parsed.data.label.horizon == timedelta(days=7)
    assert parsed.data.schema["region"].type == "category"
    assert parsed.retraining.on == ("quality", "age", "new_data", "code")
    assert parsed.retraining.new_data_rows == 50_000
    assert parsed.release.path == ("shadow", "canary 5%", "canary 25%", "live")


def test_the_smallest_contract_is_six_lines_and_takes_the_defaults() -> None:
    """Name, task, source and label are enough; all else has a default."""
    parsed = contract((ASSETS / "smallest.yaml").read_text("utf-8"))
    assert parsed.data.source == Source(path="data/customers.parquet")
    assert parsed.training.model == "lightgbm"
    assert parsed.service.fallback == (Rung(kind="previous"),)


def test_the_word_yes_is_a_word() -> None:
    """By YAML 1.2 an unquoted Yes is a text, not a truth."""
    assert contract((ASSETS / "smallest.yaml").read_text("utf-8")).data.label.positive == "Yes"


def test_rungs_are_written_as_word_or_as_kind_and_value() -> None:
    """Every rung's short form gives the same rung as its full form."""
    short = more("service: {fallback: [previous, last_score: 14d, rule: r.py:f, default: 0.27]}\n")
    full = more(
        "service:\n  fallback:\n"
        "    - {kind: previous}\n    - {kind: last_score, max_age: 2w}\n"
        "    - {kind: rule, code: 'r.py:f'}\n    - {kind: default, value: 27%, code: null}\n"
    )
    assert short.service.fallback == full.service.fallback
    assert short.service.fallback[1] == Rung(kind="last_score", max_age=timedelta(days=14))


def test_abstain_stands_alone_or_with_the_scores_that_are_unsure() -> None:
    """Both forms are one rung; the full form says the same."""
    alone = more("service: {fallback: [previous, abstain]}\n").service.fallback
    assert alone[1] == Rung(kind="abstain")
    short = more("service: {fallback: [abstain: [0.4, 60%]]}\n").service.fallback
    full = more("service: {fallback: [{kind: abstain, unsure: [0.4, 0.6]}]}\n").service.fallback
    assert short == full == (Rung(kind="abstain", unsure=(0.4, 0.6)),)


def test_targets_are_written_as_kind_and_place() -> None:
    """A target's kind may stand as its key, with further keys beside it."""
    parsed = more(
        "delivery:\n  to:\n    - csv: out/scores.csv\n"
        "    - {sql: env:SCORES_DB, table: scores}\n"
        "    - {webhook: env:URL, secret: env:KEY}\n    - {kind: delta, target: out/d}\n"
    )
    assert parsed.delivery.to == (
        SinkSpec(kind="csv", target="out/scores.csv"),
        SinkSpec(kind="sql", target="env:SCORES_DB", table="scores"),
        SinkSpec(kind="webhook", target="env:URL", secret="env:KEY"),
        SinkSpec(kind="delta", target="out/d"),
    )


def test_cleaning_steps_have_short_forms() -> None:
    """A step is a word, a word with columns, or a word with settings."""
    parsed = more(
        "clean: [drop_duplicates, {strip: [plan]}, {lower: plan}, {fill: 0},\n"
        "  {fill: {columns: [plan], value: none}}, {clip: {columns: [age], low: 0, high: 120}},\n"
        "  {step: fill, value: 1.5}, {fill: 0, columns: [age]}]\n"
    )
    assert parsed.clean == (
        CleanStep(step="drop_duplicates"),
        CleanStep(step="strip", columns=("plan",)),
        CleanStep(step="lower", columns=("plan",)),
        CleanStep(step="fill", value=0),
        CleanStep(step="fill", columns=("plan",), value="none"),
        CleanStep(step="clip", columns=("age",), low=0.0, high=120.0),
        CleanStep(step="fill", value=1.5),
        CleanStep(step="fill", columns=("age",), value=0),
    )


def test_aggregates_name_their_function_as_a_key() -> None:
    """`count: true` counts events, `sum: amount` sums a column, over a window or all the past."""
    tables = DATA.replace("label:", "tables: {pay: {path: p.csv, entity: id, time: at}}, label:")
    parsed = contract(
        HEAD + tables + "features:\n  aggregates:\n"
        "    calls: {table: pay, count: true, window: 28d}\n"
        "    paid: {table: pay, sum: amount, window: 56d}\n"
        "    kinds: {table: pay, function: distinct, column: kind}\n"
    )
    assert dict(parsed.features.aggregates) == {
        "calls": Aggregate(table="pay", function="count", window=timedelta(days=28)),
        "paid": Aggregate(table="pay", function="sum", column="amount", window=timedelta(days=56)),
        "kinds": Aggregate(table="pay", function="distinct", column="kind"),
    }


@pytest.mark.parametrize(
    ("written", "maximise", "fixed"),
    [("0.4", "f1", 0.4), ("40%", "f1", 0.4), ("f1", "f1", None), ("{fixed: 0.4}", "f1", 0.4)],
)
def test_a_threshold_may_be_a_number_or_a_word(
    written: str, maximise: str, fixed: float | None
) -> None:
    """`threshold: 0.4` is fixed, `threshold: f1` is searched."""
    threshold = more(f"training: {{threshold: {written}}}\n").training.threshold
    assert (threshold.maximise, threshold.fixed) == (maximise, fixed)


def test_label_may_be_its_column_alone() -> None:
    """Where no positive value is needed, `label: NAME` is enough."""
    text = "tamid: 1\nname: rides\ntask: regression\ndata: {source: rides.csv, label: count}\n"
    assert contract(text).data.label.column == "count"


@pytest.mark.parametrize(
    ("kind", "written", "value"),
    [
        ("category", "1", "1"),
        ("category", "007", "007"),
        ("text", "No", "No"),
        ("category", "true", "true"),
        ("integer", "1", 1),
        ("integer", "'1'", 1),
        ("number", "1", 1.0),
        ("boolean", "true", True),
    ],
)
def test_the_positive_value_takes_the_type_of_its_column(
    kind: str, written: str, value: object
) -> None:
    """In a text column `positive: 1` means the text 1, in a number column "1" means the number."""
    parsed = contract(
        HEAD + f"data:\n  source: rows.csv\n  label: {{column: y, positive: {written}}}\n"
        f"  schema: {{y: {{type: {kind}, feature: false}}}}\n"
    )
    assert parsed.data.label.positive == value
    assert type(parsed.data.label.positive) is type(value)
    assert from_json(to_json(parsed)) == parsed


def test_a_text_that_was_accepted_once_is_restored_without_judgement() -> None:
    """Rules that came later do not lock out a ledger; values are settled all the same."""
    text = HEAD + (
        "data: {source: a.csv, label: {column: y, positive: 1}, schema: {y: category}}\n"
        "training: {model: ridge}\n"
    )
    assert restore(read(text, "c")).data.label.positive == "1"
    with pytest.raises(ContractError):
        contract(text)


def test_hebrew_names_are_columns_like_any_other() -> None:
    """Names in any script are kept, composed, so that two spellings of one name are one name."""
    composed, decomposed = "gr\u00fcn", "gru\u0308n"
    parsed = contract(
        HEAD + "data:\n  source: נתונים/לקוחות.csv\n  entity: מזהה\n"
        f"  label: {{column: נטש, positive: כן}}\n  schema: {{גיל: number, {decomposed}: number}}\n"
    )
    assert list(parsed.data.schema) == ["גיל", composed]
    assert parsed.data.label.positive == "כן"


def test_a_contract_survives_the_way_to_a_worker() -> None:
    """Contracts can be pickled and compared."""
    parsed = contract((ASSETS / "everything.yaml").read_text("utf-8"))
    assert pickle.loads(pickle.dumps(parsed)) == parsed


def test_all_problems_are_told_at_once_in_the_order_of_the_file() -> None:
    """Wrong keys, wrong types and impossible combinations come in one error."""
    found = problems(
        "tamid: 1\nname: my churn\ntask: binary\ndata:\n  source: rows.csv\n"
        "  lable: {column: y}\ntraining:\n  seed: seven\n  serch: {trials: 3}\n"
        "gates:\n  minimum: {f1: 75}\n"
    )
    assert [(p.line, p.path) for p in found] == [
        (2, "name"), (6, "data"), (8, "training.seed"), (9, "training"), (11, "gates.minimum.f1"),
    ]  # fmt: skip
    assert [p.hint for p in found if "unknown key" in p.message] == [
        "did you mean `label`?",
        "did you mean `search`?",
    ]


def test_a_wrong_value_hides_no_other_problem_and_causes_none() -> None:
    """A rule that would have to read a bad value says nothing; other rules still speak."""
    found = problems(HEAD + "data: {source: a.csv, label: {column: y, positive: [1]}}\n"
                     "training: {model: ridge}\n")  # fmt: skip
    assert [p.path for p in found] == ["data.label.positive", "training.model"]


def test_all_problems_are_told() -> None:
    """Whoever mends a contract sees each mistake at once."""
    wrong = "".join(f"wrong_key_{i}: 1\n" for i in range(50))
    with pytest.raises(ContractError) as caught:
        more(wrong)
    assert len(caught.value.problems) == 50
    assert caught.value.what.count("\n") == 50


def test_a_bad_column_does_not_hide_other_mistakes() -> None:
    """Rules judge what was read; of the block with the bad value nothing is guessed."""
    text = HEAD + (
        "data:\n  source: a.csv\n  time: at\n  entity: id\n"
        "  label: {column: y, positive: 1, horizon: 1d}\n"
        "  schema: {x: {type: numbr, allowed: [1]}, z: {type: number, min: 5, max: 1}}\n"
        "gates: {slices: {by: [x, w]}}\n"
    )
    assert {p.path for p in problems(text)} == {
        "data.schema.x.type",
        "data.schema.z.min",
        "gates.slices.by[1]",
    }


def test_the_error_survives_the_way_back_from_a_worker() -> None:
    """A contract error keeps its problems when it crosses a process boundary."""
    with pytest.raises(ContractError) as caught:
        more("wrong: 1\n")
    back = pickle.loads(pickle.dumps(caught.value))
    assert (back.what, back.problems) == (caught.value.what, caught.value.problems)


@pytest.mark.parametrize("text", ["", "# nothing\n", "~\n", "just words\n", "- a\n- b\n", "7\n"])
def test_what_is_no_mapping_is_refused(text: str) -> None:
    """An empty file, a text and a list are no contracts."""
    assert problems(text)[0].line == 1


def test_a_key_in_the_wrong_block_is_sent_to_the_right_one() -> None:
    """A key that exists elsewhere in the grammar is told its place."""
    (problem,) = problems(HEAD + DATA + "horizon: 7d\n")
    assert problem.hint == "`horizon` belongs under data.label"


def test_a_time_zone_is_checked_where_zones_are_known() -> None:
    """The machine's zones are passed in; a city alone is told its zone."""
    node = read(HEAD + DATA + "calendar: {timezone: Jerusalem}\n", "c")
    with pytest.raises(ContractError) as caught:
        parse(node, zones=frozenset({"UTC", "Asia/Jerusalem"}))
    assert caught.value.problems[0].hint == "did you mean `Asia/Jerusalem`?"
    assert parse(node).calendar.timezone == "Jerusalem"


def test_secrets_are_never_repeated() -> None:
    """A secret that stands in the file is refused without being shown again."""
    with pytest.raises(ContractError) as caught:
        more("delivery:\n  to:\n    - {webhook: 'https://me:hunter2@host/x', secret: hunter3}\n"
             "    - {sql: 'postgresql://host/db?password=hunter4', table: t}\n")  # fmt: skip
    assert len(caught.value.problems) == 3
    assert "hunter" not in caught.value.what + repr(caught.value.problems)


def test_a_scalar_is_no_contract() -> None:
    """Trees that no file could give are refused too."""
    with pytest.raises(ContractError):
        parse(Scalar(text="tamid", plain=False))


def test_new_data_may_be_a_share() -> None:
    """What is written inside `on` reaches the loop's policy and that of a replay."""
    on = "on: [quality, age, new_data: {grown: 15%}, code]"
    grown = f"retraining: {{{on}, equal: release, cooldown: 2w}}\n"
    read_ = contract(HEAD + DATA + grown)
    assert read_.retraining.on == ("quality", "age", "new_data", "code")
    assert policy_of(read_).grown == read_.retraining.new_data_grown == 0.15
    assert policy_from(read_, "drafted") == replace(drafted(), margin=0.005)
