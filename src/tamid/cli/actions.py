"""`tamid actions` and `actions add`: what campaigns did, and what each offer brought."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tamid.cli.desk import add_example, add_model, add_words, needs_contract, opened
from tamid.core.errors import BatchNotReady, BatchRefused, UsageError

if TYPE_CHECKING:
    from tamid.app import App
    from tamid.cli.output import Output
    from tamid.core.contract.running import Actions
    from tamid.core.events import ActionsAccepted, DataRefused
    from tamid.stages.feeds import NotReady

_BLOCK = "delivery: {actions: {path: inbox/actions/*.csv, offers: {call: 50%, discount: 50%}}}"


def add_actions(parser: ArgumentParser) -> None:
    """Declare the arguments of `actions`."""
    add_model(parser)
    add_words(
        parser,
        "Files say who got which offer and when; they lie where `delivery.actions` of the contract",
        "says, and every tick looks there. Lift is the share with the outcome among those held",
        "back by lot, less that among those who were to get the offer, whether it reached them or",
        "not, by all outcomes that are in.",
    )
    add_example(parser, "tamid actions", "tamid actions --model churn --json")


def actions(args: Namespace, out: Output) -> int:
    """List the files that were taken in, then what each offer brought."""
    from tamid.core.events import ActionsAccepted
    from tamid.core.view.lift import card_words, lift_cards

    with opened(args, out) as app:
        model = app.one(args.model)
        _declared(app, model)
        events = [r for r in app.records(model) if isinstance(r.event, ActionsAccepted)]
        cards = lift_cards(app.state(model))
    files = [{"at": r.at, **_json(r.event)} for r in events if isinstance(r.event, ActionsAccepted)]
    out.json({"model": model, "files": files, "lifts": cards})
    if not files:
        out.text(f"{model}: no file came yet; the next tick looks, or `tamid actions add FILE`")
    columns = ("file", "new", "repeated", "late", "unknown", "held back", "left out")
    names = ("batch", "new", "repeated", "late", "unknown", "held_back", "invalid")
    if files:
        out.table(columns, [tuple(f[name] for name in names) for f in files])
    for card in cards:
        out.text(card_words(card))
        if card.effect is not None and card.word != "too small to judge":
            one = card.effect
            out.text(
                f"  among those it reached: {one.point * 100:+.1f} points "
                f"({one.low * 100:+.1f} to {one.high * 100:+.1f})"
            )
        if card.stray:
            out.text(f"  {card.stray} acts on rows that were to be left alone")
    if files and not cards:
        out.text("no outcome of a delivered period is in yet: `tamid status` says when one is due")
    return 0


def add_add(parser: ArgumentParser) -> None:
    """Declare the arguments of `actions add`."""
    parser.add_argument("file", type=Path, metavar="FILE", help="CSV or Parquet")
    add_model(parser)
    add_words(
        parser,
        "It is read as the files of `delivery.actions` are: one line an act, with the entity's",
        "column, the offer and the moment. An act that is there already is not counted twice.",
        "Exit status: 0 taken in, 1 refused, with the lines that are wrong.",
    )
    add_example(parser, "tamid actions add calls-2026-11-22.csv", "tamid actions add a.csv --json")


def add(args: Namespace, out: Output) -> int:
    """Take in one file now, and say what was in it."""
    from tamid.core.events import DataRefused

    file: Path = args.file
    if not file.is_file():
        raise UsageError(f"there is no file {file}", fix="Name a CSV or Parquet file.")
    with opened(args, out) as app:
        model = app.one(args.model)
        spec = _declared(app, model)
        event = _taken(app, model, spec, file.resolve())
    if isinstance(event, DataRefused):
        first, *rest = event.reasons
        raise BatchRefused(
            f"{file} is refused, nothing of it is used: {first}",
            why="; ".join(rest) or "what is not understood cannot be counted",
            fix="Correct the lines, and add the file again.",
        )
    told = {} if event is None else _json(event)
    out.json({"model": model, "file": str(file), "again": event is None, **told})
    if event is None:
        out.text(f"{file} was taken in before: nothing new")
        return 0
    for text in _lines(event):
        out.text(text)
    return 0


def _taken(app: App, model: str, spec: Actions, file: Path) -> ActionsAccepted | DataRefused | None:
    """Put a file into the inbox under the model's lease; None: it was there as it is.

    Raises:
        BatchNotReady: it is empty, or may still be being written.
    """
    from tamid.core.contract.running import ACTIONS
    from tamid.core.events import ActionsAccepted, DataRefused
    from tamid.stages.acting import ingest
    from tamid.stages.journal import Journal, holding
    from tamid.stages.loop import LEASE
    from tamid.wiring import opened_actions

    contract, rig = app.contract(model), app.rig(model)
    one = opened_actions(replace(spec, path=str(file), format="auto"), contract, file.parent)
    source = app.edges.sources(contract, {ACTIONS: one})[ACTIONS]
    now = rig.clock.now()
    with holding(rig.leases, model, app.holder, now, LEASE) as lease:
        journal = Journal(rig.ledger, model, token=lease.token)
        waiting: list[NotReady] = []
        for event in ingest(rig, contract, journal.state, source, now, lease.token, waiting):
            if isinstance(event, ActionsAccepted):
                journal.append(event, now)
                return event
            # Whoever stands before the screen mends the file: no case is needed.
            assert isinstance(event, DataRefused)
            return event
    for batch in waiting:
        raise BatchNotReady(
            f"{file} is not taken in yet: {batch.reason}",
            fix="Add it again when it is whole and has rows; a last line without an end counts as "
            "whole after a minute.",
        )
    return None


def _declared(app: App, model: str) -> Actions:
    """Return how the contract in force declares its actions. Raises UsageError."""
    needs_contract(model, app.state(model))
    spec = app.contract(model).delivery.actions
    if spec is None:
        raise UsageError(
            f"the contract of {model!r} declares no actions",
            why="nothing says which columns name the offer and its moment",
            fix=f"Add such as `{_BLOCK}`, then `tamid contract adopt`.",
        )
    return spec


def _lines(event: ActionsAccepted) -> Iterator[str]:
    from tamid.core.view.intake_words import actions_words

    yield actions_words(event)
    yield from (f"  {problem}" for problem in event.problems)


def _json(event: ActionsAccepted) -> dict[str, Any]:
    from tamid.core.values import jsonable

    found: dict[str, Any] = jsonable(event)
    return {k: v for k, v in found.items() if k not in ("key", "source")}
