"""What goes into a bundle beside the model: golden rows, profile, card, parity, code."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from tamid.core.contract.metrics import quality_metric
from tamid.core.contract.model import Contract
from tamid.core.errors import UserCodeError
from tamid.core.handoff import METRICS
from tamid.core.learning.bundle import ABOUT_REDUCED, REDUCED
from tamid.core.stats.metrics import evaluate
from tamid.core.values import LABEL, PERIOD, WEIGHT, Task, canonical_json, jsonable
from tamid.ports import TrainingJob, TrainingResult
from tamid.stages.answering import Predictor, emptied, visible
from tamid.stages.cards import card_of, figures_of
from tamid.stages.compiling import compiled_files
from tamid.stages.fitting import Tools
from tamid.stages.golden import (
    CARD,
    CODE,
    CONTRACT,
    GOLDEN,
    MODEL,
    PARITY,
    PROFILE,
    SCHEMA,
    TYPES,
    golden_frame,
    uncalibrated,
)
from tamid.stages.profiling import kind_of, profile_of
from tamid.stages.training import Learnt

# Rows whose scores every copy of the bundle must reproduce.
_GOLDEN_ROWS = 16
_PARITY_ROWS = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Parity:
    """How far the stored model is from the trained one, on rows that it was judged by."""

    rows: int
    largest_difference: float
    flipped: int


def wrap(learnt: Learnt, job: TrainingJob, contract: Contract, tools: Tools) -> TrainingResult:
    """Return a candidate as a bundle's files with all that the gates need; costs are still zero."""
    sample = job.frame.filter(pl.Series(learnt.reference))
    own, parity = _model_files(learnt, job, sample, tools)
    files = {f"{CODE}/{path}": text.encode() for path, text in job.code.items()}
    files |= dict(tools.environment)
    files |= own
    files[CONTRACT] = job.contract.encode()
    files[PROFILE] = canonical_json(profile_of(learnt, job, contract, sample)).encode()
    if learnt.reduced is not None:
        files |= _reduced_files(learnt.reduced, job, tools)
    files |= {} if job.given is None else dict(job.given.papers)
    files[METRICS] = canonical_json(figures_of(learnt, contract)).encode()
    files[CARD] = card_of(learnt, job, contract).encode()
    return TrainingResult(
        files=files,
        overlay={
            "threshold": learnt.threshold,
            "calibration": jsonable(learnt.predictor.calibration),
            "reference": _reference(learnt, contract),
        },
        judged=learnt.judged,
        window=learnt.window,
        report=jsonable({**learnt.report, "parity": parity}),
        metrics=learnt.metrics,
        rows=learnt.rows,
        seconds=0.0,
        peak_mb=0.0,
    )


def _model_files(
    learnt: Learnt, job: TrainingJob, sample: pl.DataFrame, tools: Tools
) -> tuple[dict[str, bytes], Parity]:
    """Return what stands in a bundle for its model alone, and how far the stored one is from it."""
    schema = learnt.predictor.schema
    loaded = dataclasses.replace(learnt.predictor, model=tools.load(learnt.stored, schema))
    parity = _parity(learnt, loaded, sample.head(_PARITY_ROWS))
    files = {f"{MODEL}/{name}": content for name, content in learnt.stored.files.items()}
    files[SCHEMA] = canonical_json(schema).encode()
    files[GOLDEN] = canonical_json(_golden(loaded, job, tools)).encode()
    files[PARITY] = canonical_json(parity).encode()
    return files | dict(compiled_files(loaded, learnt, sample, tools)), parity


def _reduced_files(learnt: Learnt, job: TrainingJob, tools: Tools) -> dict[str, bytes]:
    """Return the files of the model that does without some columns."""
    sample = job.frame.filter(pl.Series(learnt.reference))
    own, _ = _model_files(learnt, job, sample, tools)
    about = {
        "without": learnt.predictor.without,
        "threshold": learnt.threshold,
        "calibration": learnt.predictor.calibration,
        "metrics": learnt.metrics,
    }
    own[ABOUT_REDUCED] = canonical_json(about).encode()
    return {f"{REDUCED}{path}": content for path, content in own.items()}


