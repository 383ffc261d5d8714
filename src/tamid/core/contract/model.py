"""The contract that both roles sign, as frozen values: one class a block, one field a key.

The parser, the JSON Schema and the documentation are derived from these classes: the field's type says
what may stand in the YAML, `doc` says what it means, `owner` says which role may change it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

from tamid.core.values import Money, Task

ML = "ml_developer"
OPS = "mlops_engineer"
BOTH = "both"


def _key(doc: str, default: Any = dataclasses.MISSING, owner: str = "") -> Any:
    """One key of the contract: its meaning, default and (on blocks) owner."""
    meta = {"doc": doc, "owner": owner}
    if default is dataclasses.MISSING:
        return dataclasses.field(metadata=meta)
    if isinstance(default, dict):
        return dataclasses.field(default_factory=dict, metadata=meta)
    return dataclasses.field(default=default, metadata=meta)


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """What the business wants of the model."""

    reduce: str | None = _key("the outcome to reduce", None)
    by: float | None = _key("share by which to reduce it, against `against`", None)
    against: Literal["control", "before"] = _key("what the reduction is measured against", "control")
    value_per_saved: Money | None = _key("what one prevented outcome is worth", None)
    offer_cost: Money | None = _key("what one treatment costs", None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Owners:
    """Who stands behind each role."""

    ml_developer: str = _key("team that owns the quality of the model", "ml_developer")
    mlops_engineer: str = _key("team that owns data supply and service", "mlops_engineer")


@dataclass(frozen=True, slots=True, kw_only=True)
class Calendar:
    """How days and weeks are cut."""

    timezone: str = _key("IANA time zone of days and delivery hours", "UTC")
    week_starts: Literal["monday", "sunday", "saturday"] = _key("first day of a week", "monday")
    special: tuple[str, ...] = _key("named calendars of special weeks", ())


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where rows come from, and who answers for them."""

    path: str = _key("file, glob or Delta table; relative paths start at the contract's folder")
    format: Literal["auto", "csv", "parquet", "delta"] = _key("how to read it", "auto")
    owner: Literal["ml_developer", "mlops_engineer"] = _key("role that answers for this source", OPS)
    known_at: str | None = _key("column that says when a row became known (default: on arrival)", None)


