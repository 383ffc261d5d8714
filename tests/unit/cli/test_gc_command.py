"""`tamid gc` and `[keep]`: each table has a rule, and what cannot be meant is refused."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import lab
import numpy as np
import polars as pl
import pytest
from in_process import InProcess

from tamid.adapters.memory_clock import SimulatedClock
from tamid.cli.main import main
from tamid.core.errors import NotFound
from tamid.core.values import ENTITY, Role
from tamid.stages.audit import audit, prove
from tamid.stages.reproducing import reproduce
from tamid.upkeep.erase import erase
from tamid.upkeep.gc import Found, collect

TABLE = "  tables: {calls_made: {path: calls/*.parquet, entity: customer, time: at}}\n"
COUNTS = "features: {aggregates: {often: {table: calls_made, function: count, window: 7d}}}\n"
EVENTS = lab.CONTRACT.replace("training:", TABLE + COUNTS + "training:")
TIMELESS = """\
tamid: 1
name: churn
task: binary
data:
  source: {path: rows/*.parquet, owner: mlops_engineer}
  entity: customer
  label: {column: left, positive: 1}
  schema: {minutes: {type: number}, left: {type: integer, nullable: true}}
training: {model: logistic}
gates: {minimum: {f1: 0.1}, baselines: [majority]}
service: {p99_ms: 60000, start_s: 600, memory_mb: 4000, fallback: [default: 0.5]}
"""
# After every day on which the test may run: versions are as old as the machine's clock says.
FIRST = datetime(2130, 3, 1, tzinfo=UTC)
DAY = timedelta(days=1)
PEOPLE = 300


def keeping(root: Path, keep: str) -> None:
    """Write what `tamid.toml` says of rows, and of what follows."""
    (root / "tamid.toml").write_text(f'[workspace]\nmodels = ["contract.yaml"]\n[keep]\n{keep}\n')


def adopted(root: Path, contract: str, keep: str) -> Path:
    """Make a workspace whose contract is in force and whose `[keep]` says something."""
    lab.make(root, contract, weeks=1)
    keeping(root, keep)
    app = lab.Lab(root, 1)
    try:
        app.adopt(lab.MODEL)
        if contract == EVENTS:
            (app.config.store / "tables" / "churn.calls_made" / "_delta_log").mkdir(parents=True)
    finally:
        app.close()
    return root


@pytest.mark.parametrize("name", ["served", "timings"])
def test_a_log_goes_by_the_contract(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """It is there, so it is no slip of the pen: what would go another way is named."""
    root = adopted(tmp_path / "w", EVENTS, f'"{name}" = "1y"')
    assert main(["-C", str(root), "gc", "--dry-run"]) == 2
    said = capsys.readouterr().err
    assert f"[keep] names '{name}', which goes by another rule" in said
    assert "service.log.keep" in said


def test_a_dry_run_tells_the_rule_of_each_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also of one that nothing is said of, whose default it is to stay."""
    root = adopted(tmp_path / "w", EVENTS, "")
    assert main(["-C", str(root), "gc", "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "churn.calls_made: rows for ever (no [keep]), replaced versions for ever" in said
    keeping(root, 'calls_made = "90d"')
    assert main(["-C", str(root), "gc", "--dry-run", "--json"]) == 0
    rules = json.loads(capsys.readouterr().out)["models"][0]["rules"]
    assert rules["churn.calls_made"].startswith("rows 90d by their own moment")


def test_events_of_a_model_leave_as_far_as_no_row_looks_back(tmp_path: Path) -> None:
    """Two weeks of rows, features of a week: what happened before can change none of them."""
    root = lab.make(tmp_path / "w", EVENTS, weeks=2)
    (root / "calls").mkdir()
    moments = pl.Series("at", [lab.BEGIN + n * DAY for n in range(-60, 14)])
    calls = pl.DataFrame({"customer": ["c1"] * len(moments), "at": moments})
    calls.write_parquet(root / "calls" / "1.parquet")
    keeping(root, '"churn.calls_made" = "3d"')
    app = lab.Lab(root, 2)
    try:
        app.adopt(lab.MODEL)
        app.tick(lab.MODEL)
        role = Role.MLOPS_ENGINEER
        (found,) = collect(app, actor="ada", role=role, reason="policy 7").models
        assert len(found.rows["churn.calls_made"]) > 5
        assert any("features of rows that stay" in text for text in found.stays)
        pin = app.state(lab.MODEL).pins["churn.calls_made"]
        first = app.tables.read(pin).get_column("_time").min()
        assert isinstance(first, datetime)
        assert lab.BEGIN - 14 * DAY <= first <= lab.BEGIN - 7 * DAY
        assert prove(app.rig(lab.MODEL), app.records(lab.MODEL)).faults == ()
        app.tick(lab.MODEL)
    finally:
        app.close()


def at(root: Path, day: int) -> InProcess:
    """Open the workspace so many days after its first turn."""
    return InProcess(root, SimulatedClock(FIRST + day * DAY))


def turned(root: Path, day: int, *people: int) -> None:
    """Put rows of new people down, if any, and turn the loop."""
    if people:
        minutes = np.random.default_rng(day).uniform(0, 1000, len(people))
        left = (minutes < 300).astype(np.int64)
        names = [f"c{n}" for n in people]
        (root / "rows").mkdir(exist_ok=True)
        frame = pl.DataFrame({"customer": names, "minutes": minutes, "left": left})
        frame.write_parquet(root / "rows" / f"{day}.parquet")
    app = at(root, day)
    try:
        app.adopt(lab.MODEL)
        app.tick(lab.MODEL)
    finally:
        app.close()


def cleared(root: Path, day: int, *, dry_run: bool = False) -> Found:
    """Collect as the operator does."""
    app = at(root, day)
    try:
        role = Role.MLOPS_ENGINEER
        done = collect(app, actor="ada", role=role, reason="policy 7", dry_run=dry_run)
        return done.models[0]
    finally:
        app.close()


def held(root: Path, table: str) -> set[str]:
    """Return the entities in the table as the loop reads it; all that is left proves."""
    app = at(root, 99)
    try:
        assert prove(app.rig(lab.MODEL), app.records(lab.MODEL)).faults == ()
        assert audit(app.rig(lab.MODEL), app.records(lab.MODEL)).same
        pin = app.state(lab.MODEL).pins[f"churn.{table}"]
        return set(app.tables.read(pin).get_column(ENTITY))
    finally:
        app.close()


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model without a time: people of the first day, others of the fortieth, some of both."""
    root = lab.make(tmp_path_factory.mktemp("lab") / "w", TIMELESS, weeks=0)
    turned(root, 0, *range(PEOPLE))
    turned(root, 40, *range(PEOPLE - 10, 2 * PEOPLE))
    return root


@pytest.fixture
def timeless(grown: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(grown, tmp_path / "w"))


def test_rows_without_a_time_grow_old_from_when_they_came(timeless: Path) -> None:
    """First seen counts: who came again later is as old; the label follows the row."""
    keeping(timeless, 'rows = "30d"\nlabels = "20d"')
    assert cleared(timeless, 29).left == {}
    said = cleared(timeless, 50, dry_run=True)
    assert set(said.left) == {"churn.rows", "churn.labels"}
    assert held(timeless, "rows") == {f"c{n}" for n in range(2 * PEOPLE)}
    assert cleared(timeless, 50).left == said.left
    late = {f"c{n}" for n in range(PEOPLE, 2 * PEOPLE)}
    assert held(timeless, "rows") == late
    assert late <= held(timeless, "labels")
    assert cleared(timeless, 50).left == {}
    turned(timeless, 51)
    assert held(timeless, "rows") == late, "what a file brought once is not taken in again"


def test_labels_wait_for_their_rows(timeless: Path) -> None:
    """With rows kept for ever no label goes, and it is said why."""
    keeping(timeless, 'labels = "1d"')
    said = cleared(timeless, 50)
    assert said.left == {}
    assert any("another table still holds what they belong to" in text for text in said.stays)


def test_all_rows_may_go(timeless: Path) -> None:
    """Then there is none, and the loop waits for new ones."""
    keeping(timeless, 'rows = "1d"\nlabels = "1d"')
    cleared(timeless, 90)
    assert held(timeless, "rows") == set()
    turned(timeless, 91, *range(1000, 1000 + PEOPLE))
    assert held(timeless, "rows") == {f"c{n}" for n in range(1000, 1000 + PEOPLE)}


def test_a_run_whose_data_expired_says_so(timeless: Path) -> None:
    """When decisions are given up, old versions leave the disk; the proof and an erasure hold."""
    more = '[retention]\naudit = "1d"'
    keeping(timeless, f'rows = "30d"\nlabels = "30d"\njudged = "30d"\n{more}')
    cleared(timeless, 60)
    turned(timeless, 61)
    gone = cleared(timeless, 70)
    assert {t for t, plan in gone.plans.items() if plan.gone} >= {"churn.rows", "churn.labels"}
    app = at(timeless, 71)
    try:
        rig, records = app.rig(lab.MODEL), app.records(lab.MODEL)
        with pytest.raises(NotFound, match=r"run-0001 cannot be made again: its data expired") as e:
            reproduce(rig, records, "run-0001")
        assert "by ada (mlops_engineer): policy 7" in e.value.why
        newest = list(app.state(lab.MODEL).runs)[-1]
        assert reproduce(rig, records, newest).rows == PEOPLE
        erase(app, f"c{PEOPLE + 1}", actor="ada", role=Role.MLOPS_ENGINEER, reason="asked")
    finally:
        app.close()
    tables = timeless / ".tamid" / "tables" / "churn.rows"
    left = pl.concat([pl.read_parquet(p, columns=[ENTITY]) for p in tables.rglob("*.parquet")])
    assert not {f"c{n}" for n in range(PEOPLE)} & set(left.get_column(ENTITY))
    assert f"c{PEOPLE + 1}" not in held(timeless, "rows")


def test_what_runs_were_judged_on_leaves_run_by_run(timeless: Path) -> None:
    """By the age of the run; a younger one keeps all of it."""
    keeping(timeless, 'judged = "30d"')
    young = cleared(timeless, 29)
    assert (young.left, young.plans["churn.judged"].gone) == ({}, (0,)), "before any run"
    assert cleared(timeless, 50).left.keys() == {"churn.judged"}
    app = at(timeless, 50)
    try:
        pin = app.tables.latest("churn.judged")
        assert pin is not None
        assert app.tables.read(pin).get_column("run").unique().to_list() == ["run-0002"]
        assert reproduce(app.rig(lab.MODEL), app.records(lab.MODEL), "run-0002").rows > PEOPLE
    finally:
        app.close()
    held(timeless, "rows")
