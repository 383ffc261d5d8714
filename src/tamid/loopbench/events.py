"""What goes wrong, as a change of a world from one week on: thirteen kinds, each by its seed.

A bug breaks what is delivered (values or labels) and leaves the truth alone; a drift changes the
truth or who is there. Half of the bugs are repaired after four weeks (even seeds).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.random import Generator

from tamid.core.learning.model import Floats, Ints
from tamid.core.values import Task
from tamid.loopbench.world import World, taken

Kind = Literal[
    "unit", "offset", "nulls", "stuck", "swap", "scramble", "recode", "label_default",
    "label_delay", "tilt", "segment", "concept", "prior",
]  # fmt: skip
Route = Literal["bug", "label_bug", "late_labels", "covariate", "concept", "prevalence"]
REPAIRED_AFTER = 4
# Events strike columns that the model leans on: one of its ten most important.
_STRUCK = 10
_UNIT = 100.0
_OFFSET_SDS = 3.0
_NULLS = 0.3
_LABELS_LOST = 0.9
_FLIPPED = 0.35
_TILT = 1.0
_SEGMENT = 5.0
# A column with other values in fewer rows than this (stuck at what nearly all rows have) has none
# to speak of: another one is drawn, and after so many draws the one that altered most is taken.
_ALTERED, _DRAWS = 0.05, 50

ROUTES: dict[Kind, Route] = {
    "unit": "bug", "offset": "bug", "nulls": "bug", "stuck": "bug", "swap": "bug",
    "scramble": "bug", "recode": "bug", "label_default": "label_bug",
    "label_delay": "late_labels", "tilt": "covariate", "segment": "covariate",
    "concept": "concept", "prior": "prevalence",
}  # fmt: skip
KINDS: tuple[Kind, ...] = tuple(ROUTES)
# What a contract's own checks (range, nulls, known words, variance) can prove.
CONTRACT: frozenset[Kind] = frozenset({"unit", "nulls", "stuck", "recode"})
# So large that two weeks must do.
GROSS: frozenset[Kind] = CONTRACT | {"offset"}
BUGS: frozenset[Kind] = frozenset(k for k, r in ROUTES.items() if r in ("bug", "label_bug"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One injection: the week it begins, the week it ends (the end of history if never)."""

    kind: Kind
    seed: int
    onset: int
    until: int
    columns: tuple[str, ...] = ()


def draw(kind: Kind, seed: int, world: World, horizon: int, rng: Generator) -> Event:
    """Draw when the event begins: after some weeks of service, early enough to be noticed."""
    first = world.warm_up + world.delay + 3
    last = max(world.weeks - horizon, first + 1)
    onset = int(rng.integers(first, last))
    repaired = kind in BUGS and seed % 2 == 0
    until = min(onset + REPAIRED_AFTER, world.weeks) if repaired else world.weeks
    return Event(kind=kind, seed=seed, onset=onset, until=until)


def inject(world: World, event: Event, importance: Floats, rng: Generator) -> tuple[World, Event]:
    """Return the world with the event in it, and the event with the columns that it struck."""
    span = slice(int(world.start[event.onset]), int(world.start[event.until]))
    most, changed, struck = -1.0, world, list[int]()
    for _ in range(_DRAWS):
        columns = _struck(world, event.kind, importance, rng)
        after = _HOW[event.kind](world, event, span, columns, rng)
        share = _altered(world, after, event, columns)
        if share > most:
            most, changed, struck = share, after, columns
        if share >= _ALTERED:
            break
    names = tuple(world.features[j].name for j in struck)
    return replace(changed, name=f"{world.name}!{event.kind}{event.seed}"), replace(
        event, columns=names
    )


def _altered(before: World, after: World, event: Event, columns: list[int]) -> float:
    """Return the share of rows with another value: of the first week or of all, the smaller one.

    What strikes no values (labels, who is there) alters as much as it does by itself: 1.
    """
    if ROUTES[event.kind] != "bug":
        return 1.0

    def share(until: int) -> float:
        rows = slice(int(before.start[event.onset]), int(before.start[until]))
        a, b = before.values[rows][:, columns], after.values[rows][:, columns]
        return float(((a != b) & ~(np.isnan(a) & np.isnan(b))).any(axis=1).mean())

    return min(share(event.onset + 1), share(event.until))


