"""From joined rows to answers: the columns a model may see, its feature table, scores, reasons.

Training, batch scoring, the gates and the server all answer through this file.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from tamid.core.contract.model import Contract
from tamid.core.errors import DataError, UserCodeError
from tamid.core.learning.model import Feature, FeatureTable, Floats, Model, Schema
from tamid.core.stats.calibration import Calibration, apply_calibration
from tamid.core.values import TIME, Task

FeatureCode = Callable[[pl.DataFrame], pl.DataFrame]

# A vocabulary beyond this is rather a name than a category; the rarest words become missing.
_MAX_VOCABULARY = 1000
# Rows on which the user's code is tried for hidden dependence on order or neighbours.
_TRIED_ROWS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Predictor:
    """A fitted model with all that stands between a joined row and its score.

    `without`: columns that it does without; whatever they hold, it sees nothing there.
    """

    contract: Contract
    schema: Schema
    model: Model
    code: FeatureCode | None = None
    calibration: Calibration = field(default_factory=Calibration)
    without: tuple[str, ...] = ()

    def table(self, frame: pl.DataFrame) -> FeatureTable:
        """Return the rows as the model sees them.

        Raises:
            DataError: an input column of the model is missing.
            UserCodeError: the feature code failed, or made other columns than in training.
        """
        frame = emptied(frame, self.without)
        shown = _shown(frame, self.contract)
        missing = [name for name in self.schema.inputs if name not in shown]
        if missing:
            raise DataError(
                f"the rows lack {len(missing)} columns that the model reads: {_few(missing)}",
                why="a model cannot answer for columns it does not get",
            )
        return encode(model_frame(frame, self.contract, self.code), self.schema.features)

    def scores(self, table: FeatureTable) -> Floats:
        """Return (n,) calibrated chances or numbers, or (n, k) chances of classes."""
        if len(table) == 0:
            # Libraries refuse to answer for nothing; a period without rows is no error.
            width = (len(self.schema.classes),) if self.schema.task is Task.MULTICLASS else ()
            return np.zeros((0, *width), dtype=np.float64)
        return calibrated(self.model.predict(table), self.calibration)

    def answer(self, frame: pl.DataFrame, reasons: int) -> pl.DataFrame:
        """Return `score` (and `class_<name>`, `reason_1..r`) per row, in row order."""
        table = self.table(frame)
        columns = score_columns(self.scores(table), self.schema)
        if reasons > 0:
            columns |= self._reasons(table, reasons)
        return pl.DataFrame(columns)

    def _reasons(self, table: FeatureTable, count: int) -> dict[str, pl.Series]:
        """Name the features that raised each row's answer most (regression: moved it most)."""
        if len(table) == 0:
            return {f"reason_{r}": pl.Series([], dtype=pl.String) for r in range(1, count + 1)}
        moved = self.model.contributions(table)
        strength = np.abs(moved) if self.schema.task is Task.REGRESSION else moved
        order = np.argsort(-strength, axis=1, kind="stable")[:, :count]
        names = np.array([f.name for f in self.schema.features], dtype=object)
        found: dict[str, pl.Series] = {}
        for rank in range(count):
            name = f"reason_{rank + 1}"
            if rank >= order.shape[1]:
                found[name] = pl.Series(name, [None] * len(table), dtype=pl.String)
                continue
            which = order[:, rank]
            raised = strength[np.arange(len(table)), which] > 0
            texts = [n if r else None for n, r in zip(names[which], raised, strict=True)]
            found[name] = pl.Series(name, texts, dtype=pl.String)
        return found


def calibrated(raw: Floats, calibration: Calibration) -> Floats:
    """Return the model's answers after calibration; class chances and numbers stay as they are."""
    if raw.ndim == 2 or calibration.kind == "none":
        return raw
    return apply_calibration(calibration, raw)


