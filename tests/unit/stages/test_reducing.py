"""The second model of a candidate: it never sees some columns, and is a bundle of its own."""

from __future__ import annotations

import json
from datetime import timedelta
from functools import partial

import polars as pl
import pytest

from tamid.adapters.keys import Keys
from tamid.adapters.memory_blobs import MemoryBlobs
from tamid.core.errors import IntegrityError, NotFound
from tamid.core.learning.bundle import Opened, reduced, reduced_or_refused, without
from tamid.ports import TrainingResult
from tamid.stages.packaging import pack, reduced_policy, unpack
from tamid.testing.candidates import contract_text, history, job, unlabelled
from tamid.testing.trainer_suite import train
from tamid.workshop import inline_trainer
from tamid.workshop.answers import golden_off, inline_scorer, ready

ASKED = contract_text(training=", reduced: [minutes]") + "service: {fallback: [reduced]}\n"
ROWS = unlabelled(history(40, 2, seed=3))


@pytest.fixture(scope="module")
def result() -> TrainingResult:
    """A candidate with a second model, of the learner that needs only numpy."""
    return train(inline_trainer(tiny=True), job(contract=ASKED))


@pytest.fixture(scope="module")
def opened(result: TrainingResult, keys: Keys) -> Opened:
    """Its bundle, packed and unpacked."""
    blobs = MemoryBlobs()
    packed = pack(result, blobs, keys)
    return unpack(packed.bundle, packed.overlay, blobs, keys)


def test_the_second_model_is_a_bundle_like_any_other(opened: Opened) -> None:
    """It has its own features, golden rows, program and threshold, and the code of the first."""
    part = reduced(opened)
    assert part is not None
    assert without(part.files) == ("minutes",)
    assert without(opened.files) == ()
    names = {f.name for f in part.manifest.schema.features}
    # What the code makes of the column is nothing, so it is no feature either.
    assert names == {"calls", "age", "plan"}
    assert {f.name for f in opened.manifest.schema.features} == {*names, "minutes", "strain"}
    assert golden_off(ready(part), part) < 1e-9
    assert part.overlay.threshold != opened.overlay.threshold
    shared = {p for p in part.files if part.files[p] == opened.files.get(p)}
    assert {"contract.yaml", "code/features.py"} <= shared
    assert not any(path.startswith("reduced/") for path in part.files)


def test_it_never_sees_the_column(opened: Opened) -> None:
    """Whatever stands in it, or if it does not come at all, the answer is the same."""
    predictor = ready(reduced_or_refused(opened))
    answers = [
        predictor.answer(rows, 0).get_column("score").to_list()
        for rows in (ROWS, ROWS.with_columns(minutes=pl.lit(99.0)), ROWS.drop("minutes"))
    ]
    assert answers[0] == answers[1] == answers[2]
    assert ready(opened).answer(ROWS, 0).get_column("score").to_list() != answers[0]


def test_what_it_costs_to_do_without_is_told(result: TrainingResult) -> None:
    """Both are judged on the same rows; the report and the card say what each reaches."""
    report = result.report["reduced"]
    assert isinstance(report, dict)
    own = report["metrics"]
    assert report["rows"]["judged"] == result.judged.height
    assert result.metrics["log_loss"] < own["log_loss"]
    assert f"- log_loss: {own['log_loss']:.4f}" in result.files["card.md"].decode()
    told = json.loads(result.files["reduced/reduced.json"])
    assert told["metrics"] == own


def test_twice_trained_is_the_same_bundle(result: TrainingResult) -> None:
    """The second model is as reproducible as the first."""
    assert train(inline_trainer(tiny=True), job(contract=ASKED)).files == result.files


def test_the_scorer_answers_by_either(result: TrainingResult, keys: Keys) -> None:
    """The same address, asked with and without the column; a bundle without one says so."""
    blobs = MemoryBlobs()
    packed = pack(result, blobs, keys)
    ask = partial(inline_scorer(blobs, keys).score, reasons=0, timeout=timedelta(minutes=1))
    one = ask(packed.bundle, packed.overlay, ROWS).frame
    two = ask(packed.bundle, packed.overlay, ROWS, reduced=True).frame
    assert not one.equals(two)
    told = reduced_policy(packed.bundle, blobs)
    assert told is not None
    assert told["without"] == ["minutes"]
    plain = pack(train(inline_trainer(tiny=True), job()), blobs, keys)
    assert reduced_policy(plain.bundle, blobs) is None
    with pytest.raises(NotFound, match="no model that does without"):
        ask(plain.bundle, plain.overlay, ROWS, reduced=True)


def test_a_damaged_second_model_is_refused(opened: Opened) -> None:
    """Its own papers are read as strictly as the bundle's."""
    files = {**opened.files, "reduced/reduced.json": b"{}"}
    with pytest.raises(IntegrityError, match="reduced model is damaged"):
        reduced(Opened(manifest=opened.manifest, overlay=opened.overlay, files=files))
