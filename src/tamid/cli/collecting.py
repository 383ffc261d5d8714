"""`tamid gc`: clear away what nobody needs any more, and say what stays and why."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from tamid.cli.desk import acting, actor, add_example, add_words, opened
from tamid.cli.upkeep import still

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tamid.cli.output import Output
    from tamid.upkeep.gc import Found

OPERATOR = frozenset({"mlops_engineer"})


def add_gc(parser: ArgumentParser) -> None:
    """Declare the arguments of `gc`."""
    add_words(
        parser,
        "Clear away what nobody needs: rows whose time is over by [keep] in tamid.toml, replaced",
        "versions of tables by [retention], old rows of the servers' log by the contract, loose",
        "files. Without these sections everything but the log stays for ever.",
    )
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="only say what would go, what stays and why, and the rule of each table",
    )
    parser.add_argument("--reason", default="", help="why; it is recorded with your name")
    add_example(parser, "tamid gc --dry-run", "tamid gc --as mlops_engineer")


def gc(args: Namespace, out: Output) -> int:
    """Clear away old versions of tables, old rows of the servers' log, and loose files.

    What the loop, live versions, open cases and repeated decisions need stays, whatever its age.
    """
    from tamid.core.values import Role
    from tamid.upkeep.gc import collect

    with opened(args, out) as app:
        role = Role.MLOPS_ENGINEER
        if not args.dry_run:
            role = acting(args, "clear a workspace", OPERATOR)
        with still(app):
            done = collect(
                app,
                actor=actor(),
                role=role,
                reason=args.reason or "cleared away",
                dry_run=args.dry_run,
            )
    out.json(
        {"done": not args.dry_run, "bytes": done.bytes, "files": done.files, "models": done.models}
    )
    word = "would go" if args.dry_run else "went"
    # What a feature view stores is told for each model that uses it, and went once.
    for line in dict.fromkeys(line for one in done.models for line in _gone(one)):
        out.text(f"{word}: {line}")
    for kind, (files, size) in done.files.items():
        out.text(f"{word}: {files} files, {size / 1024:.0f} kB: {kind}")
    for text in dict.fromkeys(text for one in done.models for text in one.stays):
        out.text(f"stays: {text}")
    out.text(f"{done.bytes / 2**20:.2f} MB {'would be' if args.dry_run else 'were'} freed")
    if args.dry_run:
        out.text("Nothing was done. How long what is in a table stays:")
        rules = {table: rule for one in done.models for table, rule in one.rules.items()}
        for table, rule in sorted(rules.items()):
            out.text(f"  {table}: {rule}")
        out.text("To change it: [keep] for rows, [retention] for versions, in tamid.toml")
    return 0


def _gone(one: Found) -> Iterator[str]:
    """Yield what goes of one model."""
    for table, plan in one.plans.items():
        if plan.gone:
            yield f"{len(plan.gone)} old versions of {table}"
    for table, periods in one.rows.items():
        yield f"rows of {table} up to {periods[-1]}, {len(periods)} periods"
    for table, rows in one.left.items():
        yield f"{rows} rows of {table}, one by one"
