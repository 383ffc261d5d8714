"""The gate over slices: nobody may be let down while the whole gets better."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np
import polars as pl

from tamid.core.stats.bootstrap import bootstrap_difference
from tamid.core.stats.compare import Comparison, compare
from tamid.core.stats.metrics import Terms
from tamid.core.values import Interval, Task
from tamid.core.verdict import GateOutcome, GateVerdict
from tamid.core.windows import FEWEST_POSITIVES
from tamid.stages.evidence import ALPHA, Evidence, cuts_of, groups_of, mass_of, terms_of

_Cell = tuple[str, str, pl.Series]


def slices(e: Evidence) -> Iterator[GateVerdict]:
    """Hold every slice against the champion; a first run's against the whole.

    A slice fails only when its drop is proven to be larger than allowed, Holm's way over all
    slices. Slices with too few positives (or rows) are named, never dropped in silence.
    """
    paired = e.shared()
    cells: list[_Cell] = []
    for column in e.contract.gates.slices.by:
        counted = [
            (v, m, mass_of(e, paired.rows.filter(m))) for v, m in cuts_of(paired.rows, column)
        ]
        cells += [(column, value, mask) for value, mask, n in counted if n >= FEWEST_POSITIVES]
        small = {value: n for value, _, n in counted if n < FEWEST_POSITIVES}
        if small or not counted:
            yield _too_small(e, column, small)
    yield from _on_their_own(paired, cells) if e.champion is None else _compared(paired, cells)


def _too_small(e: Evidence, column: str, small: dict[str, int]) -> GateVerdict:
    what = "positives" if e.contract.task is Task.BINARY else "rows"
    listed = ", ".join(f"{value} {n}" for value, n in small.items()) or "none of its values"
    return GateVerdict(
        gate=f"slices of {column} too small",
        outcome=GateOutcome.UNDECIDED,
        threshold=float(FEWEST_POSITIVES),
        n=sum(small.values()),
        message=f"{listed}: of {FEWEST_POSITIVES} {what} needed to judge a slice",
        blocking=False,
    )


def _compared(e: Evidence, cells: list[_Cell]) -> Iterator[GateVerdict]:
    allowed = e.contract.gates.slices.max_drop
    for (column, value, mask), found, proven in _holm(e, cells, allowed):
        drop = found.difference
        outcome = GateOutcome.UNDECIDED if drop.point < -allowed else GateOutcome.PASS
        yield GateVerdict(
            gate=f"slice {column}={value}",
            outcome=GateOutcome.FAIL if proven else outcome,
            measured=drop.point,
            threshold=-allowed,
            interval=drop,
            n=int(mask.sum()),
            message=f"{found.metric} {drop.point:+.3f} against the champion "
            f"({drop.low:+.3f} to {drop.high:+.3f}), allowed {-allowed:+.3f}",
            blocking=False,
        )


def _holm(
    e: Evidence, cells: list[_Cell], allowed: float
) -> Iterator[tuple[_Cell, Comparison, bool]]:
    """Yield each slice with whether its drop is proven: the clearest at alpha / m, and so on.

    Source: Holm (1979), Scandinavian Journal of Statistics 6: whoever is rejected no longer counts
    among those that share alpha.
    """
    left = cells
    while left:
        found = [(cell, _against(e, cell, allowed, ALPHA / len(left))) for cell in left]
        proven = [c for c, f in found if f.difference.high < -allowed]
        for cell, comparison in found:
            shown = any(cell is c for c in proven)
            if shown or not proven:
                yield cell, comparison, shown
        left = [c for c in left if not any(c is p for p in proven)] if proven else []


def _against(e: Evidence, cell: _Cell, allowed: float, alpha: float) -> Comparison:
    assert e.champion is not None
    part = e.rows.filter(cell[2])
    return compare(
        terms_of(e, e.champion.filter(cell[2]), e.champion_threshold, rows=part),
        terms_of(e, part.get_column("score"), e.threshold, rows=part),
        groups_of(part),
        margin=allowed,
        rng=e.rng,
        alpha=alpha,
        degraded=e.degraded,
    )


def _on_their_own(e: Evidence, cells: list[_Cell]) -> Iterator[GateVerdict]:
    """Without a champion: how far a slice stays behind the whole.

    Told, never failed: where fewer are positive every metric of decisions is lower for the best
    of models, too.
    """
    allowed = e.contract.gates.slices.max_drop
    for column, value, mask in cells:
        drop = _drop(e, mask, ALPHA / len(cells))
        behind = drop.high < -allowed
        yield GateVerdict(
            gate=f"slice {column}={value}",
            outcome=GateOutcome.UNDECIDED if behind else GateOutcome.PASS,
            measured=drop.point,
            threshold=-allowed,
            interval=drop,
            n=int(mask.sum()),
            message=f"{drop.point:+.3f} against the whole ({drop.low:+.3f} to {drop.high:+.3f})"
            + (", shown to stay behind; there is no champion to compare with" if behind else ""),
            blocking=False,
        )


def _drop(e: Evidence, mask: pl.Series, alpha: float) -> Interval:
    """Return the slice's metric less the whole's, drawn by entity, one-sided bounds at alpha."""
    whole = terms_of(e, e.rows.get_column("score"), e.threshold)
    inside = mask.cast(pl.Float64).to_numpy()
    part: Terms = dataclasses.replace(
        whole, rows=whole.rows * inside[:, None], mass=whole.mass * inside
    )
    sign = whole.metric.sign()
    codes = groups_of(e.rows).entity
    assert codes is not None
    codes = codes - codes.min()
    drawn = sign * bootstrap_difference(part, whole, codes, int(codes.max()) + 1, e.rng)
    drawn = drawn[np.isfinite(drawn)]
    point = sign * (part.point() - whole.point())
    low, high = np.quantile(drawn, [alpha, 1 - alpha]) if len(drawn) else (-np.inf, np.inf)
    return Interval(point=point, low=float(low), high=float(high), level=1 - 2 * alpha)
