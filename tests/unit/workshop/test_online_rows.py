"""Rows of the server go the way of batch scoring: types, cleaning, feature code, calibration."""

from __future__ import annotations

import json

import polars as pl
import pytest

from tamid.adapters.keys import Keys
from tamid.adapters.memory_blobs import MemoryBlobs
from tamid.core.learning.bundle import Opened
from tamid.core.values import ENTITY, PERIOD, TIME
from tamid.stages.features import clean
from tamid.stages.packaging import pack, unpack
from tamid.testing.candidates import contract_text, history, job, unlabelled
from tamid.testing.trainer_suite import train
from tamid.workshop import inline_trainer, parse
from tamid.workshop.answers import ready
from tamid.workshop.online import Columns, answer_rows, cleaned_rows

_CLEAN = "clean: [{fill: {columns: [age], value: 0.25}}, {lower: {columns: [plan]}}]\n"
_NAMES = ["calls", "minutes", "age", "plan", "week"]


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Opened:
    """A version with feature code, declared cleaning and a time column."""
    keys, blobs = Keys(tmp_path_factory.mktemp("keys")), MemoryBlobs()
    keys.create()
    given = job(history(100, 8), contract=contract_text() + _CLEAN, holdout=2)
    packed = pack(train(inline_trainer(tiny=True), given), blobs, keys)
    return unpack(packed.bundle, packed.overlay, blobs, keys)


def test_a_row_online_scores_as_in_batch(opened: Opened) -> None:
    """To the last digit, also with missing values and words that need cleaning."""
    predictor = ready(opened)
    rows = unlabelled(history(20, 2, seed=5)).with_columns(pl.col("plan").str.to_uppercase())
    whole = clean(rows, predictor.contract.clean).frame
    batch = predictor.answer(whole, 0).get_column("score").to_list()
    moments = [m.isoformat() for m in rows.get_column(TIME).to_list()]
    columns = rows.drop(ENTITY, TIME, PERIOD).to_dict(as_series=False) | {"week": moments}
    assert set(columns) == set(_NAMES)
    golden = opened.files["golden.json"]
    found = answer_rows(predictor, golden, columns, explain=True)
    assert found["score"] == batch
    one = {name: values[:1] for name, values in columns.items()}
    assert answer_rows(predictor, golden, one, explain=False)["score"] == batch[:1]
    moved = found["explanation"]
    assert isinstance(moved, dict)
    assert "strain" in moved
    assert len(moved["strain"]) == rows.height


def test_a_worker_reads_texts_as_numbers_beside_rows_that_were_looked_up() -> None:
    """The model learnt numbers: texts of callers become such, looked-up features are already."""
    step = '  - number: {columns: [minutes], decimal: ","}\n'
    text = contract_text() + "clean:\n  - strip\n" + step + "  - fill: {value: 7.0}\n"
    contract = parse(text.replace("minutes: {type: number", "minutes: {type: text"))
    columns = [{"name": n, "type": "number", "values": [1.5]} for n in ("minutes", "age")]
    golden = json.dumps({"columns": columns}).encode()
    asked: Columns = {
        "minutes": ["1,5", 2.5, " 3 ", None, "many"],
        "age": [None, 1.0, 2.0, 3.0, 4.0],
    }
    found = cleaned_rows(golden, asked, contract)
    assert found.get_column("minutes").to_list() == [1.5, 2.5, 3.0, 7.0, 7.0]
    assert found.get_column("age").to_list() == [7.0, 1.0, 2.0, 3.0, 4.0]
    assert cleaned_rows(golden, {"minutes": [2.5], "age": []}, contract).to_dicts() == [
        {"minutes": 2.5, "age": 7.0}
    ]
