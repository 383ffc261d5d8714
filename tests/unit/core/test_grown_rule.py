"""A share more to learn from is a reason to train: rows since the last run against all before."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from tamid.core import events as ev
from tamid.core.signals import Signals
from tamid.core.values import STATIC_PERIOD
from tamid.testing.histories import POLICY, Story

PERIODS = tuple(f"2026-{m:02d}-{d:02d}" for m in (1, 2, 3) for d in (1, 8, 15, 22))


def story(share: float) -> Story:
    """Version 1 learnt from ten periods of 100 rows; two of 50 came since."""
    policy = replace(POLICY, triggers=frozenset({"new_data"}), grown=share)
    told = Story(policy=policy)
    told.tell(ev.ContractAdopted(contract="c0"))
    told.live(Signals(trainable=PERIODS[:10], matured=PERIODS[:10]))
    volume = dict.fromkeys(PERIODS[:10], 100) | dict.fromkeys(PERIODS[10:], 50)
    told.state = replace(told.state, volume=volume)
    told.now += timedelta(days=9)
    return told


@pytest.mark.parametrize(("share", "runs"), [(0.05, 2), (0.1, 2), (0.11, 1), (0.0, 1)])
def test_a_share_more_is_learnt_from(share: float, runs: int) -> None:
    """100 new rows beside 1,000 are a tenth, and what was tried is not new again."""
    told = story(share)
    for _ in range(2):
        told.live(Signals(trainable=PERIODS, matured=PERIODS))
        told.now += timedelta(days=9)
    assert len(told.state.runs) == runs
    last = list(told.state.runs.values())[-1].started
    assert (last.trigger == "new_data") == (runs == 2)
    if runs == 2:
        assert "grew by 10%" in last.reason


def test_nothing_grows_where_there_is_no_time() -> None:
    """Rows without periods are one slice: what came is not told from what was there."""
    told = story(0.05)
    told.state = replace(told.state, volume={STATIC_PERIOD: 9})
    told.live(Signals(trainable=(STATIC_PERIOD,), matured=(STATIC_PERIOD,)))
    assert len(told.state.runs) == 1
