"""`tamid demo`: a live year of a telecom operator, played in minutes."""

from __future__ import annotations

import sys
import textwrap
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Callable
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import Any

from tamid.cli.desk import add_example
from tamid.cli.output import Output
from tamid.core.errors import UsageError
from tamid.core.view.scene import number

# Named, not imported: the examples stand above the command line.
_DEMO = "tamid.examples.telecom.demo"
# Fewer customers leave too few leavers a week for a fall to be seen.
_FEWEST = 2_000
_FEWEST_WEEKS = 4
# Slow labels are in after thirty days: sooner there is nothing that could be judged.
_FEWEST_SLOW_WEEKS = 5
_YEAR = 52
# Columns: the date, who sees it, and the width of a line of text.
_DAY, _WHO, _WIDTH = 10, 14, 96
_COLOURS = {
    "the loop": "cyan",
    "ML developer": "magenta",
    "MLOps engineer": "yellow",
    "marketing": "green",
    "the world": "red",
}


def add_demo(parser: ArgumentParser) -> None:
    """Declare the arguments of `demo`."""
    parser.add_argument("--seed", type=_at_least(0), default=1, help="another world (1)")
    parser.add_argument("--customers", type=_at_least(_FEWEST), default=10_000, help="(10000)")
    parser.add_argument("--weeks", type=_weeks, default=_YEAR, help="live weeks to play (52)")
    parser.add_argument(
        "--slow-labels", action="store_true", help="who leaves is known after 28 days, not 7"
    )
    parser.add_argument("--dir", type=Path, metavar="DIR", help="a new folder to play in")
    add_example(parser, "tamid demo", "tamid demo --seed 3 --dir /tmp/year --json")


def demo(args: Namespace, out: Output) -> int:
    """Play one live year after some history: drift, bug, outage, a held candidate and its case."""
    folder: Path = args.dir or Path(f"tamid-demo-{datetime.now().astimezone():%Y%m%d-%H%M%S}")
    if args.slow_labels and args.weeks < _FEWEST_SLOW_WEEKS:
        raise UsageError(
            f"{args.weeks} weeks are too few for slow labels",
            why="who leaves is known after 30 days, so that no week could be judged",
            fix=f"Play at least {_FEWEST_SLOW_WEEKS} weeks.",
        )
    _make_room(folder)
    module = import_module(_DEMO)
    options = module.Options(
        folder=folder.resolve(),
        seed=args.seed,
        customers=args.customers,
        slow_labels=args.slow_labels,
        weeks=args.weeks,
    )
    say = _teller(out)
    say("", "the world", f"a year is played in {folder}")
    played = module.play(options, lambda told: say(told.day, told.who, told.text))
    body = played.body()
    _summary(out, body)
    out.json(body)
    return 0


