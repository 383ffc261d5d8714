"""What is known of a run, read back from what it left: one whole, or two side by side."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from tamid.core.contract.diff import diff
from tamid.core.contract.metrics import quality_metric
from tamid.core.errors import IntegrityError, NotFound
from tamid.core.learning.environment import changed
from tamid.core.state import Run, State
from tamid.core.stats.arrays import Ints
from tamid.core.stats.bootstrap import bootstrap_difference
from tamid.core.stats.metrics import Terms, metric_of, terms
from tamid.core.values import ENTITY, LABEL, TIME, WEIGHT, Interval, Task
from tamid.core.view.evidence import verdict_lines
from tamid.core.view.runs import (
    Changed,
    MetricPair,
    RunsDiffer,
    RunSheet,
    changed_files,
    changed_mappings,
)
from tamid.core.view.snapshot import RunCard
from tamid.ports import Blobs
from tamid.stages.filing import numbered
from tamid.stages.packaging import environment_of
from tamid.stages.registry import judged_frame, overlay_of
from tamid.stages.rig import Rig

# Two runs are compared on rows that both were judged on; on fewer the interval says nothing.
FEWEST_SHARED = 100
# 1,000 draws put a 95 % bound within a tenth of its own standard error.
_DRAWS = 1000
_SEED = 0


def run_sheet(blobs: Blobs, state: State, card: RunCard) -> RunSheet:
    """Return all that is known of a run.

    Raises:
        IntegrityError: a report that the ledger names is missing or damaged.
    """
    run = state.every_run[card.run]
    started, ended = run.started, run.finished
    judgement = read_report(blobs, run.judged.report) if run.judged else {}
    return RunSheet(
        card=card,
        contract=started.contract,
        code=started.code,
        pins=started.pins,
        periods=started.periods,
        judged_on=run.judged.periods if run.judged else (),
        seed=started.seed,
        git=started.git,
        branch=started.branch,
        changed=started.changed,
        environment=started.environment,
        bundle=ended.bundle if ended else "",
        overlay=ended.overlay if ended else "",
        rows=ended.rows if ended else 0,
        peak_mb=ended.peak_mb if ended else 0.0,
        verdicts=verdict_lines(judgement),
        report=read_report(blobs, ended.report) if ended else {},
    )


def read_report(blobs: Blobs, digest: str) -> Mapping[str, Any]:
    """Return a stored report. Raises IntegrityError: missing, altered, or no report."""
    found = json.loads(_content(blobs, digest, "a run's report"))
    if not isinstance(found, dict):
        raise IntegrityError(f"the report {digest[:19]} is none", why="it holds no object")
    return found


def differences(rig: Rig, state: State, one: str, two: str) -> RunsDiffer:
    """Return in what two runs differ: parameters, data, code, environment and metrics.

    Raises:
        IntegrityError: something that a run rests on is missing or damaged.
    """
    first, second = state.every_run[one], state.every_run[two]
    names = sorted({*_metrics(first), *_metrics(second)})
    metric = quality_metric(rig.contract(first.started.contract))
    shared, rows = _shared(rig, state, one, two, metric)
    return RunsDiffer(
        one=one,
        two=two,
        parameters=_parameters(rig, first, second),
        data=_data(first, second),
        code=changed_files(_sources(rig.blobs, first), _sources(rig.blobs, second)),
        environment=_environments(rig.blobs, first, second),
        metrics=tuple(
            MetricPair(name=n, before=_metrics(first).get(n), after=_metrics(second).get(n))
            for n in names
        ),
        metric=metric,
        shared=shared,
        shared_rows=rows,
    )


def _metrics(run: Run) -> Mapping[str, float]:
    return run.finished.metrics if run.finished else {}


def _parameters(rig: Rig, one: Run, two: Run) -> tuple[Changed, ...]:
    """Return what differs in the contract's words, and in what was chosen in training."""
    contracts = [rig.contract(run.started.contract) for run in (one, two)]
    found = [
        Changed(name=c.path, before=c.before, after=c.after)
        for c in diff(contracts[0], contracts[1]).changes
    ]
    chosen = [_chosen(rig.blobs, run) for run in (one, two)]
    return (*found, *changed_mappings(chosen[0], chosen[1]))


