"""A mate: one process of several; it puts its counts where the others find them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tamid.serving.http.metrics import Counts, Times

# Names place, restarts, lead and folder of a mate: "1:0:4711:/tmp/tamid-crew-x".
PLACE = "TAMID_CREW"
# Seconds between two looks at the lead, each with the counts written down: what others add lags so.
_EVERY = 0.5
# Gauges that are true only if they are of every process.
_ALL = ("ready",)
_SAME = ("champion_version",)


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a mate stands."""

    number: int
    restarts: int
    lead: int
    folder: Path


def standing(environment: Mapping[str, str]) -> Standing | None:
    """Return where this process stands, None where it is alone."""
    number, _, rest = environment.get(PLACE, "").partition(":")
    restarts, _, rest = rest.partition(":")
    lead, _, folder = rest.partition(":")
    if not folder:
        return None
    return Standing(int(number), int(restarts), int(lead), Path(folder))


class Mate:
    """Beside an application: shares its counts, and ends it when the lead is gone."""

    def __init__(self, where: Standing, counts: Counts) -> None:
        self._where, self._counts = where, counts
        self._gauges: Callable[[], Mapping[str, float]] = dict
        self._task: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Share from now on."""
        self._task = asyncio.get_running_loop().create_task(self._share())

    async def close(self) -> None:
        """Leave the last counts behind: sums never fall when a process ends."""
        if self._task is not None:
            self._task.cancel()
        self._write(alive=False)

    def together(
        self, counts: Counts, gauges: Callable[[], Mapping[str, float]]
    ) -> tuple[Counts, Callable[[], Mapping[str, float]]]:
        """Return counts and gauges of all processes; this one's as they are now."""
        others = self._others()
        for other in others:
            counts = added(counts, other["counts"])
        newest: dict[int, Mapping[str, Any]] = {}
        for other in others:
            if other["alive"] and other["place"] != self._where.number:
                known = newest.get(other["place"])
                if known is None or other["restarts"] > known["restarts"]:
                    newest[other["place"]] = other
        own = gauges()
        every = [own, *(other["gauges"] for other in newest.values())]
        found = {name: _joint(name, [g[name] for g in every if name in g]) for name in own}
        return counts, lambda: {**found, "processes": float(len(every))}

    def observe(self, gauges: Callable[[], Mapping[str, float]]) -> None:
        """Say what this process's gauges are."""
        self._gauges = gauges

    async def _share(self) -> None:
        while True:
            if os.getppid() != self._where.lead:
                # Nobody is left who would start or end this process.
                os.kill(os.getpid(), signal.SIGTERM)
                return
            with contextlib.suppress(OSError):
                self._write(alive=True)
            await asyncio.sleep(_EVERY)

    def _write(self, *, alive: bool) -> None:
        where = self._where
        body = {
            "place": where.number,
            "restarts": where.restarts,
            "alive": alive,
            "counts": plain(self._counts),
            "gauges": dict(self._gauges()),
        }
        part = where.folder / f".{where.number}-{where.restarts}.part"
        with contextlib.suppress(OSError):
            part.write_text(json.dumps(body))
            part.replace(where.folder / f"{where.number}-{where.restarts}.json")

    def _others(self) -> list[Mapping[str, Any]]:
        own, found = f"{self._where.number}-{self._where.restarts}.json", []
        with contextlib.suppress(OSError):
            for path in sorted(self._where.folder.glob("*.json")):
                if path.name != own:
                    with contextlib.suppress(OSError, ValueError):
                        found.append(json.loads(path.read_text()))
        return found


def plain(counts: Counts) -> dict[str, Any]:
    """Return counts as JSON values."""
    return {
        "rows": [[*key, n] for key, n in counts.rows.items()],
        "reasons": dict(counts.reasons),
        "requests": [[*key, n] for key, n in counts.requests.items()],
        "times": [[key, t.counts, t.total] for key, t in counts.times.items()],
        "parts": [[*key, t.counts, t.total] for key, t in counts.parts.items()],
    }


def added(counts: Counts, other: Mapping[str, Any]) -> Counts:
    """Return the sum of counts and of what :func:`plain` made of others; neither is changed."""
    found = Counts()
    for mine, theirs, kept in (
        (counts.rows, {(v, r): n for v, r, n in other["rows"]}, found.rows),
        (counts.requests, {(r, s): n for r, s, n in other["requests"]}, found.requests),
        (counts.reasons, other["reasons"], found.reasons),
    ):
        for key in {**mine, **theirs}:
            kept[key] = mine.get(key, 0) + theirs.get(key, 0)
    whole = {key: (c, t) for key, c, t in other["times"]}
    parts = {(p, v): (c, t) for p, v, c, t in other["parts"]}
    for key in {**counts.times, **whole}:
        found.times[key] = _times(counts.times.get(key), whole.get(key))
    for part in {**counts.parts, **parts}:
        found.parts[part] = _times(counts.parts.get(part), parts.get(part))
    return found


def _times(mine: Times | None, theirs: tuple[list[int], float] | None) -> Times:
    found = Times()
    for counts, total in (
        (mine.counts, mine.total) if mine is not None else ([], 0.0),
        theirs or ([], 0.0),
    ):
        for place, n in enumerate(counts):
            found.counts[place] += n
        found.total += total
    return found


def _joint(name: str, values: list[float]) -> float:
    if name in _ALL:
        return min(values)
    return max(values) if name in _SAME else sum(values)
