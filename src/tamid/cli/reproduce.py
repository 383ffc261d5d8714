"""`tamid reproduce`: a run made again from its record, and compared byte for byte."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from typing import TYPE_CHECKING

from tamid.cli.desk import add_example, add_model, add_words, opened

if TYPE_CHECKING:
    from tamid.cli.output import Output
    from tamid.stages.reproducing import Reproduction


def add_reproduce(parser: ArgumentParser) -> None:
    """Declare the arguments of `reproduce`."""
    parser.add_argument("run", metavar="RUN", help="run-0003, 3, exp-2, or last")
    add_model(parser)
    add_words(
        parser,
        "It takes the recorded data, contract, code, parameters and seed, whatever stands in the",
        "folder now, and changes nothing. Exit status: 0 equal, 1 not equal (and where: in the",
        "environment, the code or the data), 2 if its data expired and was cleared away, 6 if what",
        "the run rests on is missing or altered.",
    )
    add_example(parser, "tamid reproduce last", "tamid reproduce run-0003 --json")


def reproduce(args: Namespace, out: Output) -> int:
    """Train a run again from its pins and compare model, thresholds and scores with the record."""
    from tamid.core.view.runs import run_named
    from tamid.stages.reproducing import reproduce as again

    with opened(args, out) as app:
        model = app.one(args.model)
        name = run_named(app.state(model), args.run)
        found = again(app.rig(model), app.records(model), name)
    out.json({"model": model, "reproduction": found})
    for line in lines(found):
        out.text(line)
    return 0 if found.equal else 1


def lines(found: Reproduction) -> Iterator[str]:
    """Yield what came of it."""
    took = f"{found.rows} rows, {found.seconds:.1f} s"
    if found.equal:
        yield f"{found.run}: equal to the byte ({took})"
        yield f"  bundle {found.recorded}"
        return
    wrong = ", ".join(part for part, same in found.parts.items() if not same)
    yield f"{found.run}: not equal ({took}); it differs in: {wrong}"
    yield f"  recorded {found.recorded}"
    yield f"  again    {found.again}"
    if found.model_equal:
        yield "  model, thresholds and scores are the same to the byte"
    yield f"  cause: {found.differs}: {found.why}"
    yield from (f"    {change}" for change in found.environment)
