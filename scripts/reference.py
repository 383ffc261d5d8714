"""Writes what the code knows better than any author: the pages of reference."""

from __future__ import annotations

import ast
import os
import tomllib
from pathlib import Path

from reference_contract import contract_page
from reference_decisions import decisions_page
from reference_words import events_page, ports_page

from tamid.cli.main import EXIT_CODES, command_parser, help_text
from tamid.cli.table import TABLE
from tamid.core.contract.schema import schema_text
from tamid.core.errors import TamidError

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
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


def stages_page() -> str:
    """Return the stages in the order of the road, each with the first sentence of its docstring."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = settings["tool"]["importlinter"]["contracts"]
    flow = next(c for c in contracts if c.get("containers") == ["tamid.stages"])
    lines = ["# Stages", "", "This page is written by `make docs`.", ""]
    lines += [
        "The road of a model from first to last (`src/tamid/stages`); a stage may import only",
        "those above it. [ARCHITECTURE.md](../../ARCHITECTURE.md) tells how a turn of the loop",
        "uses them.",
        "",
        "| stage | what it does |",
        "|---|---|",
    ]
    for layer in reversed(flow["layers"]):
        for name in layer.split(" | "):
            path = ROOT / "src" / "tamid" / "stages" / f"{name.strip('()')}.py"
            text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
            lines.append(f"| `{path.stem}` | {' '.join(text.partition(chr(10) * 2)[0].split())} |")
    return "\n".join(lines) + "\n"


def lifecycle_page() -> str:
    """Return the seven stages of a model's life as a table."""
    from tamid.core.view.lifecycle import LIFECYCLE

    lines = ["# The life of a model", "", "This page is written by `make docs`.", ""]
    lines += [
        "Seven stages, each with somebody who leads and somebody who supports. `tamid lifecycle`",
        "says the same, and where each model of a workspace stands.",
        "",
        "| stage | leads | supports | in | out | accepted when | commands |",
        "|---|---|---|---|---|---|---|",
    ]
    for stage in LIFECYCLE:
        who = [role.value.replace("_", " ") for role in (stage.leads, stage.supports)]
        told = [stage.name, *who, stage.takes, stage.gives, stage.check]
        commands = ", ".join(f"`{command}`" for command in stage.commands)
        lines.append(f"| {' | '.join(told)} | {commands} |")
    return "\n".join(lines) + "\n"


PAGES = {
    "reference/cli.md": cli_page,
    "reference/contract.md": contract_page,
    "reference/contract.schema.json": schema_text,
    "reference/decisions.md": decisions_page,
    "reference/events.md": events_page,
    "reference/lifecycle.md": lifecycle_page,
    "reference/ports.md": ports_page,
    "reference/stages.md": stages_page,
    "errors.md": errors_page,
}


def main() -> None:
    """Write all pages."""
    for name, page in PAGES.items():
        path = DOCS / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
