"""Climbing down the ladder: each rung is asked for the rows that no better one has answered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from tamid.core import ladder
from tamid.core.errors import Conflict, IntegrityError, SystemFailure, TamidError, UserCodeError
from tamid.core.ladder import (
    BY_MODELS,
    CHAMPION,
    DEFAULT,
    LAST_SCORE,
    ON_ROWS,
    PREVIOUS,
    REDUCED,
    Answers,
    Mask,
    Step,
)
from tamid.core.values import ENTITY, PERIOD, RULE, TIME, Task
from tamid.ports import RuleRunner, Scorer, Tables
from tamid.stages.voices import FailureKind, RungFailure, ScoringJob, Voice

# A worker that died is asked once more; a second death is a failure of the system.
_ATTEMPTS = 2
_MOMENT = pl.Datetime("us", "UTC")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """What the rungs answered, row by row, (n,): who, under which threshold, how old (days)."""

    answers: Answers
    number: tuple[int, ...]
    threshold: tuple[float | None, ...]
    age: pl.Series
    classes: pl.DataFrame
    failures: tuple[RungFailure, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Given:
    frame: pl.DataFrame
    number: int = 0
    threshold: float | None = None


def climb(
    job: ScoringJob,
    steps: tuple[Step, ...],
    asked: pl.DataFrame,
    scorer: Scorer,
    tables: Tables,
    rules: RuleRunner | None,
) -> Sheet:
    """Ask the steps in turn.

    `asked`: one row per outcome with `_entity`, `_time` and `_row`, its place in `job.rows` (null:
    there is no row that keeps the contract, so that no model or rule is asked); `_partly` is that
    of a row that may break it in the columns that the reduced model does without.
    """
    task, answers = job.contract.task, ladder.nobody(asked.height)
    age = np.full(asked.height, np.nan)
    classes, failures = [pl.DataFrame(schema={"_i": pl.Int64})], []
    given: list[_Given] = []
    for place, step in enumerate(steps):
        if step.rung == ladder.ABSTAIN:
            answers, given = ladder.leave(answers, place), [*given, _Given(frame=pl.DataFrame())]
            continue
        open_: Mask = answers.open & can_be_asked(asked, step.rung)
        heard = _ask(job, step, asked.filter(open_), scorer, tables, rules) if open_.any() else None
        if isinstance(heard, RungFailure):
            failures.append(heard)
        given.append(heard if isinstance(heard, _Given) else _Given(frame=pl.DataFrame()))
        if not isinstance(heard, _Given):
            continue
        scores = heard.frame["score"].cast(pl.Float64).fill_null(float("nan")).to_numpy()
        failures += _impossible(step, heard, scores, task)
        answers = ladder.fill(answers, place, open_, scores, task)
        age[open_] = heard.frame["age"].to_numpy() if "age" in heard.frame.columns else 0.0
        if task is Task.MULTICLASS:
            classes.append(_classes(heard.frame, np.flatnonzero(open_)))
    return Sheet(
        answers=answers,
        number=tuple(g.number for g in given),
        threshold=tuple(g.threshold for g in given),
        age=pl.Series("age", np.where(np.isnan(answers.score), np.nan, age)).fill_nan(None),
        classes=pl.concat(classes, how="diagonal"),
        failures=tuple(failures),
    )


def can_be_asked(asked: pl.DataFrame, rung: str) -> Mask:
    """Say for which outcomes a rung has what it needs of their rows, (n,)."""
    if rung not in ON_ROWS:
        return np.ones(asked.height, dtype=np.bool_)
    return np.asarray(asked[place_of(rung)].is_not_null().to_numpy(), dtype=np.bool_)


def place_of(rung: str) -> str:
    """Return which column of the outcomes holds the place of the row that a rung is asked for."""
    return "_partly" if rung == REDUCED else "_row"


def model_answers(
    job: ScoringJob, scorer: Scorer, rung: str, voice: Voice, frame: pl.DataFrame, reasons: int
) -> pl.DataFrame | RungFailure:
    """Return a version's answers for rows of the job, or why there are none."""
    seen = frame.drop(RULE, strict=False)
    return _tried(
        lambda: (
            scorer.score(
                voice.bundle,
                voice.overlay,
                seen,
                reasons=reasons,
                timeout=job.timeout,
                reduced=voice.reduced,
            ).frame
        ),
        RungFailure(rung=rung, number=voice.number, kind="data", message="", rows=seen.height),
    )


