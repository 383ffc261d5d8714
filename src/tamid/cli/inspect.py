"""`tamid why`, `which` and `log`: what the ledger says about any decision."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from tamid.cli.desk import add_example, add_model, chosen, opened, scene
from tamid.core.errors import IntegrityError, NotFound

if TYPE_CHECKING:
    from tamid.app import App
    from tamid.cli.output import Output
    from tamid.core.view.evidence import Explanation, Step
    from tamid.core.view.live import Live
    from tamid.core.view.scene import Scene

# More steps of one kind in a row than this are told by the first and the last.
_MOST_ALIKE = 7


def add_why(parser: ArgumentParser) -> None:
    """Declare the arguments of `why`."""
    parser.add_argument(
        "kind",
        nargs="?",
        default="",
        metavar="KIND",
        help="tick, run, version, case, alarm, incident, delivery, period or event (the last tick)",
    )
    parser.add_argument("ident", nargs="?", default="", metavar="ID", help="which (the latest)")
    add_model(parser)
    add_example(
        parser, "tamid why", "tamid why run run-0003", "tamid why version 2", "tamid why case 7"
    )


def why(args: Namespace, out: Output) -> int:
    """Explain a decision: the chain of evidence with who, when and on what numbers."""
    from tamid.core.view.evidence import verdict_lines
    from tamid.core.view.why import explain

    with opened(args, out) as app:
        found = explain(scene(app, app.one(args.model)), args.kind, args.ident)
        reports = {step.line.seq: _judgement(app, step) for step in found.steps}
        changes = _environments(app, scene(app, app.one(args.model)), found)
    verdicts = {seq: report.get("verdicts", []) for seq, report in reports.items() if report}
    out.json({**_body(found), "verdicts": verdicts, "environments": changes})
    for line in chain_lines(found, {k: verdict_lines(r) for k, r in reports.items()}, changes):
        out.text(line)
    return 0


def chain_lines(
    found: Explanation,
    verdicts: Mapping[int, tuple[str, ...]],
    changes: Mapping[int, tuple[str, ...]],
) -> Iterator[str]:
    """Yield the lines of an explanation."""
    from tamid.core.learning.environment import in_short
    from tamid.core.view.scene import moment

    yield f"{found.kind} {found.ident}: {found.headline}"
    for step, more in _thinned(found.steps):
        one = step.line
        if more:
            yield f"\n... {more} more of this kind: `tamid log --kind {one.kind}`"
            continue
        yield ""
        yield f"{moment(one.at)}  event {one.seq}  by {one.actor} ({one.role})"
        yield f"  {one.text}"
        if one.reason and one.reason not in one.text:
            yield f"  because: {one.reason}"
        for detail in step.details:
            yield f"  - {detail}"
        if one.seq in changes:
            yield f"  - made in another environment: {in_short(changes[one.seq])}"
        for verdict in verdicts.get(one.seq, ()):
            yield f"  gate {verdict}"
        if step.report:
            yield f"  evidence {step.report}"


def _thinned(steps: tuple[Step, ...]) -> Iterator[tuple[Step, int]]:
    """Yield each step with 0; of a long run of one kind the first, how many follow, the last."""
    place = 0
    while place < len(steps):
        kind = steps[place].line.kind
        end = place
        while end < len(steps) and steps[end].line.kind == kind:
            end += 1
        same = steps[place:end]
        if len(same) <= _MOST_ALIKE:
            yield from ((step, 0) for step in same)
        else:
            yield same[0], 0
            yield same[1], len(same) - 2
            yield same[-1], 0
        place = end


def _judgement(app: App, step: Step) -> dict[str, Any]:
    if step.line.kind != "Judged" or not step.report or not app.blobs.has(step.report):
        return {}
    report = json.loads(app.blobs.get(step.report))
    return report if isinstance(report, dict) else {}


def _environments(app: App, here: Scene, found: Explanation) -> dict[int, tuple[str, ...]]:
    """Return, by the event that yielded a candidate, what its environment has changed since the
    champion of that time was made."""
    from tamid.core.events import RunFinished
    from tamid.core.learning.environment import changed
    from tamid.stages.packaging import environment_of

    seen = {step.line.seq for step in found.steps}
    told = {}
    for record in here.records:
        event, reign = record.event, here.state.live_on(record.at)
        if record.seq not in seen or not isinstance(event, RunFinished) or reign is None:
            continue
        champion = here.state.versions[reign.number].registered.ref.bundle
        with suppress(IntegrityError):  # `tamid verify` says what is missing
            before, after = (environment_of(b, app.blobs) for b in (champion, event.bundle))
            if found_changes := changed(before, after):
                told[record.seq] = found_changes
    return told


def _body(found: Explanation) -> dict[str, Any]:
    from tamid.core.values import jsonable

    body = jsonable(found)
    assert isinstance(body, dict)
    return body


def add_which(parser: ArgumentParser) -> None:
    """Declare the arguments of `which`."""
    parser.add_argument(
        "--on", required=True, metavar="DATE", help="a date, or a moment, in the contract's zone"
    )
    parser.add_argument("model", nargs="?", metavar="MODEL", help="the model (default: all)")
    add_example(parser, "tamid which --on 2026-03-01", "tamid which --on 2026-03-01T06:00 churn")


def which(args: Namespace, out: Output) -> int:
    """Say which version was live on a date, by whose decision, on what evidence."""
    from tamid.core.view.live import live_between, span_of

    with opened(args, out) as app:
        found: dict[str, tuple[Live, ...]] = {}
        scenes = {model: scene(app, model) for model in chosen(app, args.model)}
        for model, here in scenes.items():
            found[model] = live_between(here, *span_of(args.on, here))
    out.json({"on": args.on, "models": found})
    for model, reigns in found.items():
        if not reigns:
            out.text(f"{model}: no version was live on {args.on}; {_first(scenes[model])}")
        for reign in reigns:
            for line in _reign_lines(model, reign):
                out.text(line)
    return 0


def _first(here: Scene) -> str:
    from tamid.core.view.scene import moment

    if not here.state.reigns:
        return "there was no release so far"
    return f"the first release was on {moment(here.state.reigns[0].since)}"


def _reign_lines(model: str, reign: Live) -> Iterator[str]:
    from tamid.core.view.scene import moment

    until = f"until {moment(reign.until)}" if reign.until else "and still is"
    yield f"{model}: version {reign.number}, live from {moment(reign.since)} {until}"
    yield f"  decided by {reign.actor} ({reign.role}): {reign.reason}"
    for approval in reign.approvals:
        yield f"  approved by {approval}"
    yield f"  trained in {reign.run}, under contract {reign.contract}"
    yield f"  bundle {reign.bundle}, policy overlay {reign.overlay}"
    yield f"  evidence {reign.evidence or 'none of its own: a rollback'}"
    yield f"  recorded as event {reign.event}, {reign.hash}"
    for rung, since in reign.rungs:
        yield f"  from {moment(since)} the rung {rung} answered first"


def add_log(parser: ArgumentParser) -> None:
    """Declare the arguments of `log`."""
    parser.add_argument(
        "--kind",
        action="append",
        default=[],
        metavar="KIND",
        help="only this kind; may be repeated",
    )
    parser.add_argument("--last", type=int, metavar="N", help="only the last N events")
    add_model(parser)
    add_example(parser, "tamid log --last 20", "tamid log --kind Promoted --kind RolledBack")


def log(args: Namespace, out: Output) -> int:
    """Print the ledger in plain words, oldest first."""
    from tamid.core import events
    from tamid.core.view.build import lines
    from tamid.core.view.scene import moment

    known = {
        name
        for name, kind in vars(events).items()
        if isinstance(kind, type) and issubclass(kind, events.Event) and kind is not events.Event
    }
    lower = {name.lower() for name in known}
    for kind in args.kind:
        if kind.lower() not in lower:
            raise NotFound(
                f"there is no kind of event {kind!r}",
                why=f"the kinds are {', '.join(sorted(known))}",
                fix="Name one of these.",
            )
    with opened(args, out) as app:
        model = app.one(args.model)
        found = lines(scene(app, model), args.kind)
    found = found[-args.last :] if args.last else found
    out.json({"model": model, "events": found})
    for line in found:
        why = f": {line.reason}" if line.reason else ""
        person = f" [{line.actor}, {line.role}{why}]" if line.role != "controller" else ""
        out.text(f"{line.seq:>5}  {moment(line.at)}  {line.text}{person}")
    return 0
