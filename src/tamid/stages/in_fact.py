"""Whom campaigns really acted on, for a rehearsal on rows whose outcomes they may have changed.

A rehearsal hands out scores that nobody acts on, and reads outcomes that acts of the real past may
have changed. What is known of these acts stands in a table of its own, which only rehearsals have:
a row for each act that came back, and one for each row that was to be treated or held back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import polars as pl

from tamid.core.contract.model import Contract
from tamid.core.contract.running import Actions
from tamid.core.errors import DataError
from tamid.core.state import State
from tamid.core.values import ENTITY, PERIOD, STATIC_PERIOD, TIME, TablePin
from tamid.ports import Source, Tables
from tamid.stages.acting import understood
from tamid.stages.reading import MOMENT

# The table of a rehearsal, and the weight beyond which one row would outshout the rest.
IN_FACT, LARGEST_WEIGHT = "acted", 50.0
DONE, CHANCE, BLIND = "_done", "_chance", "_blind"
_SINCE, _IS_ACT = "_since", "_is_act"
_SCHEMA: Mapping[str, pl.DataType | type[pl.DataType]] = {
    ENTITY: pl.String, TIME: MOMENT, _SINCE: MOMENT, _IS_ACT: pl.Boolean,
    "treated": pl.Boolean, "propensity": pl.Float64, PERIOD: pl.String,
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Acted:
    """What became of rows that were really acted on, among those that were judged.

    `rows` were acted on, of which `blind` by acts that no chance is known of. `left_out`: whether
    they are neither learnt from nor judged. `weighted` rows were held back by lot, and count one
    over their chance of it. `unread`: lines of the inbox, or the workspace's own record, that could
    not be used, and why.
    """

    rows: int = 0
    blind: int = 0
    left_out: bool = False
    weighted: int = 0
    judged: int = 0
    unread: str = ""

    @property
    def words(self) -> tuple[str, ...]:
        """Return what a reader of a result must know of it; () if nobody was acted on."""
        told = []
        if self.rows and self.left_out:
            told.append(
                f"{self.rows} rows had been acted on and are neither learnt from nor judged; of "
                f"the {self.judged} judged {self.weighted} were held back by lot and count one "
                f"over their chance of it (at most {LARGEST_WEIGHT:.0f}), all others count 1"
            )
        elif self.rows:
            told.append(
                f"{self.rows} of the {self.judged} rows judged had been acted on and count as they "
                "came out: the contract has no control group that could stand for them"
            )
        if self.blind and self.left_out:
            told.append(
                f"{self.blind} of these by acts of which no chance is known: nothing stands for "
                "them, so all numbers are of rows that such campaigns left alone"
            )
        return (*told, *([f"not known of acts: {self.unread}"] if self.unread else []))

    def __add__(self, other: Acted) -> Acted:
        """Return both together."""
        return Acted(
            rows=self.rows + other.rows,
            blind=self.blind + other.blind,
            left_out=self.left_out or other.left_out,
            weighted=self.weighted + other.weighted,
            judged=self.judged + other.judged,
            unread=self.unread or other.unread,
        )


def known_acts(
    contract: Contract, source: Source | None, until: datetime
) -> tuple[pl.DataFrame | None, str]:
    """Return the acts that a contract's inbox tells of, and what could not be read of it."""
    actions: Actions | None = contract.delivery.actions
    if actions is None or source is None:
        return None, ""
    found, wrong, lost = [], 0, []
    for batch in source.batches():
        try:
            acts, lines = understood(contract, actions, source.read(batch), until)
        except DataError as error:
            lost.append(f"{batch.name}: {error.what}")
            continue
        wrong += len(lines)
        found.append(acts.select(ENTITY, TIME))
    lost += [f"{wrong} lines of the inbox cannot be understood"] if wrong else []
    return (pl.concat(found).unique() if found else None), "; ".join(lost)


