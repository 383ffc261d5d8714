"""From runs to medians, ratios and a table."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from serve.measure import Run
from serve.servers import Server

Key = tuple[str, int]


def ratios(runs: Sequence[Run], servers: Sequence[Server]) -> dict[str, Any]:
    """Return how far Tamid is ahead of each, by requests a second, CPU and slowest hundredth."""
    rps, cpu, p99 = (_medians(runs, what) for what in ("rps", "cpu", "p99"))
    links = sorted({run.links for run in runs})
    known = {run.server for run in runs}
    found: dict[str, Any] = {"ahead": {}}
    for server in servers:
        if server.name not in known or server.name == "tamid" or not server.packages:
            continue
        found["ahead"][server.name] = {
            str(n): {
                "rps": _ratio(rps, ("tamid", n), (server.name, n)),
                "cpu": _ratio(cpu, (server.name, n), ("tamid", n)),
                "p99": _ratio(p99, (server.name, n), ("tamid", n)),
            }
            for n in links
        }
    found["uncompiled_ahead"] = {
        server.name: {str(n): _ratio(rps, ("tamid-uncompiled", n), (server.name, n)) for n in links}
        for server in servers
        if server.name in known and server.packages and not (server.ours or server.batching)
    }
    for name in ("tamid", "tamid-no-compiler"):
        found[f"{name}_share_of_echo_by_cpu"] = _each(links, cpu, "echo", name)
        found[f"{name}_share_of_own_layer_by_cpu"] = _each(links, cpu, "echo-layer", name)
    for name in ("tamid-v2-packed", "tamid-v2-two-json", "tamid-v2-columns"):
        found[f"{name}_share_of_plain_by_cpu"] = _each(links, cpu, "tamid", name)
        found[f"{name}_share_of_plain_by_rps"] = _each(links, rps, name, "tamid")
    own = [run for run in runs if run.server == "tamid"]
    found["started_wall_cpu"] = _started(own)
    found["memory_mb"] = _middle([run.memory for run in own])
    found["errors"] = {name: sum(r.errors for r in runs if r.server == name) for name in known}
    found["spread"] = {f"{name}@{n}": _spread(runs, name, n) for name in known for n in links}
    found["load_busy"] = {
        f"{name}@{n}": _middle([r.busy for r in runs if (r.server, r.links) == (name, n)])
        for name in ("tamid", "echo") for n in links
    }  # fmt: skip
    return found


def table(runs: Sequence[Run], missing: Mapping[str, str], many: Mapping[str, float]) -> str:
    """Return the table in Markdown; medians over the rounds."""
    names = list(dict.fromkeys(run.server for run in runs))
    links = sorted({run.links for run in runs})
    lines = [
        "| server | requests/s | CPU us a request | p50 ms | p99 ms | errors | memory MB "
        "| first answer s (wall, CPU) |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name in names:
        own = [run for run in runs if run.server == name]
        cells = []
        for what, scale, form in (
            ("rps", 1.0, "{:.0f}"), ("cpu", 1.0, "{:.1f}"), ("p50", 1e3, "{:.2f}"),
            ("p99", 1e3, "{:.2f}"),
        ):  # fmt: skip
            middles = _medians(own, what)
            cells.append(" / ".join(form.format(middles[name, n] / scale) for n in links))
        wall, spent = _started(own)
        cells += [str(sum(r.errors for r in own)), f"{_middle([r.memory for r in own]):.0f}"]
        lines.append(f"| {name} | {' | '.join(cells)} | {wall:.2f}, {spent:.2f} |")
    lines += [f"left out: {name}: {why}" for name, why in missing.items()]
    lines += [f"{name}: {value:.4g}" for name, value in many.items()]
    return f"connections {' / '.join(map(str, links))}\n\n" + "\n".join(lines)


def _medians(runs: Sequence[Run], what: str) -> dict[Key, float]:
    found: dict[Key, list[float]] = {}
    for run in runs:
        found.setdefault((run.server, run.links), []).append(getattr(run, what))
    return {key: statistics.median(values) for key, values in found.items()}


def _ratio(values: Mapping[Key, float], above: Key, below: Key) -> float | None:
    if above not in values or not values.get(below):
        return None
    return round(values[above] / values[below], 3)


def _each(links: Sequence[int], values: Mapping[Key, float], above: str, below: str) -> Any:
    return {str(n): _ratio(values, (above, n), (below, n)) for n in links}


def _spread(runs: Sequence[Run], name: str, links: int) -> float | None:
    """Return the largest CPU of a request over the smallest, over the rounds."""
    values = [run.cpu for run in runs if (run.server, run.links) == (name, links)]
    return round(max(values) / min(values), 3) if values and min(values) > 0 else None


def _started(runs: Sequence[Run]) -> tuple[float, float]:
    return (
        _middle([run.started[0] for run in runs]),
        _middle([run.started[1] for run in runs]),
    )


def _middle(values: Sequence[float]) -> float:
    return round(statistics.median(values), 3) if values else 0.0
