"""`tamid tick`: turn the loop once, and say what was done and why."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from tamid.cli.desk import add_example, add_model, chosen, opened, scene
from tamid.cli.mirroring import Beside
from tamid.cli.turning import status_of, turn, write_head
from tamid.core.errors import TamidError

if TYPE_CHECKING:
    from tamid.app import App
    from tamid.cli.output import Output
    from tamid.core.chain import Recorded
    from tamid.core.view.snapshot import Snapshot
    from tamid.stages.loop import TickReport

# More news of one kind than this is told as one line.
_MOST_LINES = 5
_MANY = {
    "DataAccepted": "batches of {of} accepted",
    "DataRefused": "batches of {of} refused",
    "LabelsAccepted": "batches of labels accepted",
    "ActionsAccepted": "batches of acts accepted",
    "AnswersTaken": "segments of servers",
    "IncidentOpened": "incidents",
}


def add_tick(parser: ArgumentParser) -> None:
    """Declare the arguments of `tick`."""
    add_model(parser)
    parser.add_argument(
        "--exit-code",
        action="store_true",
        help="3 if a candidate is held, 4 if a person or labels are awaited, 7 if degraded",
    )
    add_example(parser, "tamid tick", "tamid tick --model churn --exit-code")


def tick(args: Namespace, out: Output) -> int:
    """Turn the loop once for every model; say what was done and why."""
    from tamid.core.view.build import snapshot

    failed: TamidError | None = None
    with opened(args, out) as app:
        snapshots, results = [], []
        for model in chosen(app, args.model):
            before = app.state(model).seq
            try:
                report = turn(app, model)
            except TamidError as error:  # one model's trouble must not keep the others waiting
                if len(app.models()) == 1 or args.model:
                    raise
                out.error(error)
                failed = failed or error
                continue
            snapshots.append(snapshot(scene(app, model)))
            adopted = adopted_since(app, model, before)
            results.append(told(out, model, report, snapshots[-1], adopted))
        write_head(app)
        beside = Beside(app, out)
        beside.nudge(now=True)
        beside.wait()
    out.json({"ticks": results})
    if failed is not None:
        return failed.exit_code
    return status_of(snapshots) if args.exit_code else 0


def told(
    out: Output, model: str, report: TickReport, snap: Snapshot, adopted: Sequence[str] = ()
) -> dict[str, Any]:
    """Print what a turn did and return it as JSON values; `adopted`: the contracts."""
    from tamid.core import events as ev
    from tamid.core.actions import action_record
    from tamid.core.view.words import action_words, line

    taken_in = (ev.ActionsAccepted, ev.DataAccepted, ev.DataRefused, ev.LabelsAccepted)
    noticed = (
        *taken_in, ev.AnswersTaken, ev.IncidentOpened, ev.Measured, ev.AlarmRaised, ev.AlarmCleared,
        ev.Diagnosed,
    )  # fmt: skip
    came = (ev.RunFailed, ev.Judged, ev.DeliveryDelayed)
    records = [r for r in report.records if isinstance(r.event, noticed)]
    observed = [line(r).text for r in records]
    outcomes = [line(r).text for r in report.records if isinstance(r.event, came)]
    done = [action_record(action) for action in report.actions]
    out.text(f"{model}: {snap.condition}")
    for text in adopted:
        out.text(f"  adopted: {text}")
    for text in _brief(records):
        out.text(f"  saw: {text}")
    for record in done:
        out.text(f"  did: {action_words(record)}")
    for text in outcomes:
        out.text(f"  outcome: {text}")
    for text in report.waiting:
        out.text(f"  waits: {text}")
    if not observed and not done and not adopted:
        out.text("  nothing new, nothing to do")
        if snap.condition == "degraded":
            out.text(f"  still: {snap.service.sentence}")
    return {
        "model": model,
        "tick": report.tick,
        "condition": snap.condition,
        "adopted": tuple(adopted),
        "saw": observed,
        "did": done,
        "outcomes": outcomes,
        "waiting": report.waiting,
        "events": len(report.records),
    }


def adopted_since(app: App, model: str, after: int) -> list[str]:
    """Return the contracts that came into force after an event; whom changed views touch."""
    from tamid.core.events import ContractAdopted
    from tamid.core.view.words import line

    found = (r for r in app.ledger.read(model, after) if isinstance(r.event, ContractAdopted))
    changed = [(r, isinstance(r.event, ContractAdopted) and r.event.views) for r in found]
    return [r.reason if views else line(r).text for r, views in changed]


def _brief(records: list[Recorded]) -> Iterator[str]:
    """Yield what was seen, many events of one kind as one line."""
    from tamid.core.view.words import line

    kinds: dict[tuple[str, str], list[Recorded]] = {}
    for record in records:
        of = getattr(record.event, "source", getattr(record.event, "signal", ""))
        kinds.setdefault((type(record.event).__name__, of), []).append(record)
    for (kind, of), some in kinds.items():
        if len(some) <= _MOST_LINES:
            yield from (line(r).text for r in some)
            continue
        word = _MANY.get(kind, f"measurements of {of.replace('_', ' ')}").format(of=of)
        yield f"{len(some)} {word}, the last: {line(some[-1]).text}"
