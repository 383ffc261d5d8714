"""What is counted, as plain numbers on the loop's thread, and as Prometheus text when asked."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from tamid.serving.seams import Meters
from tamid.serving.values import Answer

if TYPE_CHECKING:
    from prometheus_client.core import Metric

# Seconds: from a row that is answered in the loop to what a slow batch takes.
_EDGES = (
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
)  # fmt: skip
# Kept apart in the metrics at most; what comes beyond is counted under `other`.
_MOST_REASONS = 100


class Times:
    """A histogram: counts by edge, and the sum."""

    __slots__ = ("counts", "total")

    def __init__(self) -> None:
        self.counts, self.total = [0] * (len(_EDGES) + 1), 0.0

    def add(self, seconds: float) -> None:
        """Count one."""
        self.counts[bisect_left(_EDGES, seconds)] += 1
        self.total += seconds


class Counts:
    """Meters in memory."""

    def __init__(self) -> None:
        self.rows: dict[tuple[int, str], int] = {}
        self.reasons: dict[str, int] = {}
        self.requests: dict[tuple[str, int], int] = {}
        self.times: dict[str, Times] = {}
        self.parts: dict[tuple[str, int], Times] = {}

    def answered(self, answer: Answer) -> None:
        """Count one row's answer."""
        key = (answer.version, answer.rung)
        self.rows[key] = self.rows.get(key, 0) + 1
        if answer.reason:
            self._reason(answer.reason)

    def request(self, route: str, status: int, seconds: float) -> None:
        """Count one request and its whole time."""
        self.requests[route, status] = self.requests.get((route, status), 0) + 1
        times = self.times.get(route)
        if times is None:
            times = self.times[route] = Times()
        times.add(seconds)

    def answered_alike(self, like: Answer, rows: int) -> None:
        """Count the answers of rows that got the same rung and reason."""
        key = (like.version, like.rung)
        self.rows[key] = self.rows.get(key, 0) + rows
        if like.reason:
            self._reason(like.reason, rows)

    def shortcut(self, route: str, like: Answer) -> Callable[[float], None]:
        """Return what counts one request with one row, answered well and like this one."""
        key, asked = (like.version, like.rung), (route, 200)
        rows, requests, reason = self.rows, self.requests, like.reason
        times = self.times.setdefault(route, Times())

        def count(seconds: float) -> None:
            try:
                rows[key] += 1
                requests[asked] += 1
            except KeyError:
                rows.setdefault(key, 1)
                requests[asked] = requests.get(asked, 0) + 1
            times.counts[bisect_left(_EDGES, seconds)] += 1
            times.total += seconds
            if reason:
                self._reason(reason)

        return count

    def part(self, name: str, version: int, seconds: float) -> None:
        """Keep the time of a part of a request."""
        times = self.parts.get((name, version))
        if times is None:
            times = self.parts[name, version] = Times()
        times.add(seconds)

    def _reason(self, given: str, rows: int = 1) -> None:
        # What rows broke names columns; the rung's own reasons stand before the first comma.
        reason = given.partition(",")[0]
        if reason not in self.reasons and len(self.reasons) >= _MOST_REASONS:
            reason = "other"
        self.reasons[reason] = self.reasons.get(reason, 0) + rows


def exposition(counts: Counts, gauges: Callable[[], Mapping[str, float]]) -> bytes:
    """Return all numbers in the text format of Prometheus."""
    from prometheus_client import CollectorRegistry, generate_latest

    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(counts, gauges))
    return generate_latest(registry)


class _Collector:
    def __init__(self, counts: Counts, gauges: Callable[[], Mapping[str, float]]) -> None:
        self._counts, self._gauges = counts, gauges

    def collect(self) -> Iterator[Metric]:
        from prometheus_client.core import (
            CounterMetricFamily,
            GaugeMetricFamily,
            HistogramMetricFamily,
        )

        counts = self._counts
        rows = CounterMetricFamily("tamid_rows", "rows answered", labels=["version", "rung"])
        for (version, rung), n in counts.rows.items():
            rows.add_metric([str(version), rung], n)
        yield rows
        reasons = CounterMetricFamily("tamid_reasons", "why not a better rung", labels=["reason"])
        for reason, n in counts.reasons.items():
            reasons.add_metric([reason], n)
        yield reasons
        requests = CounterMetricFamily("tamid_requests", "requests", labels=["route", "status"])
        for (route, status), n in counts.requests.items():
            requests.add_metric([route, str(status)], n)
        yield requests
        whole = HistogramMetricFamily("tamid_request_seconds", "whole time", labels=["route"])
        for route, times in counts.times.items():
            whole.add_metric([route], _buckets(times), times.total)
        yield whole
        parts = HistogramMetricFamily(
            "tamid_part_seconds", "time of a part of a request", labels=["part", "version"]
        )
        for (part, version), times in counts.parts.items():
            parts.add_metric([part, str(version)], _buckets(times), times.total)
        yield parts
        for name, value in self._gauges().items():
            yield GaugeMetricFamily(f"tamid_{name}", name.replace("_", " "), value=value)


def _buckets(times: Times) -> list[tuple[str, float]]:
    found, seen = [], 0
    for edge, n in zip((*map(str, _EDGES), "+Inf"), times.counts, strict=True):
        seen += n
        found.append((edge, float(seen)))
    return found


_: Meters = Counts()