def _struck(world: World, kind: Kind, importance: Floats, rng: Generator) -> list[int]:
    """Choose columns of the kind that the event needs among the most important ones."""
    ranked = [int(j) for j in np.argsort(-importance, kind="stable")]
    numbers = [j for j in ranked if world.features[j].kind == "number"]
    words = [j for j in ranked if world.features[j].kind == "category"]
    if kind in ("unit", "offset"):
        spread = [j for j in numbers if len(np.unique(world.values[:2000, j])) > 2]
        ranked = spread or numbers or ranked
    elif kind == "recode":
        few = [j for j in numbers if len(np.unique(world.values[:2000, j])) <= 20]
        ranked = words or few or numbers
    elif kind == "segment":
        ranked = words or ranked
    elif kind == "swap":
        return _alike(world, numbers, rng) if len(numbers) > 1 else ranked[:2]
    elif kind == "tilt":
        return numbers[:3] or ranked[:1]
    elif kind == "scramble":
        return ranked[: max(1, min(_STRUCK, len(ranked) // 3))]
    return [ranked[int(rng.integers(min(_STRUCK, len(ranked))))]]


def _alike(world: World, numbers: list[int], rng: Generator) -> list[int]:
    """Two columns that somebody could mix up: neighbours in scale, yet not one and the same."""
    few = numbers[:_STRUCK]
    first = few[int(rng.integers(len(few)))]
    sample = world.values[:: max(1, len(world.y) // 5000)]
    centre = np.array(
        [abs(np.nanmedian(sample[:, j]) - np.nanmedian(sample[:, first])) for j in few]
    )
    order = [few[int(i)] for i in np.argsort(centre, kind="stable") if few[int(i)] != first]
    return [first, order[0]]


def _unit(world: World, event: Event, span: slice, columns: list[int], rng: Generator) -> World:
    return _on_values(world, span, columns, lambda v: v * _UNIT)


def _offset(world: World, event: Event, span: slice, columns: list[int], rng: Generator) -> World:
    spread = float(np.nanstd(world.values[: world.start[event.onset], columns[0]]))
    return _on_values(world, span, columns, lambda v: v + _OFFSET_SDS * (spread or 1.0))


def _nulls(world: World, event: Event, span: slice, columns: list[int], rng: Generator) -> World:
    return _on_values(
        world, span, columns, lambda v: np.where(rng.random(v.shape) < _NULLS, np.nan, v)
    )


def _stuck(world: World, event: Event, span: slice, columns: list[int], rng: Generator) -> World:
    """The last value that came before comes again and again."""
    last = _last_known(world.values[: world.start[event.onset], columns[0]])
    return _on_values(world, span, columns, lambda v: np.full_like(v, last))


def _swap(world: World, event: Event, span: slice, columns: list[int], rng: Generator) -> World:
    values = world.values.copy()
    values[span, columns] = values[span, columns[::-1]]
    return replace(world, values=values)


def _scramble(world: World, event: Event, span: slice, columns: list[int], rng: Generator) -> World:
    """Rows get the values of other entities of the same week: a join on the wrong key."""
    values = world.values.copy()
    for week in range(event.onset, event.until):
        rows = world.rows(week)
        order = rng.permutation(rows.stop - rows.start)
        block = values[rows][:, columns]
        values[np.ix_(np.arange(rows.start, rows.stop), np.asarray(columns))] = block[order]
    return replace(world, values=values)


def _recode(world: World, event: Event, span: slice, columns: list[int], rng: Generator) -> World:
    """Half of the words (or values) come back as ones never seen before."""
    known = np.unique(world.values[: world.start[event.onset], columns[0]])
    known = known[np.isfinite(known)]
    struck = set(rng.permutation(known)[: max(1, len(known) // 2)].tolist())
    beyond = float(known.max(initial=0.0)) + 1.0

    def renamed(v: Floats) -> Floats:
        return np.where(np.isin(v, list(struck)), beyond + v, v)

    return _on_values(world, span, columns, renamed)


def _label_default(
    world: World, event: Event, span: slice, columns: list[int], rng: Generator
) -> World:
    told = world.told.copy()
    lost = rng.random(span.stop - span.start) < _LABELS_LOST
    told[span] = np.where(lost, 0.0, told[span])
    return replace(world, told=told)


def _label_delay(
    world: World, event: Event, span: slice, columns: list[int], rng: Generator
) -> World:
    lag = world.lag.copy()
    lag[event.onset : event.until] *= 2
    return replace(world, lag=lag)


def _tilt(world: World, event: Event, span: slice, columns: list[int], rng: Generator) -> World:
    """Rows are drawn again with odds that grow along three important columns."""
    total = np.zeros(len(world.y))
    for j in columns:
        column = np.nan_to_num(world.values[:, j], nan=float(np.nanmedian(world.values[:, j])))
        ranks = np.argsort(np.argsort(column, kind="stable"), kind="stable") / len(column)
        total += (ranks - 0.5) * np.sqrt(12.0)
    return _redrawn(world, event, np.exp(_TILT * total / np.sqrt(len(columns))), rng)


def _segment(world: World, event: Event, span: slice, columns: list[int], rng: Generator) -> World:
    """One group (a word, or the upper fifth of a number) comes five times as often."""
    column = world.values[:, columns[0]]
    before = column[: world.start[event.onset]]
    if world.features[columns[0]].kind == "category":
        words, counts = np.unique(before[np.isfinite(before)], return_counts=True)
        middle = (
            words[np.argsort(counts)][len(words) // 2] if len(words) > 2 else words[counts.argmin()]
        )
        inside = column == middle
    else:
        inside = column > np.nanquantile(before, 0.8)
    return _redrawn(world, event, np.where(inside, _SEGMENT, 1.0), rng)


def _concept(world: World, event: Event, span: slice, columns: list[int], rng: Generator) -> World:
    """In half of the space, a third of the outcomes turn around."""
    column = world.values[:, columns[0]]
    middle = np.nanmedian(column[: world.start[event.onset]])
    half = column[span] > middle
    if not half.any():
        half = column[span] >= middle
    turned = half & (rng.random(span.stop - span.start) < _FLIPPED)
    y = world.y.copy()
    if world.task is Task.REGRESSION:
        flipped = 2 * float(np.median(world.y[: world.start[event.onset]])) - y[span]
    else:
        flipped = (y[span] + 1) % world.classes
    y[span] = np.where(turned, flipped, y[span])
    return replace(world, y=y, told=y)


def _prior(world: World, event: Event, span: slice, columns: list[int], rng: Generator) -> World:
    """Positives (the commonest class, the upper half of a number) become half as frequent."""
    before = world.y[: world.start[event.onset]]
    if world.task is Task.REGRESSION:
        many = world.y > np.median(before)
    elif world.task is Task.BINARY:
        many = world.y == 1
    else:
        many = world.y == np.bincount(before.astype(np.int64)).argmax()
    return _redrawn(world, event, np.where(many, 0.5, 1.0), rng)


def _on_values(
    world: World, span: slice, columns: list[int], change: Callable[[Floats], Floats]
) -> World:
    values = world.values.copy()
    values[span, columns[0]] = change(values[span, columns[0]])
    return replace(world, values=values)


def _redrawn(world: World, event: Event, odds: Floats, rng: Generator) -> World:
    """Draw each week's rows again by their odds, as many as before, at most once where it can be.

    Rows come from the week itself; a row may come back, as customers alike do.
    """
    kept: list[Ints] = []
    for week in range(world.weeks):
        rows = np.arange(world.start[week], world.start[week + 1])
        if event.onset <= week < event.until:
            chance = odds[rows] / odds[rows].sum()
            rows = np.sort(rng.choice(rows, size=len(rows), replace=True, p=chance))
        kept.append(rows)
    return taken(world, np.concatenate(kept), world.start)


def _last_known(values: Floats) -> float:
    known = values[np.isfinite(values)]
    return float(known[-1]) if len(known) else 0.0


_How = Callable[[World, Event, slice, list[int], Generator], World]
_HOW: dict[Kind, _How] = {
    "unit": _unit, "offset": _offset, "nulls": _nulls, "stuck": _stuck, "swap": _swap,
    "scramble": _scramble, "recode": _recode, "label_default": _label_default,
    "label_delay": _label_delay, "tilt": _tilt, "segment": _segment, "concept": _concept,
    "prior": _prior,
}  # fmt: skip
