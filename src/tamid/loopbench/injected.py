"""Tier 3: one event in a history without any, lived through beside its twin without the event."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tamid.core.policies.policy import ReplayPolicy
from tamid.core.values import Task
from tamid.loopbench.diagnosing import Doctor, gravest
from tamid.loopbench.events import BUGS, ROUTES, Event, Kind, draw, inject
from tamid.loopbench.live import Life, live
from tamid.loopbench.service import Hindsight, hindsight, served
from tamid.loopbench.tables import Table
from tamid.loopbench.watching import LABEL_BASED, Watch
from tamid.loopbench.world import WEEKS_A_YEAR, World

# A miss counts as this many weeks; what was not noticed within them was missed.
HORIZON = 13
# Recovery is looked for so long.
_AFTERMATH = 26
_POINT, _SURE = 0.01, 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One injection and what became of it; weeks are counted from the onset, NaN: never.

    `found_blind` without labels, `found_told` with them; `lost` is the sum over weeks of F1 (or of
    the relative error) lost against the twin; `shift` is the fall that the event brought to the
    champion, in standard deviations of its usual weekly loss.
    """

    event: Event
    found_blind: float
    found_told: float
    route: str
    recovered: float
    lost: float
    shift: float
    promoted: int
    harmful: int
    years: float

    @property
    def found(self) -> float:
        """Return the weeks to the first page of any kind, the horizon if it was missed."""
        return min(float(np.nanmin([self.found_blind, self.found_told, HORIZON])), HORIZON)

    @property
    def caught(self) -> bool:
        """Say whether a bug was called a bug (of either kind) within the horizon."""
        return self.route in ("bug", "label_bug") and self.found < HORIZON

    @property
    def rightly(self) -> bool:
        """Say whether the route is the event's."""
        return self.route == ROUTES[self.event.kind]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Base:
    """A history without events, as it was lived: the twin of every trial on it."""

    table: Table
    life: Life


def lived(
    table: Table, policy: ReplayPolicy, watch: Watch, doctor: Doctor, stop: Callable[[], bool]
) -> Base:
    """Live through a history where every page is a false alarm, as far as time allows."""
    weeks = table.world.weeks
    life = live(table, policy, watch, doctor, lambda week: False, since=0, until=weeks, stop=stop)
    return Base(table=table, life=life)


@dataclass(frozen=True, slots=True, kw_only=True)
class NullResult:
    """False alarms and what training did where nothing changes."""

    name: str
    years: float
    alarms: int
    by_signal: tuple[tuple[str, int], ...]
    false_bugs: int
    checks: int
    suspected: int
    hindsight: Hindsight


def null_result(base: Base) -> NullResult:
    """Count the pages of a history without events, by signal, and the weeks called broken."""
    pages = base.life.pages
    signals = sorted({page.signal for page in pages})
    checks = base.life.checks
    return NullResult(
        name=base.table.world.name,
        years=checks / WEEKS_A_YEAR,
        alarms=len({(page.check, page.signal) for page in pages}),
        by_signal=tuple((s, sum(page.signal == s for page in pages)) for s in signals),
        false_bugs=sum(found.blocks for found in base.life.findings),
        checks=checks,
        suspected=base.life.suspected,
        hindsight=hindsight(base.table, base.life.walked),
    )


def trial(
    base: Base,
    kind: Kind,
    seed: int,
    policy: ReplayPolicy,
    watch: Watch,
    make: Callable[[], Doctor],
) -> Trial:
    """Inject one event into the base and live through it."""
    rng = np.random.default_rng(
        [seed, len(kind), sum(map(ord, kind)), sum(map(ord, base.table.world.name))]
    )
    event = draw(kind, seed, base.table.world, HORIZON, rng)
    twin = base.life.walked
    place = max(event.onset - twin.first, 0)
    champion = base.table.model(int(twin.origin[place]), int(twin.window[place]))
    world, event = inject(base.table.world, event, champion.importance, rng)
    end = min(event.onset + _AFTERMATH, world.weeks)
    table = Table(
        world=world, fits=base.table.fits, origins=base.table.origins, last=end,
        ended=base.table.ended,
    )  # fmt: skip
    until = min(event.onset + HORIZON, world.weeks)

    def broken(week: int) -> bool:
        return kind in BUGS and event.onset <= week < event.until

    life = live(table, policy, watch, make(), broken, since=event.onset, until=until)
    return _told(base, table, life, event, end)


def _told(base: Base, table: Table, life: Life, event: Event, end: int) -> Trial:
    first = life.walked.first
    ours, twin = served(table, life.walked), served(base.table, base.life.walked)
    span = slice(event.onset - first, end - first)
    excess = ours.loss[span] - twin.loss[span]
    doubt = np.hypot(ours.error[span], twin.error[span])
    looked_back = hindsight(table, life.walked, since=event.onset)
    blind = [p.check - event.onset for p in life.pages if p.signal not in LABEL_BASED]
    told = [p.check - event.onset for p in life.pages if p.signal in LABEL_BASED]
    known = range(max(first, event.onset - 26), event.onset)
    usual = twin.loss[known.start - first : known.stop - first]
    spread = float(np.std(usual, ddof=1)) if len(usual) > 2 else math.nan
    early = excess[: min(4, len(excess))]
    return Trial(
        event=event,
        found_blind=float(min(blind)) if blind else math.nan,
        found_told=float(min(told)) if told else math.nan,
        route=gravest(life.findings) if life.pages else "none",
        recovered=_recovered(excess, doubt),
        lost=_lost(table.world, ours.f1[span], twin.f1[span], excess, twin.loss[span]),
        shift=float(early.mean()) / spread if spread and spread > 0 else math.nan,
        promoted=looked_back.promoted,
        harmful=looked_back.harmful,
        years=(end - event.onset) / WEEKS_A_YEAR,
    )  # fmt: skip


def _recovered(excess: np.ndarray, doubt: np.ndarray) -> float:
    """Return the weeks until the served loss is, and stays for two weeks, where the twin's is."""
    well = excess <= np.maximum(_POINT, _SURE * doubt)
    for week in range(len(well)):
        if well[week] and (week + 1 == len(well) or well[week + 1]):
            return float(week)
    return math.nan


def _lost(
    world: World, ours: np.ndarray, twin: np.ndarray, excess: np.ndarray, usual: np.ndarray
) -> float:
    if world.task is Task.BINARY:
        return float(np.nansum(np.maximum(twin - ours, 0.0)))
    relative = excess if world.task is Task.MULTICLASS else excess / np.maximum(usual, 1e-12)
    return float(np.maximum(relative, 0.0).sum())