def facts(
    contract: Contract, acts: pl.DataFrame | None, planned: pl.DataFrame | None
) -> pl.DataFrame | None:
    """Return the table of what is known, None if nothing is.

    An act concerns a row from whose moment on it came before the outcome was decided, at least
    within the period. `planned`: `_entity`, `_time`, `treated` and `propensity` of rows scored.
    """
    window = max(contract.data.label.horizon, contract.delivery.every)
    parts = []
    if acts is not None and acts.height:
        parts.append(_acts(acts, window))
    if planned is not None and planned.height:
        some = planned.filter(pl.col("treated") | (pl.col("propensity") < 1))
        parts.append(some.select(ENTITY, TIME, "treated", "propensity"))
    if not parts:
        return None
    filled = pl.concat(parts, how="diagonal_relaxed")
    gaps = [pl.lit(None, kind).alias(n) for n, kind in _SCHEMA.items() if n not in filled.columns]
    filled = filled.with_columns(*gaps).with_columns(
        pl.col(_IS_ACT).fill_null(value=False), pl.lit(STATIC_PERIOD).alias(PERIOD)
    )
    return filled.select(pl.col(name).cast(kind) for name, kind in _SCHEMA.items())


def stored(tables: Tables, state: State, table: str, known: pl.DataFrame | None) -> State:
    """Put what is known into a rehearsal's tables; the state returned pins it."""
    if known is None:
        return state
    pin = tables.write(table, known, key=table, token=0, mode="append")
    return replace(state, pins={**state.pins, pin.table: pin})


def pin_of(pins: Mapping[str, TablePin], model: str) -> TablePin | None:
    """Return where a rehearsal of a model has what was really done; None outside of one."""
    return pins.get(f"{model}.{IN_FACT}")


def beside(rows: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
    """Return the rows in their order with `_done` (acted on), `_chance` of not being, and `_blind`.

    `_blind`: an act came of which no plan tells the chance. A row that was to be treated counts as
    acted on, as in the live loop.
    """
    acts = known.filter(_IS_ACT).select(ENTITY, pl.col(TIME).alias("_at"), _SINCE)
    hit = (
        rows.select(ENTITY, TIME)
        .join(acts, on=ENTITY)
        .filter((pl.col(TIME) <= pl.col("_at")) & (pl.col(TIME) > pl.col(_SINCE)))
        .select(ENTITY, TIME, pl.lit(value=True).alias("_hit"))
        .unique()
    )
    plan = known.filter(~pl.col(_IS_ACT)).select(
        ENTITY, TIME, pl.col("treated").alias("_plan"), pl.col("propensity").alias(CHANCE)
    )
    both = rows.join(hit, on=[ENTITY, TIME], how="left", maintain_order="left")
    both = both.join(
        plan.unique([ENTITY, TIME]), on=[ENTITY, TIME], how="left", maintain_order="left"
    )
    came = pl.col("_hit").fill_null(value=False)
    return both.with_columns(
        (came | pl.col("_plan").fill_null(value=False)).alias(DONE),
        (came & pl.col(CHANCE).is_null()).alias(BLIND),
        pl.col(CHANCE).fill_null(1.0),
    ).drop("_hit", "_plan")


def in_fact(rows: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
    """Return rows whose `treated` and `propensity` tell of the rehearsal's acts and of real ones.

    Both had to spare a row for it to be untouched: the chances of that are multiplied.
    """
    return (
        beside(rows, known)
        .with_columns(pl.col("treated") | pl.col(DONE), pl.col("propensity") * pl.col(CHANCE))
        .drop(DONE, CHANCE, BLIND)
    )


def fairly(
    contract: Contract, rows: pl.DataFrame, known: pl.DataFrame | None, weight: str
) -> tuple[pl.DataFrame, Acted]:
    """Return the rows to judge on with their weights, and what was done to them.

    With a control group rows that were acted on are left out, and those held back stand for them;
    without one all count as they came out, as in the live loop.
    """
    rows = rows.with_columns(pl.lit(1.0).alias(weight))
    if known is None:
        return rows, Acted(judged=rows.height)
    both = beside(rows, known)
    done, out = int(both.get_column(DONE).sum()), bool(contract.delivery.control_group)
    blind = int(both.get_column(BLIND).sum())
    kept = both.filter(~pl.col(DONE)) if out else both
    held = int((kept.get_column(CHANCE) < 1).sum()) if out else 0
    if out:
        chance = (1.0 / pl.col(CHANCE)).clip(upper_bound=LARGEST_WEIGHT)
        kept = kept.with_columns(chance.alias(weight))
    told = Acted(rows=done, blind=blind, left_out=out, weighted=held, judged=kept.height)
    return kept.drop(DONE, CHANCE, BLIND), told


def _acts(acts: pl.DataFrame, window: timedelta) -> pl.DataFrame:
    return acts.select(
        pl.col(ENTITY),
        pl.col(TIME),
        (pl.col(TIME) - window).alias(_SINCE),
        pl.lit(value=True).alias(_IS_ACT),
    )
