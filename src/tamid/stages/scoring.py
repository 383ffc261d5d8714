"""Scores for a period: every active entity gets its declared outcome, by the best rung that can."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from tamid.core.bands import HIGH, band_edges, bands_of
from tamid.core.control import dealt_offers, in_control, rotation
from tamid.core.errors import IntegrityError
from tamid.core.events import Scored
from tamid.core.ladder import ON_ROWS, PREVIOUS, WITHHELD, Step, ladder
from tamid.core.values import ENTITY, PERIOD, RULE, TIME, Task
from tamid.ports import RuleRunner, Scorer, Tables
from tamid.stages.quarantine import of_column
from tamid.stages.rungs import Sheet, climb, model_answers, place_of
from tamid.stages.voices import RungFailure, ScoringJob, Voice

__all__ = ["RungFailure", "ScoredPeriod", "ScoringJob", "Voice", "score_period"]

_MOMENT = pl.Datetime("us", "UTC")


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredPeriod:
    """The event to append, the stored predictions, and what failed on the way.

    `frame` holds one row per outcome: `id`, `_entity`, `_time`, `_period`, `revision`, `score`,
    `decision`, `band`, `reason_1..r`, `version`, `rung`, `age` (days since the score was made),
    `control` (in the control group), `treated` (high and not in it), `propensity` (chance of not
    being treated); multiclass: `class` and `class_<name>`; `offer` that a high entity draws.
    """

    event: Scored
    frame: pl.DataFrame
    failures: tuple[RungFailure, ...] = ()


def score_period(
    job: ScoringJob,
    scorer: Scorer,
    tables: Tables,
    *,
    key: str,
    token: int,
    rules: RuleRunner | None = None,
) -> ScoredPeriod:
    """Give every active entity its outcome and store the predictions under `key`.

    Laws: one outcome an entity and moment; what was stored under `key` already is adopted, not made
    again; whatever rung fails, the others answer, and `failures` says so.
    """
    table = f"{job.contract.name}.predictions"
    found = tables.find(table, key)
    if found is None:
        asked, steps = _asked(job), ladder(job.contract.service.fallback, job.first)
        sheet = climb(job, steps, asked, scorer, tables, rules)
        frame = _outcomes(job, steps, asked, sheet)
        frame, unexplained = _with_reasons(job, frame, asked, scorer)
        found = tables.write(table, frame, key=key, token=token, mode="append")
        failures = (*sheet.failures, *unexplained)
    else:
        stored = tables.read(found, periods=[job.period])
        frame = stored.filter(pl.col("revision") == job.revision)
        failures = _failures_seen(job, frame)
    event = Scored(
        key=key,
        period=job.period,
        revision=job.revision,
        number=job.champion.number,
        pin=found,
        rows=frame.height,
        rungs={str(rung): int(n) for rung, n in sorted(frame["rung"].value_counts().iter_rows())},
        reason=job.reason,
    )
    return ScoredPeriod(event=event, frame=frame, failures=failures)


def _asked(job: ScoringJob) -> pl.DataFrame:
    """Return one row per outcome: each row of the period, then each active entity without one.

    A row without an entity is nobody's. A bad row whose own moment is unknown or cannot be stands
    for its entity at the period's start, if no better row does.
    """
    rows = job.rows
    good = partly = pl.lit(True)
    if RULE in rows.columns:
        good = pl.col(RULE).is_null()
        partly = good | of_column(pl.col(RULE), job.contract.training.reduced)
    place = pl.int_range(pl.len(), dtype=pl.Int64)
    seen = rows.select(
        ENTITY,
        pl.col(TIME).cast(_MOMENT),
        pl.when(good).then(place).alias("_row"),
        pl.when(partly).then(place).alias("_partly"),
        (good | (pl.col(TIME) < job.until)).fill_null(value=False).alias("_placed"),
    ).filter(pl.col(ENTITY).is_not_null())
    placed = seen.filter("_placed").with_columns(pl.col(TIME).fill_null(job.as_of))
    found = [placed.drop("_placed")]
    names = [seen.filter(~pl.col("_placed")).get_column(ENTITY)]
    if job.active is not None:
        names.append(job.active.cast(seen.schema[ENTITY]))
    for some in names:
        absent = pl.DataFrame({ENTITY: some.unique().sort()})
        absent = absent.join(pl.concat(found), on=ENTITY, how="anti").select(
            ENTITY,
            pl.lit(job.as_of).cast(_MOMENT).alias(TIME),
            pl.lit(None, dtype=pl.Int64).alias("_row"),
            pl.lit(None, dtype=pl.Int64).alias("_partly"),
        )
        found.append(absent)
    asked = pl.concat(found)
    if asked.select(ENTITY, TIME).is_duplicated().any():
        raise IntegrityError(
            f"an entity would get several scores at one moment in {job.period}",
            why="its rows are not unique by entity and moment",
        )
    return asked


def _outcomes(
    job: ScoringJob, steps: tuple[Step, ...], asked: pl.DataFrame, sheet: Sheet
) -> pl.DataFrame:
    place = sheet.answers.place
    # What no step answered stands at place -1: the last of each of these lists.
    names = np.array([*(s.rung for s in steps), WITHHELD], dtype=object)
    numbers = np.array([*sheet.number, 0])
    own = job.champion.threshold
    cuts = np.array([*(own if t is None else t for t in sheet.threshold), own], dtype=np.float64)
    entities = asked[ENTITY].cast(pl.String).to_list()
    score, threshold = sheet.answers.score, cuts[place]
    band, high = _bands(job, score, threshold)
    control = _control(job, entities)
    share = job.contract.delivery.control_group
    frame = asked.select(
        pl.Series("id", _ids(job, entities, asked[TIME])),
        ENTITY,
        TIME,
        pl.lit(job.period).alias(PERIOD),
        pl.lit(job.revision, dtype=pl.Int64).alias("revision"),
        pl.Series("score", score).fill_nan(None),
        _decision(job.contract.task, score, threshold),
        pl.Series("band", band, dtype=pl.String),
        pl.Series("version", numbers[place], dtype=pl.Int64),
        pl.Series("rung", names[place], dtype=pl.String),
        sheet.age,
        pl.Series("control", control),
        pl.Series("treated", high & ~control),
        pl.Series("propensity", np.where(high, share, 1.0)),
        *_offers(job, entities, high),
    )
    if job.contract.task is not Task.MULTICLASS:
        return frame
    return frame.with_row_index("_i").cast({"_i": pl.Int64}).join(
        _answered(sheet), on="_i", how="left", maintain_order="left"
    ).drop("_i")  # fmt: skip


def _answered(sheet: Sheet) -> pl.DataFrame:
    """Keep of each row's class columns those of the step whose answer counted: the last asked."""
    return sheet.classes.unique("_i", keep="last", maintain_order=True)


