"""Moving the threshold before retraining: only where it repairs, only for causes it can repair."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tamid.core import events as ev
from tamid.core.signals import Signals
from tamid.core.values import Interval
from tamid.testing.histories import Story, fallen

PERIODS = ("2026-01-11", "2026-01-18", "2026-01-25")
READY = Signals(trainable=PERIODS, matured=PERIODS)


def story(cause: ev.Cause, remedy: ev.Remedy) -> Story:
    """Version 1 has fallen, for this cause."""
    told = Story()
    told.tell(ev.ContractAdopted(contract="c0"))
    told.live(READY)
    told.now = told.now.replace(day=25)
    alarm, diagnosis = fallen(1, PERIODS[-1], remedy)
    assert isinstance(diagnosis, ev.Diagnosed)
    told.tell(alarm, replace(diagnosis, cause=cause))
    return told


def tried(repairs: bool) -> ev.Measured:
    """What another threshold reached on the drifted period."""
    return ev.Measured(
        signal="threshold",
        period=PERIODS[-1],
        value=0.8,
        interval=Interval(point=0.8, low=0.76, high=0.84, level=0.9),
        model_version=1,
        detail={"threshold": 0.7, "without": 0.6, "demanded": 0.75, "repairs": float(repairs)},
    )


@pytest.mark.parametrize("cause", ["prevalence", "covariate_shift", "unknown"])
def test_a_threshold_that_repairs_is_moved_and_nobody_retrains(cause: ev.Cause) -> None:
    """One overlay, the alarm is over, no run."""
    told = story(cause, "useless" if cause == "prevalence" else "needed")
    told.tell(tried(repairs=True))
    done = [type(a).__name__ for a in told.live(READY)]
    assert "MoveThreshold" in done
    assert "Train" not in done
    assert not told.state.open_alarms
    version = told.state.versions[1]
    assert version.registered.ref.overlay == "o2"
    assert [overlay for _, overlay in version.earlier] == ["o"]
    assert told.live(READY) == []


def test_a_threshold_tried_in_vain_lets_the_loop_retrain() -> None:
    """Also where the cause alone would have said that retraining is useless."""
    told = story("prevalence", "useless")
    assert told.live(READY)[-1:] == [] or "Train" not in str(told.records[-1])
    assert len(told.state.runs) == 1
    told.tell(tried(repairs=False))
    done = [type(a).__name__ for a in told.live(READY)]
    assert "Train" in done
    assert "MoveThreshold" not in done


@pytest.mark.parametrize("cause", ["concept_drift", "label_bug"])
def test_other_causes_move_no_threshold(cause: ev.Cause) -> None:
    """Whatever was measured: a concept drift is learnt anew, a label bug is repaired first."""
    told = story(cause, "needed" if cause == "concept_drift" else "blocked")
    told.tell(tried(repairs=True))
    assert "MoveThreshold" not in [type(a).__name__ for a in told.live(READY)]


def test_a_paused_model_keeps_its_threshold() -> None:
    """A person who stops the loop stops this, too."""
    told = story("prevalence", "useless")
    told.tell(ev.Paused(), tried(repairs=True))
    assert "MoveThreshold" not in [type(a).__name__ for a in told.live(READY)]
