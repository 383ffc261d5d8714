"""How a bundle answers row by row in the process that asks: compiled, checked, nothing imported.

Neither polars nor pandas, scikit-learn or LightGBM is imported; no code of anybody runs.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from tamid.workshop.tools import parse

if TYPE_CHECKING:
    from tamid.adapters.engines import CompiledRowModel
    from tamid.core.learning.bundle import Overlay

_CONTRACT = "contract.yaml"


def open_row_model(
    files: Mapping[str, bytes], overlay: Overlay, *, engines: Sequence[str] = ()
) -> CompiledRowModel:
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
    program = bundled_program(files, schema)
    program = dataclasses.replace(program, calibration=overlay.calibration)
    coder = RowCoder(
        schema.features, cleaning(contract.clean, contract.data.schema, schema.features)
    )
    stored = golden_rows(files, schema)
    golden = Golden(packed=coder.many(stored.rows), rows=len(stored.rows), expected=stored.expected)
    engine, _ = open_engine(
        program, golden, text=bundled_text(files, schema), engines=engines or ENGINES
    )
    return CompiledRowModel(program, coder, engine)
