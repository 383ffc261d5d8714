"""`tamid erase`: forget who an entity is, wherever it was stored by pseudonym."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from tamid.cli.desk import acting, actor, add_example, add_reason, opened
from tamid.core.errors import UsageError

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

    Every model of the workspace is told, by pseudonym alone; digests and chains stay whole.
    """
    from tamid.core.events import EntityErased

    with opened(args, out) as app:
        role = acting(args, "erase an entity", OPERATOR)
        if app.vault is None:
            raise UsageError(
                "this store holds entities as they were given",
                why="only what is stored by pseudonym can be made nobody's",
                fix='Begin a store with `entities = "pseudonyms"` in tamid.toml, and take the '
                "history in anew.",
            )
        made = app.vault.erase(args.entity)
        told = []
        for model in app.models():
            if not app.state(model).contract:
                continue
            event = EntityErased(key=f"erase/{made}", pseudonym=made)
            app.record(model, event, role=role, actor=actor(), reason=args.reason)
            told.append(model)
    out.text(f"Erased: {made} names nobody any more.")
    out.json({"pseudonym": made, "models": told})
    return 0
