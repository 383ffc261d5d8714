"""`tamid accept-normal`: a drift that a person knows the reason of becomes the new normal."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from tamid.cli.desk import acting, actor, add_example, add_model, add_reason, needs_contract, opened

if TYPE_CHECKING:
    from tamid.cli.output import Output

# What is watched belongs to both roles in the contract, so either may say what is normal.
EITHER = frozenset({"ml_developer", "mlops_engineer"})


def add_accept_normal(parser: ArgumentParser) -> None:
    """Declare the arguments of `accept-normal`."""
    parser.add_argument("alarm", metavar="ALARM", help="name of the alarm, as `tamid status` says")
    add_model(parser)
    add_reason(parser)
    add_example(
        parser,
        "tamid accept-normal score_psi/3/2026-03-01 --as ml_developer "
        '--reason "the new tariff: checked with sales"',
    )


def accept_normal(args: Namespace, out: Output) -> int:
    """Move the champion's reference to where scores and inputs are now; the alarm is over."""
    from tamid.core.chain import encode
    from tamid.stages.normal import accept_normal as accepted

    with opened(args, out) as app:
        model = app.one(args.model)
        state = app.state(model)
        needs_contract(model, state)
        role = acting(args, f"accept {args.alarm} as the new normal", EITHER)
        event = accepted(app.rig(model), state, args.alarm, app.clock.now())
        app.record(model, event, role=role, actor=actor(), reason=args.reason)
    text = (
        f"{args.alarm} is the new normal: the reference of version {event.number} of {model} is "
        f"now that of {', '.join(event.periods)}."
    )
    out.text(text)
    body = {"model": model, "event": encode(event), "reason": args.reason}
    out.json({**body, "role": args.role, "actor": actor(), "said": text})
    return 0
