"""Models that were made elsewhere become candidates: they answer as they did, unfitted."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import polars as pl
import pytest
import skops.io
from hypothesis import given
from hypothesis import strategies as st
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder

from tamid.core.compiled.bundled import COMPILED
from tamid.core.compiled.lane import Rule
from tamid.core.errors import DataError, Uncompilable, UsageError, UserCodeError
from tamid.core.learning.bundle import Overlay
from tamid.core.learning.kinds import kind_of
from tamid.core.learning.onnx_graph import refuse_unlisted
from tamid.core.stats.calibration import calibration_from
from tamid.core.values import PERIOD
from tamid.ports import GivenModel, TrainingJob, TrainingResult
from tamid.testing.candidates import contract_text, history, job, static
from tamid.testing.trainer_suite import train
from tamid.workshop import inline_trainer, open_row_model

ASSETS = Path(__file__).parents[2] / "assets" / "models"
PLAIN = contract_text(features="{}", gates="{baselines: [majority]}")
ROWS = history(60, 16)
# What a model learnt from that was made after eight of the sixteen weeks.
HALF = ROWS.get_column(PERIOD).unique().sort()[7]
EARLY = ROWS.filter(pl.col(PERIOD) <= HALF)
NUMBERS = ["calls", "minutes"]


def handed(
    content: bytes, name: str, *, through: str = HALF, inputs: tuple[str, ...] = (),
    rows: pl.DataFrame = ROWS, text: str = PLAIN,
) -> TrainingJob:  # fmt: skip
    """Return the job that a model file becomes."""
    given = GivenModel(
        name=name, kind=kind_of(name, content), content=content, inputs=inputs, through=through
    )
    return replace(job(rows, contract=text, code={}), given=given)


def booster(rows: pl.DataFrame = EARLY, **params: Any) -> lightgbm.Booster:
    """Return LightGBM's trees on two columns."""
    data = lightgbm.Dataset(
        rows.select(NUMBERS).to_numpy(), rows.get_column("left").to_numpy(), feature_name=NUMBERS
    )
    given = {"objective": "binary", "verbosity": -1, "num_leaves": 7, "num_threads": 1}
    return lightgbm.train({**given, **params}, data, 20)


def pipeline(labels: Mapping[float, object] | None = None, rows: pl.DataFrame = EARLY) -> Pipeline:
    """Return a fitted pipeline that reads two numbers and a word of the columns that it saw."""
    y = rows.get_column("left").to_list()
    parts = ColumnTransformer(
        [("n", SimpleImputer(), NUMBERS), ("w", OneHotEncoder(handle_unknown="ignore"), ["plan"])]
    )
    made = Pipeline([("parts", parts), ("model", LogisticRegression())])
    return made.fit(rows, [labels[v] if labels else int(v) for v in y])


def stored(thing: object) -> bytes:
    """Return an object as a skops file."""
    return bytes(skops.io.dumps(thing))


def raw_scores(result: TrainingResult, rows: pl.DataFrame) -> list[float]:
    """Return what the bundle's compiled model says of rows, before calibration."""
    overlay = Overlay(bundle="", vouched="", threshold=0.5)
    model = open_row_model(result.files, overlay)
    return model.scores(rows.select("age", "calls", "minutes", "plan").to_dicts())


def test_lightgbm_text_answers_as_it_did_and_is_not_fitted() -> None:
    """The served scores are those of the booster; no row was fitted, and the card says whence."""
    made = booster()
    result = train(inline_trainer(), handed(made.model_to_string().encode(), "m.txt"))
    late = ROWS.filter(pl.col(PERIOD) > HALF).head(200)
    np.testing.assert_allclose(
        raw_scores(result, late), made.predict(late.select(NUMBERS).to_numpy()), atol=1e-12
    )
    assert result.rows == 0
    assert b"Handed over as m.txt" in result.files["card.md"]
    assert json.loads(result.files["parity.json"])["flipped"] == 0


def test_lightgbm_json_is_the_same_model() -> None:
    """What `dump_model()` wrote becomes the very bundle that the text becomes."""
    made = booster()
    one = train(inline_trainer(), handed(made.model_to_string().encode(), "m.txt"))
    text = json.dumps(made.dump_model()).encode()
    two = train(inline_trainer(), handed(text, "m.json"))
    some = ROWS.head(300)
    assert raw_scores(one, some) == raw_scores(two, some)
    assert one.metrics == two.metrics


