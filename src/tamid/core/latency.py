"""Why it became slow: the part of a request, the version, the load or the size that changed."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

# The parts of a request in its order, and the whole of it. `log` is what an answer waited for the
# prediction log, counted in sums only.
PARTS = ("read", "features", "queue", "model", "whole", "log")
# Durations are counted in bins of a quarter of an octave from one microsecond on: 2**24 are 17 s.
BINS, _PER_OCTAVE, _LEAST = 97, 4, 1e-6


def bins_of(seconds: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Return the bin of each duration.

    >>> bins_of(np.array([0.0, 1e-6, 2e-6, 1.0, 1e9])).tolist()
    [0, 0, 4, 79, 96]
    """
    octaves = np.log2(np.maximum(seconds, _LEAST) / _LEAST)
    found: npt.NDArray[np.int64] = np.minimum(octaves * _PER_OCTAVE, BINS - 1).astype(np.int64)
    return found


def times_as_long(one: Callable[[int], float], other: Callable[[int], float], turns: int) -> float:
    """Return how many times as long one takes as another, asked in turns, each first by turns.

    Formula: median_i (one_i / other_i). What slows the machine down for a while slows both of a
    turn, and one turn in which it struck one of them moves no median.
    `one`, `other`: ask for the i-th row and return how long it took.

    >>> times_as_long(lambda i: 3.0 * (1 + i), lambda i: 2.0 * (1 + i), 9)
    1.5
    """
    ratios = []
    for i in range(turns):
        if i % 2:
            theirs, mine = other(i), one(i)
        else:
            mine, theirs = one(i), other(i)
        ratios.append(mine / max(theirs, _LEAST))
    return float(np.median(ratios)) if ratios else math.nan


