"""`tamid drill`: break a running server on purpose, and see that every rung holds."""

from __future__ import annotations

import dataclasses
from argparse import ArgumentParser, Namespace
from datetime import timedelta
from typing import TYPE_CHECKING

from tamid.cli.desk import add_example
from tamid.cli.serve import PORT, secret_in
from tamid.cli.watching import duration

if TYPE_CHECKING:
    from tamid.cli.output import Output

_COLUMNS = ("fault", "rung", "answered by", "slowest ms", "well again s", "", "said")


def add_drill(parser: ArgumentParser) -> None:
    """Declare the arguments of `drill`."""
    parser.add_argument(
        "--url", default=f"http://127.0.0.1:{PORT}", help="the server (%(default)s)"
    )
    parser.add_argument(
        "--secret", required=True, metavar="env:NAME",
        help="what the server was started with: tamid serve --drill env:NAME",
    )  # fmt: skip
    parser.add_argument("--token", metavar="env:NAME", help="the token of callers, if it wants one")
    parser.add_argument(
        "--entity", default="", help="ask for this one: somebody with a last score, for that rung"
    )
    parser.add_argument(
        "--slack", type=duration, default=timedelta(milliseconds=150), metavar="TIME",
        help="what an answer may take beyond the contract's time (150ms)",
    )  # fmt: skip
    add_example(parser, "tamid drill --secret env:DRILL_SECRET", "tamid drill ... --json")


def drill(args: Namespace, out: Output) -> int:
    """Inject every fault; 0 if every rung held, 1 if one did not."""
    from tamid.serving.drill.link import Link
    from tamid.serving.drill.steps import Drill

    token = secret_in(args.token, "token") if args.token else ""
    link = Link(args.url, secret_in(args.secret, "secret"), token)
    found = []
    try:
        for step in Drill(link, entity=args.entity, slack=args.slack.total_seconds()).steps():
            out.note(f"{step.fault} at {step.rung}: {step.verdict}")
            found.append(step)
    finally:
        link.close()
    out.table(
        _COLUMNS,
        [
            (s.fault, s.rung, s.answered, s.slowest_ms, s.recovery_s, s.verdict, s.note)
            for s in found
        ],
    )
    failed = [s for s in found if s.verdict == "fails"]
    absent = sum(s.verdict == "absent" for s in found)
    worst = max((s.recovery_s or 0.0 for s in found), default=0.0)
    out.text()
    out.text(
        f"{len(found) - absent - len(failed)} work, {absent} are not there, {len(failed)} fail; "
        f"the longest way back took {worst:g} s"
    )
    out.json({"steps": [dataclasses.asdict(s) for s in found], "failed": len(failed)})
    return 1 if failed else 0
