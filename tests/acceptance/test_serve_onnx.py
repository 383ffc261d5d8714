"""A model that came as ONNX answers in the server's own process, where its graph allows it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from serving_world import Server, World, children, contract

from tamid.core.values import PERIOD
from tamid.ports import GivenModel
from tamid.stages.packaging import pack
from tamid.testing.candidates import history, job
from tamid.testing.trainer_suite import train
from tamid.workshop import inline_trainer

ROW = {"calls": 0.5, "minutes": -0.25, "plan": "fibre"}
FILE = Path(__file__).parents[1] / "assets" / "models" / "columns.onnx"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose champion is an ONNX graph of linear operators."""
    world = World(tmp_path_factory.mktemp("onnx"), contract(fallback="[default: 0.05]"))
    rows = history(60, 16).with_columns(pl.lit(40.0).alias("גיל") + pl.col("calls"))
    half = rows.get_column(PERIOD).unique().sort()[7]
    given = GivenModel(
        name=FILE.name, kind="onnx", content=FILE.read_bytes(), inputs=(), through=half
    )
    told = replace(job(rows, contract=world.text, code=world.code), given=given)
    world.release(1, pack(train(inline_trainer(), told), world.blobs, world.keys))
    with Server(world.root) as running:
        yield running


def test_it_answers_without_a_worker(server: Server) -> None:
    """One row, many, and with reasons; nobody but the server runs."""
    status, one = server.predict(ROW)
    assert (status, one["rung"]) == (200, "champion")
    assert children(server.process.pid) == []
    other = {**ROW, "plan": "basic", "calls": 5.0}
    many = server.predict([ROW, other])[1]["answers"]
    assert many[0]["score"] == pytest.approx(one["score"], abs=1e-6)
    assert many[1]["score"] != many[0]["score"]
    reasons = server.predict(ROW, "?explain=1")[1]["explanation"]
    assert set(reasons) == {"calls", "minutes", "plan"}