def _chosen(blobs: Blobs, run: Run) -> Mapping[str, object]:
    report = read_report(blobs, run.finished.report) if run.finished else {}
    named = {f"params.{k}": v for k, v in dict(report.get("params", {})).items()}
    return {
        **named,
        "seed": run.started.seed,
        "window offered": run.started.window,
        "window": report.get("window"),
        "threshold": report.get("threshold"),
    }


def _data(one: Run, two: Run) -> tuple[Changed, ...]:
    tables = [
        {pin.table: f"version {pin.version}, {pin.digest[7:15]}" for pin in run.started.pins}
        for run in (one, two)
    ]
    spans = [
        {
            "periods": _span(run.started.periods),
            "judged on drifted periods": _span(run.started.degraded_periods) or None,
            "rows learnt from": run.finished.rows if run.finished else None,
        }
        for run in (one, two)
    ]
    before, after = ({**t, **s} for t, s in zip(tables, spans, strict=True))
    return changed_mappings(before, after)


def _span(periods: tuple[str, ...]) -> str:
    return f"{min(periods)} to {max(periods)} ({len(periods)})" if periods else ""


def _sources(blobs: Blobs, run: Run) -> Mapping[str, str]:
    code = run.started.code
    return {path: _content(blobs, digest, path).decode() for path, digest in code.items()}


def _environments(blobs: Blobs, one: Run, two: Run) -> tuple[str, ...]:
    """Return what differs in the packages; with a run that left no bundle only whether it does."""
    if one.started.environment == two.started.environment:
        return ()
    if one.finished is None or two.finished is None:
        return ("the packages differ; a run that gave no candidate does not say in which",)
    return changed(
        environment_of(one.finished.bundle, blobs), environment_of(two.finished.bundle, blobs)
    )


def _shared(rig: Rig, state: State, one: str, two: str, metric: str) -> tuple[Interval | None, int]:
    """Return the difference on the rows that both were judged on, and how many these are."""
    ends = [state.every_run[name].finished for name in (one, two)]
    if one == two or any(end is None or end.judged is None for end in ends):
        return None, 0
    keys = [ENTITY, TIME]
    before, after = (judged_frame(rig, state, name) for name in (one, two))
    right = after.select(*keys, pl.col("score").alias("after"))
    both = before.join(right, on=keys, how="inner", nulls_equal=True, maintain_order="left")
    if both.height < FEWEST_SHARED:
        return None, both.height
    contract = rig.contract(state.every_run[one].started.contract)
    parts = [
        _terms(both, column, overlay_of(rig, end.overlay).threshold, metric, contract.task)
        for column, end in zip(("score", "after"), ends, strict=True)
        if end is not None
    ]
    return paired(parts[1], parts[0], numbered(both), rig), both.height


def _terms(frame: pl.DataFrame, column: str, threshold: float, metric: str, task: Task) -> Terms:
    return terms(
        metric,
        task,
        frame.get_column(LABEL).cast(pl.Float64).to_numpy(),
        frame.get_column(column).cast(pl.Float64).to_numpy(),
        threshold=threshold,
        weights=frame.get_column(WEIGHT).to_numpy(),
    )


def paired(first: Terms, second: Terms, entity: Ints, rig: Rig) -> Interval:
    """Return metric(first) - metric(second) with the 95 % interval over entities drawn anew."""
    units = int(entity.max(initial=-1)) + 1
    drawn = bootstrap_difference(first, second, entity, units, rig.generator(_SEED), _DRAWS)
    drawn = drawn[np.isfinite(drawn)]
    point = first.point() - second.point()
    if not len(drawn):
        return Interval(point=point, low=-np.inf, high=np.inf)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Interval(point=point, low=float(min(low, point)), high=float(max(high, point)))


def better(metric: str, task: Task, gain: float) -> bool:
    """Say whether a metric that grew by so much became better."""
    return gain * metric_of(metric, task).sign() > 0


def _content(blobs: Blobs, digest: str, what: str) -> bytes:
    try:
        return blobs.get(digest)
    except NotFound as error:
        raise IntegrityError(f"{what} is missing", why=f"no content {digest}") from error
