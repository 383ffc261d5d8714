"""The page of decisions: rules, actions, triggers, gates, outcomes, alarms, causes, incidents."""

from __future__ import annotations

import ast
import inspect
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import tamid
from tamid.core import actions, ladder
from tamid.core.actions import Action
from tamid.core.contract.running import Retraining, Rung
from tamid.core.decide import CHANGES, DUTIES, VOICES, decide
from tamid.core.events import CaseOpened, Cause
from tamid.core.rules.cases import answer_by
from tamid.core.rules.incidents import RESPONSE
from tamid.core.signals import Signals
from tamid.core.stats.compare import Finding, compare
from tamid.core.verdict import GateOutcome, Outcome, conclude
from tamid.stages import availability, gates, guards

PACKAGE = Path(tamid.__file__).parent

TRIGGERS = {
    "first": "there is no champion yet, and enough periods with all labels are there",
    "code": "the contract or the code in the folder is not that of the last run",
    "quality": "an alarm about quality is open, and its diagnosis says that retraining is needed",
    "age": "neither a run nor a release is younger than `retraining.max_age`",
    "new_data": "`retraining.new_data_rows` matured rows are there that no run has learnt from, "
    "or all matured rows have grown by the share `retraining.new_data_grown` since the last run",
    "case": "a person works on a case: `tamid train --case N`",
    "person": "a person asks for a run: `tamid train`",
}
INCIDENTS = {
    "refused": "a batch broke the contract",
    "late": "the scores of a period missed the deadline of a target",
    "empty": "a period has no rows at all",
    "short": "far fewer rows came than the period usually has",
    "lost": "more entities than usual, and more than `quarantine.max_share`, have no row",
    "quality": "an alarm about realised quality was raised",
    "source": "rows, events or labels were due and have not come",
    "events": "an event table brought hardly anything for a period, which it never did before",
    "tick": "a turn of the loop came too late",
    "system_failure": "any other alarm of the system",
    "model_failure": "any other alarm of the model that is more than a note",
    "outage": "the champion, or another rung that was asked, gave no answer in scoring a period",
}
# What the two incidents that are told where they happen are answered with.
TOLD_ELSEWHERE = {"outage": "worker restarted; lower rungs answered; the champion is asked again"}
MEASURED = {
    "quality": "the contract's metric on a period's labels, with its interval; raises alarms",
    "against_previous": "after a release: the champion minus the version before it on the live"
    " rows; evidence of harm of 100 rolls back",
    "shadow": "the version in shadow minus the champion on live rows whose labels came; evidence of"
    " 20 for worse withdraws it, for better ends the wait",
    "first_answers": "the share of rows that a new champion answered, and whether its scores are"
    " constant or moved while those of the version before it are not; a fault rolls back at once",
    "threshold": "while a fall is confirmed that leaves the ranking as it was: what another"
    " threshold reaches on the half of the drifted rows that it was not chosen on",
    "rung/…": "while a fall is confirmed: what each rung would reach on the drifted periods",
    "estimate": "what the metric will probably be, before any label; pages in the grades of trust"
    " A and B",
    "score_psi": "how far a period's scores are spread otherwise than in the reference; pages",
    "input_psi": "the same of the inputs, weighted by importance; pages",
    "column_drift": "how far the input that stands out most stands out: a ticket in"
    " `tamid status`, never a page",
    "source": "rows, events or labels that were due and have not come; an alarm of its own",
    "events": "an event table that brought hardly anything for a period; an alarm of its own",
    "tick": "a turn of the loop that came too late; an alarm of its own",
}
CAUSES = {
    "contract_breach": "a refused batch lies in the periods of the alarm",
    "broken_values": "values missing, stuck, never seen before or far out of range",
    "dependency_break": "a column left the others, or entities have the values of others",
    "concentration": "one column jumped further than in any earlier period",
    "label_bug": "far fewer or more positives than usual, or rows without labels: a broken feed",
    "prevalence": "at the usual share of positives the metric would be as good as ever",
    "concept_drift": "the labels give clearly less than the scores promised",
    "covariate_shift": "the scores are spread far otherwise than usual",
    "unknown": "the fall is confirmed and none of the above is found",
}
CASES = {
    "bug": "a batch broke the contract, or the rows of a period may be broken",
    "held": "a candidate was held, or a run failed for good",
    "undecided": "too little evidence while an alarm about quality is open",
    "label_bug": "the labels look broken",
    "delivery": "a target stays down",
}
RUNGS = {
    "champion": "the live version; always first unless `best_rung` says otherwise",
    "previous": "the champion before it",
    "reduced": "the champion's second model, which does without the columns of `training.reduced`",
    "last_score": "the entity's last score of a model, not older than `max_age`",
    "rule": "the user's own rule, `file.py:function`",
    "default": "one score for all",
    "abstain": "no score: a person decides, `tamid review`; also what a model online is unsure of",
    "withheld": "no answer: none of the rungs had one",
}