def _bands(
    job: ScoringJob,
    score: np.ndarray[tuple[int], np.dtype[np.float64]],
    threshold: np.ndarray[tuple[int], np.dtype[np.float64]],
) -> tuple[
    np.ndarray[tuple[int], np.dtype[np.object_]], np.ndarray[tuple[int], np.dtype[np.bool_]]
]:
    """Return each row's band, and whether it reaches `high`."""
    band = np.full(score.shape, None, dtype=object)
    high = np.zeros(score.shape, dtype=np.bool_)
    if job.contract.task is Task.MULTICLASS:
        return band, high
    for cut in np.unique(threshold):
        rows = np.isnan(threshold) if np.isnan(cut) else threshold == cut
        edges = band_edges(job.contract.delivery.bands, None if np.isnan(cut) else float(cut))
        if edges:
            band[rows] = bands_of(score[rows], edges)
            high[rows] = score[rows] >= dict(edges)[HIGH]
    return band, high


def _decision(
    task: Task,
    score: np.ndarray[tuple[int], np.dtype[np.float64]],
    threshold: np.ndarray[tuple[int], np.dtype[np.float64]],
) -> pl.Series:
    """Binary: 1 from the threshold on; multiclass: index of the class; numbers: no decision."""
    known = ~np.isnan(score)
    if task is Task.BINARY:
        values, known = (score >= threshold).astype(np.float64), known & ~np.isnan(threshold)
    else:
        values = score
    if task is Task.REGRESSION:
        known = np.zeros(score.shape, dtype=np.bool_)
    return pl.Series("decision", np.where(known, values, np.nan)).fill_nan(None).cast(pl.Int64)


