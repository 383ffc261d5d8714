"""`tamid erase`: forget who an entity is, wherever it was stored by pseudonym."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from tamid.cli.desk import acting, actor, add_example, add_reason, opened

if TYPE_CHECKING:
    from tamid.cli.output import Output

OPERATOR = frozenset({"mlops_engineer"})


def add_erase(parser: ArgumentParser) -> None:
    """Declare the arguments of `erase`."""
    parser.add_argument("entity", metavar="ENTITY", help="the entity, as the sources name it")
    add_reason(parser)
    add_example(
        parser, 'tamid erase 4711 --as mlops_engineer --reason "asked for on 3 May, ticket 812"'
    )


def erase(args: Namespace, out: Output) -> int:
    """Forget an entity: what is stored of it names nobody, and nothing more of it is taken in.

    Snapshots with all their versions, labels, predictions, look-up tables and what servers wrote
    are reached; every model of the workspace is told, with a proof that names nobody.
    """
    from tamid.cli.upkeep import still
    from tamid.upkeep.erase import erase as forget
    from tamid.upkeep.explain import waiting_for

    with opened(args, out) as app:
        role = acting(args, "erase an entity", OPERATOR)
        with still(app):
            known = args.entity if app.edges.vault is None else ""
            waiting = sum(waiting_for(app, model, known) for model in app.models() if known)
            done = forget(app, args.entity, actor=actor(), role=role, reason=args.reason)
    out.json(
        {
            "pseudonym": done.stands,
            "models": done.models,
            "tables": {t: {"files": n, "rows": m} for t, (n, m) in done.tables.items()},
            "lookups": done.lookups,
            "left": done.left,
            "known": done.known or bool(waiting),
            "waiting": waiting,
        }
    )
    out.text(f"Erased: {done.stands} names nobody any more.")
    if not (done.known or waiting):
        out.text("  Nothing of it was stored, or it was erased before: name it as its source does.")
        out.text("  What comes later under this name is taken in without it.")
    for table, (files, _) in done.tables.items():
        out.text(f"  {table}: {files} files rewritten, in every version that reads them")
    for model in done.lookups:
        out.text(f"  look-ups of {model}: taken out")
    if waiting:
        out.text(f"  the servers' log: {waiting} answers name it until the next turn, which takes")
        out.text("  them in without it")
    for place in done.left:
        out.text(
            f"  STILL NAMED in {place}, which cannot be changed: seals and signatures cover it"
        )
    out.text("Not reached: the sources' own files, what was delivered, and backups made before.")
    out.text("`tamid verify` shows that all else is as it was.")
    return 0
