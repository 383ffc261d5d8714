"""`tamid tick` and `tamid watch`: turn the loop, once or for good."""

from __future__ import annotations

import signal
import sys
import threading
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from tamid.cli.desk import add_example, add_model, chosen, opened, scene
from tamid.cli.turning import free_the_dead, status_of, turn, write_head
from tamid.core.errors import Conflict, TamidError
from tamid.core.values import parse_duration

if TYPE_CHECKING:
    from tamid.app import App
    from tamid.cli.output import Output
    from tamid.core.chain import Recorded
    from tamid.ports import Lease
    from tamid.stages.loop import TickReport

# The stream of the lease that one watch of a workspace holds; no model can have this name.
WATCH = "/watch"
# How long a watch may be silent before another one takes over; renewed three times in between.
WATCH_LEASE = timedelta(seconds=30)
# More news of one kind than this is told as one line.
_MOST_LINES = 5
_MANY = {
    "DataAccepted": "batches of {of} accepted",
    "DataRefused": "batches of {of} refused",
    "LabelsAccepted": "batches of labels accepted",
}
# How often the wait looks at whether it should end, in seconds.
_BREATH = 0.2


def duration(text: str) -> timedelta:
    """Read a duration on the command line."""
    try:
        return parse_duration(text)
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from None


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
            try:
                report = turn(app, model)
            except TamidError as error:  # one model's trouble must not keep the others waiting
                if len(app.models()) == 1 or args.model:
                    raise
                out.error(error)
                failed = failed or error
                continue
            snapshots.append(snapshot(scene(app, model)))
            results.append(_told(out, model, report, snapshots[-1].condition))
        write_head(app)
    out.json({"ticks": results})
    if failed is not None:
        return failed.exit_code
    return status_of(snapshots) if args.exit_code else 0


def _told(out: Output, model: str, report: TickReport, condition: str) -> dict[str, Any]:
    """Print what a turn did and return it as JSON values."""
    from tamid.core.actions import action_record
    from tamid.core.events import DataAccepted, DataRefused, LabelsAccepted, Measured
    from tamid.core.view.words import action_words, line

    seen = (DataAccepted, DataRefused, LabelsAccepted, Measured)
    records = [r for r in report.records if isinstance(r.event, seen)]
    observed = [line(r).text for r in records]
    done = [action_record(action) for action in report.actions]
    out.text(f"{model}: {condition}")
    for text in _brief(records):
        out.text(f"  saw: {text}")
    for record in done:
        out.text(f"  did: {action_words(record)}")
    for text in report.waiting:
        out.text(f"  waits: {text}")
    if not observed and not done:
        out.text("  nothing new, nothing to do")
    return {
        "model": model,
        "tick": report.tick,
        "condition": condition,
        "saw": observed,
        "did": done,
        "waiting": report.waiting,
        "events": len(report.records),
    }


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


def add_watch(parser: ArgumentParser) -> None:
    """Declare the arguments of `watch`."""
    parser.add_argument(
        "--every", type=duration, help="time between two ticks (default: the contract's)"
    )
    parser.add_argument(
        "--poll",
        type=duration,
        default=timedelta(seconds=10),
        help="how often to look for new data that wakes it early (10s)",
    )
    add_example(parser, "tamid watch", "tamid watch --every 6h --poll 1m")


def watch(args: Namespace, out: Output) -> int:
    """Turn the loop on schedule, and early when new data comes, until SIGTERM or SIGINT."""
    with _stopping() as stop, opened(args, out) as app:
        out.note(f"watching {', '.join(app.models())}; end with Ctrl-C or SIGTERM")
        with _leading(app, out, stop, args.poll) as leads:
            if leads:
                Watch(app, out, stop, args.every, args.poll).run()
    out.note("stopped")
    return 0


