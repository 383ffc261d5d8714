"""The entry point: finds the command, runs it, and turns what it raises into words and a status.

`tamid --help` and `tamid --version` import neither the commands nor any library.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import tamid
from tamid.cli.table import TABLE, Command, Group, commands
from tamid.core.errors import TamidError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tamid.cli.output import Output

    Run = Callable[[argparse.Namespace, Output], int]

ROLES = ("ml_developer", "mlops_engineer")
INTERRUPTED = 130  # 128 + SIGINT, as a shell reports it
EXIT_CODES = (
    (0, "done"),
    (1, "failure"),
    (2, "usage"),
    (3, "held by a gate"),
    (4, "waiting for a person or for labels"),
    (5, "conflict with another controller"),
    (6, "integrity"),
    (7, "degraded service"),
)


class Parser(argparse.ArgumentParser):
    """An argument parser that raises UsageError instead of leaving the process."""

    def read(self, words: Sequence[str]) -> argparse.Namespace:
        """Return what the words say; arguments and options may stand in any order.

        Behind `--` every word is an argument, which only the plain way of argparse keeps so.
        """
        return self.parse_args(words) if "--" in words else self.parse_intermixed_args(words)

    def error(self, message: str) -> NoReturn:
        """Raise what argparse would print."""
        raise UsageError(message, fix=f"See `{self.prog} --help`.")


def main(argv: Sequence[str] | None = None, table: tuple[Group, ...] = TABLE) -> int:
    """Run one command and return its exit status; never raises an error of the user's making."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        return _run(words, table)
    except SystemExit as stop:  # argparse leaves this way after --help
        return int(stop.code or 0)
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        return INTERRUPTED
    except BrokenPipeError:  # the reader (head, less) has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        return _report(error, words)


def command_parser(command: Command, table: tuple[Group, ...] = TABLE) -> Parser:
    """Return the parser of one command with its own and the global options; imports its module."""
    _, add = load(command)
    deeper = [name for name in commands(table) if name.startswith(f"{command.name} ")]
    parser = Parser(
        prog=f"tamid {command.name}",
        description=command.summary,
        epilog="see also: " + ", ".join(f"tamid {name}" for name in deeper) if deeper else None,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    if add is not None:
        add(parser)
    add_global(parser)
    return parser


def load(command: Command) -> tuple[Run, Callable[[argparse.ArgumentParser], None] | None]:
    """Import a command's module and return its function and what declares its arguments."""
    import importlib

    module_name, _, function = command.target.partition(":")
    module = importlib.import_module(module_name)
    add = getattr(module, "add" if function == "run" else f"add_{function}", None)
    return getattr(module, function), add


def add_global(parser: argparse.ArgumentParser) -> None:
    """Declare the options that every command has; they may stand before or behind its name."""
    group = parser.add_argument_group("options of every command")
    group.add_argument(
        "-C", "--workspace", metavar="DIR", type=Path, default=Path(), help="the workspace (.)"
    )
    group.add_argument("--as", dest="role", choices=ROLES, help="the role in which you act")
    group.add_argument("--json", action="store_true", help="print one JSON object instead of text")
    group.add_argument("-q", "--quiet", action="store_true", help="no progress on stderr")
    group.add_argument("--debug", action="store_true", help="show the traceback of an error")


def help_text(table: tuple[Group, ...] = TABLE) -> str:
    """Return what `tamid --help` prints: the commands, grouped by when one needs them."""
    lines = [
        "usage: tamid [options] COMMAND ...",
        "",
        "Tamid takes a model from the person who trained it and keeps it right in production.",
    ]
    width = max((len(name) for name in commands(table)), default=0)
    for group in table:
        lines += ["", f"{group.title}:"]
        lines += [f"  {command.name:<{width}}  {command.summary}" for command in group.commands]
    parser = Parser(prog="tamid", add_help=False, usage=argparse.SUPPRESS)
    add_global(parser)
    lines += ["", parser.format_help().strip(), "  --version             print the version", ""]
    lines += ["exit status: " + ", ".join(f"{code} {what}" for code, what in EXIT_CODES)]
    lines += ["`tamid COMMAND --help` explains a command."]
    return "\n".join(lines) + "\n"


def _run(words: list[str], table: tuple[Group, ...]) -> int:
    before, rest = _split(words)
    if "--version" in before:
        sys.stdout.write(f"tamid {tamid.__version__}\n")
        return 0
    if not rest or {"-h", "--help"} & set(before):
        sys.stdout.write(help_text(table))
        return 0 if before or not words else 2
    command, arguments = _find(rest, table)
    if command is None:
        return 0
    parser = command_parser(command, table)
    args = parser.read([*before, *arguments])
    from tamid.cli.output import Output

    out = Output(as_json=args.json, quiet=args.quiet)
    run, _ = load(command)
    status = run(args, out)
    sys.stdout.flush()
    return status


def _split(words: list[str]) -> tuple[list[str], list[str]]:
    """Cut the words at the command's name; -C, --workspace and --as take a value."""
    index = 0
    while index < len(words) and words[index].startswith("-"):
        index += 2 if words[index] in ("-C", "--workspace", "--as") else 1
    return words[:index], words[index:]


def _find(words: list[str], table: tuple[Group, ...]) -> tuple[Command | None, list[str]]:
    """Return the command that the words name and its arguments; None after a group's help."""
    known = commands(table)
    for size in (2, 1):
        name = " ".join(words[:size])
        if name in known:
            return known[name], words[size:]
    inside = [command for name, command in known.items() if name.startswith(f"{words[0]} ")]
    if inside and (len(words) == 1 or words[1] in ("-h", "--help")):
        lines = [f"usage: tamid {words[0]} COMMAND ...", ""]
        lines += [f"  {command.name:<20}  {command.summary}" for command in inside]
        sys.stdout.write("\n".join(lines) + "\n")
        return None, []
    import difflib

    typed = " ".join(words[:2]) if inside else words[0]
    near = difflib.get_close_matches(typed, list(known), n=1)
    hint = f"Did you mean `tamid {near[0]}`? " if near else ""
    raise UsageError(
        f"there is no command `{typed}`",
        why="the commands are those that `tamid --help` lists",
        fix=f"{hint}See `tamid --help`.",
    )


def _report(error: Exception, words: list[str]) -> int:
    from tamid.cli.output import Output

    options = words[: words.index("--")] if "--" in words else words
    if "--debug" in options:
        import traceback

        traceback.print_exception(error)
    known = error if isinstance(error, TamidError) else _unexpected(error)
    Output(as_json="--json" in options, quiet=False).error(known)
    return known.exit_code


def _unexpected(error: Exception) -> TamidError:
    text = str(error).strip().splitlines()
    return TamidError(
        f"{type(error).__name__}: {text[0] if text else 'no message'}",
        why="this is a fault of Tamid or of its surroundings, not of what you typed",
    )
