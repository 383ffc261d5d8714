"""`tamid status` and `models`: how things stand."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from typing import TYPE_CHECKING

from tamid.cli.desk import add_example, add_model, chosen, opened, scene

if TYPE_CHECKING:
    from tamid.cli.output import Output
    from tamid.core.view.snapshot import Answer, Snapshot, VersionCard


def add_status(parser: ArgumentParser) -> None:
    """Declare the arguments of `status`."""
    parser.add_argument("model", nargs="?", metavar="MODEL", help="the model (default: all)")
    add_example(parser, "tamid status", "tamid status churn --json")


def status(args: Namespace, out: Output) -> int:
    """Answer the two questions, then say what is live, open, under way and awaited."""
    from tamid.core.view.build import snapshot

    with opened(args, out) as app:
        found = [snapshot(scene(app, model)) for model in chosen(app, args.model)]
    out.json({"models": found})
    for place, one in enumerate(found):
        if place:
            out.text()
        for line in page(one):
            out.text(line)
    return 0


def page(snap: Snapshot) -> Iterator[str]:
    """Yield the lines of one model's status."""
    yield f"{snap.model}, {_moment(snap.now)}"
    if snap.turning.retired:
        yield f"RETIRED {snap.turning.retired}"
        yield "What follows is how it stood; `tamid retire --undo` brings it back."
    yield ""
    yield from _question(snap.service)
    yield ""
    yield from _question(snap.quality)
    yield from _estimated(snap)
    yield ""
    yield from _champion(snap)
    yield from _lifts(snap)
    yield from _troubles(snap)
    yield from _work(snap)
    yield from _turning(snap)


def _question(answer: Answer) -> Iterator[str]:
    from tamid.core.view.scene import number, spread

    yield answer.question
    yield f"  {answer.sentence}"
    if answer.number is not None:
        figure = f"{number(answer.number)}{spread(answer.interval)}"
        level = f", interval at {answer.interval.level:.0%}" if answer.interval else ""
        yield f"  {answer.measure}: {figure}, as of {answer.on}{level}"
    if answer.known_from is not None:
        more = "more" if answer.number is not None else "a first figure"
        yield f"  {more} will be known from {_moment(answer.known_from)}"
    for reason in answer.reasons:
        yield f"  - {reason}"


def _estimated(snap: Snapshot) -> Iterator[str]:
    card = snap.estimate
    if card is None:
        return
    yield f"  {card.sentence}"
    yield f"  grade {card.grade}, {card.word}: {'; '.join(card.reasons)}"


def _champion(snap: Snapshot) -> Iterator[str]:
    from tamid.core.values import STATIC_PERIOD

    if snap.champion is None:
        yield "champion    none yet"
    else:
        card = snap.champion
        yield f"champion    version {card.number}, {_crowned(card)}"
        if card.trained_through:
            static = card.trained_through == STATIC_PERIOD
            span = "all its data" if static else f"data up to {card.trained_through}"
            yield f"            trained on {span} by {card.run}"
    if snap.challenger is not None:
        card = snap.challenger
        since = f" since {_moment(card.since)}" if card.since else ""
        yield f"challenger  version {card.number}, in {card.stage}{since}, from {card.run}"
        if card.waits:
            yield f"            waits for answers of the server: {card.waits}"
    if snap.rung != "champion":
        yield f"rung        {snap.rung} answers first"


def _lifts(snap: Snapshot) -> Iterator[str]:
    from tamid.core.view.lift import card_words

    for place, card in enumerate(snap.lifts):
        yield f"{'lift' if not place else '':<12}{card_words(card)}"


def _crowned(card: VersionCard) -> str:
    since = _moment(card.since) if card.since else "?"
    return f"live since {since} by {card.actor} ({card.role}): {card.reason}"