# So many turns tell the middle of their ratios to within a few percent, in half a second.
TURNS = 25
# Below this growth of the mean nothing is said to have changed: it comes and goes by itself.
_GREW = 1.2
# So many windows on each side of a change, so that one odd window is none.
_FEWEST = 3
Cause = Literal["nothing", "version", "load", "size", "part"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """What one version answered in some seconds; `seconds`: sums, `counts`: requests by bin."""

    began: float
    ended: float
    version: int
    requests: int
    rows: int
    size: int
    seconds: Mapping[str, float]
    counts: Mapping[str, Mapping[int, int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Windows taken together, by the version that answered most.

    Per request: `rows`, bytes (`size`) and the seconds of each part; `rate`: requests a second.
    """

    version: int
    requests: int
    rate: float
    rows: float
    size: float
    parts: Mapping[str, float]
    p50: float
    p99: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Slower:
    """Since when requests take longer, in which part, and what changed with it."""

    cause: Cause
    words: str
    part: str = ""
    version: int = 0
    since: float = 0.0
    before: Span | None = None
    after: Span | None = None


def why_slow(windows: Sequence[Window]) -> Slower:
    """Return what made requests slower, at the moment where their time rose most.

    A part is held against its own work: the time of a row where the model or a look-up worked, of
    a byte where the body was read. A part whose work takes as long as before did not slow down;
    then more rows, more bytes or more requests at once did it.
    """
    ordered = sorted(windows, key=lambda w: (w.began, w.version))
    split = _change(ordered)
    if split is None:
        return Slower(cause="nothing", words="requests take no longer than before")
    before, after = span(ordered[:split]), span(ordered[split:])
    part = _grown(before, after)
    cause, words = _cause(ordered[:split], ordered[split:], before, after, part)
    return Slower(
        cause=cause,
        words=words,
        part=part,
        version=after.version,
        since=ordered[split].began,
        before=before,
        after=after,
    )


def span(windows: Sequence[Window]) -> Span:
    """Return windows taken together."""
    requests = max(sum(w.requests for w in windows), 1)
    seconds = sum(e - b for b, e in {(w.began, w.ended) for w in windows})
    by_version: dict[int, int] = {}
    for w in windows:
        by_version[w.version] = by_version.get(w.version, 0) + w.requests
    whole = _added([w.counts.get("whole", {}) for w in windows])
    return Span(
        version=max(by_version, key=lambda v: by_version[v], default=0),
        requests=requests,
        rate=requests / seconds if seconds else 0.0,
        rows=sum(w.rows for w in windows) / requests,
        size=sum(w.size for w in windows) / requests,
        parts={p: sum(w.seconds.get(p, 0.0) for w in windows) / requests for p in PARTS},
        p50=quantile(whole, 0.5),
        p99=quantile(whole, 0.99),
    )


def quantile(counts: Mapping[int, int], level: float) -> float:
    """Return the upper end of the bin below which a share `level` lies, in seconds.

    >>> round(quantile({4: 99, 40: 1}, 0.5) * 1e6, 2), round(quantile({4: 99, 40: 1}, 1.0), 5)
    (2.38, 0.00122)
    """
    left = level * sum(counts.values())
    for place in sorted(counts):
        left -= counts[place]
        if left <= 1e-9:
            return float(_LEAST * 2 ** ((place + 1) / _PER_OCTAVE))
    return 0.0


def _added(counts: Sequence[Mapping[int, int]]) -> dict[int, int]:
    found: dict[int, int] = {}
    for one in counts:
        for place, n in one.items():
            found[place] = found.get(place, 0) + n
    return found


def _change(windows: Sequence[Window]) -> int | None:
    """Return where the mean time of a request rose most, if it did by enough to be told."""
    means = [w.seconds.get("whole", 0.0) + w.seconds.get("log", 0.0) for w in windows]
    each = [max(m / max(w.requests, 1), _LEAST) for m, w in zip(means, windows, strict=True)]
    logs = np.log(np.array(each))
    best, where = 0.0, None
    for k in range(_FEWEST, len(windows) - _FEWEST + 1):
        rise = float(np.median(logs[k:]) - np.median(logs[:k]))
        weight = float(np.sqrt(k * (len(windows) - k) / len(windows)))
        if rise >= np.log(_GREW) and rise * weight > best:
            best, where = rise * weight, k
    return where


def _grown(before: Span, after: Span) -> str:
    """Return the part whose seconds per request grew most."""
    apart = {p: after.parts[p] - before.parts[p] for p in PARTS if p != "whole"}
    return max(apart, key=lambda p: apart[p])


def _cause(
    then: Sequence[Window], now: Sequence[Window], before: Span, after: Span, part: str
) -> tuple[Cause, str]:
    told = f"{part} took {_ms(before.parts[part])} a request and takes {_ms(after.parts[part])}"
    if before.version != after.version and part != "log" and _by_version(then, now, part, after):
        text = f"{told} since version {after.version} answers in place of {before.version}"
        return "version", text
    more_rows, more_bytes = after.rows / before.rows, after.size / max(before.size, 1.0)
    work = more_bytes if part == "read" else more_rows
    slowed = after.parts[part] / max(before.parts[part], _LEAST) / max(work, 1.0)
    larger = max(more_rows, more_bytes) >= _GREW
    if larger and part in ("read", "features", "model") and slowed < _GREW * _GREW:
        text = (
            f"requests are larger: {before.rows:.3g} rows and {before.size:.3g} bytes each, now "
            f"{after.rows:.3g} and {after.size:.3g}; {told}, no longer for each row"
        )
        return "size", text
    if part == "queue":
        if after.rate >= _GREW * before.rate:
            text = f"{before.rate:.3g} requests a second became {after.rate:.3g}: {told}"
            return "load", text
        if larger:
            return "size", f"requests of {before.rows:.3g} rows became {after.rows:.3g}: {told}"
        model = after.parts["model"] / max(before.parts["model"], _LEAST)
        if model >= _GREW:
            text = f"model took {_ms(before.parts['model'])} and takes {_ms(after.parts['model'])}"
            return "part", f"{text}, so that others wait: {told}"
    return "part", f"{told}, at the same version, load and size"


def _by_version(then: Sequence[Window], now: Sequence[Window], part: str, after: Span) -> bool:
    """Say whether the new version's own work takes longer than that of those before it."""
    new = [w for w in now if w.version == after.version]
    old = [w for w in (*then, *now) if w.version != after.version]
    if not new or not old:
        return False
    worked = "model" if part == "queue" else part
    return _per_row(new, worked) >= _GREW * _per_row(old, worked)


def _per_row(windows: Sequence[Window], part: str) -> float:
    work = sum(w.size if part == "read" else w.rows for w in windows)
    return sum(w.seconds.get(part, 0.0) for w in windows) / max(work, 1)


def _ms(seconds: float) -> str:
    return f"{seconds * 1e3:.3g} ms"
