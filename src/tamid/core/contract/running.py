"""The contract's blocks `release`, `service`, `monitoring`, `retraining` and `delivery`."""

# ruff: noqa: RUF009 - key() makes a field

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from tamid.core.contract.csvform import CsvForm
from tamid.core.contract.fields import (
    CODE,
    COLUMN,
    NOT_NEGATIVE,
    NUMBER_OR_SHARE,
    OPS,
    PATH,
    POSITIVE,
    SHARE,
    SHARE_ABOVE_0,
    Limits,
    key,
)
from tamid.core.contract.inputs import Format, SourceOwner
from tamid.core.values import Money

# What the source, and the table, of a campaign's acts are called.
ACTIONS = "actions"
# 15 % more rows. The error of a learner falls about with the root of its rows: a model that lags
# behind by up to so many has an excess error of 7 % at most of what rows can still repair, for some
# six runs in the first year and ever fewer later.
GROWN = 0.15
# Triggers that ask for a run although nothing has happened.
ROUTINE = frozenset({"age", "new_data"})
# Shorter than a minute, and a tick would overtake itself.
_AT_LEAST_A_MINUTE = Limits(low=60.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """The way of a passed candidate into production."""

    path: tuple[str, ...] = key(
        "stages: shadow, canary N%, live", ("shadow", "live"), limits=Limits(kind="stage")
    )
    approval: Literal["auto", "ml_developer", "mlops_engineer", "both"] = key(
        "who must agree", "auto"
    )
    shadow_wait: timedelta = key(
        "longest stay in shadow for labels that may decide; then the gates' verdict stands",
        timedelta(days=3),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Rung:
    """One step of the fallback ladder."""

    kind: Literal["previous", "reduced", "last_score", "rule", "default", "abstain"] = key(
        "which step; reduced: the model without `training.reduced`; abstain: no score, a person "
        "decides"
    )
    max_age: timedelta | None = key("last_score: how old it may be", None, limits=POSITIVE)
    code: str | None = key("rule: file.py:function(frame) -> scores", None, limits=CODE)
    value: float | None = key("default: the score", None, limits=NUMBER_OR_SHARE)
    unsure: tuple[float, ...] | None = key(
        "abstain: scores of a model, asked online, that are left to a person, too: [from, to]",
        None,
        limits=SHARE,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceLog:
    """What is kept of online answers."""

    share: float = key("share of answers kept", 1.0, limits=SHARE)
    keep: timedelta = key("how long", timedelta(days=90), limits=POSITIVE)
    max_disk: str = key("largest size", "5GB", limits=Limits(kind="size"))
    when_full: Literal["sample", "drop", "block"] = key("what happens then", "sample")


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """What the service owes its callers."""

    availability: float = key("share of periods or requests answered", 0.999, limits=SHARE_ABOVE_0)
    p99_ms: float = key(
        "99th percentile of the time of one row, milliseconds", 50.0, limits=POSITIVE
    )
    memory_mb: float = key(
        "memory of a process that holds the model, megabytes", 1024.0, limits=POSITIVE
    )
    size_mb: float = key("size of the bundle, megabytes", 100.0, limits=POSITIVE)
    start_s: float = key("time from start to the first answer, seconds", 60.0, limits=POSITIVE)
    throughput: str | None = key(
        "rows per second, such as 2000/s", None, limits=Limits(kind="rate")
    )
    stale_after: timedelta | None = key(
        "age of features looked up by entity from which a lower rung answers (default: any age)",
        None,
        limits=POSITIVE,
    )
    fallback: tuple[Rung, ...] = key("the ladder below the champion", (Rung(kind="previous"),))
    log: ServiceLog = key("prediction log", ServiceLog())


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """The quality that the model owes."""

    metric: str | None = key("metric (default: f1, macro_f1 or mae by task)", None)
    at_least: float | None = key("least value", None, limits=NUMBER_OR_SHARE)
    at_most: float | None = key("largest value, for errors", None, limits=NUMBER_OR_SHARE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Monitoring:
    """How often we look, and how often we may cry wolf."""

    every: timedelta = key("time between ticks", timedelta(days=1), limits=_AT_LEAST_A_MINUTE)
    quality: Quality = key("the model's service level", Quality())
    false_alarms_per_year: float = key(
        "budget of false alarms for the whole model", 1.0, limits=POSITIVE
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrainingCosts:
    """What decides whether a fall of quality is worth a run."""

    run: Money | None = key(
        "what one run costs, with the people it keeps busy", None, limits=NOT_NEGATIVE
    )
    error: Money | None = key(
        "what one wrong answer costs (a unit of error in regression)", None, limits=POSITIVE
    )
    over: timedelta = key("how long a repair counts", timedelta(weeks=13), limits=POSITIVE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Retraining:
    """When the loop goes back to training by itself."""

    on: tuple[Literal["quality", "age", "new_data", "code"], ...] = key(
        "triggers", ("quality", "age", "code")
    )
    new_data_rows: int | None = key("matured rows that make `new_data`", None, limits=Limits(low=1))
    new_data_grown: float | None = key(
        "share by which all matured rows have grown since the last run that makes `new_data`",
        None,
        limits=SHARE_ABOVE_0,
    )
    max_age: timedelta = key("age that makes `age`", timedelta(weeks=13), limits=POSITIVE)
    window: Literal["auto", "all", "long", "short", "decay"] = key(
        "which rows to train on: all, the last 26 periods (as many more as hold 20,000 rows), a "
        "third of these, all with weights that halve in half of these, or the best of them",
        "auto",
    )
    equal: Literal["keep", "release"] = key(
        "what becomes of a candidate that `age` or `new_data` asked for and that nothing tells "
        "from the champion: keep the champion, or release it for the rows that it learnt besides",
        "keep",
    )
    cooldown: timedelta = key("least time between two runs", timedelta(days=2))
    per_year: int = key("most runs in a year", 26, limits=Limits(low=1, high=10_000))
    costs: RetrainingCosts = key(
        "both costs: a fall is answered by a run only if it costs more", RetrainingCosts()
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SinkSpec:
    """One target of the weekly scores."""

    kind: Literal["csv", "parquet", "delta", "sql", "webhook"] = key("what it is")
    target: str = key(
        "path, URL or env:NAME; {period} is replaced in paths", limits=Limits(kind="target")
    )
    table: str | None = key("sql: table name", None, limits=Limits(kind="column"))
    secret: str | None = key(
        "webhook: env:NAME of the signing secret (default: env:TAMID_WEBHOOK_SECRET, which must "
        "then be set); nothing is sent unsigned",
        None,
        limits=Limits(kind="secret"),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Actions:
    """What comes back of a campaign: files that say who got which offer, and when."""

    path: str = key("file or glob of who got which offer when; as `source.path`", limits=PATH)
    format: Format = key("how to read it", "auto")
    csv: CsvForm | None = key("how CSV files are written (default: UTF-8, 1.5, ISO 8601)", None)
    owner: SourceOwner = key("role that answers for these files", OPS)
    offer: str = key("column that names the offer", "offer", limits=COLUMN)
    time: str = key("column of the moment at which it was made", "at", limits=COLUMN)
    id: str | None = key(
        "column that tells one act from another (default: entity, moment and offer)",
        None,
        limits=COLUMN,
    )
    offers: Mapping[str, float] = key(
        "offer: share of those to treat who are to get it; drawn by lot and delivered as `offer`",
        {},
        limits=Limits(share=True, keys="column", low=0.0, high=1.0),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """Scores for every entity, on time."""

    every: timedelta = key("period", timedelta(days=7), limits=_AT_LEAST_A_MINUTE)
    by: str | None = key(
        'latest moment, such as "Sunday 06:00"', None, limits=Limits(kind="moment")
    )
    to: tuple[SinkSpec, ...] = key("targets", ())
    control_group: float = key("share of entities never treated", 0.0, limits=SHARE)
    rotate: timedelta = key(
        "how long an entity stays in the control group", timedelta(weeks=13), limits=POSITIVE
    )
    bands: Mapping[str, float] = key(
        "name: least score; `high` defaults to the threshold",
        {},
        limits=Limits(share=True, keys="column"),
    )
    actions: Actions | None = key(
        "what comes back of the campaign, so that lift is known per offer", None
    )
    reasons: int = key(
        "number of reasons given for the high band", 3, limits=Limits(low=0, high=20)
    )