def _golden(predictor: Predictor, job: TrainingJob, tools: Tools) -> Mapping[str, object]:
    """Draw each column by itself, so that no golden row is anybody's row."""
    shown = visible(emptied(job.frame, predictor.without), predictor.contract)
    kinds = {name: kind_of(shown.schema[name]) for name in shown.columns}
    shown = shown.select(n for n, k in kinds.items() if k)
    rng = tools.generator(job.seed)
    picks = {n: rng.integers(0, shown.height, _GOLDEN_ROWS) for n in shown.columns}
    rows = pl.DataFrame([shown.get_column(n).gather(p) for n, p in picks.items()])
    rows = rows.with_columns(pl.col(n).cast(TYPES[kinds[n]]) for n in rows.columns)
    stored: dict[str, object] = {
        "columns": [
            {"name": n, "type": kinds[n], "values": _plain(rows.get_column(n))}
            for n in rows.columns
        ]
    }
    # Scored from what was stored, so that a value JSON cannot carry cannot differ later.
    answered = uncalibrated(predictor).answer(golden_frame(stored), 0)
    stored["scores"] = answered.columns
    stored["expected"] = answered.to_numpy().tolist()
    return stored


def _plain(column: pl.Series) -> list[object]:
    if column.dtype.is_temporal():
        return column.to_physical().to_list()
    if column.dtype.is_float():
        return [v if v is None or np.isfinite(v) else None for v in column.to_list()]
    return column.to_list()


def _parity(learnt: Learnt, loaded: Predictor, sample: pl.DataFrame) -> Parity:
    """Compare the stored model with the trained one. Raises UserCodeError if decisions differ."""
    table = learnt.predictor.table(sample)
    one, two = learnt.predictor.scores(table), loaded.scores(table)
    if loaded.schema.task is Task.BINARY:
        flips = (one >= learnt.threshold) != (two >= learnt.threshold)
    elif loaded.schema.task is Task.MULTICLASS:
        flips = one.argmax(axis=1) != two.argmax(axis=1)
    else:
        flips = np.zeros(len(one), dtype=bool)
    parity = Parity(
        rows=len(table),
        largest_difference=float(np.abs(one - two).max(initial=0.0)),
        flipped=int(flips.sum()),
    )
    if parity.flipped:
        raise UserCodeError(
            f"the stored model decides {parity.flipped} of {parity.rows} rows otherwise",
            why="a model that changes when it is stored cannot be released",
            fix="Use estimators whose whole state is in their fitted attributes.",
        )
    return parity


def _reference(learnt: Learnt, contract: Contract) -> Mapping[str, list[float]]:
    """Return quality, mean score and label rate of each judged period, oldest first."""
    metric = quality_metric(contract)
    found: dict[str, list[float]] = {metric: [], "score_mean": [], "label_mean": []}
    classes = [c for c in learnt.judged.columns if c.startswith("class_")]
    for _, week in learnt.judged.sort(PERIOD).group_by(PERIOD, maintain_order=True):
        y, w = week.get_column(LABEL).to_numpy(), week.get_column(WEIGHT).to_numpy()
        score = week.get_column("score").to_numpy()
        given = week.select(classes).to_numpy() if classes else score
        values = evaluate(contract.task, y, given, threshold=learnt.threshold, weights=w).values
        found[metric].append(float(np.nan_to_num(values[metric], nan=0.0)))
        found["score_mean"].append(float(w @ score / w.sum()) if w.sum() > 0 else 0.0)
        found["label_mean"].append(float(w @ y / w.sum()) if w.sum() > 0 else 0.0)
    return found
