"""Release: a version in shadow answers for the latest period beside the champion, unseen."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from tamid.core.actions import Enter, Promote
from tamid.core.contract.model import Contract
from tamid.core.events import Event, Promoted, ReleaseStopped, StageEntered
from tamid.core.state import State
from tamid.core.stats.drift import number_counts, profile_numbers, psi
from tamid.core.trial import distance, score_bin
from tamid.core.values import Task, canonical_json
from tamid.stages import dataset, joining
from tamid.stages.registry import voice
from tamid.stages.rig import Rig

# A model that gives (nearly) everybody the same score tells nothing apart.
CONSTANT_SHARE = 0.99
# A model whose server told something within this time is served: its canary must answer people.
SERVED = timedelta(days=7)


def enter(
    rig: Rig, contract: Contract, state: State, action: Enter, now: datetime
) -> Iterator[Event]:
    """Back-score the latest period with the version; hard faults stop the release at once.

    Where a server answers, it follows the stage: a shadow is asked beside the champion, a canary
    answers its share of the entities.
    """
    evidence, fault = _shadow(rig, state, action.number, now)
    seen = state.served_at
    yield StageEntered(
        key=action.key,
        number=action.number,
        stage=action.stage,
        evidence=evidence,
        reason=action.reason,
        online=seen is not None and now - seen <= SERVED,
    )
    if fault:
        yield ReleaseStopped(key=f"stop/{action.number}", number=action.number, reason=fault)


def promote(rig: Rig, state: State, action: Promote) -> Promoted:
    """Make the version champion; its evidence is the run's judgement and the stage's numbers."""
    version = state.versions[action.number]
    run = state.runs[version.registered.run]
    evidence = {
        "run": version.registered.run,
        "judgement": run.judged.report if run.judged else "",
        "stage": version.stage,
        "approvals": sorted(version.approvals),
    }
    return Promoted(
        key=action.key,
        number=action.number,
        previous=action.previous,
        reason=action.reason,
        evidence=rig.blobs.put(canonical_json(evidence).encode()),
    )


def _shadow(rig: Rig, state: State, number: int, now: datetime) -> tuple[dict[str, float], str]:
    period = max(state.periods, default="")
    if not period:
        return {}, ""
    version = state.versions[number]
    contract = rig.contract(version.registered.contract)
    rows = dataset.good(joining.joined(rig.tables, contract, state.pins, [period], now))
    if rows.is_empty():
        return {}, ""
    who = voice(rig, state, number)
    answered = rig.scorer.score(
        who.bundle, who.overlay, rows, reasons=0, timeout=timedelta(minutes=10)
    )
    scores = answered.frame.get_column("score").cast(pl.Float64).to_numpy()
    evidence = {"rows": float(len(scores)), "seconds": answered.seconds}
    fault = _fault(scores, contract.task)
    if not fault and state.champion and contract.task is not Task.MULTICLASS:
        served, called = _served(rig, state, period)
        if len(served):
            profile = profile_numbers("score", served)
            evidence["score_psi"] = psi(profile.counts, number_counts(profile, scores))
            evidence["shift"] = distance(_binned(served, contract), _binned(scores, contract))
            if who.threshold is not None:
                mine = _share(scores >= who.threshold)
                evidence["calls"] = mine / _share(called)
    return {k: v for k, v in evidence.items() if math.isfinite(v)}, fault


def _fault(scores: np.ndarray, task: Task) -> str:
    if not np.isfinite(scores).all():
        return f"{int((~np.isfinite(scores)).sum())} of {len(scores)} scores are no numbers"
    if task is Task.BINARY and ((scores < 0) | (scores > 1)).any():
        return "scores lie outside 0..1"
    counts = np.unique(scores, return_counts=True)[1]
    if len(scores) > 1 and counts.max() > CONSTANT_SHARE * len(scores):
        return f"{counts.max() / len(scores):.1%} of all rows get the same score"
    return ""


def _served(rig: Rig, state: State, period: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the scores that the champion gave in a period, and whom it called, (n,) each."""
    pin = state.pins.get(rig.table("predictions"))
    if pin is None or period not in state.scored:
        return np.empty(0), np.empty(0, dtype=bool)
    served = dataset.in_force(rig.tables, state, pin, [period]).filter(pl.col("rung") == "champion")
    called = served.get_column("decision").eq(1).fill_null(value=False)
    return served.get_column("score").cast(pl.Float64).to_numpy(), called.to_numpy()


def _share(called: np.ndarray) -> float:
    # Half a call more: nobody called is a small share, not none.
    return (float(called.sum()) + 0.5) / (len(called) + 0.5)


def _binned(scores: np.ndarray, contract: Contract) -> Counter[int]:
    return Counter(score_bin(score, contract.task) for score in scores[np.isfinite(scores)])
