"""A worker process as the desk uses it: opened with a verified bundle, or with a bundle's rule."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tamid.core.errors import UserCodeError
from tamid.core.learning.bundle import Opened
from tamid.serving.brain.jobs import Outcome
from tamid.serving.brain.opening import CONTRACT, GOLDEN, Verified, golden_rows
from tamid.serving.seams import Process
from tamid.serving.values import Row

# Seconds that a worker may take to start, load its libraries and prove its golden rows.
_OPENING = 120.0


class _Hand:
    """What all workers have in common."""

    def __init__(self, process: Process) -> None:
        self._process = process

    @property
    def alive(self) -> bool:
        """Say whether the process still runs."""
        return self._process.alive

    @property
    def peak_mb(self) -> float:
        """Return the most memory that it held in its last answer."""
        return self._process.peak_mb

    def drill(self, fault: str, timeout: float) -> None:
        """Let it suffer a fault, as a drill asks for."""
        self._process.ask({"op": "drill", "fault": fault}, timeout)

    def close(self) -> None:
        """Kill the worker."""
        self._process.close()


class ModelHand(_Hand):
    """A worker that runs a version's model and feature code."""

    def __init__(self, found: Verified, process: Process) -> None:
        super().__init__(process)
        self._inputs = found.opened.manifest.schema.inputs
        try:
            process.lay_bundle(found.opened)
            # Strict: the worker refuses a bundle that does not reproduce its golden scores.
            process.ask({"op": "open", "strict": True}, _OPENING)
        except BaseException:
            process.close()
            raise

    def ask(self, rows: Sequence[Row], *, explain: bool, timeout: float) -> Sequence[Outcome]:
        """Answer; see :class:`tamid.serving.brain.desk.Hand`."""
        columns = _columns(rows, self._inputs)
        request = {"op": "online", "columns": columns, "explain": explain}
        return _outcomes(self._process.ask(request, timeout), len(rows))


class RuleHand(_Hand):
    """A worker that runs a rule out of a version's code, and loads no model."""

    def __init__(self, found: Verified, code: str, process: Process) -> None:
        super().__init__(process)
        self._code = code
        self._inputs = found.opened.manifest.schema.inputs
        try:
            process.lay_files("rule", _rule_files(found.opened))
            rows = [Row(values=values) for values in golden_rows(found)]
            # Libraries are loaded with the first answer: not while somebody waits for it. What
            # the rule says of rows that are nobody's is its own affair.
            with contextlib.suppress(UserCodeError):
                self.ask(rows, explain=False, timeout=_OPENING)
        except BaseException:
            process.close()
            raise

    def ask(self, rows: Sequence[Row], *, explain: bool, timeout: float) -> Sequence[Outcome]:
        """Answer; a rule has no contributions."""
        columns = _columns(rows, self._inputs)
        request = {"op": "online_rule", "columns": columns, "code": self._code}
        return _outcomes(self._process.ask(request, timeout), len(rows))


Spawn = Callable[[], Process]


def _rule_files(opened: Opened) -> Mapping[str, bytes]:
    kept = (CONTRACT, GOLDEN)
    return {p: c for p, c in opened.files.items() if p in kept or p.startswith("code/")}


def _columns(rows: Sequence[Row], names: Sequence[str]) -> Mapping[str, Sequence[Any]]:
    return {name: [row.values.get(name) for row in rows] for name in names}


def _outcomes(reply: Mapping[str, Any], count: int) -> Sequence[Outcome]:
    scores = reply["score"]
    if len(scores) != count:
        raise ValueError(f"{len(scores)} scores for {count} rows")
    classes, moved = reply.get("classes", {}), reply.get("explanation", {})
    return [
        Outcome(
            score=float(score),
            classes={name: values[i] for name, values in classes.items()},
            explanation={name: values[i] for name, values in moved.items()},
        )
        for i, score in enumerate(scores)
    ]
