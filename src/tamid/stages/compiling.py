"""Compiling: a candidate's model as a program, shipped only if held-out rows say that it is one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from tamid.core.compiled import codec
from tamid.core.compiled.bundled import COMPILED, PROGRAM, refuse_foreign
from tamid.core.compiled.interpreter import Interpreter
from tamid.core.compiled.program import Program
from tamid.core.errors import IntegrityError, Uncompilable
from tamid.core.learning.model import FeatureTable, Floats
from tamid.core.values import Task, canonical_json
from tamid.stages.answering import Predictor, calibrated
from tamid.stages.fitting import Tools
from tamid.stages.training import Learnt

# Sums round otherwise in another order. A row beyond this has taken another branch of a tree.
_ROUNDING = 1e-9
# As many rows as the stored model is held against the trained one on.
_ROWS = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """How far a program is from the model that it stands for, on rows that were held out.

    `differing`: rows beyond rounding. `flipped`: rows that would be decided otherwise.
    """

    rows: int
    differing: int
    largest_difference: float
    flipped: int


def compiled_files(
    loaded: Predictor, learnt: Learnt, sample: pl.DataFrame, tools: Tools
) -> Mapping[str, bytes]:
    """Return the program with its agreement, or the reason why there is none, as bundle files.

    Laws: a program that is shipped differs on no held-out row beyond rounding, so that a decision
    can turn only where the score stands at the threshold to its last digits; a candidate without a
    program is a good candidate all the same.
    """
    if tools.compiler is None:
        return {}
    try:
        refuse_foreign(loaded.contract)
        program = tools.compiler(learnt.stored, loaded.schema)
        content = codec.write(program)
    except (Uncompilable, IntegrityError) as error:
        return {COMPILED: canonical_json({"refused": error.what, "why": error.why}).encode()}
    table = loaded.table(sample.head(_ROWS))
    found = agreement(program, loaded, table, learnt.threshold)
    told = canonical_json({"agreement": found, "bound": _ROUNDING})
    if found.differing:
        refused = f"the compiled model answers {found.differing} of {found.rows} rows otherwise"
        told = canonical_json({"refused": refused, "agreement": found, "bound": _ROUNDING})
        return {COMPILED: told.encode()}
    return {PROGRAM: content, COMPILED: told.encode()}


def agreement(
    program: Program, loaded: Predictor, table: FeatureTable, threshold: float
) -> Agreement:
    """Compare a program with the stored model on rows, before calibration; decisions after it."""
    if len(table) == 0:
        return Agreement(rows=0, differing=0, largest_difference=0.0, flipped=0)
    one = loaded.model.predict(table)
    two = Interpreter(program).batch(table.values).reshape(one.shape)
    gaps = np.abs(one - two).reshape(len(table), -1).max(axis=1)
    size = np.maximum(1.0, np.abs(one).reshape(len(table), -1).max(axis=1))
    # Not "above": what is no number agrees with nothing.
    differing = ~(gaps <= _ROUNDING * size)
    decided = _decisions(one, loaded, threshold) != _decisions(two, loaded, threshold)
    return Agreement(
        rows=len(table),
        differing=int(differing.sum()),
        largest_difference=float(gaps.max()),
        flipped=int(decided.sum()),
    )


def _decisions(answers: Floats, loaded: Predictor, threshold: float) -> Floats:
    if loaded.schema.task is Task.MULTICLASS:
        return np.asarray(answers.argmax(axis=1), dtype=np.float64)
    if loaded.schema.task is Task.REGRESSION:
        return np.zeros(len(answers))
    scores = calibrated(answers, loaded.calibration)
    return np.asarray(scores >= threshold, dtype=np.float64)
