"""What is printed above the score: a row for each set, and what had to be cut."""

from __future__ import annotations

import math
from collections.abc import Sequence

from tamid.loopbench.events import BUGS
from tamid.loopbench.oneset import SetResult
from tamid.loopbench.score import bug_share

_HEAD = (
    "set", "task", "weeks", "default", "never", "weekly", "4-weekly", "best", "forest", "NR",
    "runs/yr", "false/yr", "events", "TTD", "bugs",
)  # fmt: skip


def table(results: Sequence[SetResult]) -> str:
    """Return the rows as aligned text.

    Losses are error rates (of a regression: the mean absolute error as a share of that of the
    median); NR is `-` where never and the best fixed policy cannot be told apart.
    """
    rows = [_HEAD, *(_row(result) for result in results)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(_HEAD))]
    lines = ["  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)) for row in rows]
    cuts = [f"cut on {r.name}: {'; '.join(r.cut)}" for r in results if r.cut]
    return "\n".join([line.rstrip() for line in lines] + cuts)


def _row(result: SetResult) -> tuple[str, ...]:
    losses = {row.policy: row.loss for row in result.natural.rows}
    years = sum(null.years for null in result.nulls)
    alarms = sum(null.alarms for null in result.nulls)
    waits = [trial.found for trial in result.trials]
    return (
        result.name,
        result.task,
        str(result.weeks),
        _number(result.natural.default.loss, 4),
        _number(losses["never"], 4),
        _number(losses["1-weekly all"], 4),
        _number(losses["4-weekly all"], 4),
        _number(losses[result.natural.best], 4),
        _number(result.forest, 4),
        _number(result.natural.default.regret, 2),
        _number(result.natural.default.retrains, 1),
        _number(alarms / years if years else math.nan, 1),
        str(len(waits)),
        _number(sum(waits) / len(waits) if waits else math.nan, 1),
        _number(bug_share(result.trials, BUGS - {"scramble"}), 2),
    )


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None or not math.isfinite(value) else f"{value:.{digits}f}"