def _make_room(folder: Path) -> None:
    """Make the fresh folder, or say why it cannot be one."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        taken = any(folder.iterdir())
    except OSError as error:
        raise UsageError(
            f"{folder} cannot be played in: {error.strerror}",
            fix="Name a folder that can be made and written to with --dir, or leave it out.",
        ) from None
    if taken:
        raise UsageError(
            f"{folder} is not empty",
            why="each demo plays in a fresh folder, and nothing of yours is overwritten",
            fix="Name another folder with --dir, or leave it out.",
        )


def _at_least(least: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not text.isdigit() or int(text) < least:
            raise ArgumentTypeError(f"{text!r} is not a number from {least} on")
        return int(text)

    return read


def _weeks(text: str) -> int:
    weeks = _at_least(_FEWEST_WEEKS)(text)
    if weeks > _YEAR:
        raise ArgumentTypeError(f"a year has {_YEAR} weeks, not {weeks}")
    return weeks


def _teller(out: Output) -> Callable[[str, str, str], None]:
    """Return what prints one line of the year: coloured on a terminal, plain elsewhere."""
    if out.as_json:
        return lambda day, who, text: out.note(_plain(day, who, text))
    if not sys.stdout.isatty():
        return lambda day, who, text: _flushed(out, _plain(day, who, text))
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False)

    def coloured(day: str, who: str, text: str) -> None:
        line = Text(_plain(day, who, text))
        line.stylize("dim", 0, _DAY)
        line.stylize(_COLOURS.get(who, ""), _DAY + 2, _DAY + 2 + _WHO)
        console.print(line, soft_wrap=True)

    return coloured


def _flushed(out: Output, line: str) -> None:
    out.text(line)
    sys.stdout.flush()


def _plain(day: str, who: str, text: str) -> str:
    head = f"{day:<{_DAY}}  {who:<{_WHO}}  "
    return "\n".join(
        textwrap.wrap(text, _WIDTH + len(head), initial_indent=head,
                      subsequent_indent=" " * len(head))
    )  # fmt: skip


def _summary(out: Output, body: dict[str, Any]) -> None:
    """Print the figures as a table, then where the report is and what to try next."""
    money = f"{body['money_saved']:,.0f} {body['currency']}"
    low, high = body["churn_reduction_interval"]
    played = {name: held for name, held in body["acts"].items() if held is not None}
    failed = [name.replace("_", " ") for name, held in played.items() if not held]
    rows = [
        ("F1 at release, lowest, recovered",
         " / ".join(_figure(body[f"f1_{k}"]) for k in ("at_release", "lowest", "recovered"))),
        ("acts of the story that held",
         f"{len(played) - len(failed)} of {len(played)}"
         + (f"; not: {', '.join(failed)}" if failed else "")),
        ("days from the change to the alarm", body["days_onset_to_alarm"]),
        ("days from the alarm to the new champion", body["days_alarm_to_new_champion"]),
        ("F1 below contract, summed over weeks: Tamid", f"{body['f1_weeks_lost']:.2f}"),
        ("  repaired by hand in three weeks", f"{body['f1_weeks_lost_manual']:.2f}"),
        ("  never retrained", f"{body['f1_weeks_lost_never_retraining']:.2f}"),
        ("weeks of the broken file that were trained on", body["bug_weeks_trained_on"]),
        ("candidates held, cases closed", f"{body['held_cases']}, {body['cases_closed']}"),
        ("deliveries, sent twice", f"{body['deliveries']}, {body['duplicate_deliveries']}"),
        ("alarms, false ones", f"{body['alarms']}, {body['false_alarms']}"),
        ("churn avoided against the control group",
         f"{100 * body['churn_reduction']:.1f} % ({100 * low:.1f} to {100 * high:.1f}), "
         f"goal {100 * body['churn_goal']:.0f} %"),
        ("lift of the calls, against those held back", _lift(body["lift"])),
        ("money saved against never retraining", money),
        ("  against repairing by hand",
         f"{body['money_saved_against_manual']:,.0f} {body['currency']}"),
        ("replay, F1 under four policies", _policies(body["policies"])),
        ("time, memory", f"{body['wall_s']:.0f} s, {body['peak_mb']:,.0f} MB"),
    ]  # fmt: skip
    out.text()
    out.table(("the year in figures", ""), rows)
    out.text()
    out.text("Try it on your own data:")
    out.text("  tamid init my-model        # a workspace with a contract to fill in")
    out.text("  tamid -C my-model doctor   # is everything there, does the data fit?")
    out.text("  tamid -C my-model tick     # trains, judges, releases, scores, delivers")
    out.text()
    out.text(f"The report: {body['report']}")


def _policies(found: Any) -> str:
    if found is None:
        return "too few weeks to walk"
    return ", ".join(f"{row.policy} {number(row.f1)}" for row in found.rows)


def _lift(found: Any) -> str:
    if found is None:
        return "no outcome of a call is in"
    low, high = 100 * found.lift.low, 100 * found.lift.high
    return f"{100 * found.lift.point:+.1f} points ({low:+.1f} to {high:+.1f}), {found.word}"


def _figure(value: float | None) -> str:
    return "-" if value is None else number(value)
