"""How a bundle answers row by row in the process that asks: compiled, checked, nothing imported.

Neither polars nor pandas, scikit-learn or LightGBM is imported; no code of anybody runs. An ONNX
graph that keeps to an allowed list of operators is answered by ONNX Runtime.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from tamid.core.errors import Uncompilable
from tamid.core.learning.model import StoredModel
from tamid.workshop.tools import load_model, parse

if TYPE_CHECKING:
    from tamid.adapters.engines import CompiledRowModel
    from tamid.adapters.onnx_rows import OnnxRowModel
    from tamid.core.compiled.bundled import GoldenRows
    from tamid.core.compiled.rows import RowCoder
    from tamid.core.learning.bundle import Overlay
    from tamid.core.learning.model import Schema

_CONTRACT = "contract.yaml"
_ONNX, _FILE, _MODEL = "onnx", "model/model.onnx", "model/"
# ONNX rounds sums to 32 bits, one row otherwise than many; another branch differs by far more.
_SINGLE = 1e-6


def open_row_model(
    files: Mapping[str, bytes], overlay: Overlay, *, engines: Sequence[str] = ()
) -> CompiledRowModel | OnnxRowModel:
    """Return what answers for a verified bundle's files under its overlay.

    `engines`: the names to try, fastest first (default: all). The bundle's golden rows have passed
    when it returns. A model of the bundle's files is never taken on trust: signatures are the
    caller's to check, and what the bytes say is validated all the same.

    Raises:
        Uncompilable: only a worker process can answer with this model; the message says why.
        IntegrityError: a file is damaged.
    """
    from tamid.adapters.engines import ENGINES, CompiledRowModel, Golden, open_engine
    from tamid.core.compiled.bundled import (
        PROGRAM,
        bundled_program,
        bundled_schema,
        bundled_text,
        golden_rows,
        refuse_foreign,
    )
    from tamid.core.compiled.rows import RowCoder, cleaning

    contract = parse(files[_CONTRACT].decode())
    refuse_foreign(contract)
    schema = bundled_schema(files)
    # What is joined to a row is never cleaned, as in a batch.
    own = [f for f in schema.features if f.name not in contract.features.aggregates]
    coder = RowCoder(schema.features, cleaning(contract.clean, contract.data.schema, own))
    stored = golden_rows(files, schema)
    if schema.format == _ONNX and PROGRAM not in files:
        return _open_onnx(files, schema, coder, overlay, stored)
    program = bundled_program(files, schema)
    program = dataclasses.replace(program, calibration=overlay.calibration)
    golden = Golden(packed=coder.many(stored.rows), rows=len(stored.rows), expected=stored.expected)
    engine, _ = open_engine(
        program, golden, text=bundled_text(files, schema), engines=engines or ENGINES
    )
    return CompiledRowModel(program, coder, engine)


def _open_onnx(
    files: Mapping[str, bytes],
    schema: Schema,
    coder: RowCoder,
    overlay: Overlay,
    stored: GoldenRows,
) -> OnnxRowModel:
    """Return an ONNX graph that keeps to the list, and gives the golden rows' answers."""
    from tamid.adapters.onnx_rows import OnnxRowModel
    from tamid.core.learning.onnx_graph import refuse_unlisted

    refuse_unlisted(files.get(_FILE, b""))
    part = {path.removeprefix(_MODEL): c for path, c in files.items() if path.startswith(_MODEL)}
    model = load_model(StoredModel(format=_ONNX, files=part), schema)
    found = OnnxRowModel(model, schema, coder, overlay.calibration)
    difference = found.difference(stored.rows, stored.expected)
    if not difference <= _SINGLE:
        raise Uncompilable("ONNX Runtime gives other answers here", why=f"by {difference:.2g}")
    return found
