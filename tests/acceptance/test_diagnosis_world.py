"""Small worlds in which one thing goes wrong: bugs are not learnt from, a changed world is."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from small_world import LEAVERS, Stores

from tamid.adapters.keys import Keys
from tamid.adapters.memory_clock import SimulatedClock
from tamid.core import events as ev
from tamid.core.chain import GENESIS, Draft, Recorded, chain
from tamid.core.fold import fold
from tamid.core.paging import UNLABELLED
from tamid.core.state import State
from tamid.core.values import Role
from tamid.core.view.words import line
from tamid.stages.audit import audit
from tamid.stages.loop import adopt, tick

WEEK, DAY = timedelta(weeks=1), timedelta(days=1)
FIRST = datetime(2026, 1, 4, tzinfo=UTC)
PAST, LIVE, ROWS, FROM = 12, 5, 400, 1
CONTRACT = (
    LEAVERS.format(name="small", labels_owner=", owner: ml_developer")
    + """\
  schema:
    usage: {type: number}
    fee: {type: number}
    calls: {type: number}
training: {model: logistic}
gates: {minimum: {f1: 0.6}, baselines: [majority], calibration: {max_ece: 0.3}}
service: {p99_ms: 60000, start_s: 600, fallback: [previous, default: 0.5]}
release: {path: [shadow, live], approval: auto}
monitoring: {every: 7d, quality: {metric: f1, at_least: 0.75}}
retraining: {cooldown: 1d, max_age: 52w}
delivery: {every: 7d, by: "Sunday 06:00", to: [{csv: "out/{period}.csv"}], reasons: 0}
"""
)

Change = Callable[[pl.DataFrame], pl.DataFrame]


def rows_of(week: int) -> pl.DataFrame:
    """The same customers every week; usage and fee go together, each keeps a level of its own."""
    level = np.random.default_rng(5).normal(size=ROWS)
    rng = np.random.default_rng([6, week])
    usage = level + rng.normal(size=ROWS) * 0.4
    when = pl.Series([FIRST + week * WEEK] * ROWS, dtype=pl.Datetime("us", "UTC"))
    return pl.DataFrame(
        {
            "customer": [f"c{n:03d}" for n in range(ROWS)],
            "week": when,
            "usage": usage.round(3),
            "fee": (20 + 3 * usage + rng.normal(size=ROWS)).round(2),
            "calls": rng.poisson(3, ROWS).astype(np.float64),
        }
    )


def labels_of(week: int, turned: bool = False) -> pl.DataFrame:
    """Little usage leads away; in a turned world much usage does."""
    rows = rows_of(week)
    noise = np.random.default_rng([7, week]).normal(size=ROWS) * 0.3
    left = rows.get_column("usage").to_numpy() * (-1 if turned else 1) + noise < -0.2
    return rows.select("customer", "week").with_columns(pl.Series("left", left.astype(np.int64)))


class World(Stores):
    """All stores of a small model, and its turns."""

    def __init__(self, signer: Keys) -> None:
        super().__init__("small", signer, "small" * 8)

    def turn(self, moment: datetime) -> State:
        """Turn the loop once."""
        rig = self.opened(SimulatedClock(moment))
        return tick(rig, "tester", adopt(rig, CONTRACT, {}, moment)).state

    def live(self, broken: Change | None = None, labels: Change | None = None,
             turned: bool = False, weeks: int = LIVE, usual: Change = lambda rows: rows,
             ) -> State:  # fmt: skip
        """History, then live weeks, of which those from the second on are broken or turned."""
        past = pl.concat([usual(rows_of(w)) for w in range(PAST)])
        self.rows.put("history", past, FIRST + PAST * WEEK)
        told = pl.concat([labels_of(w) for w in range(PAST - 1)])
        self.labels.put("history", told, FIRST + PAST * WEEK)
        state = State()
        for week in range(PAST, PAST + weeks):
            at = FIRST + week * WEEK + timedelta(hours=4)
            hit = week >= PAST + FROM
            rows = usual(rows_of(week))
            self.rows.put(f"w{week}", broken(rows) if broken and hit else rows, at)
            self.turn(at)
            known = labels_of(week - 1, turned and week - 1 >= PAST + FROM)
            late = labels is not None and week - 1 >= PAST + FROM
            self.labels.put(f"w{week}", labels(known) if labels and late else known, at + 2 * DAY)
            state = self.turn(at + 2 * DAY)
        return state

    def happened(self, kind: type[ev.Event]) -> list[ev.Event]:
        """All events of a kind."""
        return [r.event for r in self.ledger.read("small") if isinstance(r.event, kind)]


def swapped(rows: pl.DataFrame) -> pl.DataFrame:
    """Two columns under each other's names."""
    return rows.rename({"usage": "calls", "calls": "usage"})


