"""One set through all tiers, within its share of the time: what is cut is said, nothing fails."""

from __future__ import annotations

import gc
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from time import monotonic, process_time

import numpy as np

from tamid.core.errors import MissingExtra
from tamid.core.policies.policy import drafted
from tamid.loopbench.datasets import load
from tamid.loopbench.descriptions import Description
from tamid.loopbench.diagnosing import Doctor
from tamid.loopbench.events import KINDS
from tamid.loopbench.fits import Fits
from tamid.loopbench.forest import forest_loss
from tamid.loopbench.injected import Base, NullResult, Trial, lived, null_result, trial
from tamid.loopbench.natural import Natural, natural
from tamid.loopbench.tables import Table, fill_all, origins_of
from tamid.loopbench.watching import Watch
from tamid.loopbench.world import World, rows_permuted, thinned, weeks_permuted
from tamid.workshop import bare_learner

# The policy under test: what `tamid adopt` drafts, one for all sets.
POLICY = drafted("default")
SEEDS = 5
# Rows a week at most: history as it was, and histories that are lived through again and again.
_MOST_ROWS, _MOST_ROWS_LIVED = 600, 300
# Fewer than this are no week any more.
_FEWEST_ROWS = 60
# Shares of a set's time: history, the forest, and histories without events; events get the rest.
_HISTORY, _FOREST, _NULLS = 0.35, 0.15, 0.25
# A model every two weeks; every four where that would take too long.
_STEP, _WIDE_STEP = 2, 4
# A fit in the middle of a history costs so much of one at its end, with its answers.
_MEAN_FIT = 0.7
_FOREST_PROBE = 3

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SetResult:
    """All that was measured on one set; `forest` is None where it was cut, `cut` says what was."""

    name: str
    task: str
    rows: int
    columns: int
    weeks: int
    delay: int
    natural: Natural
    forest: float | None
    forest_rows: int
    nulls: tuple[NullResult, ...]
    trials: tuple[Trial, ...]
    fits: int
    fit_seconds: float
    cpu_seconds: float
    cut: tuple[str, ...]


@dataclass(slots=True, kw_only=True, eq=False)
class _Run:
    """The clock of one set, and what it had to leave out."""

    tell: Tell
    begun: float
    seconds: float
    cut: list[str] = field(default_factory=list)

    def over(self, share: float) -> Callable[[], bool]:
        """Return whether this share of the set's time is over."""
        return lambda: monotonic() - self.begun > share * self.seconds

    def said(self, text: str) -> None:
        self.cut.append(text)
        self.tell(f"cut: {text}")


def measure_set(described: Description, seconds: float, seeds: int, tell: Tell) -> SetResult:
    """Measure one set within about `seconds`.

    Raises:
        DataError: the set cannot be read.
    """
    run = _Run(tell=tell, begun=monotonic(), seconds=seconds)
    began = process_time()
    whole = load(described)
    tell(f"{whole.weeks} weeks, {len(whole.y)} rows, {len(whole.features)} columns")
    fits = Fits(learner=bare_learner(whole.task, whole.classes), clock=process_time)
    world, step = _affordable(whole, fits, run)
    history = _history(world, step, fits, run)
    answered, rows = _forest(world, run)
    nulls, bases = _without_events(world, step, fits, run)
    trials = _with_events(bases, fits, seeds, run)
    made, spent = fits.made, fits.seconds
    fits.forget()
    gc.collect()
    return SetResult(
        name=whole.name, task=whole.task.value, rows=len(whole.y), columns=len(whole.features),
        weeks=whole.weeks, delay=whole.delay, natural=history, forest=answered, forest_rows=rows,
        nulls=nulls, trials=trials, fits=made, fit_seconds=spent,
        cpu_seconds=process_time() - began, cut=tuple(run.cut),
    )  # fmt: skip


