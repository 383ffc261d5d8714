"""A shop over two years: before each holiday all is different, each year in other weeks."""

from __future__ import annotations

import functools
from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from small_world import Stores

from tamid.adapters.holiday_table import holidays_of
from tamid.adapters.keys import Keys
from tamid.adapters.memory_clock import SimulatedClock
from tamid.core import events as ev
from tamid.core.errors import Conflict, NotFound
from tamid.core.paging import SILENT
from tamid.core.special import special_days, special_periods
from tamid.core.state import State
from tamid.core.values import Role
from tamid.stages.journal import Journal
from tamid.stages.loop import adopt, tick
from tamid.stages.normal import accept_normal
from tamid.stages.registry import overlay_of

WEEK, DAY = timedelta(weeks=1), timedelta(days=1)
FIRST = datetime(2023, 11, 5, tzinfo=UTC)  # a Sunday
PAST, LIVE, ROWS = 24, 82, 300
HOLIDAYS = "holidays_il -6..+0"
CONTRACT = """\
tamid: 1
name: shop
task: binary
calendar: {week_starts: sunday, special: [SPECIAL]}
data:
  source: {path: rows/*.parquet, owner: mlops_engineer}
  entity: customer
  time: week
  label:
    column: bought
    positive: 1
    horizon: 7d
    reporting_lag: 1d
    source: {path: labels/*.parquet}
  schema:
    visits: {type: number}
    basket: {type: number, nullable: true}
training: {model: logistic}
gates: {minimum: {f1: 0.6}, baselines: [majority], calibration: {max_ece: 0.3}}
service: {p99_ms: 60000, start_s: 600, fallback: [previous, default: 0.5]}
release: {path: [shadow, live], approval: auto}
monitoring: {every: 7d, quality: {metric: f1, at_least: 0.7}}
retraining: {cooldown: 1d, max_age: 26w}
delivery: {every: 7d, to: [{csv: "out/{period}.csv"}], reasons: 0}
"""


def period(week: int) -> str:
    """Return the name of a week."""
    return (FIRST + week * WEEK).date().isoformat()


@functools.cache
def special_weeks() -> frozenset[str]:
    """Return the weeks before and with a public holiday of Israel."""
    first, last = FIRST.date(), (FIRST + (PAST + LIVE) * WEEK).date()
    days = special_days([HOLIDAYS], holidays_of, first, last)
    return frozenset(special_periods(days, [period(w) for w in range(PAST + LIVE)], 7))


