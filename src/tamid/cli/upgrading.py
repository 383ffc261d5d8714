"""`tamid upgrade`: bring a store to the format of this version."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from tamid.cli.desk import add_example, opened
from tamid.cli.upkeep import still

if TYPE_CHECKING:
    from tamid.cli.output import Output


def add_upgrade(parser: ArgumentParser) -> None:
    """Declare the arguments of `upgrade`."""
    parser.add_argument("--dry-run", action="store_true", help="only say what would be done")
    add_example(parser, "tamid upgrade --dry-run", "tamid upgrade")


def upgrade(args: Namespace, out: Output) -> int:
    """Bring a store to the present format; stores of every older version work without it, too."""
    from tamid.upkeep.upgrade import upgrade as bring_up

    with opened(args, out) as app:
        if args.dry_run:
            found = bring_up(app, dry_run=True)
        else:
            with still(app):
                found = bring_up(app)
    out.json(
        {"from": found.before, "to": found.after, "steps": found.done, "done": not args.dry_run}
    )
    if not found.done:
        out.text(f"The store has format {found.after}, the newest this version knows.")
        return 0
    word = "would go" if args.dry_run else "went"
    out.text(f"The store {word} from format {found.before} to {found.after}:")
    for step in found.done:
        out.text(f"  {step}")
    if args.dry_run:
        out.text("Nothing was done. `tamid backup` first, then `tamid upgrade`.")
    return 0
