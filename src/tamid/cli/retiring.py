"""`tamid retire`: take a model out of service for good, or bring it back; its record stays."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from tamid.cli.desk import acting, actor, add_example, add_reason, needs_contract, opened
from tamid.core.errors import Conflict

if TYPE_CHECKING:
    from tamid.cli.output import Output
    from tamid.core.events import Event

OPERATOR = frozenset({"mlops_engineer"})


def add_retire(parser: ArgumentParser) -> None:
    """Declare the arguments of `retire`."""
    parser.add_argument("model", metavar="MODEL", help="name of the model")
    parser.add_argument("--undo", action="store_true", help="bring it back into service")
    add_reason(parser)
    add_example(
        parser,
        'tamid retire churn --as mlops_engineer --reason "replaced by churn-2, ticket 93"',
        'tamid retire churn --undo --as mlops_engineer --reason "churn-2 is not ready"',
    )


def retire(args: Namespace, out: Output) -> int:
    """Stop scoring, training and alarms of a model; servers answer 410; nothing is deleted."""
    from tamid.core.events import Reinstated, Retired

    with opened(args, out) as app:
        model = app.one(args.model)
        state = app.state(model)
        role = acting(args, "bring a model back" if args.undo else "retire a model", OPERATOR)
        event: Event
        if args.undo:
            if not state.retired:
                raise Conflict(
                    f"{model} is in service",
                    why="only a retired model can be brought back",
                    fix="See `tamid status`.",
                )
            event = Reinstated(key=f"reinstate/{state.seq}")
            said = f"{model} is back in service with the next tick; servers answer again."
        else:
            needs_contract(model, state)
            event = Retired(key=f"retire/{state.seq}", champion=state.champion)
            said = (
                f"{model} is retired: no scores, no training, no alarms; its servers answer 410.\n"
                "Its record stays: `tamid status`, `why`, `which`, `log` and `verify` read it."
            )
        after = app.record(model, event, role=role, actor=actor(), reason=args.reason)
    out.json({"model": model, "event": type(event).__name__, "seq": after.seq})
    out.text(said)
    return 0
