"""Which engine answers: the fastest that is here and reproduces the golden rows."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tamid.adapters.engines.seam import Engine
from tamid.core.errors import IntegrityError, MissingExtra, Uncompilable

if TYPE_CHECKING:
    from tamid.core.compiled.program import Program

# Fastest first.
ENGINES = ("kernel", "lightgbm", "plain")
# Sums may round otherwise on another processor; another branch of a tree differs by far more.
TOLERANCE = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Golden:
    """Packed rows with the answers that they must get, before calibration: row by row."""

    packed: bytes
    rows: int
    expected: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """What became of an engine: "" if it answers, else why not."""

    name: str
    difference: float = 0.0
    refused: str = ""


def open_engine(
    program: Program, golden: Golden, *, text: str = "", engines: Sequence[str] = ENGINES
) -> tuple[Engine, tuple[Tried, ...]]:
    """Return the first engine that reproduces the golden rows, and what was tried.

    `text`: the LightGBM text of which the program is the translation, "" if it is of another kind.

    Raises:
        Uncompilable: no engine reproduces them.
    """
    tried: list[Tried] = []
    for name in engines:
        try:
            engine = _made(name, program, text)
            difference = golden_difference(engine, golden)
        except (MissingExtra, IntegrityError) as error:
            tried.append(Tried(name=name, refused=error.what))
            continue
        if difference <= TOLERANCE:
            return engine, (*tried, Tried(name=name, difference=difference))
        tried.append(Tried(name=name, difference=difference, refused="golden rows differ"))
    found = "; ".join(f"{t.name}: {t.refused} ({t.difference:.2g})" for t in tried)
    raise Uncompilable("no engine reproduces the golden rows", why=found)


def golden_difference(engine: Engine, golden: Golden) -> float:
    """Return the largest difference from the golden answers, relative to those beyond 1.

    Each row is asked alone and with all others: an engine has two ways, and both must be right.
    """
    width = len(golden.packed) // max(golden.rows, 1)
    single: list[float] = []
    for i in range(golden.rows):
        single += engine.many(golden.packed[i * width : (i + 1) * width], 1)
    if len(golden.expected) == golden.rows:
        parts = (golden.packed[i * width : (i + 1) * width] for i in range(golden.rows))
        single += [engine.one(part) for part in parts]
    single += engine.many(golden.packed, golden.rows)
    repeats = len(single) // max(len(golden.expected), 1)
    worst = 0.0
    for answer, expected in zip(single, golden.expected * repeats, strict=True):
        gap = abs(answer - expected) / max(1.0, abs(expected))
        worst = math.inf if gap != gap else max(worst, gap)
    return worst


def _made(name: str, program: Program, text: str) -> Engine:
    from tamid.adapters.engines.kernel import KernelEngine
    from tamid.adapters.engines.lightgbm_c import LightGBMEngine
    from tamid.adapters.engines.lightgbm_trees import LightGBMTrees
    from tamid.adapters.engines.plain import PlainEngine

    makers: dict[str, Callable[[], Engine]] = {
        "kernel": lambda: KernelEngine(program),
        "lightgbm": lambda: (
            LightGBMEngine(text, len(program.features), program.outputs)
            if text
            else LightGBMTrees(program)
        ),
        "plain": lambda: PlainEngine(program),
    }
    return makers[name]()
