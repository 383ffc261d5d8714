"""The worst slices of the judged rows: who is answered worse than the rest, Holm's way."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import polars as pl

from tamid.core.learning.advice import Finding
from tamid.core.learning.model import Bools, Floats
from tamid.core.stats.arrays import codes_of
from tamid.core.stats.bootstrap import bootstrap_difference
from tamid.core.stats.metrics import Terms
from tamid.core.values import Interval, Task
from tamid.core.windows import FEWEST_POSITIVES
from tamid.stages.evidence import ALPHA
from tamid.stages.refitting import Lab

# A column with more values is rather a name than a group.
_MOST_VALUES = 12
# So many of the worst are told.
_TOLD = 5


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Slice:
    """A group of judged rows, its gap to the rest, and each draw of that gap."""

    column: str
    value: str
    mask: Bools
    part: Terms
    rest: Terms
    gap: float
    drawn: Floats
    share: float

    def at(self, alpha: float) -> Interval:
        """Return the gap with one-sided bounds."""
        low, high = np.quantile(self.drawn, [alpha, 1 - alpha])
        return Interval(
            point=self.gap, low=float(low), high=float(high), level=round(1 - 2 * alpha, 6)
        )


def slices(lab: Lab) -> tuple[Finding, ...]:
    """Return the slices that are shown to be answered worse than the rest, the costliest first.

    Positives are as frequent in a slice as in all rows, by weight: where fewer are positive every
    metric of decisions is lower for the best of models, too. What a slice costs is its gap times
    its share of what the metric counts.
    """
    cells = list(_cells(lab))
    if not cells:
        lab.missing["slice"] = "no column cuts the judged rows into groups that are large enough"
        return ()
    left, shown = cells, list[_Slice]()
    while left:
        clear = [c for c in left if c.at(ALPHA / len(left)).low > 0]
        if not clear:
            break
        shown += clear
        left = [c for c in left if not any(c is s for s in clear)]
    if not shown:
        lab.missing["slice"] = f"none of {len(cells)} slices is shown to be worse than the rest"
    shown.sort(key=lambda c: -c.gap * c.share)
    return tuple(_told(lab, c, len(cells)) for c in shown[:_TOLD])


def _told(lab: Lab, c: _Slice, among: int) -> Finding:
    gap, rows = c.at(ALPHA), int(c.mask.sum())
    rate = ""
    if lab.contract.task is Task.BINARY:
        rate = f", {lab.y[c.mask].mean():.0%} positive there and {lab.y[~c.mask].mean():.0%} else"
    return Finding(
        kind="slice",
        name=f"{c.column}={c.value}",
        evidence=f"{lab.metric} {c.part.point():.4f} on its {rows} judged rows, "
        f"{c.rest.point():.4f} on the others{rate}; shown among {among} slices",
        gain=replace(
            gap, point=gap.point * c.share, low=gap.low * c.share, high=gap.high * c.share
        ),
        basis="bound",
        shown=True,
        names=(c.column, c.value),
        numbers={"rows": rows, "gap": gap.point, "value": c.part.point(), "rest": c.rest.point()},
    )


def _cells(lab: Lab) -> Iterator[_Slice]:
    entity = lab.groups.entity
    codes, units = codes_of(np.arange(lab.rows.height) if entity is None else entity)
    for column in _columns(lab):
        for value, mask in _groups(lab.rows.get_column(column)):
            if _mass(lab, mask) < FEWEST_POSITIVES or _mass(lab, ~mask) < FEWEST_POSITIVES:
                continue
            part, rest = _part(lab, mask), _part(lab, ~mask)
            sign = part.metric.sign()
            rng = lab.tools.generator(lab.bench.job.seed)
            drawn = sign * bootstrap_difference(rest, part, codes, units, rng)
            drawn = drawn[np.isfinite(drawn)]
            gap = sign * (rest.point() - part.point())
            if len(drawn) and np.isfinite(gap):
                share = float(lab.base.terms.mass[mask].sum() / lab.base.terms.mass.sum())
                yield _Slice(
                    column=column, value=value, mask=mask, part=part, rest=rest, gap=gap,
                    drawn=drawn, share=share,
                )  # fmt: skip


def _part(lab: Lab, mask: Bools) -> Terms:
    """Return the terms of a part of the judged rows, positives as frequent in it as in all."""
    weight = lab.bench.weight[lab.fold.seen]
    factor = mask.astype(np.float64)
    if lab.contract.task is Task.BINARY:
        for is_one in (lab.y == 1, lab.y != 1):
            inside, whole = weight[mask & is_one].sum(), weight[is_one].sum()
            if inside > 0:
                factor[mask & is_one] = whole / weight.sum() * weight[mask].sum() / inside
    return lab.judged(lab.base.score, lab.base.chosen.threshold, weight * factor)


def _columns(lab: Lab) -> list[str]:
    """Return the contract's slices, then every other group of the data.

    Numbers are cut only where the contract asks: of what the model leans on, the part where it
    turns from no to yes is answered worse by the best of models.
    """
    data, rows = lab.contract.data, lab.rows
    hidden = {data.label.column, data.entity, data.time, *data.pii, *data.forbidden}
    there = [c for c in rows.columns if not c.startswith("_") and c not in hidden]
    named = [c for c in lab.contract.gates.slices.by if c in rows.columns]
    grouped = [c for c in there if not rows.schema[c].is_numeric() and _few(rows.get_column(c))]
    return list(dict.fromkeys([*named, *grouped]))


def _groups(column: pl.Series) -> Iterator[tuple[str, Bools]]:
    """Yield each value, or each quarter of a number with many, with the rows that have it."""
    if not column.dtype.is_numeric() or _few(column):
        for value in sorted(column.drop_nulls().unique().to_list(), key=str):
            yield str(value), (column == value).fill_null(value=False).to_numpy()
        return
    numbers = column.cast(pl.Float64)
    cuts = sorted({q for s in (0.25, 0.5, 0.75) if (q := numbers.quantile(s)) is not None})
    edges = [-np.inf, *cuts, np.inf]
    for low, high in pairwise(edges):
        name = f"<{high:g}" if low == -np.inf else f">={low:g}"
        if np.isfinite([low, high]).all():
            name = f"{low:g}..{high:g}"
        yield name, ((numbers >= low) & (numbers < high)).fill_null(value=False).to_numpy()


def _few(column: pl.Series) -> bool:
    return column.drop_nulls().n_unique() <= _MOST_VALUES and not column.dtype.is_temporal()


def _mass(lab: Lab, mask: Bools) -> int:
    return int((lab.y[mask] == 1).sum() if lab.contract.task is Task.BINARY else mask.sum())
