"""Two versions on the same live rows of a period: what either lost there, as bets and as a band."""

from __future__ import annotations

import math
from statistics import fmean

import polars as pl

from tamid.core.contract.metrics import METRIC_FACTS, quality_metric
from tamid.core.contract.model import Contract
from tamid.core.events import Measured
from tamid.core.policy import policy_of
from tamid.core.state import State
from tamid.core.stats.arrays import Ints, codes_of
from tamid.core.stats.betting import Bets, observe_differences
from tamid.core.stats.blocks import design_effect
from tamid.core.stats.metrics import Terms, terms
from tamid.core.stats.paired import Paired, Side, block_means, loss_differences
from tamid.core.values import ENTITY, LABEL, WEIGHT
from tamid.core.watching import with_band
from tamid.stages import dataset, treated
from tamid.stages.evidence import groups_of
from tamid.stages.filing import floats
from tamid.stages.registry import threshold_of
from tamid.stages.rig import Rig

# Rows of a day hang together where their sums vary so many times as much as those of single rows.
# Independent rows over seven days pass this in one of twenty periods, which costs power only.
_DAYS_MATTER, _FEWEST_DAYS = 2.0, 5


def side_by_side(
    rig: Rig,
    contract: Contract,
    state: State,
    rows: pl.DataFrame,
    signal: str,
    *,
    period: str,
    old: int,
    new: int,
) -> Measured:
    """Return one period's gain of version `new` over `old`, with the bets and the band by then.

    `rows`: judged rows with the columns `old` and `new`, the scores of both. Differences are bet on
    by entity, or by day where the rows of a day hang together.
    """
    paired = _differences(rig, contract, state, rows, period, old, new)
    bets = observe_differences(Bets(margin=0.0), paired.difference.tolist())
    planned = max(int(policy_of(contract).watch / contract.delivery.every), 1)
    gain = terms_of_version(rig, contract, state, rows, "new", new).point()
    gain -= terms_of_version(rig, contract, state, rows, "old", old).point()
    sign = 1.0 if METRIC_FACTS[quality_metric(contract)].higher_is_better else -1.0
    seen = Measured(
        key=f"{signal}/{new}/{period}",
        signal=signal,
        period=period,
        value=sign * gain,
        model_version=new,
        rows=rows.height,
        detail={
            "planned": float(planned),
            "returning": _returning(rig, state, rows, period),
            "against": float(old),
        },
        bets=bets,
    )
    known = state.measured.get(f"{signal}@{new}", {})
    earlier = [known[p] for p in sorted(known) if known[p].bets is not None]
    return with_band(earlier, seen, paired.worth)


def _differences(
    rig: Rig, contract: Contract, state: State, rows: pl.DataFrame, period: str, old: int, new: int
) -> Paired:
    """Return what the new version lost less, one difference a block."""
    found = loss_differences(
        quality_metric(contract),
        contract.task,
        floats(rows, LABEL),
        Side(score=floats(rows, "old"), threshold=threshold_of(rig, state, old)),
        Side(score=floats(rows, "new"), threshold=threshold_of(rig, state, new)),
        level=_level(state, old, period),
        weights=floats(rows, WEIGHT),
        largest=_largest_weight(contract),
    )
    return block_means(found, *_blocks(rows, found))


def _blocks(rows: pl.DataFrame, found: Paired) -> tuple[Ints, int]:
    groups = groups_of(rows)
    if groups.day is not None:
        days, count = codes_of(groups.day)
        if count >= _FEWEST_DAYS:
            centred = found.difference - found.difference.mean()
            if design_effect(centred, days, count) > _DAYS_MATTER:
                return days, count
    assert groups.entity is not None
    return codes_of(groups.entity)


def _largest_weight(contract: Contract) -> float:
    """Return a bound of all weights, known beforehand: one draw of the control group, or two."""
    share = contract.delivery.control_group
    draws = 2 if treated.open_long(contract) else 1
    return min(1.0 / share**draws, dataset.LARGEST_WEIGHT) if share else 1.0


def _level(state: State, number: int, period: str) -> float:
    """Return a version's metric as known before a period: last measured, else as it was judged."""
    seen = state.measured.get(f"quality@{number}", {})
    before = [p for p in sorted(seen) if p < period]
    if before:
        return seen[before[-1]].value
    usual = state.versions[number].registered.reference.get("quality", ())
    return fmean(usual) if usual else math.nan


def _returning(rig: Rig, state: State, rows: pl.DataFrame, period: str) -> float:
    """Return the share of the entities that were scored in the period before, too."""
    before = [p for p in sorted(state.scored) if p < period][-1:]
    if not before:
        return 1.0
    pin = state.pins[rig.table("predictions")]
    known = dataset.in_force(rig.tables, state, pin, before).select(ENTITY).unique()
    mine = rows.select(ENTITY).unique()
    return mine.join(known, on=ENTITY, how="semi", nulls_equal=True).height / max(mine.height, 1)


def terms_of_version(
    rig: Rig, contract: Contract, state: State, rows: pl.DataFrame, column: str, number: int
) -> Terms:
    """Return the contract's metric of scores in a column, by the threshold of a version."""
    return terms(
        quality_metric(contract),
        contract.task,
        floats(rows, LABEL),
        floats(rows, column),
        threshold=threshold_of(rig, state, number),
        weights=floats(rows, WEIGHT),
    )
