"""The contract's blocks `training` and `gates`: how a candidate is made and what it must pass."""

# ruff: noqa: RUF009 - key() makes a field

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from tamid.core.contract.fields import (
    COLUMN,
    NUMBER_OR_SHARE,
    POSITIVE,
    SHARE,
    Limits,
    key,
)

# Seeds go into numpy and LightGBM; the latter takes 32-bit signed integers.
_SEEDS = Limits(low=0, high=2**31 - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """Search for hyper-parameters."""

    trials: int = key(
        "number of trials (0: the defaults are used)", 0, limits=Limits(low=0, high=10_000)
    )
    timeout: timedelta | None = key("stop searching after this long", None, limits=POSITIVE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """How the score becomes a decision."""

    maximise: Literal["f1", "value"] | None = key("what the threshold maximises", "f1")
    fixed: float | None = key("a threshold set by hand", None, limits=SHARE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """How a candidate is made."""

    model: str = key(
        "lightgbm, logistic, ridge, or file.py:function() -> pipeline",
        "lightgbm",
        limits=Limits(kind="model"),
    )
    params: Mapping[str, str | int | float | bool] = key("parameters of the built-in model", {})
    search: Search = key("hyper-parameter search", Search())
    threshold: Threshold = key("from score to decision", Threshold())
    reduced: tuple[str, ...] = key(
        "columns that a second model does without, for rows without them (the rung `reduced`)",
        (),
        limits=COLUMN,
    )
    calibrate: Literal["platt", "isotonic", "none"] = key(
        "calibration on out-of-time rows", "platt"
    )
    seed: int = key("seed of every random choice", 7, limits=_SEEDS)
    threads: int = key(
        "threads (part of the reproducible environment)", 2, limits=Limits(low=1, high=1024)
    )
    timeout: timedelta = key(
        "the worker is killed after this long", timedelta(hours=1), limits=POSITIVE
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ChampionGate:
    """The candidate against the champion."""

    metric: str | None = key("metric compared (default: the quality metric)", None)
    margin: float = key(
        "how much worse still counts as not worse", 0.005, limits=Limits(share=True, low=0.0)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SlicesGate:
    """No part of the population may fall behind."""

    by: tuple[str, ...] = key("columns that cut the slices", (), limits=COLUMN)
    max_drop: float = key(
        "largest allowed fall of the metric against the champion",
        0.03,
        limits=Limits(share=True, low=0.0),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class FairnessGate:
    """Protected groups are treated alike."""

    protected: tuple[str, ...] = key("columns of protected attributes", (), limits=COLUMN)
    measure: Literal["equal_opportunity", "equalised_odds", "demographic_parity"] = key(
        "which rates are compared", "equal_opportunity"
    )
    max_gap: float = key("largest gap that may be proven by the interval", 0.05, limits=SHARE)


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationGate:
    """Scores mean what they say."""

    max_ece: float = key("largest expected calibration error", 0.05, limits=SHARE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gates:
    """What a candidate must pass."""

    minimum: Mapping[str, float] = key(
        "metric: least value (most, for errors)", {}, limits=NUMBER_OR_SHARE
    )
    champion: ChampionGate = key("against the champion", ChampionGate())
    baselines: tuple[Literal["majority", "logistic", "mean", "ridge"], ...] = key(
        "simple models that must be beaten", ()
    )
    slices: SlicesGate = key("slices", SlicesGate())
    fairness: FairnessGate = key("fairness", FairnessGate())
    calibration: CalibrationGate = key("calibration", CalibrationGate())
