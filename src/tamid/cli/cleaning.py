"""`tamid cleaning`: what each declared cleaning step did, with counts before and after."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tamid.cli.desk import add_example, add_model, add_words, needs_contract, opened

if TYPE_CHECKING:
    from tamid.cli.output import Output
    from tamid.core.contract.model import Contract
    from tamid.core.view.cleaned import ServedCleaning

_KEYS = ("step", "columns", "before", "after", "changed")
_HEAD = ("step", "columns", "rows before", "rows after", "values changed")


def add_cleaning(parser: ArgumentParser) -> None:
    """Declare the arguments of `cleaning`."""
    add_words(
        parser,
        "What each step of the contract's block `clean` did: to the rows that came in batches, and",
        "to the rows that servers were asked, as far as their log keeps them. What it did to the",
        "rows of a run: tamid runs show RUN.",
    )
    parser.add_argument(
        "--all",
        action="store_true",
        help="count over all stored rows now, and show all periods of answers, not the last ones",
    )
    add_model(parser)
    add_example(parser, "tamid cleaning", "tamid cleaning --all --model churn")


def cleaning(args: Namespace, out: Output) -> int:
    """Show rows before and after each step of the contract in force, and the values it changed."""
    from tamid.core.view.cleaned import served_cleaning
    from tamid.stages.alone import named
    from tamid.stages.cleaning import counted

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
        online, lost = served_cleaning(app.records(model))
        newest = max((one.period for one in online), default="")
        shown = [one for one in online if args.all or one.period == newest]
        under = {one.contract: app.rig(model).contract(one.contract) for one in shown}
    rows = _rows(contract, known)
    steps = [dict(zip(_KEYS, row, strict=True)) for row in rows]
    served = [_served(one, under[one.contract]) for one in shown]
    told = {"model": model, "periods": periods, "all": args.all, "steps": steps}
    out.json({**told, "served": served, "not_logged": lost})
    if not rows and not shown:
        out.text(f"{model}: the contract declares no cleaning (block `clean`)")
        return 0
    which = "all stored periods" if args.all else "the periods that came last"
    out.text(f"{model}: {periods} period(s), {which}")
    out.table(_HEAD, rows)
    for one in shown:
        out.table(_HEAD, _rows(under[one.contract], one.steps), title=_title(one))
        if one.unlogged:
            out.text(f"not counted, for they are never logged: {', '.join(one.unlogged)}")
    if shown and lost:
        out.text(f"{lost} answers in all are in no count: no log had room for them")
    return 0


def _rows(
    contract: Contract, known: Mapping[str, tuple[int, int, int]]
) -> Sequence[tuple[Any, ...]]:
    from tamid.stages.alone import named
    from tamid.stages.cleaning import columns_of

    return [
        (named(i, step.step), columns_of(step), *known.get(named(i, step.step), (0, 0, 0)))
        for i, step in enumerate(contract.clean, 1)
    ]


def _served(one: ServedCleaning, contract: Contract) -> Mapping[str, Any]:
    steps = [dict(zip(_KEYS, row, strict=True)) for row in _rows(contract, one.steps)]
    return {
        "period": one.period,
        "contract": one.contract,
        "rows": one.rows,
        "share": round(one.share, 6),
        "stands_for": round(one.stands_for, 3),
        "unlogged": one.unlogged,
        "steps": steps,
    }


def _title(one: ServedCleaning) -> str:
    kept = "all of its answers by a model or rule that were logged"
    if one.share < 1.0:
        kept = f"{one.share:.1%} of its answers by a model or rule, as the log keeps them, unscaled"
    return f"\nasked online, {one.period}: {one.rows} rows, {kept}"
