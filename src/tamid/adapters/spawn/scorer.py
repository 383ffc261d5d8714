"""A Scorer that runs each bundle in a process of its own, kept warm."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING

import polars as pl

from tamid.adapters.spawn.handover import read_frame, write_bundle, write_files
from tamid.adapters.spawn.worker import Worker
from tamid.core.errors import TamidError, UserCodeError, WorkerDied
from tamid.core.learning.bundle import Opened, Overlay, reduced_or_refused, sealed
from tamid.core.values import jsonable
from tamid.ports import Beside, Scores

if TYPE_CHECKING:
    from tamid.ports import RuleRunner, Scorer

Unpack = Callable[[str, str], Opened]
RuleFiles = Callable[[str], Mapping[str, bytes]]

# Champion, challenger and previous champion stay warm; a further bundle ends the one idle longest.
_MOST_WORKERS = 3
_PROBE_TIMEOUT = 300.0


class SpawnScorer:
    """Runs bundles' own code and models.

    `unpack` verifies a bundle and its overlay, `rule_files` a bundle's contract and code. `ahead`:
    once a bundle is open the next process is started, so that another one, or the same after its
    process was killed, need not wait for imports; and the process in which a bundle was measured
    goes on as its own. It is for a controller that stays.
    """

    def __init__(
        self,
        unpack: Unpack,
        rule_files: RuleFiles,
        most: int = _MOST_WORKERS,
        *,
        ahead: bool = False,
    ) -> None:
        self._unpack, self._rule_files, self._most = unpack, rule_files, most
        self._looks_ahead = ahead
        self._spare: Worker | None = None
        self._workers: OrderedDict[str, Worker] = OrderedDict()
        self._overlays: dict[tuple[str, str], Overlay] = {}

    def score(
        self,
        bundle: str,
        overlay: str,
        frame: pl.DataFrame,
        *,
        reasons: int,
        timeout: timedelta,
        reduced: bool = False,
    ) -> Scores:
        """Score rows; see the port for laws and errors."""
        started = monotonic()
        name = f"reduced {bundle}" if reduced else bundle
        opened = partial(self._opened, bundle, overlay, reduced)
        worker = self._worker(name, overlay, opened, timeout.total_seconds())
        policy = self._overlays[name, overlay]
        request = {
            "op": "score",
            "reasons": reasons,
            "calibration": jsonable(policy.calibration),
        }
        return self._asked(name, worker, request, frame, started, timeout)

    def rule(self, bundle: str, code: str, frame: pl.DataFrame, *, timeout: timedelta) -> Scores:
        """Run the contract's rule in a process that loads no model."""
        started = monotonic()
        name = f"rule {bundle}"
        worker = self._workers.get(name)
        if worker is None or not worker.alive:
            self._drop(name)
            files = self._rule_files(bundle)
            worker = self._started(name)
            write_files(worker.folder / "rule", files)
        request = {"op": "rule", "code": code}
        return self._asked(name, worker, request, frame, started, timeout)

    def probe(
        self,
        bundle: str,
        overlay: str,
        frame: pl.DataFrame,
        repeats: int,
        beside: Beside | None = None,
    ) -> Mapping[str, float]:
        """Measure a bundle in a clean process, one row at a time.

        A controller that stays keeps the process: who passes is soon asked for scores.
        """
        opened = self._unpack(bundle, overlay)
        started = monotonic()
        worker = Worker()
        try:
            golden = self._open(worker, opened, _PROBE_TIMEOUT, strict=False)
            frame.write_ipc(worker.folder / "rows.arrow", compression="uncompressed")
            worker.ask({"op": "probe", "repeats": 1}, _PROBE_TIMEOUT)
            start_s = monotonic() - started
            reply = worker.ask({"op": "probe", "repeats": repeats}, _PROBE_TIMEOUT)
            measured = {str(k): float(v) for k, v in reply.value.items()}
            if beside is not None:
                measured |= self._in_turns(worker, beside, repeats)
        except BaseException:
            worker.close()
            raise
        if self._looks_ahead and golden == 0.0:
            self._kept(bundle, overlay, worker, opened)
        else:
            worker.close()
        return {
            **measured,
            "start_s": start_s,
            "memory_mb": reply.peak_mb,
            "size_mb": opened.size / 1e6,
            "golden_difference": golden,
        }

    def _in_turns(self, worker: Worker, beside: Beside, repeats: int) -> Mapping[str, float]:
        """Open another version in a process that has measured one, and ask both in turns."""
        other = self._unpack(beside.bundle, beside.overlay)
        write_bundle(worker.folder / "beside", other, sealed(other.overlay, ""))
        beside.frame.write_ipc(worker.folder / "beside.arrow", compression="uncompressed")
        try:
            reply = worker.ask({"op": "turns", "repeats": repeats}, _PROBE_TIMEOUT)
        except UserCodeError:  # the other one's, and no fault of the one that is measured
            return {}
        return {str(k): float(v) for k, v in reply.value.items()}

    def pids(self) -> tuple[int, ...]:
        """Return the process ids of the workers that are kept, the one idle longest first."""
        return tuple(worker.pid for worker in self._workers.values())

    def ahead(self) -> int | None:
        """Return the id of the process that waits for the next bundle, if there is one."""
        return None if self._spare is None else self._spare.pid

    def close(self) -> None:
        """End all workers."""
        for bundle in list(self._workers):
            self._drop(bundle)
        if self._spare is not None:
            self._spare.close()
            self._spare = None

    def _asked(
        self,
        name: str,
        worker: Worker,
        request: Mapping[str, object],
        frame: pl.DataFrame,
        started: float,
        timeout: timedelta,
    ) -> Scores:
        try:
            frame.write_ipc(worker.folder / "rows.arrow", compression="uncompressed")
            left = timeout.total_seconds() - (monotonic() - started)
            reply = worker.ask(request, left)
            found = read_frame(worker.folder / "scores.arrow")
        except WorkerDied:
            self._drop(name)
            raise
        except TamidError:
            raise
        except BaseException:
            # Interrupted between question and answer: the next answer would be the wrong one.
            self._drop(name)
            raise
        return Scores(frame=found, seconds=monotonic() - started, peak_mb=reply.peak_mb)

    def _kept(self, bundle: str, overlay: str, worker: Worker, opened: Opened) -> None:
        """Keep a process that has opened a bundle and answers exactly as its maker did."""
        self._drop(bundle)
        self._make_room()
        self._workers[bundle] = worker
        self._overlays[bundle, overlay] = opened.overlay
        self._look_ahead(opened)

    def _make_room(self) -> None:
        while len(self._workers) >= self._most:
            self._drop(next(iter(self._workers)))

    def _started(self, name: str) -> Worker:
        self._make_room()
        spare, self._spare = self._spare, None
        if spare is not None and not spare.alive:
            spare.close()
            spare = None
        self._workers[name] = spare or Worker()
        return self._workers[name]

    def _look_ahead(self, opened: Opened) -> None:
        """Start the process that the next bundle will be opened in, likely one of this kind."""
        if self._looks_ahead and self._spare is None:
            self._spare = Worker(ahead=opened.manifest.schema.format)

    def _opened(self, bundle: str, overlay: str, reduced: bool) -> Opened:
        """Return a verified bundle, or the part of it that does without some columns."""
        opened = self._unpack(bundle, overlay)
        return reduced_or_refused(opened) if reduced else opened

    def _worker(
        self, name: str, overlay: str, open_: Callable[[], Opened], timeout: float
    ) -> Worker:
        worker = self._workers.get(name)
        if worker is not None and worker.alive:
            if (name, overlay) not in self._overlays:
                self._overlays[name, overlay] = open_().overlay
            self._workers.move_to_end(name)
            return worker
        self._drop(name)
        opened = open_()
        worker = self._started(name)
        try:
            self._open(worker, opened, timeout, strict=True)
        except BaseException:
            self._drop(name)
            raise
        self._overlays[name, overlay] = opened.overlay
        self._look_ahead(opened)
        return worker

    def _open(self, worker: Worker, opened: Opened, timeout: float, *, strict: bool) -> float:
        """Load the bundle; return how far its golden scores are off (strict: refuse if so)."""
        # The worker reads the overlay without its signature: it was verified on this side.
        write_bundle(worker.folder / "bundle", opened, sealed(opened.overlay, ""))
        reply = worker.ask({"op": "open", "strict": strict}, timeout)
        return float(reply.value["golden_difference"])

    def _drop(self, bundle: str) -> None:
        worker = self._workers.pop(bundle, None)
        if worker is not None:
            worker.close()


if TYPE_CHECKING:

    def _check(unpack: Unpack, files: RuleFiles) -> tuple[Scorer, RuleRunner]:
        return SpawnScorer(unpack, files), SpawnScorer(unpack, files)
