"""Data that should have come and has not is named by status, doctor and an incident."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from in_process import here
from processes import WEEKLY, make_shop, present, put_week, serve_weeks, sunday

from tamid.cli.main import main

CONTRACT = WEEKLY.replace("delivery: {every: 7d,", 'delivery: {every: 7d, by: "Sunday 00:00",')


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace whose champion went live four weeks ago and served every week but this one."""
    root = make_shop(tmp_path_factory.mktemp("missing") / "shop", CONTRACT, range(14, 3, -1))
    serve_weeks(root, 4, 3, 2, 1)
    assert present(root).champion == 1
    assert not present(root).incidents
    return root


def test_a_mistyped_path_is_a_named_problem_until_it_is_mended(
    served: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Once this week's rows are due: an alarm and its incident, a degraded service, a failing
    doctor, all with the path; the rows come and all is well again."""

    def said(*words: str) -> tuple[int, str]:
        status = main(["-C", str(served), "-q", *words])
        return status, capsys.readouterr().out

    if datetime.now(UTC) - sunday(0) < timedelta(minutes=1):
        pytest.skip("this week's rows are not due yet")
    path, week = served / "contract.yaml", f"{sunday(0).date()}"
    path.write_text(CONTRACT.replace("rows/*.csv", "row/*.csv"), encoding="utf-8")
    ticked = here(served, "tick", "--exit-code")
    assert ticked.returncode == 7, ticked.stderr
    _, status = said("status")
    assert f"alarm       source/rows/{week}, warning" in status
    assert "no file matches row/*.csv" in status
    assert "not diagnosed yet" not in status
    (snap,) = json.loads(said("status", "--json")[1])["models"]
    assert snap["service"]["reply"] == "degraded"
    assert [i["incident"] for i in snap["incidents"]] == [f"alarm/source/rows/{week}"]
    failed, doctor = said("doctor")
    assert failed == 1
    assert f"fail  churn: rows of {week} were due at {week}T00:00 UTC and are missing" in doctor
    assert "no file matches row/*.csv" in doctor
    _, why = said("why", "alarm", f"source/rows/{week}")
    assert "lower rungs answer" in why
    assert "training" not in why
    path.write_text(CONTRACT, encoding="utf-8")
    put_week(served, sunday(0))
    mended = here(served, "tick")
    assert mended.returncode == 0, mended.stderr
    state = present(served)
    assert not state.open_alarms
    assert not state.open_incidents
    assert state.alarms[f"source/rows/{week}"].cleared == f"rows of {week} came"
    assert len(state.runs) == 1, "another path asks for no other model"
