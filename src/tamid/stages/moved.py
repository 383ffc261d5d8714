"""How far a period's scores or inputs moved, held against weeks that are usual for a version."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import polars as pl

from tamid.core.contract.model import Contract
from tamid.core.learning.bundle import read_manifest
from tamid.core.state import State
from tamid.core.stats.arrays import Floats
from tamid.core.stats.drift import Profile, psi, weighted_psi
from tamid.core.usual import Movement, Weeks, movement, ordinary
from tamid.stages.feeds import rule_of
from tamid.stages.golden import PROFILE
from tamid.stages.rig import Rig
from tamid.stages.usual import Usual, score_counts, special_of, usual_in


def usual_of(rig: Rig, state: State, number: int) -> Usual:
    """Return what is usual for a version: as its bundle says, or as a person accepted since."""
    version = state.versions[number]
    if version.usual:
        return usual_in(rig.blobs.get(version.usual))
    manifest = read_manifest(rig.blobs.get(version.registered.ref.bundle))
    return usual_in(rig.blobs.get(manifest.files[PROFILE]))


def scores_moved(
    rig: Rig,
    contract: Contract,
    usual: Usual,
    answered: pl.DataFrame,
    period: str,
    weights: Floats | None = None,
) -> Movement | None:
    """Return how far a version's answers to a period's rows moved; None if there are none."""
    if answered.is_empty():
        return None
    counts = score_counts(usual, answered, weights)
    if not counts:
        return None
    weeks = ordinary_weeks(rig, contract, usual.score_weeks)
    return moved(weeks, usual.scores, counts, period, dict.fromkeys(counts, 1.0))


def ordinary_weeks(rig: Rig, contract: Contract, weeks: Weeks) -> Weeks:
    """Return the weeks without the special ones of the contract's calendar."""
    rule = rule_of(contract)
    special = special_of(rig, contract, weeks.names, rule.days) if rule else {}
    return ordinary(weeks, special)


def moved(
    weeks: Weeks,
    profiles: Sequence[Profile],
    counts: Mapping[str, Floats],
    period: str,
    weight: Mapping[str, float],
) -> Movement:
    """Return how far counts lie from the weeks; where a bundle has none, from its profiles."""
    if weeks.names:
        return movement(weeks, period, counts, weight)
    found = {p.column: psi(p.counts, counts[p.column]) for p in profiles if p.column in counts}
    return Movement(value=weighted_psi(found, weight), columns=found, z=math.nan, column="")
