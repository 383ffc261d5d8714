"""What a command says, and on which stream."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from tamid.cli.output import LINE_EVERY_S, Output, table_lines
from tamid.core.errors import ContractError, Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A value as commands return them."""

    at: datetime
    share: float


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        """Say so."""
        return True


def _output(
    *, as_json: bool = False, quiet: bool = False
) -> tuple[Output, io.StringIO, io.StringIO]:
    out, err = io.StringIO(), io.StringIO()
    return Output(as_json=as_json, quiet=quiet, stdout=out, stderr=err), out, err


def test_a_table_is_aligned_and_short() -> None:
    """Words stand left, numbers right, a missing value is a dash and yes means True."""
    rows: list[list[object]] = [["churn", 0.81234, True], ["hotel_bookings", None, False]]
    assert table_lines(["model", "f1", "live"], rows) == [
        "model               f1  live",
        "churn           0.8123  yes",
        "hotel_bookings       -  no",
    ]


def test_a_table_without_rows_shows_its_columns() -> None:
    """Nothing to list is still an answer."""
    assert table_lines(["model", "f1"], []) == ["model  f1"]


def test_hebrew_and_wide_letters_keep_the_columns() -> None:
    """Columns are counted by width on the screen, not by code points."""
    lines = table_lines(["a", "b"], [["נטישה", "x"], ["解約", "x"], ["e\u0301", "x"]])
    assert lines == ["a      b", "נטישה  x", "解約   x", "e\u0301      x"]


def test_text_and_json_exclude_each_other() -> None:
    """One call of each; the mode decides which is seen."""
    for as_json, seen in ((False, "words\n"), (True, '{"a":1}\n')):
        out, stdout, _ = _output(as_json=as_json)
        out.text("words")
        out.json({"a": 1})
        assert stdout.getvalue() == seen


def test_json_writes_values_as_plain_types() -> None:
    """Moments are UTC text and what is no number becomes null."""
    out, stdout, _ = _output(as_json=True)
    out.json(Answer(at=datetime(2026, 1, 4, tzinfo=UTC), share=float("nan")))
    assert json.loads(stdout.getvalue()) == {"at": "2026-01-04T00:00:00.000000Z", "share": None}


def test_quiet_silences_progress_but_not_warnings() -> None:
    """--quiet hides what goes on, never what must be known."""
    out, _, stderr = _output(quiet=True)
    out.note("working")
    with out.progress() as progress:
        progress.step("trials", 1, 2)
    out.warn("the label file is late")
    assert stderr.getvalue() == "warning: the label file is late\n"


def test_progress_in_a_log_is_a_few_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a terminal the first and the last step are said, and little between."""
    moments = iter([0.0, LINE_EVERY_S / 2, LINE_EVERY_S * 1.5, LINE_EVERY_S * 1.6])
    monkeypatch.setattr("tamid.cli.output.time.monotonic", lambda: next(moments))
    out, stdout, stderr = _output()
    with out.progress() as progress:
        for done in range(1, 5):
            progress.step("trials", done, 4)
    lines = stderr.getvalue().splitlines()
    assert lines == ["trials: 1 of 4", "trials: 3 of 4", "trials: 4 of 4"]
    assert stdout.getvalue() == ""


def test_progress_on_a_terminal_is_a_bar() -> None:
    """On a terminal the text and the count are drawn on stderr."""
    stderr = Terminal()
    out = Output(stdout=io.StringIO(), stderr=stderr)
    with out.progress() as progress:
        progress.step("trials", 2, 4)
    assert "trials" in stderr.getvalue()
    assert "2/4" in stderr.getvalue()


def test_an_error_with_several_problems_lists_them_in_json() -> None:
    """A program gets every problem as a value, not only the text."""
    problems = (Problem(line=3, path="task", message="is missing"),)
    error = ContractError("1 problem", problems=problems)
    out, _, stderr = _output(as_json=True)
    out.error(error)
    assert json.loads(stderr.getvalue())["error"]["problems"] == [
        {"line": 3, "path": "task", "message": "is missing", "hint": ""}
    ]