@pytest.mark.parametrize("form", ["json", "ubj"])
def test_xgboost_answers_as_it_did_without_xgboost(form: str) -> None:
    """Both forms give XGBoost's own chances, from a bundle that names no library of it."""
    xgboost = pytest.importorskip("xgboost")
    data = xgboost.DMatrix(
        EARLY.select(NUMBERS).to_numpy(), EARLY.get_column("left").to_numpy(), feature_names=NUMBERS
    )
    made = xgboost.train({"objective": "binary:logistic", "max_depth": 3, "nthread": 1}, data, 20)
    content = bytes(made.save_raw(form))
    result = train(inline_trainer(), handed(content, f"m.{form}"))
    own = made.predict(xgboost.DMatrix(ROWS.select(NUMBERS).to_numpy(), feature_names=NUMBERS))
    np.testing.assert_allclose(raw_scores(result, ROWS), own, atol=1e-6)
    assert "refused" not in json.loads(result.files[COMPILED])


@pytest.mark.parametrize(
    ("file", "inputs"), [("columns.onnx", ()), ("matrix.onnx", ("calls", "minutes"))]
)
def test_onnx_answers_with_its_inputs_as_columns_or_as_one_matrix(
    file: str, inputs: tuple[str, ...]
) -> None:
    """The judged scores are the runtime's chances of the positive class, calibrated."""
    import onnxruntime

    content = (ASSETS / file).read_bytes()
    result = train(inline_trainer(), handed(content, file, inputs=inputs))
    rows = result.judged.join(ROWS, on=["_entity", "_time"], how="left", maintain_order="left")
    session = onnxruntime.InferenceSession(content)
    numbers = rows.select(NUMBERS).to_numpy().astype(np.float32)
    fed: dict[str, Any] = {"X": numbers}
    if not inputs:
        words = rows.get_column("plan").to_numpy().astype(object).reshape(-1, 1)
        fed = {"calls": numbers[:, :1], "minutes": numbers[:, 1:], "plan": words}
    own = session.run(None, fed)[1]
    own = np.array([r[1] for r in own])
    order = np.argsort(own)
    score = rows.get_column("score").to_numpy()
    # Platt's calibration keeps the order, and never more than the order can be expected.
    assert (np.diff(score[order]) >= -1e-9).all()
    assert calibration_from(dict(result.overlay["calibration"])).kind == "platt"  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("file", "inputs"), [("columns.onnx", ()), ("matrix.onnx", ("calls", "minutes"))]
)
def test_an_onnx_graph_of_listed_operators_answers_row_by_row(
    file: str, inputs: tuple[str, ...]
) -> None:
    """The server's own process gives the bundle's answers, in the lane as on the ordinary road."""
    content = (ASSETS / file).read_bytes()
    files = train(inline_trainer(), handed(content, file, inputs=inputs)).files
    model = open_row_model(files, Overlay(bundle="", vouched="", threshold=0.5))
    assert model.engine == "onnx"
    rows: list[dict[str, float | int | str | bool | None]] = [
        {"calls": 0.5, "minutes": -1.0, "plan": "basic", "age": 3.0},
        {"calls": 2.5, "minutes": 1.0, "plan": "fibre", "age": None},
        {"calls": -7.0, "minutes": 0.0, "plan": "no such word", "age": 1.0},
    ]
    names = [*NUMBERS] if inputs else [*NUMBERS, "plan"]
    kinds = {"plan": "category"}
    lane = model.lane([Rule(name=n, kind=kinds.get(n, "number")) for n in names], None)
    assert lane is not None
    own = [model.score(row) for row in rows]
    assert all(0 <= score <= 1 for score in own)
    assert len(set(own)) > 1
    assert lane.scores([tuple(row[n] for n in names) for row in rows]) == own
    assert np.allclose(model.scores(rows), own, rtol=0, atol=1e-6)
    assert set(model.contributions(rows[0])) == set(names)


def test_an_onnx_graph_beyond_the_list_is_left_to_a_worker() -> None:
    """A loop, another file's numbers, or an operator that nobody listed: each is named."""
    content = (ASSETS / "columns.onnx").read_bytes()
    refuse_unlisted(content)
    for graph, named in (
        (b"\x0a\x06\x22\x04Loop", "/Loop"),
        (b"\x0a\x08\x22\x03Add\x3a\x01x", "x/Add"),
        (b"\x0a\x09\x22\x03Add\x2a\x02\x32\x00", "a graph within a graph"),
        (b"\x2a\x02\x70\x01", "another file"),
    ):
        with pytest.raises(Uncompilable, match=named):
            refuse_unlisted(b"\x08\x08\x3a" + bytes([len(graph)]) + graph)


