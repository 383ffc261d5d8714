"""The frame of the command line: finding commands, options, help, errors and exit statuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import sample_commands

from tamid.cli.main import main
from tamid.cli.table import Command, Group
from tamid.core.errors import BatchRefused, Conflict, Held, IntegrityError, TamidError, Waiting

TABLE = (
    Group(
        title="Try it",
        commands=(
            Command(name="hello", target="sample_commands:run", summary="greet somebody"),
            Command(name="move", target="sample_commands:move", summary="say where from and to"),
            Command(name="fail", target="sample_commands:fail", summary="raise an error"),
            Command(name="case show", target="sample_commands:show", summary="show a case"),
            Command(name="log", target="sample_commands:show", summary="list events"),
            Command(name="log clear", target="sample_commands:show", summary="forget events"),
        ),
    ),
)


def test_help_teaches_the_commands_in_groups(capsys: pytest.CaptureFixture[str]) -> None:
    """`--help` lists every command below its group, with its summary and the exit statuses."""
    assert main(["--help"], TABLE) == 0
    text = capsys.readouterr().out
    assert text.index("Try it:") < text.index("greet somebody") < text.index("show a case")
    assert "3 held by a gate" in text


def test_no_command_prints_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    """`tamid` alone answers with the help and is no failure."""
    assert main([], TABLE) == 0
    assert "usage: tamid" in capsys.readouterr().out


@pytest.mark.parametrize(
    "words",
    [
        ["-C", "shop", "--as", "ml_developer", "--json", "hello", "Dana"],
        ["hello", "Dana", "--json", "--as", "ml_developer", "--workspace", "shop"],
        ["-C", "shop", "hello", "--as", "ml_developer", "--json", "--", "Dana"],
    ],
)
def test_global_options_stand_before_or_behind_the_command(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """The same options mean the same wherever they stand."""
    assert main(words, TABLE) == 0
    expected = {"name": "Dana", "role": "ml_developer", "workspace": str(Path("shop"))}
    assert json.loads(capsys.readouterr().out) == expected


@pytest.mark.parametrize(
    "words",
    [
        "a.csv shop --label left --drop b",
        "a.csv --label left shop --drop b",
        "--label left a.csv --drop b shop",
        "--label left --drop b a.csv shop",
        "--label left --drop b -- a.csv shop",
    ],
)
def test_arguments_and_options_stand_in_any_order(
    words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A second argument may stand behind an option, whatever the command."""
    assert main(["move", *words.split()], TABLE) == 0
    assert capsys.readouterr().out == "a.csv to shop, left without ['b']\n"


def test_a_word_too_many_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    """Wherever it stands."""
    assert main(["move", "a.csv", "--label", "left", "shop", "more"], TABLE) == 2
    assert "unrecognized arguments: more" in capsys.readouterr().err


def test_json_leaves_out_the_text_and_text_the_json(capsys: pytest.CaptureFixture[str]) -> None:
    """A command says both; only the form that was asked for is printed."""
    assert main(["hello", "Dana"], TABLE) == 0
    assert capsys.readouterr().out == "hello Dana\n"


def test_a_command_returns_its_own_status() -> None:
    """What the command returns is the exit status."""
    assert main(["hello", "Dana", "--status", "7"], TABLE) == 7


@pytest.mark.parametrize(
    ("kind", "status"),
    [(BatchRefused, 1), (Held, 3), (Waiting, 4), (Conflict, 5), (IntegrityError, 6)],
)
def test_each_error_has_its_status(kind: type[TamidError], status: int) -> None:
    """The class of the error decides the exit status."""
    assert main(["fail", kind.__name__], TABLE) == status


