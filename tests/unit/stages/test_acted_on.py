"""Who was acted on: by any revision that consumers were handed, not only by the last."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
from polars.testing import assert_frame_equal

from tamid.adapters.memory_tables import MemoryTables
from tamid.core import events as ev
from tamid.core.values import ENTITY, PERIOD, TIME, TablePin
from tamid.stages import dataset
from tamid.testing.histories import Story
from tamid.wiring import load_contract

SUNDAY = datetime(2026, 1, 4, tzinfo=UTC)
PERIOD_NAME = "2026-01-04"


def revision(number: int, treated: list[bool], propensity: list[float]) -> pl.DataFrame:
    """One revision of a period's predictions, a customer each."""
    entities = [f"c{i}" for i in range(len(treated))]
    return pl.DataFrame(
        {
            ENTITY: entities,
            TIME: [SUNDAY] * len(treated),
            PERIOD: [PERIOD_NAME] * len(treated),
            "revision": [number] * len(treated),
            "treated": treated,
            "propensity": propensity,
        },
        schema_overrides={TIME: pl.Datetime("us", "UTC")},
    )


def told(handed_first: bool) -> tuple[MemoryTables, Story, TablePin]:
    """c0: high at first only; c1: high at last only; c2: control, high at first; c3: never."""
    tables, story = MemoryTables(), Story()
    frames = [
        revision(1, [True, False, False, False], [0.3, 1.0, 0.3, 1.0]),
        revision(2, [False, True, False, False], [1.0, 0.3, 1.0, 1.0]),
    ]
    for number, frame in enumerate(frames, start=1):
        pin = tables.write("p", frame, key=f"k{number}", token=0, mode="append")
        story.tell(
            ev.Scored(
                key=f"score/{number}",
                period=PERIOD_NAME,
                revision=number,
                number=1,
                pin=pin,
                rows=4,
                rungs={"champion": 4},
            )
        )
        if number == 2 or handed_first:
            story.tell(
                ev.Delivered(
                    key=f"deliver/{number}",
                    period=PERIOD_NAME,
                    revision=number,
                    sink="1-csv",
                    receipt="r",
                    rows=4,
                )
            )
    return tables, story, pin


def test_a_revision_that_was_handed_over_still_counts() -> None:
    """Whom the first revision named was acted on, whatever the correction says of him."""
    tables, story, pin = told(handed_first=True)
    found = dataset.acted_on(tables, story.state, pin, [PERIOD_NAME]).sort(ENTITY)
    assert found["revision"].to_list() == [2] * 4
    assert found["treated"].to_list() == [True, True, False, False]
    assert found["propensity"].to_list() == [0.3, 0.3, 0.3, 1.0]


def test_what_a_rehearsal_is_told_of_the_live_loop() -> None:
    """Every scored row with its chance; nothing where nobody is said to act on the scores."""
    tables, story, pin = told(handed_first=True)
    contract = load_contract(Path(__file__).parents[2] / "assets" / "contracts" / "smallest.yaml")
    pins = {f"{contract.name}.predictions": pin}
    state = replace(story.state, pins=pins)
    held = replace(contract, delivery=replace(contract.delivery, control_group=0.3))
    found = dataset.planned(tables, held, state)
    assert found is not None
    assert found.sort(ENTITY)["treated"].to_list() == [True, True, False, False]
    assert found.sort(ENTITY)["propensity"].to_list() == [0.3, 0.3, 0.3, 1.0]
    assert dataset.planned(tables, contract, state) is None
    assert dataset.planned(tables, held, replace(state, pins={})) is None


def test_a_revision_that_nobody_got_does_not_count() -> None:
    """What never left the house was acted on by nobody."""
    tables, story, pin = told(handed_first=False)
    found = dataset.acted_on(tables, story.state, pin, [PERIOD_NAME])
    assert_frame_equal(found, dataset.in_force(tables, story.state, pin, [PERIOD_NAME]))


def test_a_period_that_was_never_scored_has_no_predictions() -> None:
    """Asking for it gives no rows."""
    tables, story, pin = told(handed_first=True)
    assert dataset.acted_on(tables, story.state, pin, ["2026-02-01"]).is_empty()