def decisions_page() -> str:
    """Return the reference of what the loop may decide, and on what."""
    lines = ["# Decisions", "", "This page is written by `make docs`.", ""]
    lines += [
        "`decide(policy, state, signals, now)` is a pure function of the contract's policy, what",
        "the ledger says, what this tick saw, and the moment. " + _flat(decide, 1),
        "",
        "## Rules",
        "",
        "Asked in this order; the first that wants anything is carried out, then all are asked",
        "again. While the loop is paused only those marked *also paused* are asked.",
        "",
        *_table("rule", _rules()),
        "",
        "## Actions",
        "",
        "Each carries a reason and a key that makes repeating it the same as doing it once.",
        "",
        *_table("action", ((k.__name__, _first(k)) for k in action_classes())),
        "",
        "## What a tick sees",
        "",
        _flat(Signals, 1),
        "",
        "## Triggers of a run",
        "",
        *_table("trigger", _whole(TRIGGERS, _triggers())),
        "",
        "A batch that is refused and not repaired, or a diagnosis that says *blocked*, forbids",
        "any run. `retraining.cooldown` and `retraining.per_year` limit all but `code` and those",
        "of people.",
    ]
    return "\n".join([*lines, "", *_judging(), "", *_failing()]) + "\n"


def _judging() -> Iterator[str]:
    said = ", ".join(f"*{o.value}*" for o in GateOutcome)
    found = ", ".join(f"*{f.value}*" for f in Finding)
    yield from ("## Gates", "", "Each verdict carries its number, its limit, its interval and the")
    yield from ("rows it rests on.", "", *_table("gate", gate_names()), "")
    yield f"A gate says {said}. Besides, candidate and champion are compared on the same rows:"
    yield from (f"{found}.", "", _flat(compare, 1), "")
    yield from ("## Outcomes", "", _flat(Outcome, 1), "", *_paragraphs(conclude, 1))


def _failing() -> Iterator[str]:
    yield from ("## What is measured", "", *_table("signal", MEASURED.items()), "")
    yield from ("## Causes", "", "Asked in this order, so that nothing broken is trained on:", "")
    yield from (*_table("cause", _whole(CAUSES, typing.get_args(Cause))), "")
    yield from ("## Incidents", "")
    known = RESPONSE | TOLD_ELSEWHERE
    rows = ((name, f"{text}. Answer: {known[name]}") for name, text in _whole(INCIDENTS, known))
    yield from (*_table("incident", rows), "", "## Cases", "")
    yield from (*_table("case", _case_rows()), "", "## The ladder", "", _flat(ladder, 1), "")
    yield from _table("rung", _whole(RUNGS, _rung_names()))


def action_classes() -> list[type[Action]]:
    """Return every action, in the order of the module."""
    found = vars(actions).values()
    return [k for k in found if inspect.isclass(k) and k in Action.__subclasses__()]


def gate_names() -> Iterator[tuple[str, str]]:
    """Yield the name of every gate as it stands in verdicts, with what it checks."""
    for module in (gates, guards, availability):
        for node in _functions(module):
            if node.returns is not None and ast.unparse(node.returns) == "Iterator[GateVerdict]":
                about = (ast.get_docstring(node) or "").partition("\n")[0]
                for name in _named(node):
                    yield name, about


