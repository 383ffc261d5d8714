"""The registry: versions as the ledger knows them, with the overlays beside their bundles."""

from __future__ import annotations

import json
import math
from datetime import datetime

import polars as pl

from tamid.core.actions import Register
from tamid.core.contract.metrics import METRIC_FACTS, quality_metric
from tamid.core.contract.model import Contract
from tamid.core.events import VersionRegistered
from tamid.core.learning.bundle import Overlay
from tamid.core.paging import CONTRACT, ESTIMATE, QUALITY, SILENT, level_of
from tamid.core.quality import realised
from tamid.core.state import State
from tamid.core.stats.edetector import MIN_REFERENCE, family_run_length
from tamid.core.stats.runlength import caution_needed
from tamid.core.values import LABEL, PERIOD, WEIGHT, Task, VersionRef
from tamid.core.windows import pseudo_reference
from tamid.stages.centring import silent_reference
from tamid.stages.filing import numbered
from tamid.stages.packaging import open_overlay, reduced_policy
from tamid.stages.rig import Rig
from tamid.stages.voices import Voice


def overlay_of(rig: Rig, overlay: str) -> Overlay:
    """Return an overlay after checking its signature. Raises IntegrityError."""
    return open_overlay(overlay, rig.blobs, rig.signer)


def threshold_of(rig: Rig, state: State, number: int) -> float:
    """Return where a version's decision begins."""
    return overlay_of(rig, state.versions[number].registered.ref.overlay).threshold


def threshold_at(rig: Rig, state: State, number: int, period: str) -> float:
    """Return where a version's decision began when a period was scored."""
    version = state.versions[number]
    scored = state.scored_seq.get(period, 0)
    held = (overlay for until, overlay in version.earlier if scored < until)
    return overlay_of(rig, next(held, version.registered.ref.overlay)).threshold


def voice(rig: Rig, state: State, number: int) -> Voice:
    """Return a version as scoring asks it."""
    ref = state.versions[number].registered.ref
    threshold = overlay_of(rig, ref.overlay).threshold
    return Voice(number=number, bundle=ref.bundle, overlay=ref.overlay, threshold=threshold)


def reduced_voice(rig: Rig, state: State, number: int) -> Voice | None:
    """Return a version's model without some columns as scoring asks it; None: it has none."""
    ref = state.versions[number].registered.ref
    told = reduced_policy(ref.bundle, rig.blobs)
    if told is None:
        return None
    return Voice(
        number=number, bundle=ref.bundle, overlay=ref.overlay,
        threshold=float(told["threshold"]), reduced=True,
    )  # fmt: skip


def register(
    rig: Rig, contract: Contract, state: State, action: Register, now: datetime
) -> VersionRegistered:
    """Make a candidate that passed a version, with the reference that its alarms go by."""
    run = state.runs[action.run]
    assert run.finished is not None
    judged = judged_frame(rig, state, action.run)
    threshold = overlay_of(rig, run.finished.overlay).threshold
    through = max(run.started.periods, default="")
    name = f"{rig.model}/{action.number}"
    silent = silent_reference(rig, contract, state, run.finished, through, name, now)
    return VersionRegistered(
        key=action.key,
        ref=VersionRef(
            number=action.number, bundle=run.finished.bundle, overlay=run.finished.overlay
        ),
        run=action.run,
        contract=run.started.contract,
        reference={**reference_of(contract, judged, threshold), **silent.reference},
        usual=silent.usual,
        trained_through=through,
    )


def judged_frame(rig: Rig, state: State, run: str) -> pl.DataFrame:
    """Return the rows that a run's candidate was judged on, with its scores."""
    finished = state.every_run[run].finished
    assert finished is not None
    assert finished.judged is not None
    return rig.tables.read(finished.judged).filter(pl.col("run") == run).drop("run")


def reference_of(
    contract: Contract, judged: pl.DataFrame, threshold: float
) -> dict[str, tuple[float, ...]]:
    """Return what is usual: per judged period the quality and the share of positives.

    With too few periods the spread comes from the interval of the whole instead, around its
    cautious end: a candidate that was lucky on its few judged rows would otherwise look degraded
    ever after. The rate of false alarms is then approximate; estimates, which have an error of
    their own, are ranked as among the periods that there are.
    """
    metric = quality_metric(contract)
    quality: list[float] = []
    rates: list[float] = []
    for part in judged.partition_by(PERIOD, maintain_order=True):
        value, _, rate = _measured(contract, metric, part, threshold)
        if math.isfinite(value):
            quality.append(value)
        if contract.task is Task.BINARY:
            rates.append(rate)
    found: dict[str, tuple[float, ...]] = {"positive_rate": tuple(rates)}
    if len(quality) < MIN_REFERENCE:
        periods = max(judged.get_column(PERIOD).n_unique(), 1)
        found[f"{ESTIMATE}/weeks"] = (float(periods),)
        point, error, _ = _measured(contract, metric, judged, threshold)
        facts = METRIC_FACTS[metric]
        quality = list(
            pseudo_reference(
                point,
                error,
                periods,
                caution=caution_needed(_run_length(contract), _told_apart(contract, periods)),
                sign=1.0 if facts.higher_is_better else -1.0,
                low=facts.low,
                high=facts.high,
            )
        )
    return {"quality": tuple(quality), **found}


def _run_length(contract: Contract) -> float:
    """Return how many checks of its quality shall lie between two false alarms of a version."""
    level = level_of(contract)
    signals = (CONTRACT, QUALITY, ESTIMATE, *SILENT)
    return family_run_length(level.checks_per_year, len(signals), level.false_alarms_per_year)


def _told_apart(contract: Contract, periods: int) -> float:
    """Return as how many periods some in a row count, whose outcomes overlap by a long horizon."""
    overlap = max(contract.data.label.horizon / contract.delivery.every, 1.0)
    return (periods - 1) / overlap + 1


def _measured(
    contract: Contract, metric: str, frame: pl.DataFrame, threshold: float
) -> tuple[float, float, float]:
    """Return the metric, its standard error and the weighted share of positives."""
    found = realised(
        metric,
        contract.task,
        frame.get_column(LABEL).cast(pl.Float64).to_numpy(),
        frame.get_column("score").cast(pl.Float64).to_numpy(),
        threshold=threshold,
        weights=frame.get_column(WEIGHT).to_numpy(),
        entities=numbered(frame),
    )
    error = (found.interval.high - found.interval.low) / (2 * 1.96)
    return found.value, error, found.detail.get("positive_rate", math.nan)


def report_of(rig: Rig, digest: str) -> dict[str, object]:
    """Return a stored report."""
    found = json.loads(rig.blobs.get(digest))
    assert isinstance(found, dict)
    return found
