"""A bundle's files as a program: what was compiled when it was made, or its own model text now."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tamid.core.compiled import codec
from tamid.core.compiled.lightgbm_text import boosted
from tamid.core.compiled.program import Program, plain_slots
from tamid.core.compiled.rows import Row
from tamid.core.contract.model import Contract
from tamid.core.errors import IntegrityError, Uncompilable
from tamid.core.learning.bundle import read_schema
from tamid.core.learning.model import Schema
from tamid.core.values import Task

# Where a bundle keeps its program, and what is known of it.
PROGRAM, COMPILED = "compiled/program.bin", "compiled.json"
TEXT_FORMAT, TEXT = "lightgbm-text", "model/model.txt"


@dataclass(frozen=True, slots=True, kw_only=True)
class GoldenRows:
    """A bundle's golden rows, with the answers of each: one number, or a chance for each class."""

    rows: tuple[Row, ...]
    expected: tuple[float, ...]


def refuse_foreign(contract: Contract) -> None:
    """Refuse a contract whose rows only a worker can prepare.

    Numbers out of event tables and feature views are no reason: the server looks them up by entity,
    or they come with the row, and then they are inputs like any other.

    Raises:
        Uncompilable: user code makes the features.
    """
    if contract.features.code is not None:
        raise Uncompilable(
            f"the features are made by {contract.features.code}",
            why="user code never runs in the server's own process",
        )


def compile_text(text: str, schema: Schema) -> Program:
    """Return the program of a LightGBM text that was fitted on the schema's features.

    Raises:
        Uncompilable: it uses what a program does not know; the message says what.
    """
    found = boosted(text)
    classes = len(schema.classes) if schema.task is Task.MULTICLASS else 1
    if found.width != len(schema.features) or found.outputs != classes:
        raise Uncompilable(
            f"the model reads {found.width} columns and gives {found.outputs} numbers",
            why=f"the schema says {len(schema.features)} and {classes}",
        )
    return Program(
        task=schema.task,
        features=schema.features,
        slots=plain_slots(found.width),
        model=found.trees,
        classes=schema.classes if schema.task is Task.MULTICLASS else (),
        outputs=found.outputs,
        link=found.link,
        factor=found.factor,
        explain="shap" if len(found.trees.leaf_cover) else "none",
    )


def bundled_schema(files: Mapping[str, bytes]) -> Schema:
    """Return the schema of a bundle's files. Raises IntegrityError if it cannot be read."""
    try:
        return read_schema(json.loads(files["schema.json"]))
    except (ValueError, KeyError, TypeError) as error:
        raise IntegrityError("the bundle's schema is damaged", why=str(error)) from error


def bundled_program(files: Mapping[str, bytes], schema: Schema) -> Program:
    """Return the program of a bundle's files, before calibration.

    Raises:
        Uncompilable: it has none; the message says why.
        IntegrityError: its bytes are damaged, or it belongs to other features.
    """
    if PROGRAM in files:
        program = codec.read(files[PROGRAM])
        if program.features != schema.features or program.task is not schema.task:
            raise IntegrityError("the compiled model belongs to other features")
        return program
    if COMPILED in files:
        raise Uncompilable(
            str(json.loads(files[COMPILED]).get("refused", "the model was not compiled"))
        )
    if schema.format == TEXT_FORMAT and TEXT in files:
        return compile_text(files[TEXT].decode(), schema)
    raise Uncompilable(f"the bundle holds no compiled model (format {schema.format!r})")


def bundled_text(files: Mapping[str, bytes], schema: Schema) -> str:
    """Return the LightGBM text that the program is the translation of, "" if it is none."""
    return files[TEXT].decode() if schema.format == TEXT_FORMAT and TEXT in files else ""


def golden_rows(files: Mapping[str, bytes], schema: Schema) -> GoldenRows:
    """Return what `golden.json` holds, row by row. Raises IntegrityError if it is damaged."""
    names = [f.name for f in schema.features]
    try:
        stored: Mapping[str, Any] = json.loads(files["golden.json"])
        columns = {c["name"]: c["values"] for c in stored["columns"]}
        count = len(stored["expected"])
        rows = tuple({n: columns[n][i] for n in names} for i in range(count))
        # The first column of a class's answer is the index of the best one.
        first = 1 if schema.task is Task.MULTICLASS else 0
        return GoldenRows(rows=rows, expected=_flat(stored["expected"], first))
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise IntegrityError("the bundle's golden rows are damaged", why=str(error)) from error


def _flat(answers: Sequence[Sequence[float]], first: int) -> tuple[float, ...]:
    return tuple(float(v) for answer in answers for v in answer[first:])