def _named(node: ast.FunctionDef) -> Iterator[str]:
    """Yield what a function gives as `gate=`: a text, a pattern, or the keys of its `checks`."""
    for call in ast.walk(node):
        if not isinstance(call, ast.Call):
            continue
        for keyword in call.keywords:
            if keyword.arg != "gate":
                continue
            value = keyword.value
            if isinstance(value, ast.Constant):
                yield str(value.value)
            elif isinstance(value, ast.JoinedStr):
                yield "".join(map(_part, value.values))
            else:
                yield from _keys_of(node, "checks")


def _part(part: ast.expr) -> str:
    if isinstance(part, ast.Constant):
        return str(part.value)
    assert isinstance(part, ast.FormattedValue)
    return f"<{ast.unparse(part.value)}>"


def _keys_of(node: ast.FunctionDef, name: str) -> Iterator[str]:
    for line in ast.walk(node):
        if isinstance(line, ast.Assign) and ast.unparse(line.targets[0]) == name:
            assert isinstance(line.value, ast.Dict)
            yield from (ast.literal_eval(key) for key in line.value.keys if key is not None)


def _functions(module: ModuleType) -> Iterator[ast.FunctionDef]:
    for node in ast.parse(inspect.getsource(module)).body:
        if isinstance(node, ast.FunctionDef):
            yield node


def _rules() -> Iterator[tuple[str, str]]:
    seen: list[Callable[..., Any]] = []
    for rule in (*VOICES, *DUTIES, *CHANGES):
        if rule not in seen:
            seen.append(rule)
            yield rule.__name__, _first(rule) + (" *Also paused.*" if rule in DUTIES else "")


def _triggers() -> set[str]:
    said = typing.get_args(typing.get_args(typing.get_type_hints(Retraining)["on"])[0])
    return {*said, "first", "case", "person"}


def _rung_names() -> set[str]:
    below = typing.get_args(typing.get_type_hints(Rung)["kind"])
    return {ladder.CHAMPION, *below, ladder.WITHHELD}


def _case_rows() -> Iterator[tuple[str, str]]:
    """Yield every kind of case, with who opens it: a rule, or nobody yet."""
    from datetime import UTC, datetime

    kinds = typing.get_args(typing.get_type_hints(CaseOpened)["kind"])
    rules = "".join(p.read_text("utf-8") for p in sorted((PACKAGE / "core" / "rules").glob("*.py")))
    start = datetime(2026, 1, 1, tzinfo=UTC)
    for kind, text in _whole(CASES, kinds):
        opened = f'kind="{kind}"' in rules or f'return "{kind}"' in rules or f'"{kind}" if' in rules
        days = (answer_by(kind, start) - start).days
        clock = f"an answer is expected within {days} day{'s' if days > 1 else ''}"
        yield kind, f"{text}; {clock}" + ("" if opened else " (no rule opens one yet)")


def _whole(said: Mapping[str, str], names: Iterable[str]) -> list[tuple[str, str]]:
    """Return the rows of a table; refuse one that says too much or too little."""
    known = set(names)
    if known != said.keys():
        raise SystemExit(f"{__file__} and the code differ in {sorted(known ^ said.keys())}")
    return list(said.items())


def _table(head: str, rows: Iterable[tuple[str, str]]) -> list[str]:
    lines = (f"| `{name}` | {text} |" for name, text in rows)
    return [f"| {head} | |", "|---|---|", *lines]


def _first(thing: Any) -> str:
    return (inspect.getdoc(thing) or "").partition("\n")[0]


def _flat(thing: Any, which: int) -> str:
    """Return one paragraph of a docstring as one line; 0 is the first sentence."""
    return " ".join((inspect.getdoc(thing) or "").split("\n\n")[which].split())


def _paragraphs(thing: Any, start: int) -> list[str]:
    """Return the paragraphs of a docstring from one on, up to what it raises."""
    kept = []
    for part in (inspect.getdoc(thing) or "").split("\n\n")[start:]:
        if part.startswith(("Raises:", ">>>")):
            break
        kept += [*part.splitlines(), ""]
    return kept[:-1]
