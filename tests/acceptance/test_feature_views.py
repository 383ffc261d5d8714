"""One feature view under two models: computed once, the same numbers wherever they are read."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from serving_world import Server
from viewed_world import (
    DAY,
    FIRST,
    MODELS,
    NOW,
    PEOPLE,
    UNKNOWN,
    VIEW,
    WEEK,
    WEEKS,
    Shop,
    calls,
    make,
    turn,
)

from tamid.cli.main import main
from tamid.core import events as ev
from tamid.core.errors import ContractError
from tamid.core.values import ENTITY, PERIOD, TIME
from tamid.stages import dataset, joining
from tamid.stages.packaging import unpack
from tamid.workshop import open_row_model

FEATURES = ["calls_14d", "longest_14d", "minutes_14d"]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a workspace after the first turn of both models."""
    root = tmp_path_factory.mktemp("shop")
    make(root)
    turn(root)
    return root


def told(app: Shop, model: str, kind: type[ev.Event]) -> list[ev.Event]:
    """Return the events of a kind in a model's ledger."""
    return [r.event for r in app.records(model) if isinstance(r.event, kind)]


def naive(events: pl.DataFrame, entity: str, moment: datetime) -> dict[str, float | None]:
    """Return what was known at a row's moment, by looking at every call."""
    known = [
        minutes
        for caller, at, minutes in events.iter_rows()
        if caller == entity and at + timedelta(hours=6) <= moment and at >= moment - 14 * DAY
    ]
    return {
        "calls_14d": float(len(known)),
        "longest_14d": max(known, default=None),
        "minutes_14d": sum(known) if known else None,
    }


def test_training_batch_and_look_up_see_the_same_numbers(world: Path) -> None:
    """Equal to the last digit, and to what a look at every single event says."""
    app, events = Shop(world), pl.read_parquet(world / "data" / "calls-1.parquet")
    for model in MODELS:
        state, rig, contract = app.state(model), app.rig(model), app.contract(model)
        weeks = [str((FIRST + w * WEEK).date()) for w in range(WEEKS)]
        trained = dataset.training_rows(rig.tables, contract, state, state.pins, weeks[:-1], NOW)
        assert (trained.height, state.champion) == ((WEEKS - 1) * PEOPLE, 1)
        scored = dataset.good(joining.joined(rig.tables, contract, state.pins, weeks[-1:], NOW))
        whole = dataset.good(joining.joined(rig.tables, contract, state.pins, None, NOW))
        both = pl.concat([f.select(ENTITY, TIME, *FEATURES) for f in (trained, scored)])
        keyed = both.sort(ENTITY, TIME), whole.select(ENTITY, TIME, *FEATURES).sort(ENTITY, TIME)
        assert keyed[0].equals(keyed[1])
        for row in both.sample(40, seed=1).to_dicts():
            assert {n: row[n] for n in FEATURES} == naive(events, row[ENTITY], row[TIME])
        for row in scored.to_dicts():
            assert rig.lookup is not None
            known = rig.lookup.get(row[ENTITY])
            assert known is not None
            assert {n: json.loads(known.inputs or "")[n] for n in FEATURES} == {
                n: row[n] for n in FEATURES
            }
    app.close()


def test_it_is_stored_and_computed_once(world: Path) -> None:
    """Both models name one version of the events and one of what came of them."""
    app = Shop(world)
    batches = [told(app, m, ev.DataAccepted) for m in MODELS]
    pins = {e.pin for some in batches for e in some if e.source == "calls"}  # type: ignore[attr-defined]
    made = [told(app, m, ev.ViewMaterialised) for m in MODELS]
    assert [len(some) for some in made] == [1, 1]
    assert len({(e.pin, e.events) for some in made for e in some}) == 1  # type: ignore[attr-defined]
    assert {p.table for p in pins} == {"_views.calls"}
    assert len(pins) == 1
    app.close()


def test_the_server_answers_by_entity_with_the_same_numbers(world: Path) -> None:
    """What a batch was scored with is what an entity's features are."""
    written = next((world / "churn" / "out").glob("scores-*.csv"))
    batch = dict(pl.read_csv(written).select("entity", "score").iter_rows())
    with Server(world, "churn") as server:
        asked = [{"customer": c} for c in sorted(batch)]
        _, found = server.call("POST", "/v1/models/churn/predict", asked)
        row = {"calls_14d": 2.0, "longest_14d": 9.0, "minutes_14d": 12.0}
        both = [{**row, "usage": usage} for usage in (UNKNOWN, 0.0)]
        _, by_row = server.call("POST", "/v1/models/churn/predict", both)
        server.end()
    assert {a["rung"] for a in found["answers"]} == {"champion"}
    scores = {c: a["score"] for c, a in zip(sorted(batch), found["answers"], strict=True)}
    assert scores == pytest.approx(batch, abs=1e-9)
    app = Shop(world)
    (made,) = told(app, "churn", ev.VersionRegistered)
    assert isinstance(made, ev.VersionRegistered)
    blobs, keys = app.rig("churn").blobs, app.rig("churn").signer
    opened = unpack(made.ref.bundle, made.ref.overlay, blobs, keys)
    assert open_row_model(opened.files, opened.overlay).engine, "compiled: no worker answers"
    app.close()
    unknown, zero = by_row["answers"]
    assert (unknown["rung"], unknown["score"]) == ("champion", zero["score"])


