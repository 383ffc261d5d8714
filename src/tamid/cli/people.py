"""What people decide: approve, reject, roll back, pause, resume. Each act names who and why."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from tamid.cli.desk import acting, actor, add_example, add_model, add_reason, needs_contract, opened
from tamid.core.errors import Conflict, NotFound, UsageError

if TYPE_CHECKING:
    from tamid.app import App
    from tamid.cli.output import Output
    from tamid.core.events import Event
    from tamid.core.state import State, Version

# Who runs the service decides on what answers now; the contract gives this block to that role.
OPERATOR = frozenset({"mlops_engineer"})


def add_approve(parser: ArgumentParser) -> None:
    """Declare the arguments of `approve`."""
    _versioned(parser)
    add_example(parser, 'tamid approve 3 --as ml_developer --reason "slices read, fine"')


def approve(args: Namespace, out: Output) -> int:
    """Agree to the release of a version."""
    from tamid.core.events import ApprovalGiven

    with opened(args, out) as app:
        model, state = _state(app, args)
        number = args.number
        _pending(state, number)
        roles = _approvers(app, model, state, number)
        if not roles:
            raise UsageError(
                f"version {number} needs no approval",
                why="the contract says `release: {approval: auto}`",
                fix=f"Nothing needs to be done; `tamid reject {number}` would stop it.",
            )
        role = acting(args, f"approve version {number}", roles)
        if role.value in state.versions[number].approvals:
            raise Conflict(
                f"version {number} is approved by the {role.value} already",
                why="an approval counts once",
                fix="See `tamid status` for what else it waits for.",
            )
        event = ApprovalGiven(key=f"approve/{number}/{role.value}", number=number)
        after = _record(app, model, event, args, role.value)
        missing = sorted(roles - after.versions[number].approvals)
        still = f"it still waits for the {' and the '.join(missing)}" if missing else _next(after)
    return _said(out, model, event, args, f"Version {number} of {model} is approved; {still}.")


def add_reject(parser: ArgumentParser) -> None:
    """Declare the arguments of `reject`."""
    _versioned(parser)
    add_example(parser, 'tamid reject 3 --as mlops_engineer --reason "not before the holidays"')


def reject(args: Namespace, out: Output) -> int:
    """Refuse the release of a version: it is stopped, the champion stays."""
    from tamid.core.events import ApprovalRefused

    with opened(args, out) as app:
        model, state = _state(app, args)
        _pending(state, args.number)
        roles = _approvers(app, model, state, args.number) | OPERATOR
        role = acting(args, f"reject version {args.number}", roles)
        event = ApprovalRefused(key=f"reject/{args.number}/{role.value}", number=args.number)
        _record(app, model, event, args, role.value)
    stays = f"version {state.champion} stays champion" if state.champion else "no version is live"
    return _said(out, model, event, args, f"Version {args.number} is stopped; {stays}.")


def add_rollback(parser: ArgumentParser) -> None:
    """Declare the arguments of `rollback`."""
    parser.add_argument(
        "--to", type=int, metavar="N", help="the version to bring back (default: the one before)"
    )
    add_model(parser)
    add_reason(parser)
    add_example(
        parser,
        'tamid rollback --as mlops_engineer --reason "wrong scores for the north"',
        'tamid rollback --to 2 --as mlops_engineer --reason "version 3 has the same fault"',
    )


def rollback(args: Namespace, out: Output) -> int:
    """Bring an earlier champion back at once."""
    from tamid.core.events import RolledBack

    with opened(args, out) as app:
        model, state = _state(app, args)
        role = acting(args, "roll back", OPERATOR)
        number, back_to = state.champion, _target(state, args.to)
        event = RolledBack(
            key=f"rollback/{number}/{back_to}/{state.seq}",
            number=number,
            back_to=back_to,
            reason=args.reason,
        )
        _record(app, model, event, args, role.value)
    said = f"Version {back_to} of {model} answers again in place of version {number}."
    return _said(out, model, event, args, said)


def add_pause(parser: ArgumentParser) -> None:
    """Declare the arguments of `pause`."""
    add_model(parser)
    add_reason(parser)
    add_example(parser, 'tamid pause --as mlops_engineer --reason "the warehouse is being moved"')


def pause(args: Namespace, out: Output) -> int:
    """Stop the loop from training and releasing; scoring and delivery go on."""
    from tamid.core.events import Paused

    with opened(args, out) as app:
        model, state = _state(app, args)
        role = acting(args, "pause the loop", OPERATOR)
        if state.paused is not None:
            raise Conflict(
                f"{model} is paused already",
                why=f"it rests until {state.paused.until or 'somebody resumes it'}",
                fix="`tamid resume` lets it act again.",
            )
        event = Paused(key=f"pause/{state.seq}")
        _record(app, model, event, args, role.value)
    said = f"{model} is paused: it is scored and delivered, but neither trained nor released."
    return _said(out, model, event, args, said)


def add_resume(parser: ArgumentParser) -> None:
    """Declare the arguments of `resume`."""
    add_model(parser)
    add_reason(parser)
    add_example(parser, 'tamid resume --as mlops_engineer --reason "the warehouse is back"')


def resume(args: Namespace, out: Output) -> int:
    """Let a paused loop act again."""
    from tamid.core.events import Resumed

    with opened(args, out) as app:
        model, state = _state(app, args)
        role = acting(args, "resume the loop", OPERATOR)
        if state.paused is None:
            raise Conflict(
                f"{model} is not paused",
                why="its loop turns as the contract says",
                fix="See `tamid status`.",
            )
        event = Resumed(key=f"resume/{state.seq}")
        _record(app, model, event, args, role.value)
    return _said(out, model, event, args, f"{model} acts again with the next tick.")


def _versioned(parser: ArgumentParser) -> None:
    parser.add_argument("number", type=int, metavar="N", help="number of the version")
    add_model(parser)
    add_reason(parser)


def _state(app: App, args: Namespace) -> tuple[str, State]:
    model = app.one(args.model)
    state = app.state(model)
    needs_contract(model, state)
    return model, state


def _approvers(app: App, model: str, state: State, number: int) -> frozenset[str]:
    """Return who must agree: to the hand-over, if that is not accepted yet, and to the release."""
    from tamid.core.handoff import awaits_acceptance
    from tamid.core.policy import policy_of

    policy = policy_of(app.contract(model))
    accepting = awaits_acceptance(state, number, policy.acceptor)
    return policy.approvers | (frozenset({policy.acceptor}) if accepting else frozenset())


def _pending(state: State, number: int) -> Version:
    """Return the version if it is on its way into production. Raises NotFound, Conflict."""
    version = state.versions.get(number)
    if version is None:
        known = ", ".join(str(n) for n in sorted(state.versions)) or "none yet"
        raise NotFound(f"there is no version {number}", why=f"versions: {known}")
    if number != state.challenger:
        now = f"stopped: {version.stopped}" if version.stopped else version.stage
        raise Conflict(
            f"version {number} is not on its way into production",
            why=f"it is {now}",
            fix="See `tamid models`; to leave a live version use `tamid rollback`.",
        )
    return version


def _target(state: State, wanted: int | None) -> int:
    """Return the version to go back to: one that was champion. Raises Conflict, NotFound."""
    if not state.champion:
        raise Conflict(
            "there is nothing to roll back",
            why="no version is live yet",
            fix="See `tamid status`.",
        )
    once = [n for n in dict.fromkeys(r.number for r in state.reigns) if n != state.champion]
    back_to = state.previous if wanted is None else wanted
    if back_to == state.champion:
        raise Conflict(
            f"version {back_to} is the champion already",
            why="one rolls back to another version",
            fix="Name an earlier one with --to.",
        )
    if back_to not in once:
        known = ", ".join(map(str, once)) or "none"
        raise NotFound(
            f"version {wanted} was never champion" if wanted else "there is no earlier champion",
            why=f"one can go back to a version that was live: {known}",
            fix="See `tamid models`.",
        )
    return back_to


def _next(state: State) -> str:
    return "the next tick goes on with its release" if state.challenger else "it is settled"


def _record(app: App, model: str, event: Event, args: Namespace, role: str) -> State:
    from tamid.core.values import Role

    return app.record(model, event, role=Role(role), actor=actor(), reason=args.reason)


def _said(out: Output, model: str, event: Event, args: Namespace, text: str) -> int:
    from tamid.core.chain import encode

    out.text(text)
    body = {"model": model, "event": encode(event), "reason": args.reason}
    out.json({**body, "role": args.role, "actor": actor(), "said": text})
    return 0
