"""Fitted scikit-learn pipelines as programs: only steps of known arithmetic, by exact type."""

from __future__ import annotations

import math

from tamid.adapters.sklearn.models import SklearnModel
from tamid.adapters.sklearn.program_codes import Column, Tables
from tamid.adapters.sklearn.program_models import estimated
from tamid.adapters.sklearn.program_steps import flat_steps, prepared, source_columns
from tamid.core.compiled.program import Program, make_slots
from tamid.core.errors import Uncompilable
from tamid.core.learning.model import Schema
from tamid.core.values import Task

# What reading attributes of another version, or of an estimator set in an odd way, can raise.
_UNLIKE = (ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError)


def compiled(model: SklearnModel, schema: Schema) -> Program:
    """Return the program of a fitted pipeline.

    Raises:
        Uncompilable: a step is of a type that no program knows; the message names it.
    """
    try:
        return _compiled(model, schema)
    except _UNLIKE as error:
        # A candidate is never lost because its program could not be made.
        raise Uncompilable(
            f"the fitted pipeline is not as this version knows them: {error!r}"
        ) from error


def _compiled(model: SklearnModel, schema: Schema) -> Program:
    tables = Tables()
    columns = source_columns(schema.features, words=not model.linear)
    steps = flat_steps(model.pipeline)
    columns = _as_fitted(steps[0], columns, schema)
    for step in steps[:-1]:
        columns = prepared(step, columns, tables)
    found = estimated(steps[-1], schema, columns, tables, model.labels)
    ready = [(c.source, c.ready(single=found.single)) for c in found.columns]
    return Program(
        task=schema.task,
        features=schema.features,
        slots=make_slots(ready, tables.rows),
        model=found.model,
        classes=schema.classes if schema.task is Task.MULTICLASS else (),
        outputs=found.outputs,
        link=found.link,
        factor=found.factor,
        explain="linear" if model.linear else "neutral",
        neutral=() if model.linear else _neutral(model, schema),
    )


def _as_fitted(first: object, columns: list[Column], schema: Schema) -> list[Column]:
    """Return the columns where the first step looks for them: it may have seen more than it reads.

    A column that it drops is nobody's; any other stands in its place.
    """
    names = getattr(first, "feature_names_in_", None)
    if names is None:
        return columns
    known = {f.name: column for f, column in zip(schema.features, columns, strict=True)}
    return [known.get(str(name), columns[0]) for name in names]


def _neutral(model: SklearnModel, schema: Schema) -> tuple[float | None, ...]:
    """Return the values against which a user's pipeline is explained; zero where none is kept."""
    if model.reference is None:
        return (0.0,) * len(schema.features)
    return tuple(None if math.isnan(v) else float(v) for v in model.reference)
