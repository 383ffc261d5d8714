"""Engines: which one answers, what it costs to start, and what happens where one is missing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tamid.adapters.engines import Golden, open_engine
from tamid.adapters.engines import kernel as in_c
from tamid.adapters.engines.kernel import CACHE, KernelEngine, build
from tamid.core.compiled.interpreter import Interpreter
from tamid.core.compiled.program import Linear, Program, plain_slots
from tamid.core.errors import IntegrityError, MissingExtra, Uncompilable
from tamid.core.learning.model import Feature
from tamid.core.values import Task

PROGRAM = Program(
    task=Task.BINARY,
    features=(Feature(name="a"), Feature(name="b")),
    slots=plain_slots(2),
    model=Linear(weights=np.array([1.0, -2.0]), bias=np.array([0.5])),
    link="sigmoid",
)
ROWS = np.array([[0.0, 0.0], [1.5, -0.5], [3.0, 2.0]])
EXPECTED = tuple(Interpreter(PROGRAM).batch(ROWS).ravel().tolist())
GOLDEN = Golden(packed=ROWS.tobytes(), rows=3, expected=EXPECTED)


def test_the_fastest_engine_that_is_here_answers() -> None:
    """The kernel is tried first; an engine of other models is passed over."""
    engine, tried = open_engine(PROGRAM, GOLDEN)
    assert engine.name == "kernel"
    engine, tried = open_engine(PROGRAM, GOLDEN, engines=["lightgbm", "plain"])
    assert [(t.name, t.refused) for t in tried] == [
        ("lightgbm", "LightGBM cannot take it: the model has no trees"), ("plain", ""),
    ]  # fmt: skip


def test_without_a_compiler_the_next_engine_answers(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """No compiler, no folder to write in, or the word `off`: answered all the same, and why."""
    monkeypatch.setenv(CACHE, str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path))
    engine, tried = open_engine(PROGRAM, GOLDEN)
    assert engine.name == "plain"
    assert tried[0].refused == "there is no C compiler here"
    monkeypatch.setenv(CACHE, "off")
    _, tried = open_engine(PROGRAM, GOLDEN)
    assert "switched off" in tried[0].refused
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(CACHE, str(tmp_path / "file" / "cache"))
    _, tried = open_engine(PROGRAM, GOLDEN)
    assert "cannot be built" in tried[0].refused


def test_golden_rows_decide_who_answers() -> None:
    """An engine that does not reproduce the golden rows is not let in; none left is said so."""
    wrong = Golden(packed=GOLDEN.packed, rows=3, expected=(*EXPECTED[:2], EXPECTED[2] + 1e-6))
    with pytest.raises(Uncompilable, match="golden rows") as caught:
        open_engine(PROGRAM, wrong)
    assert "kernel: golden rows differ" in caught.value.why
    with pytest.raises(Uncompilable):
        open_engine(PROGRAM, Golden(packed=GOLDEN.packed, rows=3, expected=(float("nan"),) * 3))


def test_a_folder_of_somebody_else_is_no_place_for_a_library(tmp_path: Path) -> None:
    """A folder in which others may write is refused, and a kernel that is there is taken as is."""
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    with pytest.raises(MissingExtra, match="alone"):
        build(shared)
    own = tmp_path / "own"
    first = build(own)
    made = first.stat().st_mtime_ns
    assert build(own).stat().st_mtime_ns == made
    assert [p.name for p in own.iterdir()] == [first.name]


def test_a_damaged_library_is_absent(tmp_path: Path) -> None:
    """A kernel that cannot be loaded is absent; nothing fails."""
    path = build(tmp_path)
    path.write_bytes(b"no library")
    with pytest.raises(MissingExtra, match="cannot be loaded"):
        KernelEngine(PROGRAM, cache=tmp_path)


def test_the_kernel_runs_what_was_checked_only() -> None:
    """A program that may not be run, and fewer bytes than rows, never reach the kernel."""
    bad = Program(
        task=Task.BINARY,
        features=PROGRAM.features,
        slots=plain_slots(3),
        model=Linear(weights=np.ones(3), bias=np.ones(1)),
    )
    with pytest.raises(IntegrityError, match="may not be run"):
        KernelEngine(bad)
    with pytest.raises(ValueError, match="fewer rows"):
        KernelEngine(PROGRAM).many(b"\0" * 16, 2)
    with pytest.raises(ValueError, match="fewer rows"):
        KernelEngine(PROGRAM).one(b"\0" * 8)
    assert in_c.cache_folder() is not None


def test_opening_imports_no_training_library() -> None:
    """A process that serves knows neither frames nor learners, and stays small."""
    code = (
        "import sys; from tamid.workshop import open_row_model\n"
        "from tamid.adapters.engines import CompiledRowModel, open_engine\n"
        "from tamid.adapters.engines.kernel import KernelEngine\n"
        "from tamid.adapters.engines.lightgbm_c import LightGBMEngine\n"
        "from tamid.core.compiled import bundled, codec, rows, shap\n"
        "heavy = {'polars', 'pandas', 'sklearn', 'lightgbm', 'scipy', 'optuna', 'deltalake'}\n"
        "print(sorted(heavy & set(sys.modules)), len([m for m in sys.modules if 'tamid' in m]))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy, _, count = run.stdout.strip().rpartition(" ")
    assert heavy == "[]"
    assert int(count) < 64
