"""The notebook that `tamid feedback` leaves: nbformat 4.5, only polars and scikit-learn needed."""

from __future__ import annotations

import json
from collections.abc import Sequence


def notebook(model: str, version: int, task: str, periods: Sequence[str], columns: int) -> str:
    """Return a notebook that reads the folder it lies in and begins to look.

    Laws: it is valid nbformat 4.5; its cells run from top to bottom with what `tamid[loop]`
    installs, and write nothing.
    """
    span = periods[0] if len(periods) == 1 else f"{periods[0]} to {periods[-1]}"
    cells = [
        _text(
            f"# {model}: what production knows of version {version}",
            f"Rows of {span} whose labels are in, with {columns} inputs. `_error` is the log loss "
            "of the truth, or the distance of the numbers; `_weight` counts rows that were left "
            "untreated for those that were not. Where all this comes from stands in `pin.json`.",
        ),
        _code(_READ),
        _text("## How good it was, period by period"),
        _code(_QUALITY[task]),
        _text("## What has moved", "Population stability against what the bundle calls usual."),
        _code(_DRIFT),
        _text("## The worst errors"),
        _code("worst.head(20)"),
        _text("## Where errors gather", "Words by their mean error, numbers by quarters."),
        _code(_SLICES),
        _text("## A first try", "Can the errors be foreseen? If so, the model lacks something."),
        _code(_TRY),
        _text(
            "## Next",
            "Change `features.py`, `model.py` or the contract, then `tamid train --experiment`; or "
            'hand over what you made: `tamid.Project(".").register(pipeline, X, y)`.',
        ),
    ]
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number:02d}"
    about = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    body = {"cells": cells, "metadata": about, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(body, indent=1, ensure_ascii=False) + "\n"


def _text(*paragraphs: str) -> dict[str, object]:
    return {"cell_type": "markdown", "metadata": {}, "source": _lines("\n\n".join(paragraphs))}


def _code(source: str) -> dict[str, object]:
    return {
        "cell_type": "code", "execution_count": None, "metadata": {}, "outputs": [],
        "source": _lines(source.strip()),
    }  # fmt: skip


def _lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)


_READ = """
import json
from pathlib import Path

import polars as pl

here = Path(".")
about = json.loads((here / "pin.json").read_text())
rows = pl.read_parquet(here / "rows.parquet")
worst = pl.read_parquet(here / "worst.parquet")
drift = pl.read_parquet(here / "drift.parquet")
inputs = about["inputs"]
rows.select("_period", "_label", "score", "_decided", "_error").describe()
"""
_QUALITY = {
    "binary": """
tp = (pl.col("_decided") * pl.col("_label") * pl.col("_weight")).sum()
called = (pl.col("_decided") * pl.col("_weight")).sum()
positive = (pl.col("_label") * pl.col("_weight")).sum()
rows.group_by("_period").agg(
    pl.len().alias("rows"),
    (2 * tp / (called + positive)).alias("f1"),
    (tp / called).alias("precision"),
    (tp / positive).alias("recall"),
    pl.col("_error").mean().alias("log_loss"),
).sort("_period")
""",
    "multiclass": """
rows.group_by("_period").agg(
    pl.len().alias("rows"),
    (pl.col("_decided") == pl.col("_label")).mean().alias("accuracy"),
    pl.col("_error").mean().alias("error"),
).sort("_period")
""",
    "regression": """
rows.group_by("_period").agg(
    pl.len().alias("rows"),
    pl.col("_error").mean().alias("mae"),
    (pl.col("score") - pl.col("_label")).mean().alias("bias"),
).sort("_period")
""",
}
_DRIFT = """
drift.group_by("signal", "column").agg(
    pl.col("value").max().alias("most"), pl.col("period").sort_by("value").last().alias("when")
).sort("most", descending=True).head(20)
"""
_SLICES = """
def gathered(name):
    column = rows[name]
    if column.dtype.is_numeric() and column.n_unique() > 12:
        ranks = column.rank() / column.count()
        key = (ranks * 4).floor().clip(0, 3).cast(pl.Int8).cast(pl.String).alias("part")
        key = "quarter " + key
    else:
        key = column.cast(pl.String).alias("part")
    return (
        rows.select(key.alias("part"), "_error")
        .group_by("part")
        .agg(pl.len().alias("rows"), pl.col("_error").mean().alias("error"))
        .with_columns(pl.lit(name).alias("column"))
        .filter(pl.col("rows") >= 30)
    )


parts = [gathered(name) for name in inputs if not rows[name].dtype.is_temporal()]
pl.concat(parts).sort("error", descending=True).head(20) if parts else rows.head(0)
"""
_TRY = """
import numpy as np
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.model_selection import cross_val_predict

usable = [n for n in inputs if not rows[n].dtype.is_temporal()]
codes = [
    rows[n].cast(pl.Float64) if rows[n].dtype.is_numeric() or rows[n].dtype == pl.Boolean
    else rows[n].cast(pl.String).rank("dense").cast(pl.Float64)
    for n in usable
]
X = np.column_stack([c.fill_null(float("nan")).to_numpy() for c in codes])
y = rows["_error"].to_numpy()
if len(y) >= 100:
    guessed = cross_val_predict(HistGradientBoostingRegressor(max_iter=50), X, y, cv=5)
    explained = 1 - ((y - guessed) ** 2).mean() / y.var() if y.var() > 0 else 0.0
    print(f"the inputs explain {explained:.0%} of the errors")
else:
    print(f"{len(y)} rows are too few to try")
"""
