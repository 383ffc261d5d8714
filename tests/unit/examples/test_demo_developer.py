"""The demo's ML developer answers with the payments only if they explain what was missed."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from tamid.examples.telecom import Story, World, write_day
from tamid.examples.telecom.demo_developer import Finding, look

STORY = Story(history_weeks=5, live_weeks=9, offer_week=2, bug_week=8, billing_week=5)
WEEK = timedelta(days=7)


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, World]:
    """A folder with all files of a small world, and scores by a rule of thumb."""
    folder = tmp_path_factory.mktemp("office")
    world = World(seed=3, customers=3_000, story=STORY)
    (folder / "out").mkdir()
    for day in world.days():
        files = world.files_for(day)
        write_day(folder / "data", files)
        usage = files.get(f"usage/{day}.parquet")
        if usage is not None:
            fell = pl.col("minutes") < 0.55 * pl.col("minutes_prev")
            scores = usage.select(entity="customer_id", decision=fell.cast(pl.Int64))
            scores.write_csv(folder / "out" / f"scores-{day}.csv")
    return folder, world


def seen(office: tuple[Path, World], week: int, cause: str = "concept_drift") -> Finding | None:
    """Return what he finds in a case about one live week."""
    folder, world = office
    period = str(world.first_live + week * WEEK)
    return look(folder, {"alarms": [{"cause": cause, "periods": [period]}]}, WEEK)


def test_failed_debits_of_leavers_are_found(office: tuple[Path, World]) -> None:
    """After the new billing system a large part of the missed leavers had failed debits."""
    found = seen(office, STORY.billing_week)
    assert found is not None
    assert found.worth_it
    assert found.missed_share > 5 * found.stayed_share
    assert "read the payments" in found.words


def test_another_cause_is_not_answered_with_payments(office: tuple[Path, World]) -> None:
    """After the competitor's offer leavers have no more failed debits than others."""
    found = seen(office, STORY.offer_week)
    assert found is not None
    assert not found.worth_it
    assert "do not explain" in found.words


def test_a_case_that_names_no_drift_is_left_alone(office: tuple[Path, World]) -> None:
    """A case about anything else is not his to answer with features."""
    assert seen(office, STORY.billing_week, cause="contract_breach") is None


def test_few_missed_leavers_show_nothing() -> None:
    """A handful of leavers is no evidence, however alike they are."""
    few = Finding(periods=("2026-01-04",), missed=5, missed_share=1.0, stayed_share=0.0)
    assert not few.worth_it


def test_nothing_after_the_score_counts_as_seen_before(office: tuple[Path, World]) -> None:
    """Only payments of the four weeks before a score are held against it."""
    folder, world = office
    day = world.first_live + STORY.billing_week * WEEK
    first = seen(office, STORY.billing_week)
    later = datetime.combine(day + timedelta(days=1), datetime.min.time(), UTC)
    everybody = pl.read_parquet(folder / "data" / "usage" / f"{day}.parquet")["customer_id"]
    extra = pl.DataFrame({"customer_id": everybody, "failed": 3}).with_columns(
        at=pl.lit(later, pl.Datetime("us", "UTC"))
    )
    file = folder / "data" / "payments" / f"{date(2027, 1, 3)}.parquet"
    extra.write_parquet(file)
    try:
        assert seen(office, STORY.billing_week) == first
    finally:
        file.unlink()
