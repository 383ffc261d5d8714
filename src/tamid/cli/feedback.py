"""`tamid feedback`: a folder for the developer, of what production knows of the model."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from tamid.cli.desk import acting, actor, add_example, add_model, add_words, opened
from tamid.core.errors import UsageError
from tamid.core.values import canonical_json

if TYPE_CHECKING:
    from tamid.cli.output import Output
    from tamid.core.contract.model import Contract
    from tamid.stages.feedback import Feedback

# Both sides answer for the model; anybody else gets rows through one of them.
_TAKERS = frozenset({"ml_developer", "mlops_engineer"})


def add_feedback(parser: ArgumentParser) -> None:
    """Declare the arguments of `feedback`."""
    parser.add_argument("folder", type=Path, metavar="DIR", help="a new folder to write into")
    parser.add_argument(
        "--periods", type=_count, default=8, metavar="N", help="last labelled periods (8)"
    )
    parser.add_argument(
        "--worst", type=_count, default=200, metavar="N", help="worst errors to list (200)"
    )
    parser.add_argument(
        "--reason", default="to learn from", help="why; it is recorded with your name"
    )
    add_model(parser)
    add_words(parser, "Rows leave the workspace, so who took them is recorded: name your role.")
    add_example(
        parser,
        "tamid feedback for-the-team --as ml_developer",
        'tamid feedback fb --model churn --worst 50 --as ml_developer --reason "case 7"',
    )


def feedback(args: Namespace, out: Output) -> int:
    """Write labelled rows of production, the worst errors, drift and a notebook to start from.

    Needs a role (`--as`): that rows were taken out, and by whom, is an event of the ledger.

    Entities stand under their pseudonyms. The rows are those of pinned tables, so that the same
    command on the same ledger writes the same rows.
    """
    from tamid.core.events import FeedbackGiven
    from tamid.stages.feedback import feedback as gather

    role = acting(args, "take rows of production", _TAKERS)
    _refuse_full(args.folder)
    with opened(args, out) as app:
        model = app.one(args.model)
        state, rig = app.state(model), app.rig(model)
        found = gather(rig, state, app.clock.now(), args.periods, args.worst)
        event = FeedbackGiven(
            key=f"feedback/{found.seq}",
            number=found.version,
            periods=found.periods,
            rows=found.rows.height,
            pins=found.pins,
        )
        # Told first: what lies outside was never taken unseen.
        app.record(model, event, role=role, actor=actor(), reason=args.reason)
        contract = rig.contract(found.contract)
        text = rig.blobs.get(found.contract).decode()
    files = _write(args.folder, model, found, contract, text)
    out.json({
        "model": model, "folder": str(args.folder), "files": files, "version": found.version,
        "periods": found.periods, "rows": found.rows.height, "role": role.value,
        "actor": actor(), "reason": args.reason,
    })  # fmt: skip
    span = f"{found.periods[0]} to {found.periods[-1]}"
    out.text(f"{found.rows.height} labelled rows of {span}, version {found.version}:")
    for name in files:
        out.text(f"  {args.folder / name}")
    out.text(f"open {args.folder / 'feedback.ipynb'} to begin")
    return 0


def _write(folder: Path, model: str, found: Feedback, contract: Contract, text: str) -> list[str]:
    """Write the folder; return the names of its files."""
    from tamid.cli.feedback_notebook import notebook

    ours = ("score", "version", contract.data.label.column)
    inputs = [
        c for c in found.rows.columns
        if not c.startswith(("_", "class_")) and c not in ours
    ]  # fmt: skip
    pin = {
        "model": model,
        "version": found.version,
        "contract": found.contract,
        "event": found.seq,
        "tables": found.pins,
        "periods": found.periods,
        "threshold": found.threshold,
        "inputs": inputs,
    }
    book = notebook(model, found.version, contract.task.value, found.periods, len(inputs))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        found.rows.write_parquet(folder / "rows.parquet")
        found.worst.write_parquet(folder / "worst.parquet")
        found.drift.write_parquet(folder / "drift.parquet")
        (folder / "pin.json").write_text(canonical_json(pin) + "\n", "utf-8")
        (folder / "contract.yaml").write_text(text, "utf-8")
        (folder / "feedback.ipynb").write_text(book, "utf-8")
    except OSError as error:
        raise UsageError(
            f"{folder} cannot be written: {error.strerror}",
            why="the rows must lie somewhere",
            fix="Name a folder that can be made.",
        ) from None
    return sorted(path.name for path in folder.iterdir())


def _refuse_full(folder: Path) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(
            f"{folder} is not empty",
            why="nothing of yours is overwritten",
            fix="Name a new folder.",
        )


def _count(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= 1_000_000:
        raise ArgumentTypeError(f"{text!r} is no number from 1 to a million")
    return int(text)
