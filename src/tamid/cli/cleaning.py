"""`tamid cleaning`: what each declared cleaning step did, with counts before and after."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from tamid.cli.desk import add_example, add_model, needs_contract, opened

if TYPE_CHECKING:
    from tamid.cli.output import Output


def add_cleaning(parser: ArgumentParser) -> None:
    """Declare the arguments of `cleaning`."""
    parser.add_argument(
        "--all", action="store_true", help="count over all stored rows now, not over the last ones"
    )
    add_model(parser)
    add_example(parser, "tamid cleaning", "tamid cleaning --all --model churn")


def cleaning(args: Namespace, out: Output) -> int:
    """Show rows before and after each step of the contract in force, and the values it changed."""
    from tamid.stages.cleaning import columns_of, counted, named

    with opened(args, out) as app:
        model = app.one(args.model)
        state, now = app.state(model), app.clock.now()
        needs_contract(model, state)
        contract, last = app.contract(model), state.cleaned
        if args.all and contract.clean:
            counts = counted(app.rig(model), contract, state, None, now)
            known = {
                named(i, c.step): (c.before, c.after, c.changed) for i, c in enumerate(counts, 1)
            }
            periods = len(state.periods)
        else:
            known = {n: (c[0], c[1], c[2]) for n, c in last.steps.items()} if last else {}
            periods = len(last.periods) if last else 0
    rows = [
        (named(i, step.step), columns_of(step), *known.get(named(i, step.step), (0, 0, 0)))
        for i, step in enumerate(contract.clean, 1)
    ]
    keys = ("step", "columns", "before", "after", "changed")
    steps = [dict(zip(keys, row, strict=True)) for row in rows]
    out.json({"model": model, "periods": periods, "all": args.all, "steps": steps})
    if not rows:
        out.text(f"{model}: the contract declares no cleaning (block `clean`)")
        return 0
    which = "all stored periods" if args.all else "the periods that came last"
    out.text(f"{model}: {periods} period(s), {which}")
    out.table(("step", "columns", "rows before", "rows after", "values changed"), rows)
    return 0
