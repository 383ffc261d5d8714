"""The seven stages of a model's life, and where a model stands in each."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tamid.cli.table import commands
from tamid.core import events as ev
from tamid.core.chain import GENESIS, Draft, chain
from tamid.core.fold import fold
from tamid.core.state import State
from tamid.core.values import Role, TablePin, VersionRef
from tamid.core.view.lifecycle import LIFECYCLE, STAGES, current, standings

DOCS = Path(__file__).parents[4] / "docs" / "reference" / "lifecycle.md"
PIN = TablePin(table="t", version=1, digest="sha256:1")
BEGUN: tuple[ev.Event, ...] = (
    ev.ContractAdopted(contract="sha256:" + "a" * 64, code={"m.py": "sha256:1"}),
    ev.DataAccepted(source="rows", batch="b", fingerprint="f", pin=PIN, rows=9, periods=("p1",)),
)
STARTED = ev.RunStarted(
    run="run-0001", trigger="first", reason="there is no champion yet", window="auto",
    contract="c", code={}, pins=(PIN,), seed=7,
)  # fmt: skip
FINISHED = ev.RunFinished(
    run="run-0001", bundle="b", overlay="o", report="r", metrics={}, window="all", rows=1200,
    seconds=1, peak_mb=1,
)  # fmt: skip
JUDGED = ev.Judged(run="run-0001", outcome="promote", reasons=("all gates passed",), report="r")
REGISTERED = ev.VersionRegistered(
    ref=VersionRef(number=1, bundle="b", overlay="o"), run="run-0001", contract="c"
)
SHADOW = ev.StageEntered(number=1, stage="shadow")
LIVE = ev.Promoted(number=1, previous=0, reason="first release", evidence="e")
CASE = ev.CaseOpened(case=1, role=Role.ML_DEVELOPER, kind="held", title="t", report="r")
RETIRED = ev.Retired(champion=1)


def after(*events: ev.Event) -> State:
    """Return the state after events."""
    records, before = [], GENESIS
    for seq, event in enumerate((*BEGUN, *events), 1):
        draft = Draft(event=event, at=datetime(2026, 3, 1, tzinfo=UTC), reason="because")
        records.append(chain("m", seq, draft, before))
        before = records[-1].hash
    return fold(records)


def test_there_are_seven_and_each_is_whole() -> None:
    """Each has a leader and another supporter, artifacts, a check and commands that exist."""
    assert tuple(stage.name for stage in LIFECYCLE) == STAGES
    assert len(STAGES) == 7
    for stage in LIFECYCLE:
        assert {stage.leads, stage.supports} == {Role.ML_DEVELOPER, Role.MLOPS_ENGINEER}
        assert all((stage.takes, stage.gives, stage.check))
        for command in stage.commands:
            words = command.removeprefix("tamid ").split()
            assert words[0] in commands() or " ".join(words[:2]) in commands(), command


def test_the_page_holds_the_same_table() -> None:
    """One row a stage, with everything that the command says."""
    rows = [line for line in DOCS.read_text("utf-8").splitlines() if line.startswith("| ")][1:]
    assert len(rows) == len(LIFECYCLE)
    for row, stage in zip(rows, LIFECYCLE, strict=True):
        for part in (stage.name, stage.takes, stage.gives, stage.check, *stage.commands):
            assert part in row


@pytest.mark.parametrize(
    ("events", "stage"),
    [
        ((), "build"),
        ((STARTED,), "build"),
        ((STARTED, FINISHED), "test"),
        ((STARTED, FINISHED, JUDGED, REGISTERED, SHADOW), "deploy"),
        ((STARTED, FINISHED, JUDGED, REGISTERED, LIVE), "monitor"),
        ((STARTED, FINISHED, JUDGED, REGISTERED, LIVE, CASE), "maintain"),
        ((STARTED, FINISHED, JUDGED, REGISTERED, LIVE, RETIRED), ""),
    ],
)
def test_a_model_stands_where_its_ledger_says(events: tuple[ev.Event, ...], stage: str) -> None:
    """From the first run to retirement: the stage that it is in is marked."""
    state = after(*events)
    assert current(state) == stage
    now = [one.stage for one in standings(state) if one.condition == "now"]
    assert now == ([stage] if stage else [])


def test_before_anything_it_is_developed() -> None:
    """Without a contract in force nothing else has begun."""
    found = standings(State())
    assert found[0].condition == "now"
    assert {one.condition for one in found[1:-1]} == {"ahead"}


def test_trouble_is_named() -> None:
    """A held candidate, a failed run, an alarm, a lower rung: each says what needs somebody."""
    held = replace(JUDGED, outcome="held", failed=("minimum f1",))
    alarm = ev.AlarmRaised(
        alarm="quality/1", signal="quality", failure="model_failure", severity="critical",
        period="p1", noticed_by="labels", message="m",
    )  # fmt: skip
    rung = ev.RungSet(rung="previous", reason="r")
    failed = ev.RunFailed(run="run-0001", failure="user_code", message="it raised")
    told = {
        "test": after(STARTED, FINISHED, held),
        "build": after(STARTED, failed),
        "monitor": after(STARTED, FINISHED, JUDGED, REGISTERED, LIVE, alarm),
        "deploy": after(STARTED, FINISHED, JUDGED, REGISTERED, LIVE, rung),
    }
    words = {
        "test": "minimum f1",
        "build": "it raised",
        "monitor": "quality/1",
        "deploy": "previous",
    }
    for name, state in told.items():
        one = standings(state)[STAGES.index(name)]
        assert one.condition == "trouble", name
        assert words[name] in one.sentence
