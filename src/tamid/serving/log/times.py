"""How long the parts of requests took, as counts by duration: per version, window by window."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
import numpy.typing as npt

from tamid.core.latency import BINS, PARTS, bins_of
from tamid.serving.log.packing import Kept, Noted

# Seconds of one window: long enough to be cheap, short enough to say when it began.
WINDOW = 10.0
# The parts with durations of their own; the log is known in sums only.
_TIMED = PARTS.index("log")
_OFFSETS = np.arange(_TIMED) * BINS
# Of many requests that come at once each eighth is timed: hundreds a window are enough.
_FEW, _EACH = 16, 8
# What was timed is counted so many at a time: numpy is dear for a few.
_AT_ONCE = 256
_encode = msgspec.json.Encoder().encode


class Times:
    """Sums over the requests of the running window. Not for two threads at once."""

    def __init__(self, began: float) -> None:
        self._began = began
        self._cells: dict[int, _Cell] = {}
        self._seen: tuple[dict[tuple[int, str], int], int] = ({}, 0)

    def add(self, noted: Sequence[Noted]) -> None:
        """Count noted requests by the version of their turn."""
        numbers = [request[1].number for request in noted]
        for version in set(numbers):
            alone = numbers.count(version) == len(numbers)
            requests = noted if alone else [r for r in noted if r[1].number == version]
            cell = self._cells.get(version)
            if cell is None:
                cell = self._cells[version] = _Cell()
            cell.add(requests)

    def logging(self, version: int, seconds: float) -> None:
        """Count time that answers of a version waited for the log itself."""
        cell = self._cells.get(version)
        if cell is None:
            cell = self._cells[version] = _Cell()
        cell.log += seconds

    def cut(self, now: float, kept: Kept, *, at_once: bool = False) -> bytes | None:
        """Return the window as a block's body if it is over, and begin the next one.

        With it goes what was answered and lost since the last window.
        """
        if now - self._began < WINDOW and not at_once:
            return None
        cells, began = self._cells, self._began
        self._cells, self._began = {}, now
        told = [c.told(version) for version, c in sorted(cells.items()) if c.requests]
        if not told:
            return None
        seen, self._seen = self._seen, (dict(kept.answered), kept.lost)
        answered = {
            f"{version}/{rung}": n - seen[0].get((version, rung), 0)
            for (version, rung), n in self._seen[0].items()
        }
        changed = {who: n for who, n in answered.items() if n}
        about = {"lost": kept.lost - seen[1], "answered": changed, "cells": told}
        return _encode({"began": began, "ended": now, **about})


class _Cell:
    """One version in one window."""

    def __init__(self) -> None:
        self.requests, self.log = 0, 0.0
        self._timed: list[tuple[float, ...]] = []
        self.sums: npt.NDArray[np.float64] = np.zeros(_TIMED + 2)
        self.counts: npt.NDArray[np.int64] = np.zeros(_TIMED * BINS, dtype=np.int64)

    def add(self, requests: Sequence[Noted]) -> None:
        self.requests += len(requests)
        each = _EACH if len(requests) > _FEW else 1
        timed = requests[::each]
        # As many as they stand for, and in bins.
        stands = (len(requests) / len(timed), each)
        self._timed += [(*r[4], len(r[2]), r[5], *stands) for r in timed]
        if len(self._timed) >= _AT_ONCE:
            self._count()

    def _count(self) -> None:
        if not self._timed:
            return
        timed = np.array(self._timed)
        self._timed.clear()
        self.sums += timed[:, -2] @ timed[:, :-2]
        places = bins_of(timed[:, :_TIMED]) + _OFFSETS
        each = np.repeat(timed[:, -1], _TIMED)
        counts = np.bincount(places.ravel(), weights=each, minlength=_TIMED * BINS)
        self.counts += counts.astype(np.int64)

    def told(self, version: int) -> dict[str, object]:
        self._count()
        seconds = dict(zip(PARTS, self.sums[:_TIMED].tolist(), strict=False))
        counts = {
            part: {str(i): int(row[i]) for i in np.flatnonzero(row)}
            for part, row in zip(PARTS, self.counts.reshape(_TIMED, BINS), strict=False)
        }
        rows, size = self.sums[_TIMED:].astype(int).tolist()
        return {
            "version": version, "requests": self.requests, "rows": rows, "bytes": size,
            "seconds": {**seconds, "log": self.log}, "counts": counts,
        }  # fmt: skip
