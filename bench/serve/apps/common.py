"""What all peers share: the pickled pipeline, or our compiled model, behind one function."""

from __future__ import annotations

import math
import os
import pickle
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

Rows = Sequence[Mapping[str, Any]]


def scorer() -> Callable[[Rows], list[float]]:
    """Return what scores rows: as an ML developer would write it, unless BENCH_PROGRAM is set."""
    program = os.environ.get("BENCH_PROGRAM")
    return _compiled(Path(program)) if program else _pickled(Path(os.environ["BENCH_PICKLE"]))


def _pickled(path: Path) -> Callable[[Rows], list[float]]:
    import pandas as pd

    # The pipeline that this benchmark itself has written.
    pipeline = pickle.loads(path.read_bytes())

    def score(rows: Rows) -> list[float]:
        frame = pd.DataFrame([_whole(row) for row in rows])
        found: list[float] = pipeline.predict_proba(frame)[:, 1].tolist()
        return found

    return score


def _compiled(path: Path) -> Callable[[Rows], list[float]]:
    sys.path.insert(0, os.environ["BENCH_TAMID"])
    from tamid.adapters.engines.kernel import KernelEngine
    from tamid.core.compiled import codec
    from tamid.core.compiled.rows import RowCoder

    program = codec.read(path.read_bytes())
    engine, coder = KernelEngine(program), RowCoder(program.features, {})
    return lambda rows: engine.many(coder.many(rows), len(rows))


def _whole(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: math.nan if value is None else value for name, value in row.items()}