@given(cut=st.integers(0, 4000), place=st.integers(0, 4000), value=st.integers(0, 255))
def test_any_bytes_are_a_listed_graph_or_refused(cut: int, place: int, value: int) -> None:
    """Reading what a file would do fails in one way only."""
    content = bytearray((ASSETS / "columns.onnx").read_bytes())
    content[place % len(content)] = value
    with contextlib.suppress(Uncompilable):
        refuse_unlisted(bytes(content[: len(content) - cut]))


@pytest.mark.parametrize("labels", [None, {0.0: "no", 1.0: "yes"}, {0.0: "stays", 1.0: "goes"}])
def test_a_pipeline_answers_for_what_the_contract_calls_positive(
    labels: Mapping[float, object] | None,
) -> None:
    """Whatever it calls its classes: 0 and 1, or words of which one is the contract's positive."""
    text = PLAIN
    if labels:
        text = text.replace("positive: 1", f'positive: "{labels[1.0]}"')
        text = text.replace(
            "left: {type: integer}", f"left: {{type: category, allowed: {list(labels.values())}}}"
        )
    made = pipeline(labels)
    result = train(inline_trainer(), handed(stored(made), "m.skops", text=text))
    some = ROWS.head(100)
    place = list(made.classes_).index(labels[1.0] if labels else 1)
    own = made.predict_proba(some)[:, place]
    if place == 1:
        np.testing.assert_allclose(raw_scores(result, some), own, atol=1e-9)
    assert result.metrics["auc"] > 0.8


def test_a_pipeline_without_a_told_past_is_judged_by_its_recipe() -> None:
    """Nobody said what it learnt from: it is fitted anew on what came before, and ships as is."""
    made = pipeline(rows=ROWS)
    result = train(inline_trainer(), handed(stored(made), "m.skops", through=""))
    told = dict(result.report["given"])  # type: ignore[call-overload]
    assert "by its recipe" in told["judged"]
    some = ROWS.head(100)
    np.testing.assert_allclose(raw_scores(result, some), made.predict_proba(some)[:, 1], atol=1e-9)


def test_a_model_worse_than_its_recipe_is_judged_as_it_is() -> None:
    """What was fitted on turned labels is not let off by the good name of its recipe."""
    turned = pipeline({0.0: 1, 1.0: 0})
    result = train(inline_trainer(), handed(stored(turned), "m.skops", through=""))
    assert result.metrics["auc"] < 0.3


def test_only_rows_after_what_it_learnt_from_judge_and_tune() -> None:
    """No judged row lies in a period that the model knows; its own rows would flatter it."""
    result = train(inline_trainer(), handed(booster().model_to_string().encode(), "m.txt"))
    assert result.judged.get_column(PERIOD).min() > HALF


def test_with_few_unseen_rows_halves_tune_and_judge() -> None:
    """One unseen period is cut by entities: part of it tunes, the rest judges."""
    rows = history(110, 16)
    last = rows.get_column(PERIOD).unique().sort()[-2]
    result = train(
        inline_trainer(),
        handed(booster().model_to_string().encode(), "m.txt", through=last, rows=rows),
    )
    assert result.judged.get_column(PERIOD).unique().to_list() == [ROWS.get_column(PERIOD).max()]
    assert 50 <= result.judged.height < 90
    assert b"not calibrated" in result.files["card.md"]


def test_rows_without_time_are_dealt_by_entity() -> None:
    """A model that knows none of the rows is judged on a quarter of the entities."""
    rows = static(history(800, 1, seed=2))
    text = contract_text(features="{}", time=False, gates="{baselines: [majority]}")
    made = booster().model_to_string().encode()
    result = train(inline_trainer(), handed(made, "m.txt", through="none", rows=rows, text=text))
    assert 120 < result.judged.height < 280


def test_too_few_unseen_rows_are_refused() -> None:
    """A model that knows every labelled row cannot be judged."""
    some = ROWS.filter(pl.col("_entity") < "c0020")
    last = ROWS.get_column(PERIOD).unique().sort()[-2]
    with pytest.raises(DataError, match="too little to judge"):
        train(
            inline_trainer(),
            handed(booster().model_to_string().encode(), "m.txt", through=last, rows=some),
        )