BROKEN: dict[str, tuple[Change, str]] = {
    "unit": (lambda r: r.with_columns(pl.col("fee") * 100), "fee"),
    "swap": (swapped, "usage"),
    "stuck": (lambda r: r.with_columns(pl.lit(0.5).alias("usage")), "usage"),
    "scramble": (lambda r: r.with_columns(pl.col("usage", "fee").reverse()), "usage"),
}


@pytest.mark.parametrize("bug", sorted(BROKEN))
def test_broken_rows_are_kept_from_training_and_handed_to_their_owner(keys: Keys, bug: str) -> None:
    """From the first broken week on nothing is trained, and one case names the column."""
    world = World(keys)
    change, column = BROKEN[bug]
    state = world.live(broken=change)
    first = f"{(FIRST + (PAST + FROM) * WEEK).date()}"
    assert state.suspected[0] == first
    cases = [c.opened for c in state.cases.values() if c.opened.about.startswith("suspected/")]
    assert [(c.role, c.kind) for c in cases] == [(Role.MLOPS_ENGINEER, "bug")]
    assert column in " ".join(state.checked[first].columns)
    runs = [e for e in world.happened(ev.RunStarted) if isinstance(e, ev.RunStarted)]
    assert [r.trigger for r in runs] == ["first"]
    alarms = [a.diagnosis for a in state.open_alarms.values() if a.diagnosis is not None]
    assert all(d.retraining == "blocked" for d in alarms)


def test_defaulted_labels_block_training_and_go_to_the_owner_of_the_labels(keys: Keys) -> None:
    """Labels that are all zero are a bug of their source, not a better world, unless it says so."""
    world = World(keys)
    state = world.live(labels=lambda known: known.with_columns(pl.lit(0).alias("left")))
    found = [a.diagnosis for a in state.alarms.values() if a.diagnosis is not None]
    assert {(d.cause, d.route, d.retraining) for d in found} == {
        ("label_bug", Role.ML_DEVELOPER, "blocked")
    }
    assert len(state.runs) == 1
    assert [c.opened.kind for c in state.cases.values()] == ["label_bug"]
    _resolved(world, state, "nobody left: a strike")
    state = world.turn(world.ledger.read("small")[-1].at + DAY)
    again = [a.diagnosis for a in state.alarms.values() if a.diagnosis is not None]
    assert "label_bug" not in {d.cause for d in again}
    assert "blocked" not in {d.retraining for d in again}
    assert not [c for c in state.open_cases.values() if c.opened.kind == "label_bug"]
    assert audit(world.opened(SimulatedClock(FIRST)), world.ledger.read("small")).first is None


def _resolved(world: World, state: State, why: str) -> None:
    """Let the owner of the only open case close it."""
    ((number, case),) = state.open_cases.items()
    records = world.ledger.read("small")
    closed = ev.CaseClosed(case=number, resolution=why)
    draft = Draft(event=closed, at=records[-1].at, actor="dana", role=case.opened.role)
    world.ledger.append("small", [draft], len(records), 0)


def test_a_changed_world_is_learnt_from(keys: Keys) -> None:
    """The same inputs lead elsewhere: no week is suspected, and the loop trains."""
    world = World(keys)
    state = world.live(turned=True)
    assert state.suspected == ()
    found = [a.diagnosis for a in state.alarms.values() if a.diagnosis is not None]
    assert [d.cause for d in found][:1] == ["concept_drift"]
    assert [r.started.trigger for r in state.runs.values()][:2] == ["first", "quality"]


