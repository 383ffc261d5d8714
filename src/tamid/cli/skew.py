"""`tamid skew`: do answers online agree with the training code?"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from typing import TYPE_CHECKING

from tamid.cli.desk import add_example, add_model, opened

if TYPE_CHECKING:
    from tamid.cli.output import Output
    from tamid.stages.skew import SkewReport

# Exit status when served values differ from what the training code gives.
DIFFERS = 1
_ROWS = 1000


def add_skew(parser: ArgumentParser) -> None:
    """Declare the arguments of `skew`."""
    parser.add_argument(
        "--rows", type=int, default=_ROWS, metavar="N", help="answers to recompute (%(default)s)"
    )
    add_model(parser)
    add_example(parser, "tamid skew", "tamid skew --rows 10000 --model churn")


def skew(args: Namespace, out: Output) -> int:
    """Recompute a sample of served answers with the training code; count what differs."""
    from tamid.stages.skew import skew as proof

    with opened(args, out) as app:
        model = app.one(args.model)
        found = proof(app.rig(model), app.state(model), max(1, args.rows), app.clock.now())
    out.json(
        {
            "model": model,
            "answers": found.answers,
            "matched": found.matched,
            "differing": found.differing,
            "scores": {str(v): {"differing": n, "of": of} for v, (n, of) in found.scores.items()},
            "features": [
                {
                    "name": f.column,
                    "differing": f.differing,
                    "of": f.rows,
                    "cause": f.cause,
                    "words": f.words,
                }
                for f in found.features
            ],
        }
    )
    for text in lines(model, found):
        out.text(text)
    return DIFFERS if found.differing else 0


def lines(model: str, found: SkewReport) -> Iterator[str]:
    """Yield the report, line by line; what could not be compared says why."""
    yield (
        f"{model}: {found.answers} answers looked at, {found.matched} with a stored row of their "
        "entity"
    )
    for version, (n, of) in found.scores.items():
        told = f"{n} of {of} differ" if of else "cannot be recomputed, as some input is not logged"
        yield f"  scores of version {version}: {told}"
    if not found.matched:
        yield (
            "  features: none to compare; wanted are answers about an entity of which a row was "
            "stored when they were asked (for look-ups ten minutes before)"
        )
        return
    for f in found.features:
        said = f": {f.words} ({f.cause})" if f.differing else ""
        yield f"  {f.column}: {f.differing} of {f.rows} differ{said}"