def _troubles(snap: Snapshot) -> Iterator[str]:
    if not snap.alarms and not snap.incidents:
        yield f"alarms      none open{f'; {snap.budget}' if snap.budget else ''}"
    for alarm in snap.alarms:
        yield f"alarm       {alarm.alarm}, {alarm.severity}, since {_moment(alarm.at)}"
        yield f"            {alarm.message}"
        if alarm.budget:
            yield f"            budget: {alarm.budget}"
        if alarm.cause:
            sure = "confirmed" if alarm.confirmed else "likely"
            reasons = f": {'; '.join(alarm.reasons)}" if alarm.reasons else ""
            then = "before" if alarm.earlier == "label_bug" else "before its labels"
            before = f" ({then}: {alarm.earlier.replace('_', ' ')})"
            named = alarm.cause.replace("_", " ") + before * bool(alarm.earlier)
            yield f"            {sure} cause: {named}{reasons}"
        elif alarm.failure == "model_failure":
            yield "            not diagnosed yet"
        if alarm.left:
            yield f"            {alarm.left}"
    for ticket in snap.tickets:
        yield f"ticket      {ticket}"
    known = {f"alarm/{alarm.alarm}" for alarm in snap.alarms}
    for incident in snap.incidents:
        if incident.incident not in known:
            kind = incident.failure.replace("_", " ")
            yield f"incident    {incident.incident}, {kind}, since {_moment(incident.at)}"
            yield f"            {incident.message}"
            yield f"            answer: {incident.response}"


def _work(snap: Snapshot) -> Iterator[str]:
    for case in snap.cases:
        clock = "overdue since" if case.overdue else "answer by"
        asked = f"{case.role} and {case.escalated}" if case.escalated else case.role
        yield f"case {case.number:<7}for {asked}, {clock} {_moment(case.answer_by)}"
        yield f"            {case.title}"
    for run in snap.runs:
        why = f": {run.why}" if run.why else ""
        yield f"{run.run:<12}{_moment(run.at)}, {run.trigger}, {run.outcome}{why}"
    people = [a for a in snap.awaited if a.who != "time"]
    for awaited in people:
        by = f" (by {_moment(awaited.by)})" if awaited.by else ""
        yield f"awaited     of {awaited.who}: {awaited.what}{by}"
    for awaited in snap.awaited:
        if awaited.who == "time" and awaited.by:
            yield f"awaited     {awaited.what} ({_moment(awaited.by)})"
    if not snap.awaited:
        yield "awaited     nothing, of nobody"


def _turning(snap: Snapshot) -> Iterator[str]:
    turning = snap.turning
    if turning.retired:
        yield "loop        rests: the model is retired"
        return
    if turning.paused_by:
        until = f" until {turning.paused_until}" if turning.paused_until else ""
        yield f"paused      by {turning.paused_by}{until}; scoring goes on"
    if turning.last is None:
        yield "loop        has not turned yet: `tamid tick`"
        return
    due = f"next due {_moment(turning.due)}" if turning.due else ""
    word = "OVERDUE, it was due" if turning.overdue else "next due"
    due = f"{word} {_moment(turning.due)}" if turning.due else ""
    yield f"loop        last turn {_moment(turning.last)}, every {turning.every}, {due}"


def add_models(parser: ArgumentParser) -> None:
    """Declare the arguments of `models`."""
    add_model(parser)
    add_example(parser, "tamid models", "tamid models --model churn --json")


def models(args: Namespace, out: Output) -> int:
    """List every version of every model: where it came from and how far it got."""
    from tamid.core.view.build import versions

    with opened(args, out) as app:
        found = {m: versions(scene(app, m)) for m in chosen(app, args.model)}
        rests = {m: retired.words for m in found if (retired := app.state(m).retired)}
    out.json({"models": found})
    rows = [
        (m, c.number, c.stage, _moment(c.since), c.run, c.trained_through, c.bundle[7:19])
        for m, cards in found.items()
        for c in cards
    ]
    if rows:
        out.table(("model", "version", "stage", "since", "run", "data up to", "bundle"), rows)
    for model, said in rests.items():
        out.text(f"{model} was retired {said}; none of its versions answers")
    for model, cards in found.items():
        if not cards:
            out.text(f"{model}: no version yet; the first follows from the first run")
        for card in cards:
            if card.stopped:
                out.text(f"{model} version {card.number} was stopped: {card.stopped}")
    return 0


def _moment(at: object) -> str:
    from datetime import datetime

    from tamid.core.view.scene import moment

    return moment(at) if isinstance(at, datetime) else "-"
