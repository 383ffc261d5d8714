"""`tamid lifecycle`: the seven stages of a model's life, and where each model stands."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from typing import TYPE_CHECKING

from tamid.cli.desk import add_example, add_model, chosen, opened
from tamid.core.errors import NotFound

if TYPE_CHECKING:
    from tamid.cli.output import Output
    from tamid.core.view.lifecycle import Standing

_MARKS = {"done": "[x]", "now": "[>]", "ahead": "[ ]", "trouble": "[!]"}


def add_lifecycle(parser: ArgumentParser) -> None:
    """Declare the arguments of `lifecycle`."""
    add_model(parser)
    add_example(parser, "tamid lifecycle", "tamid lifecycle --model churn --json")


def lifecycle(args: Namespace, out: Output) -> int:
    """Say of each stage who leads, what goes in and out, what is checked, how, and how it stands.

    Outside of a workspace the stages alone are told.
    """
    from tamid.config import find
    from tamid.core.view.lifecycle import LIFECYCLE, current, standings

    found: dict[str, tuple[Standing, ...]] = {}
    at: dict[str, str] = {}
    try:
        find(args.workspace)
    except NotFound:
        if args.model:
            raise
    else:
        with opened(args, out) as app:
            for model in chosen(app, args.model):
                state = app.state(model)
                found[model], at[model] = standings(state), current(state) or "retired"
    models = {m: {"at": at[m], "standings": found[m]} for m in found}
    out.json({"stages": LIFECYCLE, "models": models})
    for line in _lines(found, at):
        out.text(line)
    return 0


def _lines(found: dict[str, tuple[Standing, ...]], at: dict[str, str]) -> Iterator[str]:
    from tamid.core.view.lifecycle import LIFECYCLE

    for model, stage in at.items():
        yield f"{model}: {stage}"
    for number, stage_ in enumerate(LIFECYCLE, 1):
        yield ""
        leads, supports = (role.value.replace("_", " ") for role in (stage_.leads, stage_.supports))
        yield f"{number}. {stage_.name}: {leads} leads, {supports} supports"
        yield f"   in     {stage_.takes}"
        yield f"   out    {stage_.gives}"
        yield f"   check  {stage_.check}"
        yield f"   with   {', '.join(stage_.commands)}"
        for model, standings in found.items():
            one = standings[number - 1]
            name = f"{model}: " if len(found) > 1 else ""
            yield f"   {_MARKS[one.condition]}    {name}{one.sentence}"
    if found:
        yield ""
        yield "[x] done   [>] here now   [ ] ahead   [!] needs somebody"