def score_columns(scores: Floats, schema: Schema) -> dict[str, pl.Series]:
    """Return `score`, and for classes the best one's index with a column of chances for each."""
    if scores.ndim == 1:
        return {"score": pl.Series("score", scores)}
    best = scores.argmax(axis=1).astype(np.float64)
    columns = {"score": pl.Series("score", best)}
    for i, name in enumerate(schema.classes):
        columns[f"class_{name}"] = pl.Series(f"class_{name}", scores[:, i])
    return columns


def visible(frame: pl.DataFrame, contract: Contract) -> pl.DataFrame:
    """Return the columns that feature code may see: no label, no forbidden, none of Tamid's own."""
    return frame.select(pl.col(here).alias(n) for n, here in _shown(frame, contract).items())


def model_frame(frame: pl.DataFrame, contract: Contract, code: FeatureCode | None) -> pl.DataFrame:
    """Return the columns offered to the model: the code's, or the joined ones as they are.

    Raises:
        UserCodeError: a column that the code made cannot be learnt from.
    """
    shown = visible(frame, contract)
    made = shown if code is None else code(shown)
    keys = {contract.data.label.column, contract.data.entity, contract.data.time}
    offered = []
    for name, kind in made.schema.items():
        column = contract.data.schema.get(name)
        if name.startswith("_") or name in keys or (column is not None and not column.feature):
            continue
        if kind.is_numeric() or kind in (pl.Boolean, pl.String, pl.Categorical, pl.Enum, pl.Null):
            offered.append(name)
        elif name not in shown.columns:
            raise UserCodeError(
                f"the feature code made a column {name!r} of type {kind}",
                why="a model learns from numbers, booleans and texts",
                fix=f"Turn {name!r} into a number or a text.",
            )
    if not offered:
        raise UserCodeError("the feature code made no column that a model can learn from")
    return made.select(sorted(offered))


def emptied(frame: pl.DataFrame, columns: Sequence[str]) -> pl.DataFrame:
    """Return the rows with nothing in these columns, whether they came or not.

    >>> emptied(pl.DataFrame({"a": [1]}), ["a", "b"]).row(0)
    (None, None)
    """
    kinds = {name: frame.schema.get(name, pl.Null()) for name in columns}
    return frame.with_columns(pl.lit(None, kind).alias(name) for name, kind in kinds.items())


def learn_features(made: pl.DataFrame) -> tuple[Feature, ...]:
    """Return the features of a frame, with a sorted vocabulary for each category.

    Raises:
        UserCodeError: a column is null in every row.
        DataError: no column varies.
    """
    empty = [name for name in made.columns if made.get_column(name).null_count() == made.height]
    if empty:
        raise UserCodeError(
            f"{len(empty)} feature columns are null in every row: {_few(empty)}",
            why="a feature that is never known says that its source or code is broken",
            fix="Repair the feature code, or mark the column `feature: false`.",
        )
    if all(made.get_column(name).n_unique() < 2 for name in made.columns):
        raise DataError(
            f"no feature varies: {_few(made.columns)}", why="nothing can be learnt from constants"
        )
    return tuple(_feature(made.get_column(name)) for name in made.columns)


def encode(made: pl.DataFrame, features: tuple[Feature, ...]) -> FeatureTable:
    """Return a frame as a table of these features; unseen words and infinities are missing.

    Raises:
        UserCodeError: a feature's column is missing, or changed from number to text.
    """
    values = np.empty((made.height, len(features)), dtype=np.float64)
    for i, feature in enumerate(features):
        if feature.name not in made.columns:
            raise UserCodeError(
                f"the feature code did not make the column {feature.name!r}",
                why="the model was trained with it",
            )
        values[:, i] = _encoded(made.get_column(feature.name), feature)
    return FeatureTable(features=features, values=values)


