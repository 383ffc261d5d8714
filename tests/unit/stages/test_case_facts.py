"""What a case tells a person: what fell, not whatever else rang meanwhile."""

from __future__ import annotations

from tamid.core import actions as do
from tamid.core import events as ev
from tamid.core.state import SUSPECTED
from tamid.core.values import Role
from tamid.stages.cases import case_facts, markdown
from tamid.testing.life import CONTRACT, Life
from tamid.testing.scenes import fall, first_release, served
from tamid.workshop import parse


def opened(kind: str, about: str, run: str = "run-0001") -> do.OpenCase:
    """Return the action that opens a case."""
    return do.OpenCase(
        key="case/1", reason="r", case=1, role=Role.ML_DEVELOPER, kind=kind,  # type: ignore[arg-type]
        title="t", about=about, run=run,
    )  # fmt: skip


def late_turn() -> ev.AlarmRaised:
    """Return the alarm of a turn that came too late."""
    return ev.AlarmRaised(
        alarm="tick/1", signal="tick", failure="system_failure", severity="warning",
        period="2026-01-04", noticed_by="schedule", message="the tick came late",
    )  # fmt: skip


def test_only_what_fell_is_what_changed() -> None:
    """A late turn stands beside a fall of quality, and in no case about the model."""
    life = first_release(Life())
    served(life, 0)
    alarm = fall(life, 0)
    life.say(late_turn())
    about = f"alarm/{alarm}"
    facts = case_facts(parse(CONTRACT), life.state, opened("held", about), life.now, {})
    assert [a["alarm"] for a in facts["alarms"]] == [alarm]
    assert "came late" not in markdown({**facts, "judgement": {}})


def test_a_target_that_is_down_is_no_matter_of_training() -> None:
    """The commands of such a case look at the machine."""
    life = first_release(Life())
    facts = case_facts(
        parse(CONTRACT), life.state, opened("delivery", "delivery/1-csv", ""), life.now, {}
    )
    assert facts["commands"][0] == "tamid doctor"
    assert not any("train" in c for c in facts["commands"])


def test_a_suspicion_says_how_often_it_errs() -> None:
    """Whoever is asked about a week's rows knows that sound ones are suspected now and then."""
    life = first_release(Life())
    facts = case_facts(
        parse(CONTRACT), life.state, opened("bug", f"{SUSPECTED}p", ""), life.now, {}
    )
    assert "one sound period in ten" in markdown(facts)
    other = case_facts(parse(CONTRACT), life.state, opened("delivery", "d", ""), life.now, {})
    assert "one sound period" not in markdown(other)
    life.say(
        ev.PeriodChecked(period="p", suspected=True, owner=Role.MLOPS_ENGINEER, confirmed=True)
    )
    lacks = opened("bug", f"{SUSPECTED}p", "")
    counted = case_facts(parse(CONTRACT), life.state, lacks, life.now, {})
    assert "one sound period" not in markdown(counted), "that nothing came is no chance"


def test_what_speaks_against_other_causes_stands_in_the_case() -> None:
    """The diagnosis' counter-evidence reaches the person who gets the case."""
    life = first_release(Life())
    served(life, 0)
    alarm = fall(life, 0)
    life.say(
        ev.Diagnosed(
            alarm=alarm, cause="concept_drift", confirmed=True, route=Role.ML_DEVELOPER,
            reasons=("r",), excluded=("label bug: positives are 24.0%, usually 26.0%",),
        )
    )  # fmt: skip
    facts = case_facts(parse(CONTRACT), life.state, opened("held", f"alarm/{alarm}"), life.now, {})
    page = markdown(facts)
    assert "## What speaks against other causes" in page
    assert "- label bug: positives are 24.0%, usually 26.0%" in page
