"""A Scorer that runs each bundle in a process of its own, kept warm."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from datetime import timedelta
from time import monotonic
from typing import TYPE_CHECKING

import polars as pl

from tamid.adapters.spawn.handover import read_frame, write_bundle
from tamid.adapters.spawn.worker import Worker
from tamid.core.errors import TamidError, WorkerDied
from tamid.core.learning.bundle import Opened, Overlay, sealed
from tamid.core.values import jsonable
from tamid.ports import Scores

if TYPE_CHECKING:
    from tamid.ports import Scorer

Unpack = Callable[[str, str], Opened]

# Champion, challenger and previous champion stay warm; a further bundle ends the one idle longest.
_MOST_WORKERS = 3
_PROBE_TIMEOUT = 300.0


class SpawnScorer:
    """Runs bundles' own code and models; `unpack` verifies a bundle and its overlay."""

    def __init__(self, unpack: Unpack, most: int = _MOST_WORKERS) -> None:
        self._unpack, self._most = unpack, most
        self._workers: OrderedDict[str, Worker] = OrderedDict()
        self._overlays: dict[tuple[str, str], Overlay] = {}

    def score(
        self, bundle: str, overlay: str, frame: pl.DataFrame, *, reasons: int, timeout: timedelta
    ) -> Scores:
        """Score rows; see the port for laws and errors."""
        started = monotonic()
        worker = self._worker(bundle, overlay, timeout.total_seconds())
        policy = self._overlays[bundle, overlay]
        request = {
            "op": "score",
            "reasons": reasons,
            "calibration": jsonable(policy.calibration),
        }
        rows, answers = worker.folder / "rows.arrow", worker.folder / "scores.arrow"
        try:
            frame.write_ipc(rows, compression="uncompressed")
            left = timeout.total_seconds() - (monotonic() - started)
            reply = worker.ask(request, left)
            found = read_frame(answers)
        except WorkerDied:
            self._drop(bundle)
            raise
        except TamidError:
            raise
        except BaseException:
            # Interrupted between question and answer: the next answer would be the wrong one.
            self._drop(bundle)
            raise
        return Scores(frame=found, seconds=monotonic() - started, peak_mb=reply.peak_mb)

    def probe(
        self, bundle: str, overlay: str, frame: pl.DataFrame, repeats: int
    ) -> Mapping[str, float]:
        """Measure a bundle in a clean process, one row at a time."""
        opened = self._unpack(bundle, overlay)
        started = monotonic()
        worker = Worker()
        try:
            self._open(worker, opened, _PROBE_TIMEOUT)
            frame.write_ipc(worker.folder / "rows.arrow", compression="uncompressed")
            worker.ask({"op": "probe", "repeats": 1}, _PROBE_TIMEOUT)
            start_s = monotonic() - started
            reply = worker.ask({"op": "probe", "repeats": repeats}, _PROBE_TIMEOUT)
            measured = {str(k): float(v) for k, v in reply.value.items()}
        finally:
            worker.close()
        return {
            **measured,
            "start_s": start_s,
            "memory_mb": reply.peak_mb,
            "size_mb": opened.size / 1e6,
        }

    def close(self) -> None:
        """End all workers."""
        for bundle in list(self._workers):
            self._drop(bundle)

    def _worker(self, bundle: str, overlay: str, timeout: float) -> Worker:
        worker = self._workers.get(bundle)
        if worker is not None and worker.alive:
            if (bundle, overlay) not in self._overlays:
                self._overlays[bundle, overlay] = self._unpack(bundle, overlay).overlay
            self._workers.move_to_end(bundle)
            return worker
        self._drop(bundle)
        opened = self._unpack(bundle, overlay)
        while len(self._workers) >= self._most:
            self._drop(next(iter(self._workers)))
        worker = Worker()
        try:
            self._open(worker, opened, timeout)
        except BaseException:
            worker.close()
            raise
        self._workers[bundle] = worker
        self._overlays[bundle, overlay] = opened.overlay
        return worker

    def _open(self, worker: Worker, opened: Opened, timeout: float) -> None:
        # The worker reads the overlay without its signature: it was verified on this side.
        write_bundle(worker.folder / "bundle", opened, sealed(opened.overlay, ""))
        worker.ask({"op": "open"}, timeout)

    def _drop(self, bundle: str) -> None:
        worker = self._workers.pop(bundle, None)
        if worker is not None:
            worker.close()


if TYPE_CHECKING:

    def _check(unpack: Unpack) -> Scorer:
        return SpawnScorer(unpack)