def test_all_that_does_not_fit_is_told_at_once() -> None:
    """Unknown, hidden and mistyped inputs are named together, each with its reason."""
    names = ["call", "left", "plan"]
    data = lightgbm.Dataset(
        np.random.default_rng(0).normal(size=(200, 3)), np.arange(200) % 2, feature_name=names
    )
    made = lightgbm.train({"objective": "regression", "verbosity": -1}, data, 2)
    with pytest.raises(UserCodeError, match="4 things do not") as raised:
        train(inline_trainer(), handed(made.model_to_string().encode(), "m.txt"))
    for part in ("needs chances", "did you mean 'calls'", "this is the label", "holds texts"):
        assert part in raised.value.why


def test_nameless_inputs_must_be_named() -> None:
    """A matrix says nothing of its columns: their names are asked for, and counted."""
    content = (ASSETS / "matrix.onnx").read_bytes()
    with pytest.raises(UserCodeError) as raised:
        train(inline_trainer(), handed(content, "matrix.onnx"))
    assert "--inputs" in raised.value.why
    with pytest.raises(UserCodeError) as raised:
        train(inline_trainer(), handed(content, "matrix.onnx", inputs=("calls",)))
    assert "names 1 columns, and the model reads 2" in raised.value.why


def test_an_onnx_model_of_a_fixed_number_of_rows_is_refused() -> None:
    """A batch axis of fixed length can answer neither one row nor a million."""
    with pytest.raises(UsageError, match="fixed number of rows"):
        train(inline_trainer(), handed((ASSETS / "fixed.onnx").read_bytes(), "fixed.onnx"))


def test_margins_are_no_chances() -> None:
    """A model whose numbers leave 0..1 is refused for a binary contract."""
    made = booster(objective="cross_entropy")
    text = made.model_to_string().replace("objective=cross_entropy", "objective=binary sigmoid:1")
    train(inline_trainer(), handed(text.encode(), "m.txt"))
    bare = booster(objective="regression").model_to_string()
    shifted = bare.replace("objective=regression", "objective=cross_entropy")
    assert "cross_entropy" in shifted
    with pytest.raises(UserCodeError, match="does not fit"):
        train(inline_trainer(), handed(bare.encode(), "m.txt"))


def test_a_skops_file_with_code_of_its_own_is_refused() -> None:
    """A type off the published list is named, and nothing of it is loaded."""

    content = stored(Pipeline([("x", Odd()), ("model", LogisticRegression())]))
    with pytest.raises(UserCodeError, match="types off the list"):
        train(inline_trainer(), handed(content, "m.skops"))


class Odd:
    """A step of nobody's list."""

    def fit(self, *_: object) -> Odd:
        """Learn nothing."""
        return self

    def transform(self, x: object) -> object:
        """Change nothing."""
        return x


def test_a_pickle_is_refused_with_its_conversion() -> None:
    """By its bytes, whatever it is called; the message says how to convert it."""
    import pickle

    for name in ("m.pkl", "m.skops", "m.onnx"):
        with pytest.raises(UsageError, match="is a pickle") as raised:
            kind_of(name, pickle.dumps({"a": 1}))
        assert "skops.io.dump" in raised.value.remedy


@pytest.mark.parametrize(
    ("content", "named"),
    [(b"CBM1", "CatBoost"), (b"\x89HDF", "Keras"), (b"binf", "XGBoost"), (b"hello", "no model")],
)
def test_what_is_not_taken_is_named(content: bytes, named: str) -> None:
    """Known makers get their own conversion, all others the list of what is taken."""
    with pytest.raises(UsageError, match=named):
        kind_of("m.bin", content)


@pytest.mark.parametrize("cut", [40, 400, 4000])
def test_half_a_file_is_no_model(cut: int) -> None:
    """A text that ends too early is refused in words."""
    text = booster().model_to_string().encode()[:cut]
    with pytest.raises(UsageError, match="no whole model"):
        train(inline_trainer(), handed(text, "m.txt"))


def test_a_damaged_onnx_file_is_refused_in_words() -> None:
    """The runtime's own message is passed on, without a traceback."""
    content = (ASSETS / "columns.onnx").read_bytes()[:300]
    with pytest.raises(UsageError, match="cannot be opened"):
        train(inline_trainer(), handed(content, "m.onnx"))


def test_the_same_file_gives_the_same_bundle() -> None:
    """Twice the same hand-over, twice the same bytes."""
    content = stored(pipeline())
    buffer = io.BytesIO(content)
    one = train(inline_trainer(), handed(buffer.getvalue(), "m.skops"))
    two = train(inline_trainer(), handed(content, "m.skops"))
    assert one.files == two.files