def _affordable(whole: World, fits: Fits, run: _Run) -> tuple[World, int]:
    """Thin the rows, then the origins, until history fits into its share of the time."""
    rng = np.random.default_rng(1)
    world = thinned(whole, _MOST_ROWS, rng)
    if len(world.y) < len(whole.y):
        run.said(f"history on at most {_MOST_ROWS} rows a week")
    # Once for what is only loaded on first use, and once for the clock.
    fits.answers(world, fits.fitted(world, [0, 1]), 0)
    begun = monotonic()
    model = fits.fitted(world, list(range(world.weeks // 2)))
    for week in range(world.weeks // 2, world.weeks):
        fits.answers(world, model, week)
    once = (monotonic() - begun) * 2 * _MEAN_FIT
    models = 4 * len(origins_of(world, _STEP))
    allowed = _HISTORY * run.seconds
    if once * models <= allowed:
        return world, _STEP
    most = int(np.diff(world.start).max())
    kept = max(int(most * allowed / (once * models)), _FEWEST_ROWS)
    if kept < most:
        run.said(f"history on at most {kept} rows a week")
        world = thinned(world, kept, rng)
    if once * models * kept / most <= allowed:
        return world, _STEP
    run.said(f"a model every {_WIDE_STEP} weeks instead of every {_STEP}")
    return world, _WIDE_STEP


def _history(world: World, step: int, fits: Fits, run: _Run) -> Natural:
    table = Table(world=world, fits=fits, origins=origins_of(world, step))
    done = fill_all(
        table, run.over(_HISTORY), lambda i, n: None if i % 10 else run.tell(f"models {i}/{n}")
    )
    if done < len(table.origins):
        last = int(table.origins[done - 1]) + step
        run.said(f"history ends at week {last} of {world.weeks}")
        table = _shortened(table, done, min(last + 1, world.weeks))
    return natural(table, POLICY)


def _shortened(table: Table, done: int, weeks: int) -> Table:
    world = table.world
    rows = int(world.start[weeks])
    short = replace(
        world, values=world.values[:rows], y=world.y[:rows], told=world.told[:rows],
        start=world.start[: weeks + 1], lag=world.lag[:weeks],
    )  # fmt: skip
    found = Table(world=short, fits=table.fits, origins=table.origins[:done])
    found.fill(range(done))
    return found


def _forest(world: World, run: _Run) -> tuple[float | None, int]:
    """Let the forest learn as many rows a week as its share of the time allows."""
    probe = replace(
        thinned(world, _FEWEST_ROWS, np.random.default_rng(2)), warm_up=_FOREST_PROBE, delay=0,
        lag=np.zeros(world.weeks, dtype=np.int64),
    )  # fmt: skip
    weeks = _FOREST_PROBE + 2
    short = replace(probe, start=probe.start[: weeks + 1], lag=probe.lag[:weeks])
    try:
        forest_loss(replace(short, start=short.start[:5], lag=short.lag[:4]), lambda: False)
    except MissingExtra as missing:
        run.said(f"the adaptive random forest: {missing.what}")
        return None, 0
    begun = monotonic()
    forest_loss(short, lambda: False)
    a_row = (monotonic() - begun) / max(int(short.start[-1]), 1) * 1.5
    most = int(_FOREST * run.seconds / max(a_row * world.weeks, 1e-9))
    if most < _FEWEST_ROWS // 3:
        run.said("the adaptive random forest")
        return None, 0
    given = thinned(world, most, np.random.default_rng(3))
    if len(given.y) < len(world.y):
        run.said(f"the forest learns {len(given.y)} rows instead of {len(world.y)}")
    found = forest_loss(given, run.over(_HISTORY + 2 * _FOREST))
    if found is None:
        run.said("the adaptive random forest")
        return None, 0
    return float(found.mean()), len(given.y)


def _without_events(
    world: World, step: int, fits: Fits, run: _Run
) -> tuple[tuple[NullResult, ...], list[tuple[Base, Watch]]]:
    small = thinned(world, _MOST_ROWS_LIVED, np.random.default_rng(4))
    results: list[NullResult] = []
    bases: list[tuple[Base, Watch]] = []
    for made in (weeks_permuted, rows_permuted):
        if results and run.over(_HISTORY + _FOREST + _NULLS)():
            run.said(f"the null set with {made.__name__.partition('_')[0]} permuted")
            continue
        null = made(small, np.random.default_rng(5))
        watch = Watch(fits=fits, seed=0)
        table = Table(world=null, fits=fits, origins=origins_of(null, step))
        late = run.over(_HISTORY + _FOREST + _NULLS)
        base = lived(table, POLICY, watch, Doctor(fits=fits), late)
        results.append(null_result(base))
        bases.append((base, watch))
        if base.life.checks < null.weeks - base.life.walked.first:
            run.said(f"{null.name} lived through for {base.life.checks} weeks")
        run.tell(f"{null.name}: {results[-1].alarms} alarms in {results[-1].years:.1f} years")
    return tuple(results), bases


def _with_events(
    bases: list[tuple[Base, Watch]], fits: Fits, seeds: int, run: _Run
) -> tuple[Trial, ...]:
    trials: list[Trial] = []
    doctor = Doctor(fits=fits)
    for seed in range(seeds):
        base, watch = bases[seed % len(bases)]
        for done, kind in enumerate(KINDS):
            if trials and run.over(1.0)():
                left = (seeds - seed) * len(KINDS) - done
                run.said(f"{left} of {seeds * len(KINDS)} events")
                return tuple(trials)
            found = trial(base, kind, seed, POLICY, watch, lambda: doctor)
            trials.append(found)
        run.tell(f"{len(trials)} events")
    return tuple(trials)
