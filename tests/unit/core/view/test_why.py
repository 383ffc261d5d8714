"""Why and which: the chain of evidence behind any decision, and who was live when."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from tamid.core import events as ev
from tamid.core.errors import NotFound, UsageError
from tamid.core.values import Role, canonical_json
from tamid.core.view.evidence import verdict_lines
from tamid.core.view.live import live_between, span_of
from tamid.core.view.scene import Scene
from tamid.core.view.why import KINDS, explain
from tamid.core.view.words import has_words, sentence
from tamid.testing import scenes
from tamid.testing.life import CONTRACT, Life
from tamid.workshop import parse


def scene(life: Life) -> Scene:
    """Return the story as a view is made from it."""
    return Scene(
        model="churn",
        contract=parse(CONTRACT),
        state=life.state,
        records=life.records,
        now=life.now,
        zone=timezone(timedelta(hours=2)),
    )


@pytest.fixture
def eventful() -> Life:
    """Version 1 fell, a candidate was held; then version 2 was released and rolled back."""
    life = scenes.first_release(Life())
    scenes.served(life, 0)
    scenes.measured(life, 0, 0.83)
    scenes.held(life, scenes.fall(life, 1))
    life.at(days=20)
    scenes.release(life, 2, 1, "run-0002", dict.fromkeys(("bundle", "overlay", "contract"), "d"))
    life.say(ev.ApprovalGiven(number=2), actor="dana", role=Role.ML_DEVELOPER, reason="read it")
    life.at(days=21)
    life.say(ev.Promoted(number=2, previous=1, reason="passed shadow", evidence="sha256:e2"))
    life.say(ev.RungSet(rung="previous", reason="better on the drifted weeks"))
    life.at(days=25)
    life.say(
        ev.RolledBack(number=2, back_to=1, reason="north is wrong"),
        actor="noam",
        role=Role.MLOPS_ENGINEER,
        reason="north is wrong",
    )
    life.say(ev.Ticked(tick="2026-01-29T00:00:00.000000Z"))
    return life


def kinds(life: Life, kind: str = "", ident: str = "") -> list[str]:
    """Return the kinds of event along the chain."""
    return [s.line.kind for s in explain(scene(life), kind, ident).steps]


def test_a_run_is_explained_from_alarm_to_verdict(eventful: Life) -> None:
    """The chain begins with the alarm that asked for the run and ends with what came of it."""
    assert kinds(eventful, "run", "run-0002") == [
        "AlarmRaised",
        "Diagnosed",
        "RunStarted",
        "RunFinished",
        "Judged",
        "CaseOpened",
        "VersionRegistered",
    ]


def test_a_version_is_explained_with_the_people_who_decided(eventful: Life) -> None:
    """Approval and rollback stand with name, role and reason."""
    steps = explain(scene(eventful), "version", "2").steps
    people = [(s.line.kind, s.line.actor, s.line.role) for s in steps if s.line.actor != "tamid"]
    assert people == [
        ("ApprovalGiven", "dana", "ml_developer"),
        ("RolledBack", "noam", "mlops_engineer"),
    ]
    assert steps[-1].line.reason == "north is wrong"


def test_a_case_is_explained_by_its_alarm_and_runs(eventful: Life) -> None:
    """What led to the case stands before it."""
    found = kinds(eventful, "case", "1")
    assert found[:2] == ["AlarmRaised", "Diagnosed"]
    assert "Judged" in found
    assert found[-1] == "CaseOpened"


def test_an_alarm_is_explained_by_the_measurements_before_it(eventful: Life) -> None:
    """The figures that led to the alarm come first."""
    assert kinds(eventful, "alarm")[:3] == ["Measured", "Measured", "AlarmRaised"]


def test_a_period_and_its_delivery_are_explained(eventful: Life) -> None:
    """Arrival, scores, delivery and later truth of a period."""
    name = eventful.period(0)
    assert kinds(eventful, "delivery", name) == ["Scored", "Delivered"]
    assert kinds(eventful, "period", name) == [
        "DataAccepted",
        "DataAccepted",
        "Scored",
        "Delivered",
        "Measured",
    ]


def test_without_a_name_the_last_tick_is_explained(eventful: Life) -> None:
    """All that was written since the tick before."""
    found = explain(scene(eventful))
    assert found.kind == "tick"
    assert found.steps[-1].line.kind == "Ticked"
    assert [s.line.kind for s in found.steps].count("Ticked") == 1


def test_a_decision_is_told_action_by_action() -> None:
    """What a tick decided is listed with the reason of each action."""
    life = scenes.first_release(Life())
    actions = [{"do": "Score", "key": "k", "reason": "it is due", "period": "2026-01-04",
                "revision": 1}]  # fmt: skip
    life.say(
        ev.Decided(
            tick="t", round=0, signals="{}", actions=canonical_json(actions), policy="sha256:p"
        )
    )
    life.say(ev.Ticked(tick="t"))
    (step, _) = explain(scene(life), "tick", "t").steps
    assert step.details == ("score 2026-01-04, revision 1: it is due",)


@pytest.mark.parametrize("name", ["run-0002", "2026-01-04"])
def test_a_name_alone_is_enough_where_it_is_clear(eventful: Life, name: str) -> None:
    """`why run-0002` needs no kind."""
    assert explain(scene(eventful), name).ident == name


@pytest.mark.parametrize("kind", KINDS)
def test_what_does_not_exist_is_named_with_what_does(eventful: Life, kind: str) -> None:
    """An unknown name is an error that lists the known ones."""
    with pytest.raises(NotFound) as caught:
        explain(scene(eventful), kind, "no-such-thing")
    assert caught.value.why.startswith("known: ") or caught.value.why


def test_an_unknown_word_lists_the_kinds(eventful: Life) -> None:
    """A word that is neither kind nor name is a mistake of usage."""
    with pytest.raises(UsageError, match="nothing that can be explained"):
        explain(scene(eventful), "rnu", "run-0002")
    with pytest.raises(UsageError, match="not clear what"):
        explain(scene(eventful), "gibberish")


def test_gates_are_told_with_their_numbers() -> None:
    """A failed gate comes first; without a sentence of its own a gate says its numbers."""
    report = {
        "verdicts": [
            {"gate": "calibration", "outcome": "pass", "measured": 0.02, "threshold": 0.05},
            {
                "gate": "minimum f1",
                "outcome": "fail",
                "measured": 0.71,
                "threshold": 0.75,
                "interval": {"low": 0.69, "high": 0.73},
                "n": 4200,
                "message": "f1 0.71 (0.69 to 0.73), demanded 0.75",
            },
            {
                "gate": "slices plan",
                "outcome": "undecided",
                "measured": -0.02,
                "interval": {"low": -0.05, "high": 0.01},
            },
        ]
    }
    assert verdict_lines(report) == (
        "minimum f1: fail; f1 0.71 (0.69 to 0.73), demanded 0.75, on 4 200 rows",
        "slices plan: undecided, measured -0.02 (-0.05 to 0.01)",
        "calibration: pass, measured 0.02, threshold 0.05",
    )


def test_which_names_version_decision_and_evidence(eventful: Life) -> None:
    """On a date in the second reign: version 2, by the controller, approved by dana."""
    here = scene(eventful)
    (reign,) = live_between(here, *span_of("2026-01-27", here))
    assert (reign.number, reign.actor, reign.role) == (2, "tamid", "controller")
    assert reign.evidence == "sha256:e2"
    assert reign.approvals == ("ml_developer dana: read it",)
    assert eventful.records[reign.event - 1].hash == reign.hash
    assert [name for name, _ in reign.rungs] == ["previous"]


def test_which_lists_every_version_of_a_day_with_a_change(eventful: Life) -> None:
    """On the day of the rollback two versions were live, one after the other."""
    here = scene(eventful)
    found = live_between(here, *span_of("2026-01-29", here))
    assert [r.number for r in found] == [2, 1]
    assert found[0].until == found[1].since
    assert found[1].until is None
    assert (found[1].actor, found[1].role) == ("noam", "mlops_engineer")


def test_which_takes_a_moment(eventful: Life) -> None:
    """A moment on the day of the change falls on one side of it."""
    here = scene(eventful)
    (before,) = live_between(here, *span_of("2026-01-28T23:59:00+00:00", here))
    (after,) = live_between(here, *span_of("2026-01-29T00:00:00+00:00", here))
    assert (before.number, after.number) == (2, 1)


def test_a_date_means_the_day_of_the_contract_s_calendar(eventful: Life) -> None:
    """In a zone two hours east the day begins at 22:00 UTC of the day before."""
    start, end = span_of("2026-01-05", scene(eventful))
    assert start == datetime(2026, 1, 4, 22, tzinfo=UTC)
    assert end - start == timedelta(days=1)


def test_before_the_first_release_nobody_was_live(eventful: Life) -> None:
    """An early date has no version, and that is an answer."""
    here = scene(eventful)
    assert live_between(here, *span_of("2025-12-01", here)) == ()


@pytest.mark.parametrize("text", ["yesterday", "2026-13-01", "01/02/2026", ""])
def test_a_date_that_is_none_is_refused(eventful: Life, text: str) -> None:
    """A mistyped date says what a date looks like."""
    with pytest.raises(UsageError, match="is not a date"):
        span_of(text, scene(eventful))


def test_every_event_has_its_sentence(eventful: Life) -> None:
    """Each kind of event can be told; a new kind without words would fail here."""
    told = [sentence(r.event) for r in eventful.records]
    assert all(text.endswith(".") and "  " not in text for text in told)
    kinds = {k for k in vars(ev).values() if isinstance(k, type) and issubclass(k, ev.Event)}
    missing = [k.__name__ for k in kinds - {ev.Event} if not has_words(k)]
    assert not missing
