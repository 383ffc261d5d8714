"""What was asked and answered online, as rows like those of a batch.

An answer was kept by a chance that may differ from week to week and within one. Rows are weighted
by one over it, scaled so that the weights of a week add up to its effective rows: counts then stand
for the whole traffic and are no surer than the rows that were kept.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
import polars as pl

from tamid.core.contract.model import Contract
from tamid.core.ladder import CHAMPION
from tamid.core.learning.bundle import read_manifest
from tamid.core.state import State
from tamid.core.stats.arrays import Floats
from tamid.core.values import ENTITY, PERIOD, TIME, WEIGHT, TablePin
from tamid.stages.alone import typed_rows
from tamid.stages.answered import inputs_of
from tamid.stages.rig import Rig

_COLUMNS = [
    "id", ENTITY, TIME, PERIOD, "score", "decision", "version", "rung", "chance", "inputs",
    "classes",
]  # fmt: skip


def answers_of(rig: Rig, pin: TablePin, period: str, version: int = 0) -> pl.DataFrame:
    """Return what champions (or one version alone) answered in a period, weighed by 1 / chance.

    Each id counts once: a caller that asks again under the same id is told the same again.
    """
    found = rig.tables.read(pin, periods=[period], columns=_COLUMNS)
    mine = pl.col("rung") == CHAMPION
    mine = mine & (pl.col("version") == version) if version else mine
    found = found.filter(mine).unique("id", keep="last", maintain_order=True)
    return found.with_columns((1.0 / pl.col("chance")).alias(WEIGHT))


def evened(weights: Floats) -> Floats:
    """Return the weights of a week's rows, adding up to its effective rows.

    Formula: w_i sum(w) / sum(w^2). Source: Kish (1965), Survey Sampling: n_eff = (sum w)^2 /
    sum w^2.

    >>> evened(np.array([1.0, 1.0, 1.0])).tolist()
    [1.0, 1.0, 1.0]
    >>> float(evened(np.array([1.0] * 100 + [100.0])).sum().round(2))
    3.96
    """
    w = np.asarray(weights, dtype=np.float64)
    total = float((w**2).sum())
    return w * (float(w.sum()) / total) if total > 0 else w


def inputs_named(rig: Rig, state: State, number: int) -> Sequence[str]:
    """Return the inputs of a version by name."""
    bundle = state.versions[number].registered.ref.bundle
    return read_manifest(rig.blobs.get(bundle)).schema.inputs


def typed(contract: Contract, answers: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
    """Return the inputs as they were served, in the types of the contract, cleaned as by a server.

    Beside them entity, moment, period and weights, where there are any.
    """
    own = answers.select(n for n in (ENTITY, TIME, PERIOD, WEIGHT) if n in answers.columns)
    # The moment of a row is kept beside its inputs, where feature code finds it as in a batch.
    kept = [n for n in names if n != contract.data.time or n in contract.data.schema]
    return own.hstack(typed_rows(contract, list(inputs_of(answers, kept)), kept).frame)


def all_stored(contract: Contract, names: Sequence[str]) -> bool:
    """Say whether all these inputs are in the log, so that scores can be computed again."""
    declared = set(contract.data.schema) | set(contract.features.aggregates)
    return set(names) <= (declared - set(contract.data.pii)) | {contract.data.time}


def with_chances(rows: pl.DataFrame) -> pl.DataFrame:
    """Return the answers with the chances of the classes as columns, as a batch's have them."""
    told = [json.loads(text) if text else {} for text in rows.get_column("classes").to_list()]
    names = sorted({name for chances in told for name in chances})
    chances = pl.DataFrame(
        {f"class_{name}": [chances.get(name) for chances in told] for name in names},
        schema=dict.fromkeys((f"class_{name}" for name in names), pl.Float64()),
    )
    return rows.hstack(chances)
