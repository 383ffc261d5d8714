"""Writes the pages of docs/ that the code knows better than any author: commands and errors."""

from __future__ import annotations

import os
from pathlib import Path

from tamid.cli.main import EXIT_CODES, command_parser, help_text
from tamid.cli.table import TABLE
from tamid.core.errors import TamidError

DOCS = Path(__file__).parent.parent / "docs"
# Pages are written for this width, whatever terminal the author has.
COLUMNS = "100"


def cli_page() -> str:
    """Return the reference of the command line: every command's own help."""
    os.environ["COLUMNS"] = COLUMNS
    lines = ["# The command line", "", "This page is written by `make docs`.", ""]
    lines += ["```text", help_text().rstrip(), "```"]
    for group in TABLE:
        lines += ["", f"## {group.title}"]
        for command in group.commands:
            lines += ["", f"### tamid {command.name}", "", command.summary, ""]
            lines += ["```text", command_parser(command).format_help().rstrip(), "```"]
    return "\n".join(lines) + "\n"


def errors_page() -> str:
    """Return the page of errors: code, meaning, exit status and what to do."""
    meaning = dict(EXIT_CODES)
    lines = ["# Errors", "", "This page is written by `make docs`.", ""]
    lines += [
        "Every error says three things: what happened, why, and what to do. With `--json` it is",
        "one JSON object on stderr: `code`, `kind`, `what`, `why`, `fix`, `exit_code`, and",
        "`problems` where there are several. The fixes below are said when no closer one is known.",
    ]
    for kind in error_classes():
        first = (kind.__doc__ or "").strip().splitlines()[0]
        parents = [base.__name__ for base in kind.__mro__[1:] if issubclass(base, TamidError)]
        lines += ["", f"## {kind.code} {kind.__name__}", "", first, ""]
        lines += [f"- What to do: {kind.fix}"]
        lines += [f"- Exit status: {kind.exit_code} ({meaning[kind.exit_code]})"]
        lines += [f"- A kind of: {', '.join(parents)}"] if parents else []
    return "\n".join(lines) + "\n"


def error_classes() -> list[type[TamidError]]:
    """Return every class of the exception tree, sorted by code."""
    found: list[type[TamidError]] = [TamidError]
    for kind in found:
        found += [sub for sub in kind.__subclasses__() if sub not in found]
    mine = (kind for kind in found if kind.__module__ == TamidError.__module__)
    return sorted(mine, key=lambda kind: kind.code)


PAGES = {"reference/cli.md": cli_page, "errors.md": errors_page}


def main() -> None:
    """Write all pages."""
    for name, page in PAGES.items():
        path = DOCS / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