def test_a_new_definition_is_a_new_version(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without one it is not adopted; with it the champion keeps what it was trained with."""
    make(tmp_path)
    turn(tmp_path)
    file = tmp_path / "views" / "calls.yaml"
    file.write_text(VIEW.replace("window: 14d", "window: 7d"), encoding="utf-8")
    app = Shop(tmp_path, NOW + DAY)
    with pytest.raises(ContractError, match="write version: 2"):
        app.adopt("churn")
    assert "the contract in force stays" in app.tick("churn").waiting[0]
    app.close()
    assert main(["-C", str(tmp_path), "features", "diff", "--json"]) == 1
    (change,) = json.loads(capsys.readouterr().out)["changes"]
    assert (change["unnumbered"], [t["model"] for t in change["touches"]]) == (True, list(MODELS))
    file.write_text(file.read_text("utf-8").replace("version: 1", "version: 2"), encoding="utf-8")
    assert main(["-C", str(tmp_path), "features", "diff", "--json"]) == 0
    assert not json.loads(capsys.readouterr().out)["changes"][0]["unnumbered"]
    app = turn(tmp_path, NOW + DAY)
    state = app.state("churn")
    adopted = [r for r in app.records("churn") if isinstance(r.event, ev.ContractAdopted)]
    assert "feature view calls is version 2 now; it is used by churn, upsell" in adopted[-1].reason
    registered = state.versions[1].registered.contract
    kept = app.rig("churn").contract(registered).features.aggregates["calls_14d"]
    new = app.contract("churn").features.aggregates["calls_14d"]
    assert (kept.window, new.window) == (14 * DAY, 7 * DAY)
    assert {"calls@1", "calls@2"} <= set(state.views)
    app.close()


def test_calls_that_come_later_change_no_row_that_was_scored(tmp_path: Path) -> None:
    """A file of late and of new calls: rows of past weeks keep their numbers, new rows see it."""
    make(tmp_path)
    app = turn(tmp_path)
    contract, before = app.contract("churn"), app.state("churn")
    weeks = sorted(before.periods)
    old = joining.joined(app.tables, contract, before.pins, weeks, NOW)
    app.close()
    calls(seed=9, first=7.0 * (WEEKS - 3), last=7.0 * (WEEKS - 1) + 2).write_parquet(
        tmp_path / "data" / "calls-2.parquet"
    )
    later = NOW + 2 * DAY
    app = turn(tmp_path, later)
    state = app.state("churn")
    assert state.pins["_views.calls"] != before.pins["_views.calls"]
    assert state.views["calls@1"].event.late > 0
    again = joining.joined(app.tables, contract, state.pins, weeks, later)
    columns = [ENTITY, TIME, PERIOD, *FEATURES]
    assert old.select(columns).sort(ENTITY, TIME).equals(again.select(columns).sort(ENTITY, TIME))
    app.close()


def test_features_are_shown_with_their_users(
    world: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Owner, version, models and the last time that they were computed."""
    assert main(["-C", str(world), "features", "--json"]) == 0
    (view,) = json.loads(capsys.readouterr().out)["views"]
    assert (view["view"], view["version"], view["owner"]) == ("calls", 1, "data-team")
    assert [(u["model"], u["trained_with"]) for u in view["uses"]] == [("churn", 1), ("upsell", 1)]
    assert view["computed"].startswith("2026-03-29T08")
    assert main(["-C", str(world), "features", "cals"]) != 0
    assert "`calls`" in capsys.readouterr().err


def test_cleaning_is_counted_before_and_after(
    world: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each step of all rows that came, in the ledger and on the terminal."""
    app = Shop(world)
    (event,) = told(app, "churn", ev.RowsCleaned)
    app.close()
    assert isinstance(event, ev.RowsCleaned)
    rows, unknown = WEEKS * PEOPLE, 2 * WEEKS
    assert len(event.periods) == WEEKS
    assert event.steps == {"1 blank": (rows, rows, unknown), "2 fill": (rows, rows, unknown)}
    for words in ((), ("--all",)):
        found = ["-C", str(world), "cleaning", "--model", "churn", "--json", *words]
        assert main(found) == 0
        steps = json.loads(capsys.readouterr().out)["steps"]
        assert [(s["step"], s["before"], s["changed"]) for s in steps] == [
            ("1 blank", rows, unknown),
            ("2 fill", rows, unknown),
        ]
