"""The contract that both roles sign, as frozen values: one class a block, one field a key.

The parser, the JSON Schema and the documentation are derived from these classes: the field's type
says what may stand in the YAML, `doc` says what it means, `owner` which role may change it.
"""

# ruff: noqa: RUF009 - key() makes a field

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from tamid.core.contract.csvform import CsvForm
from tamid.core.contract.fields import BOTH, ML, NOT_NEGATIVE, OPS, SHARE_ABOVE_0, Limits, key
from tamid.core.contract.handoff import Handoff
from tamid.core.contract.inputs import (
    Aggregate,
    CleanStep,
    Column,
    Data,
    EventTable,
    Features,
    Label,
    Quarantine,
    Source,
    ViewUse,
)
from tamid.core.contract.making import (
    CalibrationGate,
    ChampionGate,
    FairnessGate,
    Gates,
    Search,
    SlicesGate,
    Threshold,
    Training,
)
from tamid.core.contract.running import (
    Delivery,
    Monitoring,
    Quality,
    Release,
    Retraining,
    Rung,
    Service,
    ServiceLog,
    SinkSpec,
)
from tamid.core.contract.views import Measure, View, ViewFile
from tamid.core.values import Money, Task

__all__ = [
    "BOTH",
    "ML",
    "OPS",
    "Aggregate",
    "Calendar",
    "CalibrationGate",
    "ChampionGate",
    "CleanStep",
    "Column",
    "Contract",
    "CsvForm",
    "Data",
    "Delivery",
    "EventTable",
    "FairnessGate",
    "Features",
    "Gates",
    "Goal",
    "Handoff",
    "Label",
    "Measure",
    "Monitoring",
    "Owners",
    "Quality",
    "Quarantine",
    "Release",
    "Retraining",
    "Rung",
    "Search",
    "Service",
    "ServiceLog",
    "SinkSpec",
    "SlicesGate",
    "Source",
    "Threshold",
    "Training",
    "View",
    "ViewFile",
    "ViewUse",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """What the business wants of the model."""

    reduce: str | None = key("the outcome to reduce", None)
    by: float | None = key(
        "share by which to reduce it, against `against`", None, limits=SHARE_ABOVE_0
    )
    against: Literal["control", "before"] = key("what the reduction is measured against", "control")
    value_per_saved: Money | None = key(
        "what one prevented outcome is worth", None, limits=NOT_NEGATIVE
    )
    offer_cost: Money | None = key("what one treatment costs", None, limits=NOT_NEGATIVE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Owners:
    """Who stands behind each role."""

    ml_developer: str = key("team that owns the quality of the model", "ml_developer")
    mlops_engineer: str = key("team that owns data supply and service", "mlops_engineer")


@dataclass(frozen=True, slots=True, kw_only=True)
class Calendar:
    """How days and weeks are cut."""

    timezone: str = key("IANA time zone of days and delivery hours", "UTC")
    week_starts: Literal["monday", "sunday", "saturday"] = key("first day of a week", "monday")
    special: tuple[str, ...] = key(
        "special weeks, compared with their like: holidays_il, name = 2026-11-23, name = 10 Av",
        (),
        limits=Limits(kind="special"),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """All that the two roles agree on about one model."""

    tamid: Literal[1] = key("version of this grammar", owner=BOTH)
    name: str = key("name of the model", owner=BOTH, limits=Limits(kind="name"))
    task: Task = key("binary, multiclass or regression", owner=ML)
    goal: Goal = key("what the business wants", Goal(), owner=BOTH)
    owners: Owners = key("who stands behind each role", Owners(), owner=BOTH)
    consumers: tuple[str, ...] = key("who uses the scores", (), owner=OPS)
    calendar: Calendar = key("days and weeks", Calendar(), owner=OPS)
    data: Data = key("rows, tables and labels", owner=BOTH)
    clean: tuple[CleanStep, ...] = key("declared cleaning steps", (), owner=ML)
    features: Features = key("from rows to model input", Features(), owner=ML)
    training: Training = key("how a candidate is made", Training(), owner=ML)
    gates: Gates = key("what a candidate must pass", Gates(), owner=ML)
    handoff: Handoff | None = key(
        "what each side owes when a model changes hands (default: nothing is asked)",
        None,
        owner=BOTH,
    )
    release: Release = key("the way into production", Release(), owner=OPS)
    service: Service = key("what the service owes", Service(), owner=OPS)
    monitoring: Monitoring = key("how the model is watched", Monitoring(), owner=BOTH)
    retraining: Retraining = key("when the loop trains again", Retraining(), owner=BOTH)
    delivery: Delivery = key("where the scores go", Delivery(), owner=OPS)
    views: Mapping[str, View] = key(
        "what the feature views say that the model uses; Tamid writes it when it adopts the "
        "contract",
        {},
        owner=BOTH,
        limits=Limits(keys="name"),
    )
