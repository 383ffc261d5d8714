"""`tamid replay`: repeat recorded decisions, or try the loop or its policies on one's history."""

from __future__ import annotations

import argparse
from argparse import ArgumentParser, Namespace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from tamid.cli.desk import add_example, add_model, chosen, opened, plotted
from tamid.cli.policies import add_span
from tamid.core.errors import IntegrityError, UsageError

if TYPE_CHECKING:
    from tamid.cli.output import Output
    from tamid.stages.audit import Difference
    from tamid.stages.past import Replay

RIVALS = ("frozen", "always")
# Happenings printed for a person; all of them stand in the page and in --json.
_SHOWN = frozenset({"release", "rollback", "alarm", "held", "refused", "failed"})


def add_replay(parser: ArgumentParser) -> None:
    """Declare the arguments of `replay`."""
    parser.add_argument(
        "--audit", action="store_true", help="repeat every recorded decision and compare bytes"
    )
    parser.add_argument(
        "--from", dest="begin", type=_day, metavar="DATE",
        help="turn the loop over your own history from this date (UTC)",
    )  # fmt: skip
    parser.add_argument("--to", dest="end", type=_day, metavar="DATE", help="up to this date")
    parser.add_argument(
        "--against", choices=RIVALS, nargs="+", default=["frozen"],
        help="compare with the first version for ever (frozen), or with training anew every period "
        "on all that is known, without gates (always); default: frozen",
    )  # fmt: skip
    parser.add_argument(
        "--compare", metavar="POLICIES",
        help="walk policies of retraining over your history: of never, weekly, 4-weekly, "
        "quarterly, quality, age, default, today (the contract in force), new (the one in the "
        "folder), and files with a block `retraining`, joined by commas",
    )  # fmt: skip
    parser.add_argument(
        "--plot", type=Path, metavar="FILE",
        help="where to write the page (replay-MODEL.html, policies-MODEL.html)",
    )  # fmt: skip
    add_span(parser)
    add_model(parser)
    add_example(
        parser,
        "tamid replay --from 2016-01-04 --to 2017-02-27",
        "tamid replay --from 2012-01-02 --to 2012-12-31 --against frozen always --json",
        "tamid replay --compare never,weekly,quarterly,default",
        "tamid replay --compare today,new.yaml --to 2017-02-27",
        "tamid replay --audit",
    )


def replay(args: Namespace, out: Output) -> int:
    """Repeat the recorded ticks, or turn the loop over history with a simulated clock."""
    if args.audit and (args.begin or args.end):
        raise UsageError(
            "`--audit` and a stretch of history are two different replays",
            why="one repeats what stands in the ledger, the other tries what might have been",
            fix="Run one after the other.",
        )
    if args.compare and (args.audit or args.begin):
        raise UsageError(
            "`--compare` walks policies over the whole history",
            why="it fits each model once and turns no loop, so --audit and --from mean nothing",
            fix="Leave them out; `--to` says up to when history is looked at.",
        )
    if args.audit:
        return _audit(args, out)
    if args.compare:
        from tamid.cli.policies import compare

        return compare(args, out)
    if args.begin is None or args.end is None:
        raise UsageError(
            "what is to be replayed?",
            why="`--audit` repeats the decisions in the ledger, --from and --to try the loop on "
            "your history, --compare tries policies on it",
            fix="Run `tamid replay --audit`, `tamid replay --from DATE --to DATE` or "
            "`tamid replay --compare never,weekly,default`.",
        )
    return _backtest(args, out)


def _day(text: str) -> datetime:
    try:
        day = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a date such as 2026-01-31") from None
    return day.replace(tzinfo=UTC) if day.tzinfo is None else day.astimezone(UTC)


def _backtest(args: Namespace, out: Output) -> int:
    from tamid.cli.replay_page import page

    with opened(args, out) as app:
        model = app.one(args.model)
        found = app.backtest(model, args.begin, args.end, tuple(dict.fromkeys(args.against)))
    path = plotted(args.plot or Path(f"replay-{model}.html"), page(found))
    out.json({"replay": found, "page": str(path)})
    _say(found, out)
    out.text(f"page: {path}")
    return 0


