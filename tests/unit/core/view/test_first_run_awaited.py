"""Without a champion the status says how the first run ended and what the next one waits for."""

from __future__ import annotations

from datetime import UTC, timedelta

from tamid.core import events as ev
from tamid.core.values import Role, TablePin, VersionRef
from tamid.core.view.build import snapshot
from tamid.core.view.scene import Scene
from tamid.core.windows import FEWEST_TO_START
from tamid.testing import scenes
from tamid.testing.life import CONTRACT, Life, digests_of
from tamid.workshop import parse


def begun(periods: int) -> Life:
    """Return a life in which rows of so many periods came, and nothing else."""
    life = Life()
    life.say(ev.ContractAdopted(contract=digests_of(None)["contract"]))
    life.say(
        ev.DataAccepted(
            source="rows",
            batch="b",
            fingerprint="f",
            pin=TablePin(table="churn.rows", version=1, digest="sha256:1"),
            rows=10,
            periods=tuple(life.period(n) for n in range(periods)),
        )
    )
    return life


def sentence(decidable_at: str) -> str:
    """Return the answer on the model after an undecided first run."""
    life = begun(1)
    scenes.run(life, "run-0001", "first", "there is no champion yet", digests_of(None))
    life.say(
        ev.Judged(
            run="run-0001", outcome="undecided", reasons=("minimum f1: too few",), report="",
            decidable_at=decidable_at, periods_missing=9,
        )
    )  # fmt: skip
    return look(life)


def view(life: Life) -> Scene:
    """Return what there is to look at."""
    return Scene(
        model="churn", contract=parse(CONTRACT), state=life.state, records=life.records,
        now=life.now, zone=UTC,
    )  # fmt: skip


def look(life: Life) -> str:
    """Return the sentence about the model."""
    return snapshot(view(life)).quality.sentence


def test_the_date_from_which_it_can_be_decided_is_told() -> None:
    """Nobody has to read the ledger to learn why nothing happens."""
    said = sentence("after 9 more weeks of labels, about 2026-03-08")
    assert "run-0001 ended undecided; decidable after 9 more weeks" in said


def test_a_first_figure_is_not_promised_before_there_is_enough_to_train_on() -> None:
    """With the labels of one period in, the eighth period's come seven periods later."""
    here = view(begun(3))
    answer, rule = snapshot(here).quality, here.rule
    due = {p: here.truth_at(p) for p in sorted(here.state.periods)}
    there = [p for p, moment in due.items() if moment is not None and moment <= here.now]
    first = next(moment for p, moment in due.items() if p not in there)
    assert first is not None
    assert len(there) < FEWEST_TO_START
    late = timedelta(days=rule.days * (FEWEST_TO_START - len(there) - 1))
    assert answer.known_from == first + late > first


def test_without_a_date_new_evidence_is_named() -> None:
    """It then takes new labels or new code."""
    assert "waits for new labels or new code" in sentence("")


def test_a_candidate_that_a_person_refused_is_told_as_refused() -> None:
    """Its gates were passed: what stands against a champion is the person's word."""
    life = begun(9)
    known = digests_of(None)
    scenes.run(life, "run-0001", "first", "there is no champion yet", known)
    life.say(ev.Judged(run="run-0001", outcome="promote", reasons=(), report=""))
    assert "run-0001" not in look(life), "its release has yet to begin"
    ref = VersionRef(number=1, bundle=known["bundle"], overlay=known["overlay"])
    life.say(ev.VersionRegistered(ref=ref, run="run-0001", contract=known["contract"]))
    life.say(ev.ApprovalRefused(number=1), role=Role.MLOPS_ENGINEER, reason="no card")
    refused = "version 1 was stopped: refused by mlops_engineer: no card"
    assert f"run-0001 passed its gates, and {refused}; the next try waits" in look(life)
