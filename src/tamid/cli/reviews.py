"""`tamid review`: answers that the ladder left to a person, and what the person says of them."""

from __future__ import annotations

import csv
import re
import unicodedata
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from tamid.cli.desk import (
    acting,
    actor,
    add_example,
    add_model,
    add_reason,
    chosen,
    needs_contract,
    opened,
    spoken,
)
from tamid.core.errors import UsageError

if TYPE_CHECKING:
    from tamid.app import App
    from tamid.cli.output import Output
    from tamid.stages.reviewing import Review

ANYBODY = frozenset({"ml_developer", "mlops_engineer"})
# Signs with which a spreadsheet begins a formula, also in full width.
_FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_NUMBER = re.compile(r"[+-]?[0-9]+(?:[.,][0-9]+)?")
# Rows of the list, unless more are asked for.
_SHOWN = 20


def add_review(parser: ArgumentParser) -> None:
    """Declare the arguments of `review`."""
    parser.add_argument(
        "--most", type=_count, default=_SHOWN, metavar="N", help=f"show so many ({_SHOWN})"
    )
    parser.add_argument(
        "--csv",
        type=Path,
        metavar="FILE",
        help="write all that waits to a file; filled in, it is a file of labels",
    )
    add_model(parser)
    add_example(
        parser,
        "tamid review",
        "tamid review --csv queue.csv",
        'tamid review decide 9b6a0cf566e8-7 1 --as ml_developer --reason "called them"',
    )


def review(args: Namespace, out: Output) -> int:
    """List the answers that wait for a person, the oldest first."""
    with opened(args, out) as app:
        if args.csv is not None:
            return _export(app, args, out)
        found = {model: _waiting(app, model) for model in chosen(app, args.model)}
    out.json({"models": {m: [_told(r) for r in some] for m, some in found.items()}})
    rows = [
        (m, r.id, r.entity, "" if r.moment is None else f"{r.moment:%Y-%m-%d %H:%M}", r.reason)
        for m, some in found.items()
        for r in some
    ]
    if not rows:
        out.text("nothing waits for a person")
        return 0
    out.table(("model", "answer", "entity", "about", "why"), rows[: args.most])
    if len(rows) > args.most:
        out.text(f"and {len(rows) - args.most} more: --most, --csv")
    return 0


def add_decide(parser: ArgumentParser) -> None:
    """Declare the arguments of `review decide`."""
    parser.add_argument("answer", metavar="ANSWER", help="id of the answer")
    parser.add_argument(
        "value", type=spoken, metavar="VALUE", help="its label, as a label file would have it"
    )
    add_model(parser)
    add_reason(parser)
    add_example(
        parser, 'tamid review decide 9b6a0cf566e8-7 1 --as ml_developer --reason "called them"'
    )


def decide(args: Namespace, out: Output) -> int:
    """Say what the outcome of an answer is; it becomes its label."""
    from tamid.core.values import Task
    from tamid.stages.reviewing import Verdict
    from tamid.stages.reviewing import decide as put

    with opened(args, out) as app:
        model = app.one(args.model)
        needs_contract(model, app.state(model))
        role = acting(args, f"decide about {args.answer}", ANYBODY)
        verdict = Verdict(
            id=args.answer, value=args.value, actor=actor(), role=role, reason=args.reason
        )
        event, counts_as = put(app.rig(model), app.holder, verdict)
        contract = app.contract(model)
        column = contract.data.label.column
    news = "corrects its label" if event.corrected else "is its label"
    if not event.new and not event.corrected:
        news = "was its label already"
    # A slip of the pen is no positive: whoever made it sees that here.
    means = ""
    if contract.task is Task.BINARY:
        means = "; it counts as positive" if counts_as else "; it counts as negative"
    out.text(f"Noted: {column} {args.value} of {args.answer} {news}{means}.")
    out.json(
        {"model": model, "answer": args.answer, "value": args.value,
         "counts_as": counts_as, "new": event.new, "corrected": event.corrected, "role": role.value}
    )  # fmt: skip
    return 0


def _waiting(app: App, model: str) -> tuple[Review, ...]:
    from tamid.stages.reviewing import waiting

    state = app.state(model)
    if not state.contract:
        return ()
    return waiting(app.rig(model), app.contract(model), state, app.clock.now())


def _export(app: App, args: Namespace, out: Output) -> int:
    from tamid.stages.named import PREDICTION_ID

    model = app.one(args.model)
    found, column = _waiting(app, model), app.contract(model).data.label.column
    names = list(dict.fromkeys(name for r in found for name in r.inputs))
    try:
        with args.csv.open("w", newline="", encoding="utf-8") as file:
            lines = csv.writer(file)
            # Without the entity's own column: each row names its answer.
            lines.writerow([PREDICTION_ID, column, "why", *(f"input: {n}" for n in names)])
            for r in found:
                cells = (r.id, "", r.reason, *(r.inputs.get(n) for n in names))
                lines.writerow([_no_formula(cell) for cell in cells])
    except OSError as error:
        raise UsageError(
            f"{args.csv} cannot be written",
            why=error.strerror or str(error),
            fix="Name a file that can be written with --csv.",
        ) from None
    out.text(f"{len(found)} answers written to {args.csv}; fill in {column}.")
    out.json({"model": model, "file": str(args.csv), "rows": len(found)})
    return 0


def _no_formula(cell: object) -> object:
    """Return a cell with an apostrophe in front where a spreadsheet would take it for a formula.

    Ids and inputs are a caller's words. What may hide the sign is looked through (OWASP ASVS
    1.2.10), as in the files of deliveries.

    >>> [_no_formula(cell) for cell in ("=1+1", "-1.5", " @x", "fibre", -1.5, None)]
    ["'=1+1", '-1.5', "' @x", 'fibre', -1.5, None]
    """
    if not isinstance(cell, str) or _NUMBER.fullmatch(cell):
        return cell
    seen = "".join(c for c in cell if not c.isspace() and unicodedata.category(c)[0] != "C")
    hidden = cell[:1] in ("\t", "\r", "\n", "\0")
    return f"'{cell}" if hidden or seen.startswith(_FORMULA) else cell


def _told(review: Review) -> dict[str, object]:
    return {
        "id": review.id,
        "entity": review.entity,
        "about": review.moment,
        "online": review.online,
        "reason": review.reason,
        "inputs": dict(review.inputs),
    }


def _count(text: str) -> int:
    """Return a number of rows; argparse names the option."""
    if not text.isdecimal() or not int(text):
        raise ArgumentTypeError(f"a number of rows is wanted, not {text!r}")
    return int(text)
