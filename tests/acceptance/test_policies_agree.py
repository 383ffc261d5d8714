"""Walking the tensor gives what the exact replay gives, week by week, on a small history."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tamid.app import App, Quiet
from tamid.config import find
from tamid.core.policies.account import Accounts, compare
from tamid.core.policies.policy import calendar, never, policy_from
from tamid.stages.past import Replay
from tamid.whatif import Asked, history, performance
from tamid.wiring import load_contract

MONDAY = datetime(2026, 1, 5, tzinfo=UTC)
WEEKS, ROWS, FIRST = 23, 120, 9
CONTRACT = """
tamid: 1
name: drifting
task: regression
calendar: {timezone: UTC, week_starts: monday}
data:
  source: {path: rows.parquet, owner: mlops_engineer}
  entity: id
  time: at
  label: {column: y, horizon: 1d, reporting_lag: 1d, absence: unknown}
  schema: {a: {type: number}, kind: {type: category}, y: {type: number}}
training: {model: ridge, seed: 7, threads: 1}
gates: {champion: {margin: 0.05}}
service: {p99_ms: 60000, start_s: 600}
release: {path: [live], approval: auto}
monitoring: {every: 7d, quality: {metric: mae}}
retraining: {on: [age], max_age: 41d, window: all, cooldown: 7d, per_year: 26}
delivery: {every: 7d}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A history whose slope moves slowly: newer models are better, and no alarm is raised."""
    root = tmp_path_factory.mktemp("agree")
    rng = np.random.default_rng(3)
    n = WEEKS * ROWS
    week = np.repeat(np.arange(WEEKS), ROWS)
    a = rng.normal(size=n)
    kind = rng.choice(["x", "y", "z"], size=n)
    y = a * (1 + 0.01 * week) + (kind == "x") + rng.normal(0, 0.3, n)
    at = [MONDAY + timedelta(hours=int(w) * 168 + 1.2 * (i % ROWS)) for i, w in enumerate(week)]
    frame = pl.DataFrame({"id": np.arange(n), "at": at, "a": a, "kind": kind, "y": y})
    frame.write_parquet(root / "rows.parquet")
    (root / "contract.yaml").write_text(CONTRACT, "utf-8")
    return root


@pytest.fixture(scope="module")
def exact(folder: Path) -> Replay:
    """The loop itself, turned over the history."""
    app = App(find(folder))
    try:
        begin, end = (MONDAY + timedelta(weeks=w) for w in (FIRST, WEEKS - 1))
        return app.backtest("drifting", begin, end, ("frozen", "always"))
    finally:
        app.close()


@pytest.fixture(scope="module")
def walked(folder: Path) -> Accounts:
    """The same history as a tensor: live at once, as the exact replay's rivals are."""
    path = folder / "contract.yaml"
    contract = load_contract(path)
    asked = Asked(
        until=MONDAY + timedelta(weeks=WEEKS + 2), windows=("all",), lag=0, first=FIRST, step=1
    )
    made = performance(contract, path, asked, Quiet())
    today = policy_from(contract, "today")
    return compare(made.tensor, [never(), calendar("weekly", 1), today, replace(today, name="x")])


def test_never_and_weekly_are_frozen_and_always(exact: Replay, walked: Accounts) -> None:
    """Row zero of the tensor is the exact replay's first version, its diagonal the one that is
    trained anew every week: the same figures, to rounding."""
    weeks = walked.tables.tensor.weeks[FIRST:]
    for name, rival in (("never", "frozen"), ("weekly", "always")):
        mine = dict(zip(weeks, walked[name].quality, strict=True))
        theirs = {w.period: w.others[rival] for w in exact.weeks}
        assert len(theirs) >= 10
        assert {p: mine[p] for p in theirs} == pytest.approx(theirs, rel=1e-6)
    assert walked["weekly"].overall < walked["never"].overall - 0.005


