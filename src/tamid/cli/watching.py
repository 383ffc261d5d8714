"""`tamid watch`: turn the loop for good; one watch leads a workspace, and follows its files."""

from __future__ import annotations

import signal
import sys
import threading
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from tamid.cli.desk import add_example, opened, scene
from tamid.cli.mirroring import Beside
from tamid.cli.ticking import adopted_since, told
from tamid.cli.turning import free_the_dead, turn, write_head
from tamid.core.errors import Conflict, TamidError
from tamid.core.values import digest_bytes, parse_duration

if TYPE_CHECKING:
    from pathlib import Path

    from tamid.app import App
    from tamid.cli.output import Output
    from tamid.ports import Lease

# The stream of the lease that one watch of a workspace holds; no model can have this name.
WATCH = "/watch"
# How long a watch may be silent before another one takes over; renewed three times in between.
WATCH_LEASE = timedelta(seconds=30)
# How often the wait looks at whether it should end, in seconds.
_BREATH = 0.2


def duration(text: str) -> timedelta:
    """Read a duration on the command line."""
    try:
        return parse_duration(text)
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from None


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
        app.stays = True
        out.note(f"watching {', '.join(app.models())}; end with Ctrl-C or SIGTERM")
        with _leading(app, out, stop, args.poll) as leads:
            if leads:
                Watch(app, out, stop, args.every, args.poll).run()
    out.note("stopped")
    return 0


class Watch:
    """The schedule of one workspace: which model is due, and which has new data or a new contract.

    The workspace file and the contracts are read anew before each round. A broken one is told once,
    and what it said when it was last whole stays in force.
    """

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
        self._contracts: dict[str, str] = {}
        self._broken: dict[Path, str] = {}
        self._mirror = Beside(app, out)

    def run(self) -> None:
        """Turn what is due until told to stop."""
        try:
            while not self._stop.is_set():
                self._reread()
                turned = False
                for model in self._app.models():
                    if not self._stop.is_set() and (why := self._due(model)):
                        self._turn(model, why)
                        turned = True
                self._mirror.nudge(now=turned)
                _wait(self._stop, self._poll)
        finally:
            self._mirror.end()

    def _due(self, model: str) -> str:
        """Return why the model is to be turned now, or ""."""
        state, now = self._app.state(model), self._app.clock.now()
        if state.retired:
            return ""
        every = self._every or self._app.contract(model).monitoring.every
        last = max(filter(None, (state.last_tick, self._tried.get(model))), default=None)
        if last is None or now >= last + every:
            return "it is due"
        if self._contract_changed(model):
            return "its contract changed"
        return "new data" if self._news(model) else ""

    def _reread(self) -> None:
        """Follow the files, and tell once what changed or broke."""
        before = set(self._app.models())
        broken = self._app.reread()
        for path, error in broken.items():
            if self._broken.get(path) != f"{error.what}: {error.why}":
                self._out.error(error)
                self._out.note(f"{path.name} is broken: what it said before stays in force")
        for path in self._broken.keys() - broken.keys():
            self._out.note(f"{path.name} is whole again")
        self._broken = {p: f"{e.what}: {e.why}" for p, e in broken.items()}
        after = set(self._app.models())
        for model in sorted(after - before):
            self._out.note(f"now watching {model}")
        for model in sorted(before - after):
            self._out.note(f"no longer watching {model}")

    def _contract_changed(self, model: str) -> bool:
        """Say whether the folder's contract is whole and neither in force nor tried already."""
        path = self._app.models()[model]
        if path in self._broken:
            return False
        try:
            found = digest_bytes(path.read_bytes())
        except OSError:
            return False
        return found not in (self._app.state(model).contract, self._contracts.get(model))

    def _news(self, model: str) -> bool:
        """Say whether a batch is there that no tick has seen, unchanged since the last look."""
        there = self._batches(model)
        unseen = there - self._known.get(model, frozenset())
        settled = unseen & self._fresh.get(model, frozenset())
        self._fresh[model] = unseen
        return bool(settled)

    def _batches(self, model: str) -> frozenset[tuple[str, str, str]]:
        from tamid.stages.feeds import listed

        taken = self._app.state(model).batches
        found = set()
        for name, source in self._app.rig(model).sources.items():
            for batch in listed(source, name, "", None):
                if taken.get(name, {}).get(batch.name) != batch.fingerprint:
                    found.add((name, batch.name, batch.fingerprint))
        return frozenset(found)

    def _turn(self, model: str, why: str) -> None:
        from tamid.core.view.build import snapshot

        self._out.note(f"{model}: a tick, {why}")
        self._tried[model] = self._app.clock.now()
        with suppress(OSError):
            self._contracts[model] = digest_bytes(self._app.models()[model].read_bytes())
        try:
            before = self._app.state(model).seq
            report = turn(self._app, model, self._stop.is_set)
            snap = snapshot(scene(self._app, model))
            adopted = adopted_since(self._app, model, before)
            result = told(self._out, model, report, snap, adopted)
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
