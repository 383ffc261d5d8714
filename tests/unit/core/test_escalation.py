"""A case that nobody settles in time is handed to the other signatory as well, once."""

from __future__ import annotations

from datetime import UTC, timedelta

from tamid.core import actions as do
from tamid.core import events as ev
from tamid.core.chain import Draft, chain
from tamid.core.fold import evolve
from tamid.core.rules.cases import answer_due
from tamid.core.signals import Signals
from tamid.core.values import Role
from tamid.core.view.awaited import awaited
from tamid.core.view.build import case_card
from tamid.core.view.scene import Scene
from tamid.testing.histories import Story, fallen, refused
from tamid.testing.life import CONTRACT
from tamid.workshop import parse

DAY = timedelta(days=1)
PERIODS = tuple(f"2026-01-{d:02d}" for d in (4, 11, 18, 25))
READY = Signals(trainable=PERIODS, matured=PERIODS)


def held() -> Story:
    """Return a story in which a candidate was just held and a case opened."""
    story = Story()
    story.tell(ev.ContractAdopted(contract="c1"))
    story.live(READY)
    story.outcome = lambda run: "held"
    story.now += 10 * DAY
    story.tell(*fallen(1, PERIODS[-1]))
    story.live(READY)
    return story


def said(story: Story, text: str) -> None:
    """Let the ML developer write under case 1."""
    event = ev.CaseCommented(case=1, text=text)
    draft = Draft(event=event, at=story.now, actor="dana", role=Role.ML_DEVELOPER)
    record = chain("m", story.state.seq + 1, draft, story.state.head)
    story.records.append(record)
    story.state = evolve(story.state, record)


def lived(story: Story, days: int) -> list[do.Comment]:
    """Let days pass; return the escalations."""
    found: list[do.Comment] = []
    for _ in range(days):
        story.now += DAY
        done = story.live(READY)
        found += [a for a in done if isinstance(a, do.Comment) and a.escalated_to]
    return found


def test_an_unanswered_case_is_escalated_once() -> None:
    """A week without a word: the engineer is asked as well; then it is quiet."""
    story = held()
    assert lived(story, 7) == []
    (asked,) = lived(story, 30)
    assert (asked.case, asked.escalated_to) == (1, Role.MLOPS_ENGINEER)
    assert asked.text == "nobody has answered by 2026-01-21: the mlops_engineer is asked as well"
    assert story.state.cases[1].escalated is Role.MLOPS_ENGINEER
    assert len([c for c in story.state.cases[1].comments if "asked as well" in c]) == 1


def test_a_word_of_a_person_starts_the_clock_anew() -> None:
    """Who says something works on it; what the loop adds itself is no answer."""
    story = held()
    lived(story, 5)
    said(story, "looking at the payments")
    assert answer_due(story.state.cases[1]) == story.now + 7 * DAY
    assert lived(story, 7) == []
    (asked,) = lived(story, 2)
    assert "it was not settled by" in asked.text


def test_a_bug_is_escalated_after_a_day_to_the_developer() -> None:
    """The clock of its kind counts, and it goes from the engineer to the developer."""
    story = Story()
    story.tell(ev.ContractAdopted(contract="c1"), refused("2026-02-01"))
    story.live(Signals())
    assert [a.escalated_to for a in lived(story, 3)] == [Role.ML_DEVELOPER]


def test_a_settled_case_is_not_escalated() -> None:
    """Closed in time, or late: nobody else is asked."""
    story = held()
    story.tell(ev.CaseClosed(case=1, resolution="by hand"))
    assert lived(story, 20) == []


def test_both_are_awaited_then() -> None:
    """Status and list name the second role beside the first."""
    story = held()
    lived(story, 10)
    here = Scene(model="m", contract=parse(CONTRACT), state=story.state, records=story.records,
                 now=story.now, zone=UTC)  # fmt: skip
    card = case_card(here, 1)
    assert (card.role, card.escalated, card.overdue) == ("ml_developer", "mlops_engineer", True)
    who = [a.who for a in awaited(here, ()) if "case 1" in a.what]
    assert who == ["ml_developer", "mlops_engineer"]
