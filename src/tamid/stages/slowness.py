"""How long requests took, as servers told it: the windows of the table `<model>.timings`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta

import polars as pl

from tamid.core.errors import NotFound
from tamid.core.latency import Window
from tamid.core.state import State
from tamid.core.values import TIME
from tamid.stages.answered import TIMINGS
from tamid.stages.rig import Rig


def windows(rig: Rig, state: State, back: timedelta, now: datetime) -> list[Window]:
    """Return the windows that began at most so long ago, oldest first.

    Raises:
        NotFound: no server has told of any.
    """
    pin = state.pins.get(rig.table(TIMINGS))
    found = pl.DataFrame()
    if pin is not None:
        found = rig.tables.read(pin).filter(pl.col(TIME) >= now - back).sort(TIME)
    if found.is_empty():
        raise NotFound(
            "no server has told how long its requests took in this time",
            why="`tamid tick` takes in what `tamid serve` wrote",
            fix="Run `tamid tick`, or look further back: --back 7d.",
        )
    return [
        Window(
            began=began.timestamp(),
            ended=until.timestamp(),
            version=version,
            requests=requests,
            rows=rows,
            size=size,
            seconds=json.loads(seconds),
            counts=_counts(json.loads(counts)),
        )
        for began, until, version, requests, rows, size, seconds, counts in found.select(
            TIME, "until", "version", "requests", "rows", "bytes", "seconds", "counts"
        ).iter_rows()
    ]


def _counts(told: Mapping[str, Mapping[str, int]]) -> dict[str, dict[int, int]]:
    return {part: {int(i): n for i, n in bins.items()} for part, bins in told.items()}
