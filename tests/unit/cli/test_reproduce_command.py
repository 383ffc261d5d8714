"""A run made again: equal to the byte, or told where it is not; broken records are no runs."""

from __future__ import annotations

import dataclasses
import itertools
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import lab
import pytest

from tamid.adapters.inline import InlineTrainer
from tamid.cli.reproduce import lines
from tamid.core.errors import IntegrityError, UsageError
from tamid.core.events import RunFailed, RunStarted
from tamid.core.fold import fold
from tamid.core.values import Role
from tamid.ports import Progress, Trainer, TrainingJob, TrainingResult
from tamid.stages.reproducing import Reproduction, reproduce
from tamid.workshop import inline_trainer

Change = Callable[[TrainingJob, TrainingResult], TrainingResult]


def trainer(change: Change) -> Trainer:
    """A place to train whose results are those of another one, changed."""
    inner = inline_trainer(tiny=True)

    def train(job: TrainingJob, progress: Progress) -> TrainingResult:
        return change(job, inner.train(job, lab.WEEK, progress))

    return InlineTrainer(train)


def installed(**packages: str) -> Trainer:
    """A place to train with these packages."""
    content = json.dumps({"python": "3.11.7", "packages": packages}).encode()

    def with_environment(job: TrainingJob, made: TrainingResult) -> TrainingResult:
        return dataclasses.replace(made, files={**made.files, "environment.json": content})

    return trainer(with_environment)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace whose first run was made where polars 2.0 was installed."""
    root = lab.make(tmp_path_factory.mktemp("lab") / "once")
    return lab.ticked(root, trainer=installed(polars="2.0", ruff="1"))


def again(root: Path, place: Trainer | None = None, run: str = "run-0001") -> Reproduction:
    """Make a run again."""
    app = lab.Lab(root, trainer=place)
    try:
        return reproduce(app.rig(lab.MODEL), app.records(lab.MODEL), run)
    finally:
        app.close()


def test_a_run_is_made_again_to_the_byte(trained: Path) -> None:
    """Whatever stands in the folder by now, and nothing is written."""
    (trained / "contract.yaml").write_text(lab.CONTRACT + "consumers: [somebody]\n")
    app = lab.Lab(trained)
    before = len(app.records(lab.MODEL))
    app.close()
    found = again(trained, installed(polars="2.0", ruff="1"))
    assert found.equal
    assert found.recorded == found.again
    assert (found.differs, found.environment) == ("", ())
    assert set(found.parts) >= {"model", "contract", "thresholds", "scores", "golden rows"}
    assert "equal to the byte" in next(lines(found))
    app = lab.Lab(trained)
    assert len(app.records(lab.MODEL)) == before
    app.close()


def test_another_package_is_named_though_the_model_is_the_same(trained: Path) -> None:
    """The bundle is another one, and it is said that its answers are not."""
    found = again(trained, installed(polars="2.0", ruff="2"))
    assert not found.equal
    assert found.model_equal
    assert found.recorded != found.again
    assert found.differs == "environment"
    assert found.environment == ("ruff 1 -> 2",)
    assert [part for part, same in found.parts.items() if not same] == ["environment"]


def test_a_decisive_package_is_the_cause_of_another_model(trained: Path) -> None:
    """Where scores changed as well, the library that makes them is named first."""

    inner = installed(polars="3.0", ruff="1")

    def shifted(job: TrainingJob, progress: Progress) -> TrainingResult:
        made = inner.train(job, lab.WEEK, progress)
        return dataclasses.replace(made, files={**made.files, "model/model.json": b"{}"})

    found = again(trained, InlineTrainer(shifted))
    assert not found.model_equal
    assert (found.differs, found.why) == ("environment", "polars 2.0 -> 3.0")


def test_code_that_draws_without_a_seed_is_found_out(trained: Path) -> None:
    """It is tried once more, and gives a third model."""
    seeds = itertools.count(100)

    def drawn(job: TrainingJob, made: TrainingResult) -> TrainingResult:
        content = json.dumps({"python": "3.11.7", "packages": {"polars": "2.0", "ruff": "1"}})
        files = {**made.files, "environment.json": content.encode()}
        files["model/model.json"] = str(next(seeds)).encode()
        return dataclasses.replace(made, files=files)

    found = again(trained, trainer(drawn))
    assert not found.equal
    assert found.differs == "code"
    assert "without a seed" in found.why
    assert any("without a seed" in line for line in lines(found))


def test_recorded_parameters_are_taken_and_none_searched(trained: Path) -> None:
    """The job carries what the run had chosen, its own seed and its own periods."""
    seen: list[TrainingJob] = []

    def kept(job: TrainingJob, made: TrainingResult) -> TrainingResult:
        seen.append(job)
        return made

    again(trained, trainer(kept))
    assert seen[0].params == {}
    assert seen[0].seed == 7
    assert seen[0].run == "run-0001"


@pytest.mark.parametrize("what", ["bundle", "contract", "report", "table"])
def test_a_broken_record_is_told_before_anything_is_trained(
    trained: Path, tmp_path: Path, what: str
) -> None:
    """Missing content and altered tables are integrity errors: exit 6."""
    root = shutil.copytree(trained, tmp_path / "broken")
    app = lab.Lab(root)
    run = app.state(lab.MODEL).runs["run-0001"]
    app.close()
    assert run.finished is not None
    if what == "table":
        files = [p for p in (root / ".tamid" / "tables").rglob("*.parquet") if "rows" in str(p)]
        files[0].write_bytes(files[1].read_bytes())
    else:
        digest = {"contract": run.started.contract, "bundle": run.finished.bundle,
                  "report": run.finished.report}[what]  # fmt: skip
        name = digest.removeprefix("sha256:")
        (lost,) = [
            p
            for p in (root / ".tamid" / "blobs").rglob("*")
            if p.is_file() and name.endswith(p.name)
        ]
        lost.unlink()
    with pytest.raises(IntegrityError, match="run-0001 is broken: .*" + what) as caught:
        again(root, trainer(lambda job, made: pytest.fail("it was trained")))
    assert caught.value.exit_code == 6


def test_a_run_without_a_candidate_cannot_be_made_again(trained: Path, tmp_path: Path) -> None:
    """It says why the run gave none."""
    root = shutil.copytree(trained, tmp_path / "failed")
    app = lab.Lab(root)
    first = fold(app.records(lab.MODEL)).runs["run-0001"].started
    started: RunStarted = dataclasses.replace(first, run="run-0002", key="a")
    app.record(lab.MODEL, started, role=Role.ML_DEVELOPER, actor="a", reason="b")
    failed = RunFailed(run="run-0002", failure="user_code", message="features.py:3 divides by 0")
    app.record(lab.MODEL, failed, role=Role.ML_DEVELOPER, actor="a", reason="b")
    app.close()
    with pytest.raises(UsageError, match="no candidate") as caught:
        again(root, run="run-0002")
    assert "divides by 0" in caught.value.why
