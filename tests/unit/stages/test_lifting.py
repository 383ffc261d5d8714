"""What campaigns did and brought: a simulated one with known effects, and files as they come."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tamid.adapters.memory_clock import SimulatedClock
from tamid.adapters.memory_source import MemorySource
from tamid.core import events as ev
from tamid.core.control import dealt_offers, in_control
from tamid.core.values import ENTITY, PERIOD, TIME, TablePin
from tamid.core.view.lift import ALL_OFFERS, LiftCard, lift_cards
from tamid.rehearsal import rehearsed
from tamid.stages import acting, inbox
from tamid.stages.lifting import measure_lift
from tamid.stages.rig import Rig
from tamid.testing.histories import Story
from tamid.workshop import parse

BEGIN, WEEK = datetime(2026, 3, 1, tzinfo=UTC), timedelta(weeks=1)
WEEKS, PEOPLE = 6, 3000
NOW = BEGIN + (WEEKS + 1) * WEEK + timedelta(days=3)
# Leavers among those at risk, what each offer prevents, and the share of them that it reaches.
BASE, PREVENTS, REACHED = 0.4, {"call": 0.5, "discount": 0.1}, 0.8
CONTRACT = """\
tamid: 1
name: toy
task: binary
goal: {reduce: churn}
calendar: {week_starts: sunday}
data:
  source: {path: rows/*.csv, owner: mlops_engineer}
  entity: customer
  time: week
  label: {column: left, positive: 1, horizon: 7d, reporting_lag: 2d}
delivery:
  every: 7d
  control_group: 30%
  actions: {path: acts/*.csv, offers: {call: 50%, discount: 50%}}
"""


def campaign() -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Return predictions, acts and labels of some weeks in which everybody is at risk by half."""
    rng, n = np.random.default_rng(11), WEEKS * PEOPLE
    names = [f"c{i}" for i in range(PEOPLE)]
    control = np.tile(in_control(names, 0.3, "replay", 1), WEEKS)
    offer = np.tile(dealt_offers(names, {"call": 0.5, "discount": 0.5}, "replay", 1), WEEKS)
    high = rng.random(n) < 0.5
    treated = high & ~control
    reached = treated & (rng.random(n) < REACHED)
    prevents = np.array([PREVENTS[o] for o in offer])
    risk = np.where(high, BASE, 0.05) * np.where(reached, 1 - prevents, 1.0)
    times = [BEGIN + w * WEEK for w in range(WEEKS) for _ in range(PEOPLE)]
    moment = pl.Series(times, dtype=pl.Datetime("us", "UTC"))
    rows = pl.DataFrame(
        {
            ENTITY: names * WEEKS,
            TIME: moment,
            PERIOD: [t.date().isoformat() for t in times],
            "revision": pl.Series([1] * n, dtype=pl.Int64),
            "score": np.where(high, 0.7, 0.1),
            "control": control,
            "treated": treated,
            "propensity": np.where(high, 0.3, 1.0),
            "offer": [o if h else None for o, h in zip(offer, high, strict=True)],
        }
    )
    acts = rows.select(
        customer=ENTITY, offer="offer", at=(pl.col(TIME) + timedelta(days=2)).dt.to_string("iso")
    ).filter(pl.Series(reached))
    left = pl.Series((rng.random(n) < risk).astype(np.int64))
    return rows, acts, rows.select(customer=ENTITY, week=TIME).with_columns(left=left)


class World:
    """A model in memory whose weeks were scored and whose outcomes came."""

    def __init__(self, folder: Path, text: str = CONTRACT, labelled: bool = True) -> None:
        self.contract, self.clock = parse(text), SimulatedClock(NOW)
        self.rig: Rig = rehearsed(self.contract, {}, self.clock, folder)
        self.story = Story(now=NOW)
        rows, self.acts, labels = campaign()
        if "offers:" not in text:
            rows = rows.drop("offer")
        pin = self.rig.tables.write("toy.predictions", rows, key="p", token=0, mode="append")
        for week in range(WEEKS):
            self._scored((BEGIN + week * WEEK).date().isoformat(), pin)
        if labelled:
            source = MemorySource()
            source.put("labels", labels, NOW)
            for event in inbox.ingest(
                self.contract, source, self.rig.tables, rows=None, known={}, now=NOW, token=0
            ):
                self.story.tell(event)

    def _scored(self, period: str, pin: TablePin) -> None:
        self.story.tell(
            ev.DataAccepted(source="rows", batch=period, fingerprint=period, pin=pin, rows=PEOPLE,
                            periods=(period,)),
            ev.Scored(period=period, revision=1, number=1, pin=pin, rows=PEOPLE,
                      rungs={"champion": PEOPLE}),
        )  # fmt: skip

    def come(self, name: str, frame: pl.DataFrame) -> ev.Event | None:
        """Put a file down; return what the inbox says of it."""
        source = MemorySource()
        source.put(name, frame, NOW)
        found = None
        for found in acting.ingest(self.rig, self.contract, self.story.state, source, NOW, 0):
            self.story.tell(found)
        return found

    def lifts(self) -> Mapping[str, LiftCard]:
        """Measure what is to be measured now, and return what is known."""
        for event in list(measure_lift(self.rig, self.contract, self.story.state, NOW)):
            self.story.tell(event)
        return {card.offer: card for card in lift_cards(self.story.state)}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A world whose campaign told of all its acts."""
    made = World(tmp_path_factory.mktemp("keys"))
    made.come("acts", made.acts)
    return made


def test_planted_effects_of_two_offers_are_recovered(world: World) -> None:
    """Each interval holds what was planted, and the better offer is told from the weaker one."""
    found = world.lifts()
    for offer, prevents in PREVENTS.items():
        card = found[offer]
        planted = BASE * prevents * REACHED
        assert card.lift.low < planted < card.lift.high, offer
        assert card.lift.high - card.lift.low < 0.12
        assert card.reached == pytest.approx(REACHED, abs=0.03)
        assert card.by_lot
        assert card.effect is not None
        assert card.effect.low < BASE * prevents < card.effect.high
    assert found["call"].word == "helps"
    assert found["call"].lift.low > found["discount"].lift.point
    assert found[ALL_OFFERS].stray == 0


def test_lift_is_measured_once_and_again_on_new_acts(tmp_path: Path) -> None:
    """A turn with nothing new measures nothing; acts that come later change what was reached."""
    mine = World(tmp_path)
    mine.come("a", mine.acts.head(2000))
    before = mine.lifts()["call"].reached
    assert list(measure_lift(mine.rig, mine.contract, mine.story.state, NOW)) == []
    mine.come("b", mine.acts)
    assert mine.lifts()["call"].reached > before


def test_offers_that_were_chosen_are_told_apart_from_drawn_ones(tmp_path: Path) -> None:
    """Without shares in the contract an offer's lift is of those who got it, and says so."""
    text = CONTRACT.replace(", offers: {call: 50%, discount: 50%}", "")
    mine = World(tmp_path, text)
    mine.come("acts", mine.acts)
    found = mine.lifts()
    assert not found["call"].by_lot
    assert found[ALL_OFFERS].by_lot
    assert found["call"].lift.low < BASE * PREVENTS["call"] < found["call"].lift.high


def test_few_outcomes_are_too_small_to_judge(tmp_path: Path) -> None:
    """An offer that hardly anybody drew has no verdict."""
    text = CONTRACT.replace(", offers: {call: 50%, discount: 50%}", "")
    mine = World(tmp_path, text)
    mine.come("few", mine.acts.filter(pl.col("offer") == "call").head(20))
    assert mine.lifts()["call"].word == "too small to judge"


def test_nothing_is_said_before_an_outcome_is_in(tmp_path: Path) -> None:
    """Acts alone bring no lift."""
    mine = World(tmp_path, labelled=False)
    mine.come("acts", mine.acts)
    assert mine.lifts() == {}


def test_acts_count_once_however_often_they_come(tmp_path: Path) -> None:
    """The same file adds nothing, a longer one what is new in it."""
    mine = World(tmp_path, labelled=False)
    first = mine.come("day", mine.acts.head(10))
    again = mine.come("day", mine.acts.head(10))
    longer = mine.come("day", mine.acts.head(15))
    assert isinstance(first, ev.ActionsAccepted)
    assert isinstance(longer, ev.ActionsAccepted)
    assert first.new == 10
    assert again is None
    assert (longer.new, longer.repeated) == (5, 10)
    assert sum(first.offers.values()) == 10


def test_late_unknown_and_held_back_are_told(tmp_path: Path) -> None:
    """Acts on strangers, on those to be left alone, and about weeks that were over are counted."""
    mine = World(tmp_path, labelled=False)
    held = next(
        f"c{i}"
        for i, c in enumerate(in_control([f"c{i}" for i in range(9)], 0.3, "replay", 1))
        if c
    )
    frame = pl.DataFrame(
        {
            "customer": ["nobody", held, "c1"],
            "offer": ["call", "call", "discount"],
            "at": ["2026-03-02T10:00:00Z", "2026-03-02T10:00:00Z", "2026-04-20T10:00:00Z"],
        }
    )
    found = mine.come("odd", frame)
    assert isinstance(found, ev.ActionsAccepted)
    assert (found.new, found.unknown, found.held_back, found.late) == (3, 1, 1, 2)


def test_every_wrong_line_is_told_with_its_number(tmp_path: Path) -> None:
    """All faults of all lines at once, and nothing of a file that is mostly wrong is used."""
    mine = World(tmp_path, labelled=False)
    frame = pl.DataFrame(
        {
            "customer": ["c1", None, "c3", "c4"],
            "offer": ["call", "cal", "discount", None],
            "at": ["2026-03-02T10:00:00Z", "then", "2027-01-01T00:00:00Z", "2026-03-02T10:00:00Z"],
        }
    )
    found = mine.come("bad", frame)
    assert isinstance(found, ev.DataRefused)
    text = "; ".join(found.reasons)
    assert "3 of 4 lines" in text
    assert "line 3: customer is missing, at is no moment, 'cal' is no offer" in text
    assert "did you mean `call`?" in text
    assert "line 4: at lies in the future" in text
    assert "line 5: offer is missing" in text
    assert "toy.actions" not in mine.story.state.pins


def test_missing_columns_are_named_together(tmp_path: Path) -> None:
    """Both columns stand in one refusal, with what may have been meant."""
    mine = World(tmp_path, labelled=False)
    found = mine.come("bad", pl.DataFrame({"customer": ["c1"], "offr": ["call"]}))
    assert isinstance(found, ev.DataRefused)
    assert "'offer'" in found.reasons[0]
    assert "offr" in found.reasons[0]
    assert "'at'" in found.reasons[0]


def test_a_few_wrong_lines_are_left_out_and_told(tmp_path: Path) -> None:
    """Below the contract's limit the rest is taken in."""
    mine = World(tmp_path, labelled=False)
    frame = mine.acts.head(200).with_columns(
        customer=pl.when(pl.int_range(pl.len()) == 7).then(None).otherwise("customer")
    )
    found = mine.come("mostly", frame)
    assert isinstance(found, ev.ActionsAccepted)
    assert (found.new, found.invalid) == (199, 1)
    assert found.problems == ("line 9: customer is missing",)