def try_feature_code(frame: pl.DataFrame, contract: Contract, code: FeatureCode) -> None:
    """Run the code on a sample, alone and shuffled: each row's features must depend on that row.

    Raises:
        UserCodeError: the features change with the rows around, or from one run to the next.
    """
    shown = visible(frame, contract)
    step = max(1, shown.height // _TRIED_ROWS)
    sample = shown.gather_every(step).head(_TRIED_ROWS)
    first, again = code(sample), code(sample)
    if not first.equals(again):
        raise UserCodeError(
            f"the feature code gives other values when it runs again: {_differing(first, again)}",
            why="a model that was trained on one value and scores on another is wrong in silence",
            fix="Seed every random choice, and use no clock.",
        )
    turned = code(sample.reverse()).reverse()
    if not _close(first, turned):
        raise UserCodeError(
            f"the features depend on the order of rows: {_differing(first, turned)}",
            why="rows come in another order in scoring than in training",
            fix="Compute each row from that row alone; declare windows under features.aggregates.",
        )
    half = code(sample.head(max(1, sample.height // 2)))
    whole = first.head(half.height)
    if not _close(whole, half):
        raise UserCodeError(
            f"a row's features depend on other rows: {_differing(whole, half)}",
            why="online, each row comes alone",
            fix="Compute each row from that row alone; learnt scales belong to the pipeline.",
        )


def _shown(frame: pl.DataFrame, contract: Contract) -> dict[str, str]:
    """Return the names of the columns that feature code may see, each with its column here."""
    hidden = {contract.data.label.column, contract.data.entity, *contract.data.forbidden}
    shown = {c: c for c in frame.columns if not c.startswith("_") and c not in hidden}
    if (time := contract.data.time) is not None and time not in shown and TIME in frame.columns:
        shown[time] = TIME
    return shown


def _feature(column: pl.Series) -> Feature:
    if column.dtype in (pl.String, pl.Categorical, pl.Enum):
        counts = column.cast(pl.String).drop_nulls().value_counts(sort=True, name="_n")
        words = counts.sort("_n", column.name, descending=[True, False]).get_column(column.name)
        kept = tuple(sorted(words.head(_MAX_VOCABULARY).to_list()))
        return Feature(name=column.name, kind="category", categories=kept)
    return Feature(name=column.name)


def _encoded(column: pl.Series, feature: Feature) -> Floats:
    texts = column.dtype in (pl.String, pl.Categorical, pl.Enum)
    if feature.kind == "category":
        words = column.cast(pl.String).cast(pl.Enum(feature.categories), strict=False)
        return _numbers(words.to_physical())
    if texts and column.null_count() < len(column):
        raise UserCodeError(f"the feature {feature.name!r} was a number in training, is a text now")
    return _numbers(column)


def _numbers(column: pl.Series) -> Floats:
    # As an array, what is missing is NaN.
    numbers = column.cast(pl.Float64, strict=False).to_numpy()
    finite = np.isfinite(numbers)
    return numbers if finite.all() else np.where(finite, numbers, np.nan)


def _close(one: pl.DataFrame, two: pl.DataFrame) -> bool:
    return one.schema == two.schema and not _unlike(one, two)


def _unlike(one: pl.DataFrame, two: pl.DataFrame) -> list[str]:
    """Name the columns that differ by more than the last digits, which sums may round otherwise."""
    names = []
    for name in one.columns:
        a, b = one.get_column(name), two.get_column(name)
        if a.dtype.is_float():
            x, y = a.to_numpy(), b.to_numpy()
            same = np.allclose(x, y, rtol=1e-9, atol=1e-12, equal_nan=True)
        else:
            same = a.equals(b, null_equal=True)
        if not same:
            names.append(name)
    return names


def _differing(one: pl.DataFrame, two: pl.DataFrame) -> str:
    return "other columns or types" if one.schema != two.schema else _few(_unlike(one, two))


def _few(names: list[str], most: int = 5) -> str:
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(repr(n) for n in names[:most]) + rest
