"""What each role had to do in the year: one card each, every sentence from the ledger."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from tamid.examples.telecom.demo_figures import Figures
from tamid.examples.telecom.demo_happenings import Answer, Bug, Outage
from tamid.examples.telecom.report_words import count


def role_cards(figures: Figures) -> Iterator[str]:
    """Yield the cards of the ML developer, the MLOps engineer and marketing."""
    cases = len(figures.answers)
    yield _card(
        "ML developer",
        count(cases, "case") + " to answer" if cases else "nothing to do",
        [
            *(_answer_words(answer) for answer in figures.answers),
            f"{count(figures.runs, 'run')}, {count(figures.versions, 'version')} in the year.",
        ],
    )
    broken = [figures.bug] if figures.bug is not None and figures.bug.refused else []
    yield _card(
        "MLOps engineer",
        f"{count(len(broken), 'broken file')} to repair" if broken else "nothing to repair",
        [_bug_words(figures.bug), *(_outage_words(outage) for outage in figures.outages)],
    )
    yield _card(
        "Marketing",
        f"{count(figures.deliveries, 'file')} received",
        [
            f"{_none(figures.duplicate_deliveries, 'answer').capitalize()} came twice.",
            *([_sunday_words(figures.bug)] if figures.bug is not None else []),
        ],
    )


def _card(who: str, number: str, sentences: list[str]) -> str:
    text = " ".join(sentence for sentence in sentences if sentence)
    return f"<div class='card'><h3>{who}</h3><b>{escape(number)}</b><p>{escape(text)}</p></div>"


def _answer_words(answer: Answer) -> str:
    opened = f"Case {answer.case} ({answer.kind}) of {answer.opened}"
    if answer.answered is None:
        return f"{opened} was not answered."
    if answer.cured is None:
        return f"{opened} was looked into on {answer.answered}; no version came of it."
    return f"{opened} was answered on {answer.answered}; the answer is live since {answer.cured}."


def _bug_words(bug: Bug | None) -> str:
    if bug is None:
        return ""
    came = f"The file of {bug.day} came broken and was "
    came += "refused on arrival" if bug.refused else "not noticed"
    trained = f", {_none(bug.trained_on, 'run')} trained on it"
    repaired = "" if bug.repaired is None else f"; repaired on {bug.repaired}"
    return f"{came}{trained}{repaired}."


def _outage_words(outage: Outage) -> str:
    rungs = " and ".join(outage.rungs)
    text = f"While the scorer was down on {outage.day}, {rungs} answered"
    trained = f"{_none(outage.runs, 'run')} began"
    if outage.healed is None:
        return f"{text}, {trained}; it is not over."
    return f"{text}, {trained}; over on {outage.healed}."


def _sunday_words(bug: Bug) -> str:
    """Say how many had an answer on the Sunday of the broken file, and after its repair."""
    text = f"On {bug.day} {bug.answers:,} customers had an answer"
    if bug.corrected != bug.answers:
        text += f", {bug.corrected:,} when the file was repaired"
    return f"{text}."


def _none(value: int, one: str) -> str:
    return count(value, one) if value else f"no {one}"
