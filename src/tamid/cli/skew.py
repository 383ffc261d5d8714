"""`tamid skew`: do answers online agree with the training code?"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from tamid.cli.desk import add_example, add_model, opened

if TYPE_CHECKING:
    from tamid.cli.output import Output

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
    out.text(
        f"{model}: {found.answers} answers looked at, {found.matched} with a stored row of their "
        "entity"
    )
    for version, (n, of) in found.scores.items():
        out.text(f"  scores of version {version}: {n} of {of} differ")
    for f in found.features:
        said = f": {f.words} ({f.cause})" if f.differing else ""
        out.text(f"  {f.column}: {f.differing} of {f.rows} differ{said}")
    return DIFFERS if found.differing else 0