@dataclass(frozen=True, slots=True, kw_only=True)
class EventTable:
    """A further table of events, joined point-in-time."""

    path: str = _key("file, glob or Delta table")
    entity: str = _key("column that names the entity")
    time: str = _key("column of the event's moment")
    format: Literal["auto", "csv", "parquet", "delta"] = _key("how to read it", "auto")
    owner: Literal["ml_developer", "mlops_engineer"] = _key("role that answers for this table", OPS)
    schema: Mapping[str, Column] = _key("columns of the table", {})


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """What the model is to foresee, and when the truth is known."""

    column: str = _key("column of the label")
    positive: str | int | float | bool | None = _key("value that counts as positive (binary)", None)
    horizon: timedelta = _key("how long after the row's time the outcome is decided", timedelta(0))
    reporting_lag: timedelta = _key("how long after that we hear of it", timedelta(0))
    absence: Literal["negative", "unknown"] = _key("what a missing label means once matured", "unknown")
    mature_at: float = _key("share of labels known from which a week counts as matured", 0.95)
    source: Source | None = _key("separate source of labels (default: the rows' own column)", None)
    event_time: str | None = _key("in a label source of events: column of the event's moment", None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column's type and the values that are physically possible."""

    type: Literal["number", "integer", "category", "boolean", "text", "datetime"] = _key("type")
    min: float | None = _key("smallest possible value", None)
    max: float | None = _key("largest possible value", None)
    allowed: tuple[str, ...] | None = _key("the only values a category may take", None)
    nullable: bool = _key("may the value be missing", False)
    feature: bool = _key("is the column offered to the model", True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantine:
    """When bad rows are set aside and when the whole batch is refused."""

    max_share: float = _key("share of bad rows above which the batch is refused", 0.02)


@dataclass(frozen=True, slots=True, kw_only=True)
class Data:
    """Rows, tables, labels and what they must look like."""

    source: Source = _key("the rows to score and to train on")
    entity: str | None = _key("column that names the entity (default: each row is its own)", None)
    time: str | None = _key("column of the row's moment; without it there is no loop", None)
    label: Label = _key("the truth")
    schema: Mapping[str, Column] = _key("columns of the rows", {})
    tables: Mapping[str, EventTable] = _key("further tables of events", {})
    quarantine: Quarantine = _key("bad rows", Quarantine())
    forbidden: tuple[str, ...] = _key("columns that must never be read", ())
    pii: tuple[str, ...] = _key("columns that must never be stored for good", ())


@dataclass(frozen=True, slots=True, kw_only=True)
class CleanStep:
    """One declared cleaning step, the same in training and scoring."""

    step: Literal["drop_duplicates", "fill", "clip", "lower", "strip"] = _key("what is done")
    columns: tuple[str, ...] = _key("to which columns (default: all that fit)", ())
    value: str | float | None = _key("fill: the value", None)
    low: float | None = _key("clip: lower bound", None)
    high: float | None = _key("clip: upper bound", None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Aggregate:
    """One number per row out of an event table, over a window that ends just before the row's time."""

    table: str = _key("name under data.tables")
    function: Literal["count", "sum", "mean", "min", "max", "last", "distinct"] = _key("what is computed")
    column: str | None = _key("column it is computed on (count needs none)", None)
    window: timedelta | None = _key("length of the window (default: all the past)", None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Features:
    """How rows become what the model sees."""

    code: str | None = _key("file.py:function(frame) -> frame, row by row", None)
    aggregates: Mapping[str, Aggregate] = _key("point-in-time numbers out of event tables", {})


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """Search for hyper-parameters."""

    trials: int = _key("number of trials (0: the defaults are used)", 0)
    timeout: timedelta | None = _key("stop searching after this long", None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """How the score becomes a decision."""

    maximise: Literal["f1", "value"] | None = _key("what the threshold maximises", "f1")
    fixed: float | None = _key("a threshold set by hand", None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """How a candidate is made."""

    model: str = _key("lightgbm, logistic, ridge, or file.py:function() -> pipeline", "lightgbm")
    params: Mapping[str, str | int | float | bool] = _key("parameters of the built-in model", {})
    search: Search = _key("hyper-parameter search", Search())
    threshold: Threshold = _key("from score to decision", Threshold())
    calibrate: Literal["platt", "isotonic", "none"] = _key("calibration on out-of-time rows", "platt")
    seed: int = _key("seed of every random choice", 7)
    threads: int = _key("threads (part of the reproducible environment)", 2)
    timeout: timedelta = _key("the worker is killed after this long", timedelta(hours=1))


@dataclass(frozen=True, slots=True, kw_only=True)
class ChampionGate:
    """The candidate against the champion."""

    metric: str | None = _key("metric compared (default: the quality metric)", None)
    margin: float = _key("how much worse still counts as not worse", 0.005)


@dataclass(frozen=True, slots=True, kw_only=True)
class SlicesGate:
    """No part of the population may fall behind."""

    by: tuple[str, ...] = _key("columns that cut the slices", ())
    max_drop: float = _key("largest allowed fall of the metric against the champion", 0.03)


@dataclass(frozen=True, slots=True, kw_only=True)
class FairnessGate:
    """Protected groups are treated alike."""

    protected: tuple[str, ...] = _key("columns of protected attributes", ())
    measure: Literal["equal_opportunity", "equalised_odds", "demographic_parity"] = _key(
        "which rates are compared", "equal_opportunity"
    )
    max_gap: float = _key("largest gap that may be proven by the interval", 0.05)


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationGate:
    """Scores mean what they say."""

    max_ece: float = _key("largest expected calibration error", 0.05)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gates:
    """What a candidate must pass."""

    minimum: Mapping[str, float] = _key("metric: least value (most, for errors)", {})
    champion: ChampionGate = _key("against the champion", ChampionGate())
    baselines: tuple[Literal["majority", "logistic", "mean", "ridge"], ...] = _key(
        "simple models that must be beaten", ()
    )
    slices: SlicesGate = _key("slices", SlicesGate())
    fairness: FairnessGate = _key("fairness", FairnessGate())
    calibration: CalibrationGate = _key("calibration", CalibrationGate())


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """The way of a passed candidate into production."""

    path: tuple[str, ...] = _key("stages: shadow, canary N%, live", ("shadow", "live"))
    approval: Literal["auto", "ml_developer", "mlops_engineer", "both"] = _key("who must agree", "auto")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rung:
    """One step of the fallback ladder."""

    kind: Literal["previous", "last_score", "rule", "default"] = _key("which step")
    max_age: timedelta | None = _key("last_score: how old it may be", None)
    code: str | None = _key("rule: file.py:function(frame) -> scores", None)
    value: float | None = _key("default: the score", None)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceLog:
    """What is kept of online answers."""

    share: float = _key("share of answers kept", 1.0)
    keep: timedelta = _key("how long", timedelta(days=90))
    max_disk: str = _key("largest size", "5GB")
    when_full: Literal["sample", "drop", "block"] = _key("what happens then", "sample")


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """What the service owes its callers."""

    availability: float = _key("share of periods or requests answered", 0.999)
    p99_ms: float = _key("99th percentile of the time of one row, milliseconds", 50.0)
    memory_mb: float = _key("memory of a process that holds the model, megabytes", 1024.0)
    size_mb: float = _key("size of the bundle, megabytes", 100.0)
    start_s: float = _key("time from start to the first answer, seconds", 60.0)
    throughput: str | None = _key("rows per second, such as 2000/s", None)
    fallback: tuple[Rung, ...] = _key("the ladder below the champion", (Rung(kind="previous"),))
    log: ServiceLog = _key("prediction log", ServiceLog())


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """The quality that the model owes."""

    metric: str | None = _key("metric (default: f1, macro_f1 or mae by task)", None)
    at_least: float | None = _key("least value", None)
    at_most: float | None = _key("largest value, for errors", None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Monitoring:
    """How often we look, and how often we may cry wolf."""

    every: timedelta = _key("time between ticks", timedelta(days=1))
    quality: Quality = _key("the model's service level", Quality())
    false_alarms_per_year: float = _key("budget of false alarms for the whole model", 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Retraining:
    """When the loop goes back to training by itself."""

    on: tuple[Literal["quality", "age", "new_data", "code"], ...] = _key("triggers", ("quality", "age", "code"))
    new_data_rows: int | None = _key("matured rows that make `new_data`", None)
    max_age: timedelta = _key("age that makes `age`", timedelta(weeks=13))
    window: Literal["auto", "all", "long", "short"] = _key("which rows to train on", "auto")
    cooldown: timedelta = _key("least time between two runs", timedelta(days=2))
    per_year: int = _key("most runs in a year", 26)


@dataclass(frozen=True, slots=True, kw_only=True)
class SinkSpec:
    """One target of the weekly scores."""

    kind: Literal["csv", "parquet", "delta", "sql", "webhook"] = _key("what it is")
    target: str = _key("path, URL or env:NAME; {period} is replaced in paths")
    table: str | None = _key("sql: table name", None)
    secret: str | None = _key("webhook: env:NAME of the signing secret", None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """Scores for every entity, on time."""

    every: timedelta = _key("period", timedelta(days=7))
    by: str | None = _key('latest moment, such as "Sunday 06:00"', None)
    to: tuple[SinkSpec, ...] = _key("targets", ())
    control_group: float = _key("share of entities never treated", 0.0)
    rotate: timedelta = _key("how long an entity stays in the control group", timedelta(weeks=13))
    bands: Mapping[str, float] = _key("name: least score; `high` defaults to the threshold", {})
    reasons: int = _key("number of reasons given for the high band", 3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """All that the two roles agree on about one model."""

    tamid: Literal[1] = _key("version of this grammar", owner=BOTH)
    name: str = _key("name of the model", owner=BOTH)
    task: Task = _key("binary, multiclass or regression", owner=ML)
    goal: Goal = _key("what the business wants", Goal(), owner=BOTH)
    owners: Owners = _key("who stands behind each role", Owners(), owner=BOTH)
    consumers: tuple[str, ...] = _key("who uses the scores", (), owner=OPS)
    calendar: Calendar = _key("days and weeks", Calendar(), owner=OPS)
    data: Data = _key("rows, tables and labels", owner=BOTH)
    clean: tuple[CleanStep, ...] = _key("declared cleaning steps", (), owner=ML)
    features: Features = _key("from rows to model input", Features(), owner=ML)
    training: Training = _key("how a candidate is made", Training(), owner=ML)
    gates: Gates = _key("what a candidate must pass", Gates(), owner=ML)
    release: Release = _key("the way into production", Release(), owner=OPS)
    service: Service = _key("what the service owes", Service(), owner=OPS)
    monitoring: Monitoring = _key("how the model is watched", Monitoring(), owner=BOTH)
    retraining: Retraining = _key("when the loop trains again", Retraining(), owner=BOTH)
    delivery: Delivery = _key("where the scores go", Delivery(), owner=OPS)
