"""Diagnosis: why an alarm was raised, before anybody trains."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from tamid.core.causes import cause_of
from tamid.core.contract.metrics import METRIC_FACTS, quality_metric
from tamid.core.contract.model import Contract
from tamid.core.events import Diagnosed
from tamid.core.paging import UNLABELLED
from tamid.core.state import State
from tamid.core.unlabelled import cause_before_labels
from tamid.core.values import Role
from tamid.stages.dataset import trickling
from tamid.stages.rig import Rig


def diagnose(rig: Rig, contract: Contract, state: State, now: datetime) -> Iterator[Diagnosed]:
    """Yield the diagnosis of each open alarm that has none yet."""
    better = METRIC_FACTS[quality_metric(contract)].higher_is_better
    source = contract.data.label.source or contract.data.source
    for alarm in state.open_alarms.values():
        if alarm.diagnosis is None and alarm.raised.signal == "quality":
            sign, owner = 1.0 if better else -1.0, Role(source.owner)
            yield cause_of(alarm, state, sign, owner, all_due=not trickling(contract))
        elif alarm.diagnosis is None and alarm.raised.signal in UNLABELLED:
            yield cause_before_labels(alarm, state)
