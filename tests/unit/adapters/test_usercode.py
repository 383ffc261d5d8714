"""The user's code: loaded from text, checked, and told of its own lines when it fails."""

from __future__ import annotations

import polars as pl
import pytest

from tamid.adapters.usercode import feature_code, load
from tamid.core.errors import DataError, UserCodeError
from tamid.stages.answering import model_frame, try_feature_code
from tamid.stages.ruling import rule_answer
from tamid.testing.candidates import contract_text, history
from tamid.workshop import parse

CONTRACT = parse(contract_text())


def build(body: str) -> None:
    """Run a body as feature code through all trials."""
    code = feature_code({"features.py": f"import polars as pl\n{body}"}, "features.py:build")
    rows = history(30, 4)
    try_feature_code(rows, CONTRACT, code)
    model_frame(rows, CONTRACT, code)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("def build(f):\n    return f.head(1)", "returned 1 rows for"),
        ("def build(f):\n    return 7", "returned int, not a Polars DataFrame"),
        ("def build(f):\n    return f['nope']", "ColumnNotFoundError"),
        ("def build(f):\n    raise SystemExit(3)", "SystemExit: 3"),
        ("def build(f):\n    return f.with_row_index('n')", "depend on the order of rows: 'n'"),
        (
            "def build(f):\n    return f.with_columns(x=pl.col('calls') - pl.col('calls').mean())",
            "depend on other rows: 'x'",
        ),
        (
            "def build(f):\n    return f.with_columns(x=pl.col('calls').shift(1))",
            "depend on the order of rows: 'x'",
        ),
        (
            "import random\ndef build(f):\n    return f.with_columns(x=pl.lit(random.random()))",
            "when it runs again: 'x'",
        ),
        ("def build(f):\n    return f.select(x=pl.struct('calls'))", "column 'x' of type Struct"),
        ("def build(f):\n    return f.select('week')", "no column that a model can learn from"),
    ],
)
def test_wrong_feature_code_is_told_what_is_wrong(body: str, message: str) -> None:
    """Wrong length, type, order, neighbours, chance and types each have their own error."""
    with pytest.raises(UserCodeError, match=message):
        build(body)


def test_rounding_alone_is_no_dependence_on_other_rows() -> None:
    """Honest row-wise code passes, lazily too."""
    build(
        "def build(f):\n    return f.lazy().with_columns(x=pl.col('calls').exp().sqrt()).collect()"
    )
    build("def build(f):\n    return f.lazy().with_columns(x=pl.col('calls') / 3)")


@pytest.mark.parametrize(
    ("code", "entry", "message"),
    [
        ({}, "features.py:build", r"no file 'features\.py'"),
        ({"features.py": ""}, "features.py:build", "no function 'build'"),
        ({"features.py": "build = 7"}, "features.py:build", "no function 'build'"),
        ({"features.py": "def build(:"}, "features.py:build", "SyntaxError"),
        ({"features.py": "1 / 0"}, "features.py:build", "ZeroDivisionError"),
        ({"json.py": "def build(f): ..."}, "json.py:build", "name of a library"),
        ({"polars.py": "def build(f): ..."}, "polars.py:build", "name of a library"),
    ],
)
def test_code_that_cannot_be_loaded_is_named(
    code: dict[str, str], entry: str, message: str
) -> None:
    """Missing files and functions, failing imports and names of libraries are clear errors."""
    with pytest.raises(UserCodeError, match=message):
        load(code, entry)


def test_errors_show_the_users_lines_only() -> None:
    """The lines shown are the user's, through helper files, the innermost last."""
    code = {
        "features.py": "import helper\n\ndef build(f):\n    return helper.deep(f)\n",
        "helper.py": "def deep(f):\n    return f.select('nowhere')\n",
    }
    with pytest.raises(UserCodeError) as caught:
        feature_code(code, "features.py:build")(pl.DataFrame({"a": [1]}))
    assert caught.value.why.split("; ") == [
        "features.py:4 in build: return helper.deep(f)",
        "helper.py:2 in deep: return f.select('nowhere')",
    ]


def test_new_code_replaces_old_code_of_the_same_name() -> None:
    """Two bundles with a `features.py` each run their own, helpers included."""
    found = []
    for n in (1, 2):
        code = {"features.py": "from parts.number import N\ndef build(): return N",
                "parts/number.py": f"N = {n}"}  # fmt: skip
        found.append(load(code, "features.py:build")())
    assert found == [1, 2]


def test_feature_code_cannot_change_the_rows_it_was_given() -> None:
    """Code that works in place works on a copy."""
    rows = pl.DataFrame({"a": [1, 2]})
    text = "def build(f):\n    f.drop_in_place('a')\n    return f.with_columns(b=1)\n"
    made = feature_code({"features.py": text}, "features.py:build")(rows)
    assert "a" not in made.columns
    assert rows.columns == ["a"]


@pytest.mark.parametrize(
    ("made", "message"),
    [
        ([0.5], "1 scores for 2"),
        ([0.5, None], "without a score"),
        ([0.5, 1.5], "between 0 and 1"),
        (["x", "y"], "no scores"),
        (7, "no scores"),
        (pl.DataFrame({"s": [1, 2]}), "column `score`"),
    ],
)
def test_wrong_rules_are_told_what_is_wrong(made: object, message: str) -> None:
    """A rule must give each row one chance."""
    with pytest.raises(UserCodeError, match=message):
        rule_answer(history(1, 2), CONTRACT, lambda frame: made)


@pytest.mark.parametrize(
    "made", [[0.5, 1], pl.Series([0.5, 1.0]), pl.DataFrame({"score": [0.5, 1.0]})]
)
def test_rules_may_answer_as_they_like(made: object) -> None:
    """A list, a column or a frame with `score` will do."""
    found = rule_answer(history(1, 2), CONTRACT, lambda frame: made)
    assert found.get_column("score").to_list() == [0.5, 1.0]


def test_a_label_is_no_input() -> None:
    """A rule sees neither label nor Tamid's own columns."""
    seen: list[str] = []

    def rule(frame: pl.DataFrame) -> list[float]:
        seen.extend(frame.columns)
        return [0.0] * frame.height

    rule_answer(history(2, 2), CONTRACT, rule)
    assert sorted(seen) == ["age", "calls", "minutes", "plan", "week"]
    assert not issubclass(DataError, UserCodeError)
