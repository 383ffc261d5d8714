"""The folder that `tamid adopt` founds: its files, and with --model the first run in it."""

from __future__ import annotations

import shlex
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tamid.cli.registering import add_past, dated, read_model
from tamid.cli.setup import IGNORED, WORKSPACE
from tamid.core.errors import TamidError, UsageError, UserCodeError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tamid.cli.output import Output
    from tamid.core.adoption.draft import Draft
    from tamid.ports import GivenModel

# A look at what to change is needed for whichever of these holds.
_UNFIT = (
    "Say otherwise what a column is (--label, --positive, --entity, --time, --drop, --keep, "
    "--inputs), or adopt without --model, change the contract, and `tamid register` the file."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Brought:
    """What the user brings beside the data: a script's code, or a finished model."""

    code: Mapping[str, str] = field(default_factory=dict)
    given: GivenModel | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What was seen of the data: as JSON, and the notes for a person."""

    body: Mapping[str, object]
    notes: tuple[str, ...]


def add_brought(parser: ArgumentParser) -> None:
    """Declare what a user may bring: a script, or a finished model with its past."""
    group = parser.add_argument_group("your model")
    one = group.add_mutually_exclusive_group()
    one.add_argument(
        "--script", type=Path, metavar="FILE",
        help="a script in Python whose pipeline is taken over as model.py",
    )  # fmt: skip
    one.add_argument(
        "--model", type=Path, metavar="FILE",
        help="a finished model (ONNX, LightGBM, XGBoost or skops; never a pickle): it goes at once "
        "through the gates, as by `tamid register`",
    )  # fmt: skip
    add_past(group)


def brought(args: Namespace, code: Mapping[str, str]) -> Brought:
    """Return what the user brings.

    Raises:
        NotFound: there is no such file; UsageError: it is a pickle, or of no known kind; or an
            option speaks of a model and none is there.
    """
    if args.model is not None:
        return Brought(given=read_model(args.model, args.inputs, {}))
    if args.trained_through is not None or args.inputs:
        raise UsageError(
            "--trained-through and --inputs speak of a finished model, and none is named",
            why="what is trained here is judged on rows that it did not learn from",
            fix="Add --model FILE, or leave them out.",
        )
    return Brought(code=code)


def found(root: Path, draft: Draft, seen: Told, mine: Brought, args: Namespace, out: Output) -> int:
    """Write the folder; with a model, take it through the gates. Nothing is written if none fits.

    Raises:
        UserCodeError, UsageError: code or model do not fit the data; nothing was written.
        TamidError: as `tamid register`; the folder stays, and the message says how to go on.
    """
    from datetime import UTC, datetime

    from tamid.adoption.proposing import with_proposal

    out.note("training a baseline ...")
    with _in_options(mine.given, args.script):
        draft, told = with_proposal(
            draft, root.absolute(), datetime.now(UTC), mine.code, _dater(mine, args)
        )
    names = _write(root, draft, mine.code)
    body = {**seen.body, "workspace": str(root), "files": names, "model": draft.name,
            "baseline": told, "questions": []}  # fmt: skip
    for note in (*seen.notes, told):
        out.text(f"  {note}")
    out.text(f"Drafted in {root}: {', '.join(names)}")
    if mine.given is not None:
        out.text(f"Later models that the loop trains by itself are of kind {draft.model}.")
        return _registered(root, body, mine.given, args, out)
    there = "" if root == Path() else f"cd {shlex.quote(str(root))}; "
    steps = [
        f"{there}tamid contract show   # read it, change what is wrong",
        "tamid plan            # what the data can show, before any training",
        "tamid tick            # takes in the data, trains, judges, releases, scores",
    ]
    out.json({**body, "next": steps})
    out.text("Next:")
    for step in steps:
        out.text(f"  {step}")
    return 0


def _dater(mine: Brought, args: Namespace) -> Any:
    """Return what makes of a contract the given model with its past; None without a model."""
    given = mine.given
    if given is None:
        return None
    return lambda contract: dated(contract, given, args.trained_through)


@contextmanager
def _in_options(given: GivenModel | None, script: Path | None) -> Iterator[None]:
    """Say of a model or code that does not fit what can be done here."""
    try:
        yield
    except UserCodeError as error:
        fix = _UNFIT if given is not None else error.remedy
        if given is None and "tamid train" in fix:  # there is no workspace to train in yet
            fix = f"Repair it in {script}, and adopt again."
        raise UserCodeError(error.what, why=error.why, fix=f"{fix} Nothing was written.") from error


def _write(root: Path, draft: Draft, code: Mapping[str, str]) -> list[str]:
    from tamid.core.adoption.draft import contract_text

    files = {
        "tamid.toml": WORKSPACE,
        ".gitignore": IGNORED,
        "contract.yaml": contract_text(draft),
        **code,
    }
    root.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        if not (root / name).exists():  # an own .gitignore stays
            (root / name).write_text(text, "utf-8")
    (root / ".tamid").mkdir(mode=0o700, exist_ok=True)
    return sorted(files)


def _registered(
    root: Path, body: Mapping[str, object], given: GivenModel, args: Namespace, out: Output
) -> int:
    """Hand the model over in the new folder; what stops it says how to go on from there."""
    from tamid.cli.desk import opened
    from tamid.cli.registering import HandOver, awaited_of, hand_over
    from tamid.cli.training import show_run
    from tamid.core.values import Role

    asked = HandOver(
        given=given,
        through=args.trained_through,
        role=Role(args.role or "ml_developer"),
        reason=f"{given.name} was adopted with its data",
    )
    try:
        with opened(Namespace(workspace=root), out) as app:
            model = app.one(None)
            card = hand_over(app, model, asked)
            waits = awaited_of(app, model)
    except TamidError as error:
        error.remedy += f" The folder stands; then go on with `{_again(root, args)}`."
        raise
    return show_run(out, model, card, {**body, "awaited": waits})


def _again(root: Path, args: Namespace) -> str:
    words = ["tamid", "-C", str(root), "register", str(args.model)]
    if args.trained_through is not None:
        words += ["--trained-through", str(args.trained_through)]
    if args.inputs:
        words += ["--inputs", ",".join(args.inputs)]
    return shlex.join(words)
