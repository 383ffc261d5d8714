"""`tamid train` and `tamid score`: a run, an experiment or scores now, because a person asks."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING, Any

from tamid.cli.desk import actor, add_example, add_model, add_words, opened, scene
from tamid.cli.runs import outcome_words
from tamid.cli.turning import free_the_dead, turn
from tamid.core.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tamid.app import App
    from tamid.cli.output import Output
    from tamid.core.chain import Recorded
    from tamid.core.view.snapshot import RunCard
    from tamid.stages.byhand import Idea, Wish
    from tamid.stages.rig import Origin

WINDOWS = ("auto", "all", "long", "short", "decay")
# What the gates' outcome means for the exit status: held is a valid failure, not an error.
_STATUS = {"held": 3, "undecided": 4, "failed": 1}


def add_train(parser: ArgumentParser) -> None:
    """Declare the arguments of `train`."""
    parser.add_argument("--case", type=int, default=0, metavar="N", help="work on this case")
    parser.add_argument(
        "--dry-run", action="store_true", help="try the code and the pipeline, fit nothing"
    )
    parser.add_argument(
        "--experiment", action="store_true", help="try and record it; it never becomes a version"
    )
    parser.add_argument("--window", choices=WINDOWS, default="", help="the rows to learn from")
    parser.add_argument("--reason", default="", help="why; it is recorded with your name")
    add_model(parser)
    add_words(
        parser,
        "A run takes contract and code as they stand in the folder, is judged by the gates, and",
        "goes on to release if they pass. Under git, what is not committed may be an experiment",
        "only. Experiments hold up nobody and bring nothing into force.",
    )
    add_example(
        parser,
        "tamid train --dry-run",
        'tamid train --experiment --reason "does the tariff matter?"',
        'tamid train --case 7 --reason "failed direct debits as a feature"',
    )


def train(args: Namespace, out: Output) -> int:
    """Start a run now with the contract and code in the folder; the gates judge it as always."""
    from tamid.core.values import Role
    from tamid.core.view.build import run_card
    from tamid.stages.byhand import Wish, refuse_paused
    from tamid.stages.byhand import train as start
    from tamid.wiring import origin_of

    if args.experiment and args.dry_run:
        raise UsageError("an experiment is trained, a dry run is not", fix="Leave one of them out.")
    with opened(args, out) as app:
        model = app.one(args.model)
        role = Role(args.role or "ml_developer")
        reason = args.reason or (f"work on case {args.case}" if args.case else "asked for by hand")
        wish = Wish(
            actor=actor(), role=role, reason=reason, case=args.case, window=args.window or ""
        )
        free_the_dead(app, model)
        if args.experiment:
            return _tried(app, model, wish, out)
        if args.dry_run:
            return _rehearsed(app, model, wish, out)
        # Before anything of the folder is brought into force for a run that may not be.
        refuse_paused(app.state(model))
        refuse_uncommitted(origin_of(app.models()[model]))
        app.adopt(model, actor=actor(), reason=reason, role=role)
        run = run_of(start(app.rig(model), app.holder, wish))
        turn(app, model)
        card = run_card(scene(app, model), run)
    return show_run(out, model, card)


def show_run(out: Output, model: str, card: RunCard, more: Mapping[str, Any] | None = None) -> int:
    """Print how a run ended, and return the exit status that this means.

    `more`: what else the JSON says; of it, what is `awaited` of people is told them too.
    """
    more = more or {}
    out.json({**more, "model": model, "run": card})
    out.text(f"{card.run}: {card.outcome}" + (f", {card.why}" if card.why else ""))
    for name, value in sorted(card.metrics.items()):
        out.text(f"  {name} {value:.4g}")
    if card.version:
        out.text(f"  registered as version {card.version}; `tamid status` shows its way")
    for one in more.get("awaited", ()):
        out.text(f"  awaited of {one.who}: {one.what}")
    out.text(f"  `tamid why run {card.run}` shows every gate with its numbers")
    return _STATUS.get(card.outcome, 0)


def _rehearsed(app: App, model: str, wish: Wish, out: Output) -> int:
    """Try what stands in the folder, and bring nothing of it into force."""
    from tamid.stages.byhand import rehearse

    found = rehearse(app.rig(model), app.holder, wish, _idea(app, model, wish))
    out.json({"model": model, "dry_run": found})
    out.text("The code and the pipeline hold; nothing was fitted.")
    for name, value in found.items():
        out.text(f"  {name}: {_short(value)}")
    return 0


def _idea(app: App, model: str, wish: Wish) -> Idea:
    """Return what stands in the folder."""
    from tamid.stages.byhand import Idea
    from tamid.wiring import written_in

    if not app.state(model).contract:
        # Before a first contract is in force no data was taken in that could be learnt from.
        app.adopt(model, actor=wish.actor, reason=wish.reason, role=wish.role)
    text, code = written_in(app.models()[model])
    return Idea(contract=text, code=code)


def _tried(app: App, model: str, wish: Wish, out: Output) -> int:
    """Make an experiment of what stands in the folder; the gates' verdict has no consequence."""
    from tamid.core.view.build import run_card
    from tamid.stages.experiments import experiment

    run = experiment(app.rig(model), app.holder, wish, _idea(app, model, wish))
    card = run_card(scene(app, model), run)
    out.json({"model": model, "run": card})
    out.text(
        f"{card.run}, an experiment: {outcome_words(card)}" + (f", {card.why}" * bool(card.why))
    )
    for name, value in sorted(card.metrics.items()):
        out.text(f"  {name} {value:.4g}")
    out.text(f"  `tamid runs show {card.run}` shows it whole; it never becomes a version")
    return 1 if card.outcome == "failed" else 0


def refuse_uncommitted(origin: Origin) -> None:
    """Raise Held if what would be trained is committed nowhere."""
    from tamid.core.errors import Held

    if origin.dirty:
        raise Held(
            f"not committed: {', '.join(origin.changed)}",
            why="a version must be made from what anybody can check out again",
            fix="Commit these files, or try them: `tamid train --experiment`.",
        )


def run_of(records: tuple[Recorded, ...]) -> str:
    """Return the name of the run that these records begin."""
    from tamid.core.events import RunStarted

    return next(r.event.run for r in records if isinstance(r.event, RunStarted))


def _short(value: object) -> str:
    if isinstance(value, (list, tuple)):
        return f"{len(value)}: {', '.join(map(str, value[:12]))}" + (" ..." if value[12:] else "")
    if isinstance(value, dict):
        return ", ".join(f"{name} {found}" for name, found in value.items())
    return str(value)


def add_score(parser: ArgumentParser) -> None:
    """Declare the arguments of `score`."""
    add_model(parser)
    add_example(parser, "tamid score", "tamid score --model churn --json")


def score(args: Namespace, out: Output) -> int:
    """Take in what arrived, then score and deliver what is due; nothing is trained or released."""
    from tamid.core.actions import action_record
    from tamid.core.policy import policy_of
    from tamid.core.rules.scoring import undelivered
    from tamid.core.view.words import action_words
    from tamid.stages.byhand import score_now

    with opened(args, out) as app:
        model = app.one(args.model)
        free_the_dead(app, model)
        done = [action_record(a) for a in score_now(app.rig(model), app.holder)]
        waits = undelivered(policy_of(app.contract(model)), app.state(model))
    out.json({"model": model, "did": done, "waiting": waits})
    for record in done:
        out.text(f"did: {action_words(record)}")
    for text in waits:
        out.text(f"waits: {text}")
    if not done and not waits:
        out.text("nothing is due: every period that should have scores has them")
    return 0
