"""`tamid test`: generated tests of the user's feature and model code, and the user's own."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, cast

from tamid.cli.desk import actor, add_example, add_model, add_words, opened
from tamid.cli.turning import free_the_dead

if TYPE_CHECKING:
    from datetime import timedelta
    from pathlib import Path

    from tamid.app import App
    from tamid.cli.output import Output
    from tamid.ports import Rehearser, TrainingJob
    from tamid.stages.selftests import Tried

_TIMEOUT = "5m"


def add_run_all(parser: ArgumentParser) -> None:
    """Declare the arguments of `test`."""
    parser.add_argument(
        "--timeout",
        type=_span,
        default=_TIMEOUT,
        metavar="TIME",
        help="kill what takes longer (5m)",
    )
    add_model(parser)
    add_words(
        parser,
        "Contract and code are tested as they stand in the folder, on rows of its own data, in a",
        "process of their own: nulls, unseen levels, shuffled rows, one row as in a batch, the",
        "schema's extremes, a fit, save and load. Then pytest runs test_*.py beside the contract",
        "and in tests/. Nothing comes into force by it. Exit status 1: a test failed.",
    )
    add_example(parser, "tamid test", "tamid test --timeout 30s --json")


def run_all(args: Namespace, out: Output) -> int:
    """Run every test and tell how each ended."""
    from tamid.stages.selftests import outcomes

    with opened(args, out) as app:
        model = app.one(args.model)
        free_the_dead(app, model)
        job = _job(app, model)
        place = cast("Rehearser", app.rig(model).trainer)
        results = [*outcomes(job, place, args.timeout)]
        results += _own(app.models()[model].parent, args.timeout)
    failed = sum(r.outcome == "fail" for r in results)
    out.json({"model": model, "failed": failed, "rows": job.frame.height, "tests": results})
    out.table(
        ("of", "test", "result", "s", "why"),
        [(r.what, r.name, r.outcome, r.seconds, _first_line(r.message)) for r in results],
    )
    passed = sum(r.outcome == "pass" for r in results)
    skipped = len(results) - passed - failed
    out.text(f"{passed} passed, {failed} failed, {skipped} skipped, on {job.frame.height} rows")
    return 1 if failed else 0


def _first_line(message: str) -> str | None:
    """Return what fits into a row of a table; --json has the whole message."""
    return next(iter(message.splitlines()), None)


def _job(app: App, model: str) -> TrainingJob:
    """Return labelled rows with the folder's contract and code; new data is taken in first."""
    from tamid.core.errors import Conflict
    from tamid.core.values import Role
    from tamid.stages.byhand import taken_in
    from tamid.stages.selftests import job_for_tests
    from tamid.wiring import written_in

    text, code = written_in(app.models()[model])
    if not app.state(model).contract:
        # Before a first contract is in force no data was taken in that could be tested on.
        app.adopt(model, actor=actor(), reason="to test its code", role=Role.ML_DEVELOPER)
    with suppress(Conflict):  # a controller holds the model: what it took in is enough
        taken_in(app.rig(model), app.holder)
    return job_for_tests(app.rig(model), app.state(model), text, code, app.clock.now())


def _own(folder: Path, timeout: timedelta) -> Sequence[Tried]:
    from tamid.stages.selftests import Tried
    from tamid.wiring import own_tests_of

    found = own_tests_of(folder, timeout.total_seconds())
    if found is None:
        return [Tried(what="own", name="pytest", outcome="skipped", message="no test files")]
    whole = Tried(
        what="own",
        name="pytest",
        outcome="pass" if found.passed else "fail",
        message=found.summary,
        seconds=round(found.seconds, 3),
    )
    each = [
        Tried(what="own", name=_named(line), outcome="fail", message=_said(line))
        for line in found.failures
    ]
    return [whole, *each]


def _named(line: str) -> str:
    return line.partition(" ")[2].partition(" - ")[0]


def _said(line: str) -> str:
    return line.partition(" - ")[2]


def _span(text: str) -> timedelta:
    from tamid.core.values import parse_duration

    try:
        found = parse_duration(text)
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from None
    if not found:
        raise ArgumentTypeError("no time at all is too little")
    return found