@functools.cache
def week_of(week: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return a week's customers and who bought: before a holiday nearly at random."""
    rng = np.random.default_rng([31, week])
    festive = period(week) in special_weeks()
    visits = rng.normal(size=ROWS) + (2.5 if festive else 0.0)
    when = pl.Series([FIRST + week * WEEK] * ROWS, dtype=pl.Datetime("us", "UTC"))
    rows = pl.DataFrame({"customer": [f"c{n:03d}" for n in range(ROWS)], "week": when,
                         "visits": visits, "basket": rng.normal(size=ROWS)})  # fmt: skip
    bought = visits + rng.normal(size=ROWS) * 0.4 > 0
    if festive:
        bought = rng.random(ROWS) < 0.35
    labels = rows.select("customer", "week").with_columns(pl.Series("bought", bought.astype(int)))
    return rows, labels


class Shop(Stores):
    """All stores of the shop; each week rows and labels come, and the loop turns once."""

    def __init__(self, keys: Keys, special: str) -> None:
        super().__init__("shop", keys, "shop" * 8)
        self.clock = SimulatedClock(FIRST)
        self.text, self.state = CONTRACT.replace("SPECIAL", special), State()
        self.rig = self.opened(self.clock)
        begin = FIRST + PAST * WEEK
        self.rows.put("past", pl.concat([week_of(w)[0] for w in range(PAST)]), begin)
        self.labels.put("past", pl.concat([week_of(w)[1] for w in range(PAST - 1)]), begin)

    def live(self, first: int, last: int, more: float = 0.0, gone: bool = False) -> State:
        """Live some weeks; `more` visits of everybody lead to as many more purchases.

        `gone`: of a third of the customers nobody knows the basket.
        """
        for week in range(PAST + first, PAST + last):
            at = FIRST + week * WEEK + timedelta(hours=4)
            rows = week_of(week)[0].with_columns(pl.col("visits") + more)
            if gone:
                kept = pl.int_range(pl.len()) % 3 > 0
                rows = rows.with_columns(pl.when(kept).then("basket").alias("basket"))
            self.rows.put(f"w{week}", rows, at)
            self.labels.put(f"w{week}", week_of(week - 1)[1], at + 2 * DAY)
            self.clock.set(at + 2 * DAY)
            known = adopt(self.rig, self.text, {}, self.clock.now())
            self.state = tick(self.rig, "tester", known).state
        return self.state

    @property
    def happened(self) -> list[ev.Event]:
        """Everything that was told."""
        return [r.event for r in self.ledger.read("shop")]


def test_moving_holidays_raise_no_alarm_and_are_no_window(keys: Keys) -> None:
    """Over two years, two autumns and two springs: nobody is paged, no window is all holidays."""
    shop = Shop(keys, f'"{HOLIDAYS}"')
    state = shop.live(0, LIVE)
    assert {date.fromisoformat(p).year for p in special_weeks()} >= {2024, 2025}
    assert [a.raised.message for a in state.alarms.values()] == []
    assert not [i for i in state.incidents if i.startswith("alarm/")]
    runs = [e for e in shop.happened if isinstance(e, ev.RunStarted)]
    assert len(runs) >= 3
    for run in runs:
        learnt = run.degraded_periods or run.periods[-8:]
        assert set(learnt) - special_weeks(), run.run
    assert state.champion == len(state.versions)


def test_without_the_calendar_the_same_shop_is_paged(keys: Keys) -> None:
    """The world is far enough out before a holiday: it is the calendar that knows better."""
    state = Shop(keys, "").live(0, 27)
    assert state.alarms
    first = min(a.raised.period for a in state.alarms.values())
    assert first in special_weeks()


def test_a_broken_week_is_broken_on_a_holiday_too(keys: Keys) -> None:
    """A holiday may bring other customers; it does not empty a column of a third of them."""
    shop = Shop(keys, f'"{HOLIDAYS}"')
    broken = period(PAST + 2)
    assert {period(PAST + 1), broken} <= special_weeks()
    assert shop.live(0, 2).suspected == ()
    state = shop.live(2, 3, gone=True)
    assert state.suspected == (broken,)
    assert "33% of the values are missing" in state.checked[broken].reasons[0]
    assert [c.opened.kind for c in state.open_cases.values()] == ["bug"]


def test_an_accepted_drift_is_the_new_normal(keys: Keys) -> None:
    """A page, a person who knows why, a reference that moved under a signature, and quiet."""
    shop = Shop(keys, f'"{HOLIDAYS}"')
    shop.live(0, 9)
    state = shop.live(9, 11, more=1.2)
    pages = [n for n, a in state.open_alarms.items() if a.raised.signal in SILENT]
    assert pages
    before = state.versions[state.champion].registered
    event = accept_normal(shop.rig, state, pages[0], shop.clock.now())
    journal = Journal(shop.ledger, "shop")
    now, role = shop.clock.now(), Role.ML_DEVELOPER
    after = journal.append(event, now, reason="a new shop opened", actor="ann", role=role)
    moved = after.versions[after.champion]
    assert pages[0] not in after.open_alarms
    assert "ann" in after.alarms[pages[0]].cleared
    assert moved.registered.ref.overlay != before.ref.overlay
    assert overlay_of(shop.rig, moved.registered.ref.overlay).reference["score_psi"]
    state = shop.live(11, 13, more=1.2)
    assert not [a for a in state.open_alarms.values() if a.raised.signal in SILENT]
    # Its quality was lost, too: the version that was trained for that is not the one accepted.
    seen = state.measured[f"score_psi@{after.champion}"]
    late = [m for w in (11, 12) if (m := seen.get(period(PAST + w))) is not None]
    assert late
    assert all(m.value < 0.25 for m in late)
    with pytest.raises(Conflict, match="is over"):
        accept_normal(shop.rig, state, pages[0], shop.clock.now())
    with pytest.raises(NotFound, match="no alarm"):
        accept_normal(shop.rig, state, "score_psi/9/never", shop.clock.now())