class Watch:
    """The schedule of one workspace: which model is due, and which has new data."""

    def __init__(
        self,
        app: App,
        out: Output,
        stop: threading.Event,
        every: timedelta | None,
        poll: timedelta,
    ) -> None:
        self._app, self._out, self._stop = app, out, stop
        self._every, self._poll = every, poll
        self._tried: dict[str, datetime] = {}
        self._known: dict[str, frozenset[tuple[str, str, str]]] = {}
        self._fresh: dict[str, frozenset[tuple[str, str, str]]] = {}

    def run(self) -> None:
        """Turn what is due until told to stop."""
        while not self._stop.is_set():
            for model in self._app.models():
                if not self._stop.is_set() and (why := self._due(model)):
                    self._turn(model, why)
            _wait(self._stop, self._poll)

    def _due(self, model: str) -> str:
        """Return why the model is to be turned now, or ""."""
        state, now = self._app.state(model), self._app.clock.now()
        every = self._every or self._app.contract(model).monitoring.every
        last = max(filter(None, (state.last_tick, self._tried.get(model))), default=None)
        if last is None or now >= last + every:
            return "it is due"
        return "new data" if self._news(model) else ""

    def _news(self, model: str) -> bool:
        """Say whether a batch is there that no tick has seen, unchanged since the last look."""
        there = self._batches(model)
        unseen = there - self._known.get(model, frozenset())
        settled = unseen & self._fresh.get(model, frozenset())
        self._fresh[model] = unseen
        return bool(settled)

    def _batches(self, model: str) -> frozenset[tuple[str, str, str]]:
        taken = self._app.state(model).batches
        found = set()
        for name, source in self._app.rig(model).sources.items():
            for batch in source.batches():
                if taken.get(name, {}).get(batch.name) != batch.fingerprint:
                    found.add((name, batch.name, batch.fingerprint))
        return frozenset(found)

    def _turn(self, model: str, why: str) -> None:
        from tamid.core.view.build import snapshot

        self._out.note(f"{model}: a tick, {why}")
        self._tried[model] = self._app.clock.now()
        try:
            report = turn(self._app, model, self._stop.is_set)
            condition = snapshot(scene(self._app, model)).condition
            result = _told(self._out, model, report, condition)
            self._out.json(result)
            write_head(self._app)
            sys.stdout.flush()
        except TamidError as error:  # the loop goes on: the next tick tries again
            self._out.error(error)
        self._known[model] = self._batches(model)


@contextmanager
def _stopping() -> Iterator[threading.Event]:
    """Turn SIGTERM and SIGINT into a wish to stop after the act in hand."""
    stop = threading.Event()
    before = {
        number: signal.signal(number, lambda *_: stop.set())
        for number in (signal.SIGTERM, signal.SIGINT)
    }
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _leading(app: App, out: Output, stop: threading.Event, poll: timedelta) -> Iterator[bool]:
    """Wait until no other watch leads this workspace, then lead it; keep the lease alive."""
    lease: Lease | None = None
    told = False
    while lease is None and not stop.is_set():
        if dead := free_the_dead(app, WATCH):
            out.note(f"{dead} is gone; taking over")
        try:
            lease = app.leases.acquire(WATCH, app.holder, app.clock.now(), WATCH_LEASE)
        except Conflict as error:
            if not told:
                out.note(f"another watch leads this workspace ({error.what}); waiting for it")
                told = True
            _wait(stop, min(poll, WATCH_LEASE / 3))
    if lease is None:
        yield False
        return
    out.note("this watch leads")
    over = threading.Event()
    pulse = threading.Thread(target=_renew, args=(app, out, stop, over), daemon=True)
    pulse.start()
    try:
        yield True
    finally:
        over.set()
        pulse.join()
        app.leases.release(lease)


def _renew(app: App, out: Output, stop: threading.Event, over: threading.Event) -> None:
    """Renew the lease until it is over; stop the watch if another one has taken it."""
    while not over.wait((WATCH_LEASE / 3).total_seconds()):
        try:
            app.leases.acquire(WATCH, app.holder, app.clock.now(), WATCH_LEASE)
        except Conflict as error:
            out.error(error)
            stop.set()
            return
        except TamidError as error:  # a full disk may pass; fencing guards what is written
            out.error(error)


def _wait(stop: threading.Event, span: timedelta) -> None:
    """Wait in short breaths, so that a signal is seen at once."""
    left = span.total_seconds()
    while left > 0 and not stop.wait(min(_BREATH, left)):
        left -= _BREATH
