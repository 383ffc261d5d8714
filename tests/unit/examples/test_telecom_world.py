"""The telecom world: same seed same files, nothing before its time, treatment that keeps people."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import polars as pl
import pytest

from tamid.examples.telecom import Story, World, write_day

STORY = Story(history_weeks=5, live_weeks=8, offer_week=3, bug_week=2, billing_week=5)
SIZE = 2_000


def small(seed: int = 3, *, slow_labels: bool = False) -> World:
    """Return a world small enough to live through in a blink."""
    return World(seed=seed, customers=SIZE, story=STORY, slow_labels=slow_labels)


def lived(world: World) -> dict[date, dict[str, pl.DataFrame]]:
    """Return all files of a world that nobody treats, by day."""
    return {day: world.files_for(day) for day in world.days()}


def midnight(day: date) -> datetime:
    """Return the first moment of a day."""
    return datetime.combine(day, time(), UTC)


def everything(files: dict[date, dict[str, pl.DataFrame]], kind: str) -> pl.DataFrame:
    """Return all rows of one kind of file."""
    return pl.concat(f for day in files.values() for n, f in day.items() if n.startswith(kind))


def test_same_seed_gives_the_same_files() -> None:
    """Two worlds of one seed deliver equal files; another seed delivers others."""
    one, two, other = (lived(small(seed)) for seed in (3, 3, 4))
    assert one.keys() == two.keys()
    assert all(
        one[day].keys() == two[day].keys()
        and all(one[day][n].equals(two[day][n]) for n in one[day])
        for day in one
    )
    assert not everything(one, "usage").equals(everything(other, "usage"))


def test_skipping_days_or_asking_twice_changes_nothing() -> None:
    """A world that is asked once a week, twice a day, lives the same life."""
    full, sparse = lived(small()), small()
    for day in list(sparse.days())[::7]:
        first, again = sparse.files_for(day), sparse.files_for(day)
        assert first is again
        assert first.keys() == full[day].keys()
        assert all(first[name].equals(full[day][name]) for name in first)


def test_the_world_cannot_go_back() -> None:
    """A day before the present is refused by name."""
    world = small()
    world.files_for(world.first_day)
    with pytest.raises(ValueError, match="is past"):
        world.files_for(world.first_day - timedelta(days=1))


def test_every_sunday_has_one_row_for_each_customer() -> None:
    """Usage arrives on Sundays with unique customers, as many as there are places."""
    files = lived(small())
    sundays = [day for day in files if f"usage/{day}.parquet" in files[day]]
    assert len(sundays) == STORY.history_weeks + STORY.live_weeks
    for day in sundays:
        frame = files[day][f"usage/{day}.parquet"]
        assert day.weekday() == 6
        assert frame["customer_id"].n_unique() == frame.height == SIZE
        assert frame["week"].unique().to_list() == [midnight(day)]


def test_nothing_arrives_before_it_happened() -> None:
    """Events lie in the week before their file; leavers are in the file of their report's day."""
    for day, files in lived(small()).items():
        for name, frame in files.items():
            if name.startswith(("complaints", "payments")) and frame.height:
                assert (frame["at"] >= midnight(day - timedelta(days=7))).all()
                assert (frame["at"] < midnight(day)).all()
            if name.startswith("left"):
                assert set(frame["reported_at"].dt.date()) == {day}
                assert set(frame["reported_at"] - frame["left_at"]) == {timedelta(days=2)}


@pytest.mark.parametrize("slow_labels", [False, True])
def test_leavers_are_gone_and_reported_once(slow_labels: bool) -> None:
    """Who left is in no later usage file, and everybody who vanishes was reported exactly once."""
    files = lived(small(slow_labels=slow_labels))
    left = everything(files, "left")
    assert left["customer_id"].n_unique() == left.height
    usage = everything(files, "usage").join(left, on="customer_id")
    assert usage.filter(pl.col("week") > pl.col("left_at")).is_empty()
    weeks = everything(files, "usage").group_by("customer_id").agg(pl.col("week").max())
    vanished = weeks.filter(pl.col("week") < pl.lit(midnight(max(files) - timedelta(days=14))))
    assert vanished.height > SIZE / 20
    assert vanished["customer_id"].is_in(left["customer_id"].to_list()).all()


def test_with_slow_labels_a_leaver_s_trouble_is_as_plain_in_the_last_week_as_in_the_first() -> None:
    """Four bad weeks do not become the habit that they are held against."""
    offered = replace(STORY, offer_week=0, live_weeks=10)
    files = lived(World(seed=3, customers=4_000, story=offered, slow_labels=True))
    rows = (
        everything(files, "usage")
        .unique(["customer_id", "week"], keep="last")
        .join(everything(files, "left").select("customer_id", "left_at"), on="customer_id")
        .select(
            "customer_id",
            weeks_left=(pl.col("left_at") - pl.col("week")).dt.total_days() // 7,
            ratio=pl.col("data_gb") / pl.col("data_gb_prev"),
        )
    )
    troubled = rows.filter(pl.col("weeks_left") == 3, pl.col("ratio") > 2)
    seen = rows.join(troubled.select("customer_id"), on="customer_id")
    by_week = dict(seen.group_by("weeks_left").agg(pl.col("ratio").median()).iter_rows())
    assert troubled.height > 30
    assert by_week[0] > 0.8 * by_week[3]
    assert by_week[4] < 1.3


