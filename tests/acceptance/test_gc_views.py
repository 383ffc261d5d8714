"""Events of a feature view grow old for all who use it, as far as features of rows allow."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from viewed_world import DAY, FIRST, MODELS, NOW, WEEK, Shop, calls, make, turn

from tamid.core.state import State
from tamid.core.values import ENTITY, TIME, Role
from tamid.stages import dataset, joining
from tamid.stages.audit import audit, prove
from tamid.stages.naming import cleared
from tamid.upkeep.gc import Found, collect

VIEW = "_views.calls"
FEATURES = ["calls_14d", "longest_14d", "minutes_14d"]
HOUR = timedelta(hours=1)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace after the first turn of both models."""
    root = tmp_path_factory.mktemp("shop") / "w"
    make(root)
    turn(root)
    return root


@pytest.fixture
def world(made: Path, tmp_path: Path) -> Path:
    """A copy of it, in which events may grow old."""
    return Path(shutil.copytree(made, tmp_path / "w"))


def keeping(root: Path, text: str) -> None:
    """Write how long tables keep their rows, and what follows."""
    listed = (root / "tamid.toml").read_text().partition("[keep]")[0]
    (root / "tamid.toml").write_text(f"{listed}[keep]\n{text}\n")


def swept(root: Path, now: object = NOW + HOUR) -> Mapping[str, Found]:
    """Collect as the operator does; all that is left proves, and decisions are repeated."""
    app = Shop(root, now)  # type: ignore[arg-type]
    try:
        done = collect(app, actor="ada", role=Role.MLOPS_ENGINEER, reason="policy 7")
        for model in MODELS:
            assert prove(app.rig(model), app.records(model)).faults == ()
            assert audit(app.rig(model), app.records(model)).same
        return {one.model: one for one in done.models}
    finally:
        app.close()


def features(root: Path, model: str) -> pl.DataFrame:
    """Return the features of all rows, as training reads them."""
    app = Shop(root, NOW + 2 * HOUR)
    try:
        state, rig, contract = app.state(model), app.rig(model), app.contract(model)
        rows = joining.joined(rig.tables, contract, state.pins, None, NOW + 2 * HOUR)
        return dataset.good(rows).select(ENTITY, TIME, *FEATURES).sort(ENTITY, TIME)
    finally:
        app.close()


def oldest(root: Path, model: str) -> object:
    """Return the first event that a model reads."""
    app = Shop(root)
    try:
        pin = app.state(model).pins[VIEW]
        assert pin == app.tables.latest(VIEW)
        return app.tables.read(pin).get_column(TIME).min()
    finally:
        app.close()


def test_events_that_no_row_looks_back_on_leave_for_all_users(world: Path) -> None:
    """Features of every row stay the same to the digit, in this turn and after the next."""
    keeping(world, f'"{VIEW}" = "30d"')
    before = {model: features(world, model) for model in MODELS}
    found = swept(world)
    assert all(len(found[model].rows[VIEW]) == 2 for model in MODELS)
    assert any("features of rows that stay" in text for text in found["churn"].stays)
    assert all(found[m].rules[VIEW].startswith("rows 30d") for m in MODELS)
    for model in MODELS:
        first = oldest(world, model)
        assert FIRST - 14 * DAY - WEEK <= first < FIRST - 13 * DAY  # type: ignore[operator]
        assert features(world, model).equals(before[model])
    assert all(VIEW not in one.rows for one in swept(world).values()), "nothing is left to do"
    turn(world, NOW + 3 * HOUR)
    for model in MODELS:
        assert features(world, model).equals(before[model])
    swept(world, NOW + 4 * HOUR)


def test_a_user_that_is_behind_is_waited_for(world: Path) -> None:
    """It would come to a version that it has never taken in; who uses no events does not count."""
    keeping(world, f'"{VIEW}" = "30d"')
    more = calls(seed=4, first=7.0 * 12 - 1, last=7.0 * 12)
    more.write_parquet(world / "data" / "calls-2.parquet")
    turn(world, NOW + HOUR, models=("churn",))
    found = swept(world, NOW + 2 * HOUR)
    assert all(VIEW not in one.rows for one in found.values())
    assert any("upsell has not taken in all of them yet" in t for t in found["churn"].stays)
    turn(world, NOW + 3 * HOUR)
    assert VIEW in swept(world, NOW + 4 * HOUR)["upsell"].rows


class Dying(Shop):
    """A workspace whose process dies once the first model was told."""

    told = 0

    def record(self, *args: Any, **more: Any) -> State:
        """Append for one model, and die before the next."""
        self.told += 1
        if self.told > 1:
            raise KeyboardInterrupt
        return super().record(*args, **more)


def test_a_clearing_that_died_between_two_models_goes_on(world: Path) -> None:
    """The second is told of the same version, and no other one is made."""
    keeping(world, f'"{VIEW}" = "30d"')
    dying = Dying(world, NOW + HOUR)
    with pytest.raises(KeyboardInterrupt):
        collect(dying, actor="ada", role=Role.MLOPS_ENGINEER, reason="policy 7")
    half = dying.tables.latest(VIEW)
    assert [dying.state(m).pins[VIEW] == half for m in MODELS] == [True, False]
    dying.close()
    swept(world)
    app = Shop(world)
    assert [app.state(m).pins[VIEW] for m in MODELS] == [half, half]
    assert app.tables.latest(VIEW) == half
    app.close()
    assert all(VIEW not in one.rows for one in swept(world).values())


def test_versions_that_nobody_needs_leave_the_disk_and_are_told_to_all(world: Path) -> None:
    """What the champion was made of stays; the model that came too late finds what is left."""
    late = NOW.replace(year=NOW.year + 100)  # versions are as old as the machine's clock says
    keeping(world, f'"{VIEW}" = "30d"\n[retention]\naudit = "1h"')
    swept(world, NOW + HOUR)
    turn(world, NOW + 2 * HOUR)
    calls(seed=4, first=80.0, last=84.0).write_parquet(world / "data" / "calls-2.parquet")
    turn(world, NOW + 3 * HOUR)
    found = swept(world, late)
    app = Shop(world, late)
    try:
        gone = {m: cleared(app.records(m), app.blobs) for m in MODELS}
        assert gone["churn"] >= {(VIEW, v) for v in found["churn"].plans[VIEW].gone}
        assert found["churn"].plans[VIEW].gone == found["upsell"].plans[VIEW].gone != ()
        assert any("the champion was made of it" in t for t in found["churn"].stays)
        for model in MODELS:
            state = app.state(model)
            run = state.runs[state.versions[state.champion].registered.run]
            for pin in run.started.pins:
                app.tables.verify(pin)
    finally:
        app.close()
