"""`tamid improve` where a run was made: steps, the list of labels, and what it refuses."""

from __future__ import annotations

import argparse
import dataclasses
import io
import json
from pathlib import Path
from typing import Any

import lab
import polars as pl
import pytest

from tamid.app import App
from tamid.cli import improving
from tamid.cli.main import main
from tamid.cli.output import Output
from tamid.core.errors import DataError, UsageError, Waiting
from tamid.core.events import PeriodChecked
from tamid.core.learning.advice import Ask, Finding
from tamid.core.learning.advised import done_by
from tamid.core.values import PERIOD, Role
from tamid.stages.improving import improve, subject
from tamid.workshop import parse


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with a first version."""
    return lab.ticked(lab.make(tmp_path_factory.mktemp("lab") / "once"))


def said(
    root: Path,
    path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    as_json: bool = False,
    run: str = "",
    page: Path | None = None,
) -> str:
    """Return what the command prints, with every port in this process."""
    monkeypatch.setattr(App, "open", lambda *args, **more: lab.Lab(root))
    stdout = io.StringIO()
    args = argparse.Namespace(
        workspace=root, model=None, run=run, minutes=5.0, seeds=1, suspects=path, page=page
    )
    out = Output(as_json=as_json, quiet=True, stdout=stdout)
    assert improving.improve(args, out) == 0
    return stdout.getvalue()


def test_steps_come_ranked_with_how_to_take_them(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each measured step has a gain, its evidence, and a line to copy; nothing is recorded."""
    app = lab.Lab(trained)
    before = app.state(lab.MODEL).seq
    page = tmp_path / "steps.html"
    told: Any = json.loads(said(trained, tmp_path / "s.csv", monkeypatch, as_json=True, page=page))
    assert (told["run"], told["version"]) == ("run-0001", 1)
    assert [s["rank"] for s in told["steps"]] == list(range(1, len(told["steps"]) + 1))
    assert {"features", "threshold"} <= {s["kind"] for s in told["steps"]}
    assert all(s["gain"]["point"] is not None and s["evidence"] and s["do"] for s in told["steps"])
    assert told["study"]["fits"] > 5
    assert app.state(lab.MODEL).seq == before
    app.close()
    assert told["page"] == str(page)
    drawn = page.read_text("utf-8")
    assert drawn.count("<details") == len(told["steps"])
    assert drawn.count("<rect") == len(told["steps"]), "each has a gain"


def test_labels_in_doubt_are_listed_by_name(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file names customers as they were given, and says what the label rather is."""
    path = tmp_path / "doubt.csv"
    text = said(trained, path, monkeypatch, run="1")
    rows = pl.read_csv(path)
    assert f"{rows.height} labels in doubt: {path}" in text
    assert rows.get_column("entity").str.starts_with("c").all()
    assert set(rows.get_column("label")) <= {"positive", "negative"}
    assert (rows.get_column("label") != rows.get_column("rather")).all()
    assert "not measured:" in text


def test_a_list_that_is_there_is_not_overwritten(
    trained: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """It may hold a review; the command ends before it measures anything."""
    path = tmp_path / "mine.csv"
    path.write_text("reviewed\n")
    assert main(["-C", str(trained), "improve", "--suspects", str(path)]) == 2
    assert "is there already" in capsys.readouterr().err
    assert path.read_text() == "reviewed\n"


@pytest.mark.parametrize(
    "words", [("--minutes", "0"), ("--seeds", "many"), ("run-0099",), ("--page", "no/such/x.html")]
)
def test_what_cannot_be_meant_is_refused(
    trained: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    """No time, no number, no such run, no folder for the page: exit 2, no traceback."""
    try:
        code = main(["-C", str(trained), "improve", *words])
    except SystemExit as error:
        code = int(str(error.code))
    assert code == 2
    assert "Traceback" not in capsys.readouterr().err


def test_before_a_first_version_it_waits(tmp_path: Path) -> None:
    """Without a champion there is nothing to hold a step against."""
    app = lab.Lab(lab.make(tmp_path / "new"))
    with pytest.raises(Waiting, match="no version is live") as caught:
        subject(app.state(lab.MODEL))
    assert "improve last" not in caught.value.remedy, "there is no run to be named"
    app.close()


def test_rows_that_are_known_to_be_wrong_by_now_take_no_part(trained: Path) -> None:
    """A period suspected after the run is left out of what is measured, and named."""
    app = lab.Lab(trained)
    state, records = app.state(lab.MODEL), app.records(lab.MODEL)
    given: list[pl.DataFrame] = []

    class Watched:
        """A place to train that shows what it was given."""

        def study(self, job: Any, ask: Ask, *_: object) -> Any:
            given.append(job.frame)
            raise DataError("seen")

    rig = dataclasses.replace(app.rig(lab.MODEL), trainer=Watched())  # type: ignore[arg-type]
    bad = "2026-03-15"
    checked = PeriodChecked(period=bad, suspected=True, owner=Role.MLOPS_ENGINEER)
    later = dataclasses.replace(state, checked={**state.checked, bad: checked})
    for known in (state, later):
        with pytest.raises(DataError, match="seen"):
            improve(rig, known, records, "run-0001", 1.0, 1)
    assert bad in set(given[0].get_column(PERIOD))
    assert set(given[0].get_column(PERIOD)) - set(given[1].get_column(PERIOD)) == {bad}
    app.close()


def test_a_run_without_a_candidate_is_refused(trained: Path) -> None:
    """There is no recipe to look into."""
    app = lab.Lab(trained)
    state = app.state(lab.MODEL)
    failed = dataclasses.replace(state.runs["run-0001"], finished=None)
    broken = dataclasses.replace(state, runs={"run-0001": failed})
    with pytest.raises(UsageError, match="gave no candidate"):
        improve(app.rig(lab.MODEL), broken, app.records(lab.MODEL), "run-0001", 1.0, 1)
    app.close()


def test_each_kind_of_feature_is_dropped_where_it_comes_from() -> None:
    """A column by its schema, an aggregate by its block, what code made by the code."""
    text = lab.CONTRACT.replace(
        "training: {model: logistic}",
        "features: {code: features.py:build, aggregates: {calls_28d: {table: t, function: count}}}",
    ).replace("  label:", "  tables: {t: {path: t.csv, entity: customer, time: at}}\n  label:", 1)
    found = Finding(
        kind="features", name="drop idle", evidence="", names=("calls", "calls_28d", "made")
    )
    lines = done_by(parse(text), found, "s.csv")
    assert lines[0] == "contract: data: {schema: {calls: {feature: false}}}"
    assert lines[1] == "contract: take calls_28d out of features.aggregates"
    assert lines[2] == "code: return made no more from features.py:build"


def test_a_model_made_elsewhere_is_fitted_there_and_handed_over_again() -> None:
    """Nothing that is trained here is proposed; what the contract alone changes still is."""
    contract = parse(lab.CONTRACT)
    steps = {
        "more_data": {"rows": 10.0}, "window": {}, "features": {}, "threshold": {"threshold": 0.3}
    }  # fmt: skip
    for kind, numbers in steps.items():
        found: Any = Finding(kind=kind, name="", evidence="", names=("calls",), numbers=numbers)  # type: ignore[arg-type]
        lines = done_by(contract, found, "s.csv", "model.skops")
        assert lines[-1] == "run: tamid register model.skops"
        assert not any("tamid train" in line for line in lines)
        assert kind == "threshold" or "where it is made" in lines[0]
    assert "fixed: 0.3" in lines[0]