def test_the_bug_is_in_one_file_and_repaired_days_later() -> None:
    """Minutes of one week are sixty times too many, until the same file comes again."""
    world = small()
    files = lived(world)
    day = world.first_live + timedelta(weeks=STORY.bug_week)
    name = f"usage/{day}.parquet"
    broken, repaired = files[day][name], files[day + STORY.bug_repaired_after][name]
    assert (broken["minutes"] > 10_080).sum() > SIZE / 2
    assert (repaired["minutes"] < 10_080).all()
    assert broken.drop("minutes").equals(repaired.drop("minutes"))
    assert [n for d in files.values() for n in d].count(name) == 2


def test_treatment_keeps_some_of_those_who_would_leave() -> None:
    """Treating everybody keeps about the promised share, and touches nobody's usage before that."""
    treated, alone = small(), small()
    kept = leaving = 0
    for day in treated.days():
        treated.files_for(day)
        frame = alone.files_for(day).get(f"usage/{day}.parquet")
        if frame is not None and day == treated.first_live:
            kept = treated.act(day, frame.select("customer_id", treated=pl.lit(True)))
        week = (day - treated.first_live).days
        if 3 <= week <= 8:
            mine, theirs = (w.files_for(day)[f"left/{day}.parquet"] for w in (treated, alone))
            leaving += theirs.height
            assert set(mine["customer_id"]) <= set(theirs["customer_id"])
    assert leaving > 50
    assert 0.2 < kept / leaving < 0.5


def test_acting_twice_keeps_nobody_more() -> None:
    """Whether an offer convinces is decided once for each decision to leave."""
    world = small()
    frame = world.files_for(world.first_live)[f"usage/{world.first_live}.parquet"]
    scores = frame.select("customer_id", treated=pl.lit(True))
    assert world.act(world.first_live, scores) > 0
    assert world.act(world.first_live, scores) == 0
    nobody = scores.with_columns(treated=pl.lit(False))
    assert world.act(world.first_live, nobody) == 0


def test_a_period_of_the_future_cannot_be_acted_on() -> None:
    """Scores for a week that has not begun are refused."""
    world = small()
    frame = world.files_for(world.first_live)[f"usage/{world.first_live}.parquet"]
    with pytest.raises(ValueError, match="has not begun"):
        world.act(
            world.first_live + timedelta(days=7),
            frame.select("customer_id", treated=pl.lit(True)),
        )


def test_days_are_written_whole_under_their_names(tmp_path: Path) -> None:
    """A written day reads back as it was, without half files beside it."""
    world = small()
    files = world.files_for(world.first_live)
    paths = write_day(tmp_path, files)
    assert sorted(p.relative_to(tmp_path).as_posix() for p in paths) == sorted(files)
    assert sorted(tmp_path.rglob("*.*")) == sorted(paths)
    for path in paths:
        name = path.relative_to(tmp_path).as_posix()
        assert pl.read_parquet(path).equals(files[name])


def test_the_story_names_its_dates() -> None:
    """Captions are Sundays in the order of the acts."""
    dates = list(Story().dates(date(2025, 6, 1)).values())
    assert dates == sorted(dates)
    assert all(day.weekday() == 6 for day in dates)


def causes(files: dict[date, dict[str, pl.DataFrame]]) -> pl.DataFrame:
    """Return for each customer and Sunday whether a cause was seen, and whether it left then."""
    weeks = []
    left = everything(files, "left").select("customer_id", "left_at")
    for day, arrived in files.items():
        if f"usage/{day}.parquet" not in arrived:
            continue
        events = (
            arrived[f"complaints/{day}.parquet"].group_by("customer_id").agg(complaints=pl.len())
        )
        debits = (
            arrived[f"payments/{day}.parquet"].group_by("customer_id").agg(pl.col("failed").sum())
        )
        price = pl.col("plan").replace_strict({"basic": 60.0, "plus": 90.0, "fibre": 120.0})
        weeks.append(
            arrived[f"usage/{day}.parquet"]
            .join(events, on="customer_id", how="left")
            .join(debits, on="customer_id", how="left")
            .join(left, on="customer_id", how="left")
            .select(
                "week",
                complained=(pl.col("complaints") >= 2) & (pl.col("monthly_charge") > 1.06 * price),
                heavy=(pl.col("data_gb") > 2 * pl.col("data_gb_prev"))
                & (pl.col("contract_months_left") < 5.9),
                debit=pl.col("failed") >= 2,
                leaves=pl.col("left_at") - pl.col("week") < timedelta(days=7),
            )
            .fill_null(value=False)
        )
    return pl.concat(weeks)


def test_drifts_change_who_leaves_and_hardly_what_is_seen() -> None:
    """Complainers leave before the offer, heavy users after it, failed debits after billing."""
    world = World(seed=5, customers=4_000, story=STORY)
    rows = causes(lived(world))
    offer, billing, end = (
        midnight(world.first_live + timedelta(weeks=week))
        for week in (STORY.offer_week, STORY.billing_week, STORY.live_weeks - 1)
    )
    spans = {
        "before": pl.col("week") < offer,
        "offer": (pl.col("week") >= offer) & (pl.col("week") < billing),
        "billing": (pl.col("week") >= billing) & (pl.col("week") < end),
    }
    for cause, leaving_in in {"complained": "before", "heavy": "offer", "debit": "billing"}.items():
        seen = []
        for span, inside in spans.items():
            shown = rows.filter(inside)
            count = shown.filter(cause).height
            share = shown.filter(cause, "leaves").height / count
            assert share > 0.7 if span == leaving_in else share < 0.25
            seen.append(count / shown.height)
        assert max(seen) / min(seen) < 1.35
