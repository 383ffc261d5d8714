"""The whole loop over shortened stretches of real history, and over a table without time."""

from __future__ import annotations

import csv
import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from tamid.adapters.memory_clock import SimulatedClock
from tamid.app import App
from tamid.cli.main import main
from tamid.config import find
from tamid.core import events as ev
from tamid.core.errors import UsageError
from tamid.examples.hotel.prepare import prepare
from tamid.stages.past import Replay

EXAMPLES = Path(__file__).parents[2] / "src" / "tamid" / "examples"


def workspace(root: Path, example: str) -> Path:
    """A folder with an example's contract and a place for its data; it may be a slow machine."""
    text = (EXAMPLES / example / "contract.yaml").read_text("utf-8")
    if "service:" not in text:
        text += "service: {p99_ms: 60000, start_s: 600}\n"
    (root / "contract.yaml").write_text(text, "utf-8")
    (root / "data").mkdir()
    return root


def played(root: Path, model: str, begin: str, end: str) -> Replay:
    """Replay a stretch of a workspace's history against the frozen first version."""
    days = [datetime.fromisoformat(day).replace(tzinfo=UTC) for day in (begin, end)]
    app = App(find(root))
    try:
        return app.backtest(model, days[0], days[1], ("frozen",))
    finally:
        app.close()


def kinds(found: Replay) -> list[str]:
    """What happened, in order."""
    return [h.kind for h in found.happenings]


@pytest.fixture(scope="module")
def bikes(test_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Bicycle rentals by the hour."""
    root = workspace(tmp_path_factory.mktemp("bikes"), "bikes")
    shutil.copy(test_data / "bike_sharing_hourly.parquet", root / "data" / "hours.parquet")
    return root


def test_the_loop_follows_a_growing_service(bikes: Path) -> None:
    """In spring rentals grow: the loop notices, retrains, and leaves the frozen model behind."""
    found = played(bikes, "bikes", "2011-04-04", "2011-05-23")
    assert found.ticks == 50
    assert "alarm" in kinds(found)
    assert found.releases >= 2
    assert found.weeks[0].others["frozen"] == pytest.approx(found.weeks[0].served)
    late = found.weeks[-2:]
    assert sum(w.served for w in late) < 0.75 * sum(w.others["frozen"] for w in late)
    # Days of a week that is not over are no broken week, and too few rows are waited for.
    assert "failed" not in kinds(found)
    assert [h.text for h in found.happenings if h.kind == "case"] == []


def test_a_replay_repeats_itself_and_leaves_nothing_behind(
    bikes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command prints the same twice, writes a page, and the ledger stays empty."""
    command = ["-C", str(bikes), "-q", "replay", "--from", "2011-04-04", "--to", "2011-04-12"]
    plot = tmp_path / "page.html"
    said = []
    for _ in range(2):
        assert main([*command, "--plot", str(plot), "--json"]) == 0
        said.append(json.loads(capsys.readouterr().out))
    assert said[0] == said[1]
    assert said[0]["replay"]["means"]["served"] > 0
    assert "<svg" in plot.read_text("utf-8")
    app = App(find(bikes))
    try:
        assert app.records("bikes") == ()
    finally:
        app.close()


def test_bookings_are_learnt_from_as_their_outcomes_trickle_in(
    test_data: Path, tmp_path: Path
) -> None:
    """Each week is scored by the version that was live, and a month later a candidate is judged."""
    root = workspace(tmp_path, "hotel")
    stays = pl.read_parquet(test_data / "hotel_bookings.parquet")
    # A shorter past tells the same story in a third of the time.
    made = prepare(stays).filter(pl.col("booked_at") >= pl.datetime(2015, 6, 1))
    made.write_parquet(root / "data" / "bookings.parquet")
    found = played(root, "hotel", "2016-01-04", "2016-02-08")
    told = [h for h in found.happenings if h.kind == "run"]
    assert [h.text.split(" ")[1] for h in told] == ["(first):", "(age):"]
    verdicts = {"promote", "keep", "held", "undecided"} & set(kinds(found))
    assert verdicts >= {"promote"}
    assert sum(kind in {"promote", "keep", "held", "undecided"} for kind in kinds(found)) == 2
    counts = made.filter(pl.col("booked_at") >= pl.datetime(2016, 1, 4))
    weekly = counts.group_by(pl.col("booked_at").dt.truncate("1w").dt.date()).len()
    booked = {day.isoformat(): rows for day, rows in weekly.iter_rows()}
    assert [w.rows for w in found.weeks] == [booked[w.period] for w in found.weeks]
    assert all(0.3 < w.served < 0.9 for w in found.weeks)


def test_a_table_without_time_is_trained_judged_scored_and_delivered(
    test_data: Path, tmp_path: Path
) -> None:
    """Customers with blanks get scores; gender and age are judged; the file has every customer."""
    root = workspace(tmp_path, "telco")
    shutil.copy(test_data / "telco_churn.parquet", root / "data" / "telco_churn.parquet")
    app = App(find(root), clock=SimulatedClock(datetime(2026, 1, 5, tzinfo=UTC)))
    try:
        report = app.tick("telco")
        app.clock.advance(timedelta(days=1))  # type: ignore[attr-defined]
        app.tick("telco")
        judged = [r.event for r in report.records if isinstance(r.event, ev.Judged)]
        assert [j.outcome for j in judged] == ["promote"], judged
        gates = json.loads(app.blobs.get(judged[0].report))["verdicts"]
        named = {g["gate"] for g in gates}
        assert {"fairness gender", "fairness SeniorCitizen", "minimum f1"} <= named
        state = app.state("telco")
        assert state.champion == 1
        # The judged customers are the same everywhere: this figure stands in the documentation.
        f1 = next(g["measured"] for g in gates if g["gate"] == "minimum f1")
        assert f1 == pytest.approx(0.648, abs=0.005)
    finally:
        app.close()
    with (root / "out" / "churn-static.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 7043
    assert all(0 <= float(row["score"]) <= 1 for row in rows)


def test_without_time_there_is_no_history_to_replay(tmp_path: Path, test_data: Path) -> None:
    """The command says so instead of turning an empty clock."""
    root = workspace(tmp_path, "telco")
    shutil.copy(test_data / "telco_churn.parquet", root / "data" / "telco_churn.parquet")
    words = ["-C", str(root), "-q", "replay", "--from", "2026-01-01", "--to", "2026-02-01"]
    assert main(words) == 2


@pytest.mark.parametrize(
    ("begin", "end"), [("2009-01-05", "2009-03-02"), ("2030-01-07", "2030-03-04")]
)
def test_a_stretch_without_rows_is_refused(bikes: Path, begin: str, end: str) -> None:
    """Where there is nothing to score the answer is an error that names the span of the rows."""
    with pytest.raises(UsageError, match="no rows from") as refused:
        played(bikes, "bikes", begin, end)
    assert "from 2011-01-01 to 2012-12-31" in str(refused.value.why)
