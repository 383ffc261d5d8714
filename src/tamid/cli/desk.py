"""What the commands share: opening the workspace, choosing models, acting in a role."""

from __future__ import annotations

import argparse
import getpass
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tamid.core.errors import ModelRetired, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from tamid.app import App
    from tamid.cli.output import Output
    from tamid.core.state import State
    from tamid.core.values import Role
    from tamid.core.view.scene import Scene


def add_example(parser: argparse.ArgumentParser, *lines: str) -> None:
    """End the help with examples."""
    parser.epilog = "\n".join(["examples:", *(f"  {line}" for line in lines)])


def add_words(parser: argparse.ArgumentParser, *lines: str) -> None:
    """Say more below the summary than one line can."""
    parser.description = "\n".join([parser.description or "", "", *lines])


def add_model(parser: argparse.ArgumentParser) -> None:
    """Declare --model."""
    parser.add_argument("--model", metavar="NAME", help="the model (needed if there are several)")


def spoken(text: str) -> str:
    """Return a text that says something; refuse an empty one."""
    if not text.strip():
        raise argparse.ArgumentTypeError("an empty text says nothing")
    return text.strip()


def add_reason(parser: argparse.ArgumentParser) -> None:
    """Declare --reason, without which no person's act is recorded."""
    parser.add_argument(
        "--reason", type=spoken, required=True, help="why; it is recorded with your name"
    )


@contextmanager
def opened(args: argparse.Namespace, out: Output) -> Iterator[App]:
    """Open the workspace for a command, with its progress on stderr; close it afterwards."""
    from tamid.app import App

    with out.progress() as progress:
        app = App.open(args.workspace, progress=progress)
        try:
            yield app
        finally:
            app.close()


def chosen(app: App, name: str | None) -> list[str]:
    """Return the named model, or all of them."""
    return [app.one(name)] if name else list(app.models())


def scene(app: App, model: str) -> Scene:
    """Return one model as it stands in the ledger now, under the contract in force."""
    from zoneinfo import ZoneInfo

    from tamid.core.view.scene import Scene

    state = app.state(model)
    contract = app.contract(model)
    return Scene(
        model=model,
        contract=contract,
        state=state,
        records=[r for r in app.records(model) if r.seq <= state.seq],
        now=app.clock.now(),
        zone=ZoneInfo(contract.calendar.timezone),
    )


def actor() -> str:
    """Return the name under which a person's act is recorded: the user of the machine."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container may run under a number without a name
        return f"uid-{os.getuid()}"


def acting(args: argparse.Namespace, what: str, allowed: frozenset[str]) -> Role:
    """Return the role in which the person acts.

    Raises:
        UsageError: none was given, or this one may not do it; the message says the rule.
    """
    from tamid.core.values import Role

    rule = f"this may be done by {' or '.join(sorted(allowed))}"
    if args.role is None:
        raise UsageError(
            f"in which role do you want to {what}?",
            why=f"{rule}; the role is recorded with the act",
            fix=f"Add `--as {min(allowed)}`.",
        )
    if args.role not in allowed:
        raise UsageError(
            f"{args.role} may not {what}", why=rule, fix=f"Ask {' or '.join(sorted(allowed))}."
        )
    return Role(args.role)


def needs_contract(model: str, state: State) -> None:
    """Refuse to act on a model that has no contract in force."""
    if not state.contract:
        raise UsageError(
            f"model {model!r} has no contract in force yet",
            why="nothing was adopted and no tick was made",
            fix="Run `tamid contract adopt`, or `tamid tick`.",
        )
    refuse_retired(model, state)


def refuse_retired(model: str, state: State) -> None:
    """Refuse to act on a model that is out of service. Raises ModelRetired."""
    if state.retired:
        raise ModelRetired(
            f"model {model!r} was retired {state.retired.words}",
            fix=f"`tamid retire {model} --undo` brings it back.",
        )


def plotted(path: Path, page: str) -> Path:
    """Write a page that was asked for, and return where it is."""
    try:
        path.write_text(page, "utf-8")
    except OSError as error:
        raise UsageError(
            f"the page cannot be written to {path}",
            why=error.strerror or str(error),
            fix="Name a file that can be written.",
        ) from None
    return path