def test_an_error_is_three_lines_with_its_code(capsys: pytest.CaptureFixture[str]) -> None:
    """What, why and what to do, on stderr, without a traceback."""
    assert main(["fail", "BatchRefused"], TABLE) == 1
    streams = capsys.readouterr()
    assert streams.out == ""
    assert streams.err.splitlines() == [
        "error T301: it did not work",
        "  why: A batch breaks the contract so badly that none of it may be used.",
        "  do:  Repair the source, or change the contract if the data is right.",
    ]


def test_a_reason_that_says_nothing_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    """That a mistyped command cannot be understood is no reason; JSON keeps all fields."""
    assert main(["fail"], TABLE) == 2
    assert [line[:6] for line in capsys.readouterr().err.splitlines()] == ["error ", "  do: "]
    assert main(["fail", "--json"], TABLE) == 2
    assert json.loads(capsys.readouterr().err)["error"]["why"]


def test_an_error_is_json_when_json_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    """With --json the error is one object on stderr, with code and exit status."""
    assert main(["fail", "Held", "--json"], TABLE) == 3
    error = json.loads(capsys.readouterr().err)["error"]
    assert (error["code"], error["kind"], error["exit_code"]) == ("T600", "Held", 3)
    assert error["what"] == "it did not work"


def test_an_unexpected_error_gives_no_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    """A fault of ours is said in three lines too."""
    assert main(["fail", "ZeroDivisionError"], TABLE) == 1
    text = capsys.readouterr().err
    assert text.startswith("error T000: ZeroDivisionError: it did not work\n")
    assert "Traceback" not in text


def test_debug_shows_the_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    """With --debug the traceback stands before the three lines."""
    assert main(["fail", "ZeroDivisionError", "--debug"], TABLE) == 1
    text = capsys.readouterr().err
    assert text.index("Traceback") < text.index("sample_commands.py") < text.index("error T000")


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["helo"], "Did you mean `tamid hello`?"),
        (["case", "shwo"], "Did you mean `tamid case show`?"),
        (["quite-another"], "See `tamid --help`."),
    ],
)
def test_a_mistyped_command_gets_a_suggestion(
    words: list[str], hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """An unknown name is a usage error that names the nearest command."""
    assert main(words, TABLE) == 2
    text = capsys.readouterr().err
    assert text.startswith(f"error T100: there is no command `{' '.join(words)}`")
    assert hint in text


@pytest.mark.parametrize(
    "words", [["hello"], ["hello", "Dana", "--nonsense"], ["hello", "Dana", "--as", "boss"]]
)
def test_a_wrong_argument_is_a_usage_error(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Missing, unknown and impossible arguments end with status 2 and name the command's help."""
    assert main(words, TABLE) == 2
    assert "do:  See `tamid hello --help`." in capsys.readouterr().err


def test_a_group_without_a_command_lists_its_commands(capsys: pytest.CaptureFixture[str]) -> None:
    """`tamid case` says what can stand behind it."""
    assert main(["case"], TABLE) == 0
    assert "case show" in capsys.readouterr().out


def test_a_command_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    """`tamid COMMAND --help` shows its own and the global options."""
    assert main(["hello", "--help"], TABLE) == 0
    text = capsys.readouterr().out
    assert "greet somebody" in text
    assert "--status" in text
    assert "--workspace" in text


def test_a_command_names_those_below_it(capsys: pytest.CaptureFixture[str]) -> None:
    """A command that also heads others says so in its help, and each is found by its own name."""
    assert main(["log", "--help"], TABLE) == 0
    assert "see also: tamid log clear" in capsys.readouterr().out
    assert main(["log", "clear", "--help"], TABLE) == 0
    assert "forget events" in capsys.readouterr().out


def test_an_interrupt_is_not_a_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    """Ctrl-C ends with the status that a shell expects."""
    assert main(["fail", "KeyboardInterrupt"], TABLE) == 130
    assert capsys.readouterr().err == "interrupted\n"


def test_the_sample_is_the_module_that_was_called() -> None:
    """A module is imported by the name in the table, once."""
    assert sample_commands.__name__ == "sample_commands"