def test_an_alarm_before_any_label_is_diagnosed_again_when_they_are_in(keys: Keys) -> None:
    """Half as many leave, as the scores of other customers announced: the inputs moved, no more.

    The audit repeats the decisions with and without the second diagnosis, as in an older ledger.
    """

    def others(rows: pl.DataFrame) -> pl.DataFrame:
        return rows.filter((pl.col("usage") > 0) | (pl.int_range(pl.len()) % 4 == 0))

    world = World(keys)
    state = world.live(broken=others, weeks=3)
    (alarm,) = state.open_alarms.values()
    assert alarm.raised.signal in UNLABELLED
    first, second = (e for e in world.happened(ev.Diagnosed) if isinstance(e, ev.Diagnosed))
    assert (first.cause, first.earlier) == ("covariate_shift", None)
    assert (second.cause, second.earlier) == ("covariate_shift", "covariate_shift")
    assert "no fall of quality is shown" in second.reasons[-1]
    assert alarm.diagnosis == second
    assert [r.started.trigger for r in state.runs.values()] == ["first"]
    records = world.ledger.read("small")
    asked = next(r for r in records if r.event == second)
    words = line(asked).text
    assert "now that its labels are in: covariate shift (before: covariate shift)" in words
    older: list[Recorded] = []
    for record in records:
        if record != asked:
            draft = Draft(event=record.event, at=record.at, actor=record.actor, role=record.role)
            head = older[-1].hash if older else GENESIS
            older.append(chain("small", len(older) + 1, draft, head))
    rig = world.opened(SimulatedClock(records[-1].at))
    for ledger in (records, older):
        found = audit(rig, ledger)
        assert (found.first, found.decisions > 0) == (None, True)


def test_mended_rows_are_learnt_from_again(keys: Keys) -> None:
    """The source delivers anew: the week is sound, its case and its alarms are over."""
    world = World(keys)
    state = world.live(broken=BROKEN["unit"][0], weeks=2)
    assert len(state.suspected) == 1
    at = FIRST + (PAST + 1) * WEEK + 4 * DAY
    world.rows.put(f"w{PAST + 1}", rows_of(PAST + 1), at)
    state = world.turn(at)
    assert state.suspected == ()
    assert not state.open_cases
    assert not state.open_alarms


def test_a_person_may_take_odd_weeks_as_sound(keys: Keys) -> None:
    """Closing the case by hand lets the weeks be learnt from."""
    world = World(keys)
    state = world.live(broken=BROKEN["unit"][0], weeks=2)
    _resolved(world, state, "the price list changed")
    state = fold(world.ledger.read("small"))
    assert state.suspected == ()
    assert state.checked[max(state.checked)].suspected


def test_what_was_found_sound_is_not_asked_again_while_it_lasts(keys: Keys) -> None:
    """A tariff ends for good: its flag stays at 0, which its owner says once."""
    world = World(keys)

    def tariff(rows: pl.DataFrame) -> pl.DataFrame:
        old = np.random.default_rng(rows.get_column("week").dt.epoch("s")[0]).random(ROWS) < 0.08
        return rows.with_columns(pl.Series("calls", old.astype(np.float64)))

    def ended(rows: pl.DataFrame) -> pl.DataFrame:
        return rows.with_columns(pl.lit(0.0).alias("calls"))

    state = world.live(broken=ended, usual=tariff, weeks=2)
    assert len(state.suspected) == 1
    _resolved(world, state, "the tariff ended")
    for week in range(PAST + 2, PAST + 5):
        at = FIRST + week * WEEK + timedelta(hours=4)
        world.rows.put(f"w{week}", ended(rows_of(week)), at)
        assert world.turn(at).suspected == ()


def test_a_lost_part_of_a_batch_is_told_and_blocks_nothing(keys: Keys) -> None:
    """Thirty of four hundred: lower rungs answer them, an incident says so, the week is used."""
    world = World(keys)
    state = world.live(broken=lambda rows: rows.head(ROWS - 30), weeks=2)
    week = f"{(FIRST + (PAST + 1) * WEEK).date()}"
    incident = state.incidents[f"lost/{week}"].opened
    assert incident.message.startswith(f"30 of 400 entities have no row in {week} (7.5%)")
    assert incident.severity == "warning"
    assert state.scored[week].rungs == {"champion": 370, "default": 30}
    assert state.suspected == ()
    assert not state.open_cases
    assert not state.open_alarms


def test_people_who_leave_every_week_are_no_lost_batch(keys: Keys) -> None:
    """As many as ever stay away: no incident, and nobody is called back."""
    world = World(keys)
    gone = iter(range(ROWS))

    def leaving(rows: pl.DataFrame) -> pl.DataFrame:
        return rows.slice(2 * next(gone))

    state = world.live(broken=leaving, weeks=LIVE)
    assert not state.incidents
