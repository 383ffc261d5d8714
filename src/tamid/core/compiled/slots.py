"""How a row becomes what a model reads: the steps of each slot, for one row and for many."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from tamid.core.compiled.program import Floats, Op, Slots

# What rounds to infinity in 32 bits.
_SINGLE_MOST = 3.4028235677973366e38
RowSteps = list[tuple[int, list[tuple[int, float, list[float]]]]]


def prepare(slots: Slots, values: Floats) -> Floats:
    """Return (n, slots) prepared numbers of (n, features); infinities count as missing."""
    clean = np.where(np.isfinite(values), values, np.nan)
    made = np.empty((len(values), slots.width), dtype=np.float64)
    steps = row_steps(slots)
    with np.errstate(over="ignore", invalid="ignore"):
        for j, (source, ops) in enumerate(steps):
            column = clean[:, source]
            for op, argument, table in ops:
                column = _step(op, argument, np.asarray(table), column)
            made[:, j] = column
    return made


def prepare_row(steps: RowSteps, values: Sequence[float]) -> list[float]:
    """Return one row's prepared numbers; infinities count as missing."""
    made = []
    for source, ops in steps:
        v = values[source]
        if v - v != 0.0:
            v = math.nan
        for op, argument, table in ops:
            v = _row_step(op, argument, table, v)
        made.append(v)
    return made


def row_steps(slots: Slots) -> RowSteps:
    """Return source and steps of each slot as plain lists, each step with its table."""
    begin, cuts = slots.begin.tolist(), slots.table_begin.tolist()
    op, argument, table = slots.op.tolist(), slots.argument.tolist(), slots.table.tolist()
    made: RowSteps = []
    for j, source in enumerate(slots.source.tolist()):
        ops = []
        for o, a in zip(
            op[begin[j] : begin[j + 1]], argument[begin[j] : begin[j + 1]], strict=True
        ):
            held = table[cuts[int(a)] : cuts[int(a) + 1]] if o == Op.MAP else []
            ops.append((o, a, held))
        made.append((source, ops))
    return made


def _row_step(op: int, a: float, table: list[float], v: float) -> float:
    if op == Op.FILL:
        return a if v != v else v
    if op == Op.SUBTRACT:
        return v - a
    if op == Op.DIVIDE:
        return v / a
    if op == Op.MULTIPLY:
        return v * a
    if op == Op.ADD:
        return v + a
    if op == Op.EQUALS:
        return 1.0 if v == a else 0.0
    if op == Op.ISNAN:
        return 1.0 if v != v else 0.0
    if op == Op.AT_LEAST:
        return max(v, a)
    if op == Op.AT_MOST:
        return min(v, a)
    if op == Op.SINGLE:
        return _single(v)
    if v != v:
        return table[0]
    return table[int(v) + 2] if 0 <= v < len(table) - 2 and v == int(v) else table[1]


def _step(op: int, a: float, table: Floats, v: Floats) -> Floats:
    missing = np.isnan(v)
    if op == Op.SINGLE:
        return v.astype(np.float32).astype(np.float64)
    if op == Op.MAP:
        whole = ~missing & (v >= 0) & (v < len(table) - 2) & (v == np.floor(v))
        place = np.where(whole, np.where(whole, v, 0).astype(np.int64) + 2, 1)
        return np.asarray(table[np.where(missing, 0, place)])
    plain: dict[int, Callable[[], Floats]] = {
        Op.FILL: lambda: np.where(missing, a, v),
        Op.SUBTRACT: lambda: v - a,
        Op.DIVIDE: lambda: v / a,
        Op.MULTIPLY: lambda: v * a,
        Op.ADD: lambda: v + a,
        Op.EQUALS: lambda: (v == a).astype(np.float64),
        Op.ISNAN: lambda: missing.astype(np.float64),
        Op.AT_LEAST: lambda: np.where(v < a, a, v),
        Op.AT_MOST: lambda: np.where(v > a, a, v),
    }
    return plain[op]()


def _single(v: float) -> float:
    if abs(v) >= _SINGLE_MOST:
        return math.copysign(math.inf, v)
    return float(np.float32(v))