def _control(job: ScoringJob, entities: list[str]) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    delivery = job.contract.delivery
    if not delivery.control_group:
        return np.zeros(len(entities), dtype=np.bool_)
    turn = rotation(job.as_of, delivery.rotate)
    return in_control(entities, delivery.control_group, job.salt, turn)


def _offers(
    job: ScoringJob, entities: list[str], high: np.ndarray[tuple[int], np.dtype[np.bool_]]
) -> list[pl.Series]:
    """Return the offer that each entity of the high band draws, held back or not."""
    actions = job.contract.delivery.actions
    if actions is None or not actions.offers:
        return []
    turn = rotation(job.as_of, job.contract.delivery.rotate)
    drawn = dealt_offers(entities, actions.offers, job.salt, turn)
    shown = [offer if is_high else None for offer, is_high in zip(drawn, high, strict=True)]
    return [pl.Series("offer", shown, dtype=pl.String)]


def _ids(job: ScoringJob, entities: list[str], times: pl.Series) -> list[str]:
    """Return a UUID (version 8) per outcome, made of model, period, revision, entity and moment."""
    whole = hashlib.blake2b(digest_size=16)
    whole.update(f"{job.contract.name}\x00{job.period}\x00{job.revision}".encode())
    ids = []
    for entity, moment in zip(entities, times.to_physical(), strict=True):
        one = whole.copy()
        one.update(f"\x00{moment}\x00{entity}".encode())
        h = one.hexdigest()
        ids.append(f"{h[:8]}-{h[8:12]}-8{h[13:16]}-a{h[17:20]}-{h[20:]}")
    return ids


def _with_reasons(
    job: ScoringJob, frame: pl.DataFrame, asked: pl.DataFrame, scorer: Scorer
) -> tuple[pl.DataFrame, list[RungFailure]]:
    """Add the reasons of the high band, asked of the version that gave the score."""
    count, failures = job.contract.delivery.reasons, []
    names = [f"reason_{n}" for n in range(1, count + 1)]
    found = [pl.DataFrame(schema={"_i": pl.Int64, **dict.fromkeys(names, pl.String)})]
    place = pl.int_range(pl.len(), dtype=pl.Int64).alias("_i")
    high = pl.col("propensity") < 1
    for rung, voice in job.voices.items():
        told = frame.select(place, "rung").filter(frame.select(high).to_series())
        told = told.filter(pl.col("rung") == rung)
        if not count or told.is_empty():
            continue
        rows = job.rows[asked[place_of(rung)].gather(told["_i"]).to_list()]
        heard = model_answers(job, scorer, rung, voice, rows, count)
        if isinstance(heard, RungFailure):
            failures.append(replace(heard, kind="reasons"))
            continue
        given = [n for n in names if n in heard.columns]
        found.append(told.select("_i").hstack(heard.select(pl.col(given).cast(pl.String))))
    reasons = pl.concat(found, how="diagonal")
    joined = frame.with_columns(place).join(reasons, on="_i", how="left", maintain_order="left")
    return joined.drop("_i"), failures


def _failures_seen(job: ScoringJob, frame: pl.DataFrame) -> tuple[RungFailure, ...]:
    """Tell from stored outcomes that the first rung had not answered though it was asked."""
    good = int(job.rows[RULE].is_null().sum()) if RULE in job.rows.columns else job.rows.height
    if not good or job.first not in ON_ROWS or (frame["rung"] == job.first).any():
        return ()
    number = job.previous.number if job.first == PREVIOUS and job.previous else job.champion.number
    text = "it did not answer (seen again after a restart)"
    return (RungFailure(rung=job.first, number=number, kind="system", message=text, rows=good),)