def _say(found: Replay, out: Output) -> None:
    rivals = [r for r in RIVALS if r in found.means] or [
        r for r in RIVALS if any(r in w.others for w in found.weeks)
    ]
    happened: dict[str, list[str]] = {}
    periods = [w.period for w in found.weeks]
    for one in found.happenings:
        day = one.at.date().isoformat()
        period = max((p for p in periods if p <= day), default="")
        if one.kind in _SHOWN:
            happened.setdefault(period, []).append(one.kind)
    rows = [
        [w.period, w.rows, w.version, w.served, *(w.others.get(r) for r in rivals),
         ", ".join(happened.get(w.period, []))]
        for w in found.weeks
    ]  # fmt: skip
    title = f"{found.model}: {found.metric} by period, judged on all labels there are"
    out.table(["period", "rows", "version", "served", *rivals, "what happened"], rows, title=title)
    means = ", ".join(f"{name} {value:.4g}" for name, value in found.means.items())
    out.text(
        f"{found.ticks} ticks, {found.runs} runs, {found.releases} releases; mean {found.metric}: "
        f"{means or 'no period could be judged'}"
    )
    for line in found.acted.words:
        out.text(line)


def _audit(args: Namespace, out: Output) -> int:
    from tamid.core.view.scene import count
    from tamid.stages.audit import audit

    with opened(args, out) as app:
        found = {m: audit(app.rig(m), app.records(m)) for m in chosen(app, args.model)}
    same = all(a.same for a in found.values())
    out.json({"same": same, "models": found})
    for model, one in found.items():
        if one.altered:
            at = one.altered[0].event
            out.text(
                f"{model}: what event {at} was decided on is altered; nothing is repeated on it"
            )
            for fault in one.altered:
                out.text(f"  {fault.what}: {fault.why}")
            out.text("  Run `tamid verify`: it names all that is; restore it from a backup.")
        elif one.first is None:
            made = f"{count(one.decisions, 'decision')} of {count(one.ticks, 'tick')}"
            out.text(
                f"{model}: {made} came out the same, and {count(one.rests, 'time')} that nothing "
                "more was to do"
            )
            if one.beyond:
                out.text(
                    f"  {one.beyond} older ones were not repeated: `tamid gc` cleared their data"
                )
        else:
            _tell(model, one.first, out)
    return 0 if same else IntegrityError.exit_code


def _tell(model: str, first: Difference, out: Output) -> None:
    """Say where a repeated decision comes out otherwise."""
    out.text(
        f"{model}: the {first.part} of event {first.seq} (tick {first.tick[:19]}, round "
        f"{first.round + 1}) come out otherwise"
    )
    for name, text in (("recorded", first.recorded), ("repeated", first.repeated)):
        out.text(f"  {name}: {_around(text, first.recorded, first.repeated)}")
    out.text(f"  {_meaning(first)}")


def _meaning(found: Difference) -> str:
    """Return why a decision may come out otherwise, and how to find out."""
    from tamid.core.signals import RULES

    if found.rules < RULES:
        return (
            f"It was made by rules {found.rules} of an older Tamid; this one has rules {RULES}. It "
            "repeats those it can; if `tamid verify` finds the ledger and its data whole, the "
            "rest of the older rules is what differs: repeat it with the Tamid that recorded it."
        )
    return (
        "It was made by the rules of this Tamid: run `tamid verify`; if it finds ledger and data "
        "whole, the rules themselves were changed without a new number."
    )


def _around(text: str, one: str, two: str) -> str:
    """Return the text around the first place where two texts differ."""
    place = next((i for i, (a, b) in enumerate(zip(one, two, strict=False)) if a != b), 0)
    start = max(place - 60, 0)
    return ("..." if start else "") + text[start : place + 100]
