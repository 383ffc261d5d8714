"""`tamid cases`: what a person has to work on, and what they say about it."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING, Any

from tamid.cli.desk import (
    acting,
    actor,
    add_example,
    add_model,
    add_reason,
    chosen,
    opened,
    scene,
    spoken,
)
from tamid.core.errors import Conflict, NotFound

if TYPE_CHECKING:
    from tamid.app import App
    from tamid.cli.output import Output
    from tamid.core.state import Case, State

ANYBODY = frozenset({"ml_developer", "mlops_engineer"})


def add_cases(parser: ArgumentParser) -> None:
    """Declare the arguments of `cases`."""
    parser.add_argument("number", nargs="?", type=int, metavar="N", help="show this case")
    parser.add_argument("--all", action="store_true", help="closed cases, too")
    add_model(parser)
    add_example(parser, "tamid cases", "tamid cases 7", "tamid cases 7 --json > case.json")


def cases(args: Namespace, out: Output) -> int:
    """List the open cases, or show one as Markdown."""
    if args.number is not None:
        return _show(args, out)
    from tamid.core.view.build import case_card
    from tamid.core.view.scene import moment

    with opened(args, out) as app:
        found = {}
        for model in chosen(app, args.model):
            here = scene(app, model)
            known = here.state.cases if args.all else here.state.open_cases
            found[model] = [case_card(here, n) for n in sorted(known)]
    out.json({"models": found})
    rows = [
        (
            m,
            c.number,
            f"{c.role}, {c.escalated}" if c.escalated else c.role,
            c.kind,
            f"closed {moment(c.closed_at)}"
            if c.closed_at
            else ("overdue since " if c.overdue else "by ") + moment(c.answer_by),
            c.title,
        )
        for m, cards in found.items()
        for c in cards
    ]
    if rows:
        out.table(("model", "case", "for", "kind", "answer", "title"), rows)
    else:
        out.text("no case" if args.all else "no open case")
    return 0


def _show(args: Namespace, out: Output) -> int:
    with opened(args, out) as app:
        model, _, case = _case(app, args)
        facts = _facts(app, case)
    out.json({"model": model, "case": args.number, "facts": facts, **_life(case)})
    out.text(str(facts.get("markdown") or f"# Case {args.number}: {case.opened.title}\n").rstrip())
    if case.comments:
        out.text("\n## Comments\n")
        for comment in case.comments:
            out.text(f"- {comment}")
    if case.resolution:
        out.text(f"\nClosed: {case.resolution}")
    return 0


def add_comment(parser: ArgumentParser) -> None:
    """Declare the arguments of `cases comment`."""
    parser.add_argument("number", type=int, metavar="N", help="number of the case")
    parser.add_argument("text", type=spoken, metavar="TEXT", help="what there is to say")
    add_model(parser)
    add_example(parser, 'tamid cases comment 7 "payments look delayed" --as ml_developer')


def comment(args: Namespace, out: Output) -> int:
    """Add to a case what was learnt."""
    from tamid.core.events import CaseCommented

    with opened(args, out) as app:
        model, state, _ = _open_case(app, args)
        role = acting(args, f"comment on case {args.number}", ANYBODY)
        event = CaseCommented(
            key=f"comment/{args.number}/{state.seq}", case=args.number, text=args.text
        )
        app.record(model, event, role=role, actor=actor(), reason=args.text)
    out.text(f"Noted on case {args.number}.")
    out.json({"model": model, "case": args.number, "comment": args.text, "role": role.value})
    return 0


def add_resolve(parser: ArgumentParser) -> None:
    """Declare the arguments of `cases resolve`."""
    parser.add_argument("number", type=int, metavar="N", help="number of the case")
    add_model(parser)
    add_reason(parser)
    add_example(parser, 'tamid cases resolve 7 --as ml_developer --reason "a known campaign"')


def resolve(args: Namespace, out: Output) -> int:
    """Close a case by hand; a release that works on it closes it by itself."""
    from tamid.core.events import CaseClosed

    with opened(args, out) as app:
        model, state, case = _open_case(app, args)
        asked = frozenset(r.value for r in (case.opened.role, case.escalated) if r is not None)
        role = acting(args, f"resolve case {args.number}", asked)
        _still_broken(state, case)
        event = CaseClosed(
            key=f"resolve/{args.number}", case=args.number, resolution=f"by hand: {args.reason}"
        )
        app.record(model, event, role=role, actor=actor(), reason=args.reason)
    out.text(f"Case {args.number} is closed{_meaning(case)}.")
    out.json({"model": model, "case": args.number, "resolution": args.reason, "role": role.value})
    return 0


def _meaning(case: Case) -> str:
    """Say what a closed doubt about rows or labels means to the loop."""
    from tamid.core.state import SUSPECTED

    if case.opened.about.startswith(SUSPECTED):
        return ": the suspected periods count as sound"
    if case.opened.kind == "label_bug":
        return ": its labels count as right, and the next turn asks for the cause anew"
    return ""


def _still_broken(state: State, case: Case) -> None:
    """Refuse to close a bug whose batches are still refused: the next tick would open it again."""
    from tamid.core.repairs import concerned

    broken = [n for n, r in state.refused.items() if concerned(case.opened.about, r.event)]
    if broken:
        some = ", ".join(broken[:3]) + (f" and {len(broken) - 3} more" if len(broken) > 3 else "")
        raise Conflict(
            f"still refused: {some}",
            why="the case closes by itself when what was repaired is accepted",
            fix="Put each repaired batch down under the same name, or its rows in other files; the "
            "next tick reads them.",
        )


def _case(app: App, args: Namespace) -> tuple[str, State, Case]:
    """Return the case: of the named model, or of the only one that has it. Raises NotFound."""
    found = []
    for model in chosen(app, args.model):
        state = app.state(model)
        if args.number in state.cases:
            found.append((model, state, state.cases[args.number]))
    if not found:
        raise NotFound(f"there is no case {args.number}", fix="List them: `tamid cases --all`.")
    if len(found) > 1:
        app.one(args.model)
    return found[0]


def _open_case(app: App, args: Namespace) -> tuple[str, State, Case]:
    model, state, case = _case(app, args)
    if case.resolution:
        raise Conflict(
            f"case {args.number} is closed",
            why=case.resolution,
            fix="A new matter gets a new case.",
        )
    return model, state, case


def _facts(app: App, case: Case) -> dict[str, Any]:
    if not case.opened.report:
        return {}
    found = json.loads(app.blobs.get(case.opened.report))
    return found if isinstance(found, dict) else {}


def _life(case: Case) -> dict[str, Any]:
    return {
        "role": case.opened.role,
        "opened": case.at,
        "comments": case.comments,
        "closed": case.closed_at,
        "resolution": case.resolution,
    }