def _ask(
    job: ScoringJob,
    step: Step,
    asked: pl.DataFrame,
    scorer: Scorer,
    tables: Tables,
    rules: RuleRunner | None,
) -> _Given | RungFailure | None:
    """Return what a step answers for the rows asked; None if it is not there at all."""
    if step.rung in (CHAMPION, PREVIOUS, REDUCED):
        voice = job.voices.get(step.rung)
        if voice is None:
            return None
        rows = job.rows[asked[place_of(step.rung)].to_list()]
        heard = model_answers(job, scorer, step.rung, voice, rows, 0)
        if isinstance(heard, RungFailure):
            return heard
        return _Given(frame=heard, number=voice.number, threshold=voice.threshold)
    if step.rung == DEFAULT:
        constant = pl.Series("score", [step.value] * asked.height, dtype=pl.Float64)
        return None if step.value is None else _Given(frame=pl.DataFrame([constant]))
    if step.rung == LAST_SCORE:
        return _last_scores(job, step, asked, tables)
    return _by_rule(job, step, asked, rules)


def _by_rule(
    job: ScoringJob, step: Step, asked: pl.DataFrame, rules: RuleRunner | None
) -> _Given | RungFailure | None:
    code = step.code
    if rules is None or code is None:
        return None
    frame = job.rows[asked["_row"].to_list()].drop(RULE, strict=False)
    heard = _tried(
        lambda: rules.rule(job.champion.bundle, code, frame, timeout=job.timeout).frame,
        RungFailure(rung=step.rung, number=0, kind="data", message="", rows=frame.height),
    )
    return heard if isinstance(heard, RungFailure) else _Given(frame=heard)


def _last_scores(job: ScoringJob, step: Step, asked: pl.DataFrame, tables: Tables) -> _Given | None:
    """Give each entity the newest score that a model gave it, if it is not too old."""
    if job.earlier is None:
        return None
    oldest = job.as_of - step.max_age if step.max_age is not None else None
    first = (oldest - job.contract.delivery.every).date().isoformat() if oldest else ""
    periods = [p for p in job.scored if first <= p <= job.period]
    wanted = [ENTITY, TIME, PERIOD, "revision", "score", "rung", "version"]
    wanted += ["class"] if job.contract.task is Task.MULTICLASS else []
    past = tables.read(job.earlier, periods=periods, columns=wanted)
    model_gave = pl.col("rung").is_in(BY_MODELS) & pl.col("score").is_not_null()
    earlier = (pl.col(PERIOD) < job.period) | (pl.col("revision") < job.revision)
    newest = (
        past.filter(model_gave & earlier & pl.col(TIME).is_not_null())
        .sort(TIME, "revision")
        .unique(ENTITY, keep="last")
        .with_columns(pl.col(ENTITY).cast(asked.schema[ENTITY]))
        .select(ENTITY, "score", pl.col(TIME).alias("_past"), *wanted[7:])
    )
    joined = asked.join(newest, on=ENTITY, how="left", maintain_order="left")
    age = (pl.col(TIME) - pl.col("_past")).dt.total_seconds() / 86400
    fresh = age >= 0
    if step.max_age is not None:
        fresh &= age * 86400 <= step.max_age.total_seconds()
    return _Given(
        frame=joined.select(
            pl.when(fresh).then(pl.col("score")).alias("score"), age.alias("age"), *wanted[7:]
        )
    )


def _tried(ask: Callable[[], pl.DataFrame], failure: RungFailure) -> pl.DataFrame | RungFailure:
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            frame = ask()
        except Conflict:
            raise
        except TamidError as error:
            failure = replace(failure, kind=_kind(error), message=error.what)
            if attempt < _ATTEMPTS and isinstance(error, SystemFailure):
                continue
            return failure
        if frame.height == failure.rows and "score" in frame.columns:
            return frame
        break
    text = f"{frame.height} answers for {failure.rows} rows"
    return replace(failure, kind="impossible", message=text)


def _kind(error: TamidError) -> FailureKind:
    if isinstance(error, SystemFailure):
        return "system"
    if isinstance(error, UserCodeError):
        return "user_code"
    return "integrity" if isinstance(error, IntegrityError) else "data"


def _impossible(
    step: Step, given: _Given, scores: np.ndarray[tuple[int], np.dtype[np.float64]], task: Task
) -> list[RungFailure]:
    wrong = int((~ladder.usable(scores, task)).sum())
    if not wrong or step.rung == LAST_SCORE:
        return []
    text, who = f"{wrong} of {len(scores)} answers cannot be right", (step.rung, given.number)
    return [RungFailure(rung=who[0], number=who[1], kind="impossible", message=text, rows=wrong)]


def _classes(frame: pl.DataFrame, rows: np.ndarray[tuple[int], np.dtype[np.int64]]) -> pl.DataFrame:
    """Name the best class and keep each class's chance, for the rows asked."""
    chances = [c for c in frame.columns if c.startswith("class_")]
    names = pl.Series([c.removeprefix("class_") for c in chances], dtype=pl.String)
    best = frame["class"] if "class" in frame.columns else _named(frame["score"], names)
    place = pl.Series("_i", rows, dtype=pl.Int64)
    return pl.DataFrame([place, best.alias("class"), *(frame[c] for c in chances)])


def _named(scores: pl.Series, names: pl.Series) -> pl.Series:
    known = {float(i): name for i, name in enumerate(names)}
    return scores.replace_strict(known, default=None, return_dtype=pl.String)