def test_the_contracts_policy_trains_in_the_same_weeks(exact: Replay, walked: Accounts) -> None:
    """The age cap asks for the same runs, and what is released serves the same quality; only in the
    very week of a release some rows were answered by the old version before."""
    runs = [h.at for h in exact.happenings if h.kind == "run"][1:]
    weeks = [(at - MONDAY) // timedelta(weeks=1) for at in runs]
    mine = walked["today"].walk.runs
    assert weeks
    assert [r.week for r in mine] == weeks
    released = [h.at for h in exact.happenings if h.kind == "release"][1:]
    assert [r.live for r in mine if r.live is not None] == [
        (at - MONDAY) // timedelta(weeks=1) for at in released
    ]
    served = {w.period: w.served for w in exact.weeks}
    by_week = dict(zip(walked.tables.tensor.weeks[FIRST:], walked["today"].quality, strict=True))
    calm = {p for p in served if walked.tables.tensor.weeks.index(p) not in weeks}
    assert len(calm) >= 10
    assert {p: by_week[p] for p in calm} == pytest.approx({p: served[p] for p in calm}, rel=1e-6)
    assert by_week == pytest.approx(by_week | served, rel=0.01)


def test_rows_weighed_by_age_are_weighed_alike(folder: Path, tmp_path: Path) -> None:
    """With `window: decay` loop and tensor release models of the same figures, unlike `all`."""
    (tmp_path / "rows.parquet").write_bytes((folder / "rows.parquet").read_bytes())
    path = tmp_path / "contract.yaml"
    path.write_text(CONTRACT.replace("window: all", "window: decay"), "utf-8")
    contract = load_contract(path)
    begin, end = (MONDAY + timedelta(weeks=w) for w in (FIRST, WEEKS - 1))
    app = App(find(tmp_path))
    try:
        exact = app.backtest("drifting", begin, end, ())
    finally:
        app.close()
    asked = Asked(until=MONDAY + timedelta(weeks=WEEKS + 2), lag=0, first=FIRST, step=1)
    made = performance(contract, path, replace(asked, windows=("all", "decay")), Quiet())
    today = policy_from(contract, "today")
    walked = compare(made.tensor, [today, replace(today, name="all", window="all")])
    assert len(walked["today"].walk.runs) == exact.runs - 1
    weeks = made.tensor.weeks[FIRST:]
    mine, plain = (dict(zip(weeks, walked[n].quality, strict=True)) for n in ("today", "all"))
    # In the week of a release some rows were answered by the old version before.
    new = {made.tensor.weeks[run.week] for run in walked["today"].walk.runs}
    last = {w.period: w.served for w in exact.weeks[-3:] if w.period not in new}
    assert last
    assert {p: mine[p] for p in last} == pytest.approx(last, rel=1e-6)
    assert all(abs(mine[p] - plain[p]) > 1e-5 * plain[p] for p in last)


def test_the_tensor_is_kept_by_what_it_rests_on(folder: Path) -> None:
    """A second asking fits nothing; another seed fits all anew."""
    path = folder / "contract.yaml"
    contract = load_contract(path)
    asked = Asked(until=MONDAY + timedelta(weeks=WEEKS + 2), first=FIRST, step=6)
    kept: dict[str, bytes] = {}
    first = performance(contract, path, asked, Quiet(), kept)
    later = replace(asked, until=asked.until + timedelta(days=3))
    again = performance(contract, path, later, Quiet(), kept)
    assert (first.fits > 0, again.fits, again.kept) == (True, 0, len(first.tensor.origins))
    np.testing.assert_array_equal(first.tensor.sums, again.tensor.sums)
    assert again.fit_seconds == first.fit_seconds
    other = replace(contract, training=replace(contract.training, seed=8))
    assert performance(other, path, asked, Quiet(), kept).fits == first.fits


def test_history_knows_when_labels_are_in(folder: Path) -> None:
    """Two days of waiting from Saturday on make a delay of one week; blocks are days, features have
    all words."""
    path = folder / "contract.yaml"
    rows = history(load_contract(path), path, MONDAY + timedelta(weeks=WEEKS + 2))
    assert (len(rows), len(rows.weeks), rows.delay, rows.slow) == (WEEKS * ROWS, WEEKS, 1, False)
    assert set(rows.block.tolist()) == set(range(6))  # 120 rows, 1.2 hours apart: six days
    assert {f.name: f.categories for f in rows.table.features}["kind"] == ("x", "y", "z")
