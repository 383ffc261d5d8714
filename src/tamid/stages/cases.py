"""Cases: what a person needs to know to act, as Markdown to read and JSON to work with."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from tamid.core.actions import OpenCase
from tamid.core.contract.model import Contract
from tamid.core.events import CaseOpened
from tamid.core.repairs import concerned
from tamid.core.rules.cases import answer_by
from tamid.core.state import SUSPECTED, Alarm, Run, State
from tamid.core.suspicion import BY_CHANCE
from tamid.core.values import Role, canonical_json, instant, jsonable
from tamid.ports import Blobs


def open_case(
    blobs: Blobs, contract: Contract, state: State, action: OpenCase, now: datetime
) -> CaseOpened:
    """Gather the evidence, store it as a blob and return the event that opens the case."""
    facts = case_facts(contract, state, action, now, _judgement(blobs, state, action.run))
    facts["markdown"] = markdown(facts)
    return CaseOpened(
        key=action.key,
        case=action.case,
        role=action.role,
        kind=action.kind,
        title=action.title,
        report=blobs.put(canonical_json(facts).encode()),
        about=action.about,
        run=action.run,
    )


def case_facts(
    contract: Contract,
    state: State,
    action: OpenCase,
    now: datetime,
    judgement: Mapping[str, Any],
) -> dict[str, Any]:
    """Return what is known about the matter: gates, slices, data, remedies, command, clock."""
    run = state.runs.get(action.run)
    team = (
        contract.owners.ml_developer
        if action.role is Role.ML_DEVELOPER
        else contract.owners.mlops_engineer
    )
    alarms = [
        _alarm_facts(a)
        for a in state.alarms.values()
        if action.about == f"alarm/{a.raised.alarm}"
        or (not a.cleared and a.raised.signal == "quality")
    ]
    return {
        "case": action.case,
        "model": contract.name,
        "kind": action.kind,
        "title": action.title,
        "reason": action.reason,
        "role": action.role.value,
        "owner": team,
        "opened": instant(now),
        "answer_by": instant(answer_by(action.kind, now)),
        "champion": state.champion,
        "run": _run_facts(run) if run else None,
        "judgement": dict(judgement),
        "alarms": alarms,
        "refused": [
            {"batch": name, "reasons": r.event.reasons, "broken": dict(r.event.broken)}
            for name, r in state.refused.items()
            if action.kind != "bug" or concerned(action.about, r.event)
        ],
        "by_chance": BY_CHANCE if _by_chance(state, action) else "",
        "tried": _tried(state, action),
        "commands": _commands(action),
    }


def markdown(facts: Mapping[str, Any]) -> str:
    """Write the facts of a case as a page for a person."""
    lines = [
        f"# Case {facts['case']}: {facts['title']}",
        "",
        f"Model **{facts['model']}**, for the **{facts['role']}** ({facts['owner']}). "
        f"Opened {facts['opened'][:10]}, an answer is expected by {facts['answer_by'][:10]}.",
        "",
        facts["reason"],
        *(["", facts["by_chance"]] if facts.get("by_chance") else []),
    ]
    lines += _section("What failed", [_verdict_line(v) for v in _verdicts(facts)])
    lines += _section("What changed", [_alarm_line(a) for a in facts["alarms"]])
    against = [text for a in facts["alarms"] for text in a.get("excluded", ())]
    lines += _section("What speaks against other causes", against)
    lines += _section(
        "Refused batches", [f"{r['batch']}: {'; '.join(r['reasons'])}" for r in facts["refused"]]
    )
    lines += _section("What was tried", facts["tried"])
    lines += _section("How to go on", [f"`{c}`" for c in facts["commands"]])
    return "\n".join(lines) + "\n"


def _judgement(blobs: Blobs, state: State, run: str) -> Mapping[str, Any]:
    record = state.runs.get(run)
    if record is None or record.judged is None:
        return {}
    found = json.loads(blobs.get(record.judged.report))
    return found if isinstance(found, dict) else {}


def _run_facts(run: Run) -> dict[str, Any]:
    started, finished = run.started, run.finished
    return {
        "run": started.run,
        "trigger": started.trigger,
        "reason": started.reason,
        "contract": started.contract,
        "pins": jsonable(started.pins),
        "seed": started.seed,
        "window": finished.window if finished else "",
        "metrics": dict(finished.metrics) if finished else {},
        "failure": run.failed.message if run.failed else "",
    }


def _alarm_facts(alarm: Alarm) -> dict[str, Any]:
    known = alarm.diagnosis
    return {
        "alarm": alarm.raised.alarm,
        "message": alarm.raised.message,
        "periods": alarm.raised.periods,
        "cause": known.cause if known else "not diagnosed",
        "reasons": known.reasons if known else (),
        "excluded": known.excluded if known else (),
        "budget": alarm.raised.budget,
    }


def _tried(state: State, action: OpenCase) -> list[str]:
    alarm = state.alarms.get(action.about.removeprefix("alarm/"))
    since = alarm.at if alarm else None
    tried = []
    for name, run in state.runs.items():
        if name != action.run and (since is None or run.at < since):
            continue
        outcome = run.judged.outcome if run.judged else "failed"
        window = run.finished.window if run.finished else "none"
        tried.append(f"{name}: retrained on the window `{window}`, outcome {outcome}")
    if state.rung != "champion":
        tried.append(f"the rung `{state.rung}` answers meanwhile")
    return tried


def _by_chance(state: State, action: OpenCase) -> bool:
    """Whether sound rows might be called broken so: that a source brought nothing is a count."""
    check = state.checked.get(action.about.removeprefix(SUSPECTED))
    return action.about.startswith(SUSPECTED) and (check is None or check.against > 0)


def _commands(action: OpenCase) -> list[str]:
    if action.about.startswith(SUSPECTED):
        who = f"--as {action.role.value}"
        sound = f'tamid cases resolve {action.case} {who} --reason "these weeks are sound"'
        return ["tamid log --kind PeriodChecked", sound]
    if action.kind == "label_bug":
        who = f"--as {action.role.value}"
        right = f'tamid cases resolve {action.case} {who} --reason "these labels are right"'
        return ["tamid log --kind LabelsAccepted", right]
    if action.kind == "bug":
        return ["tamid log --kind DataRefused", f'tamid cases comment {action.case} "..."']
    if action.kind == "delivery" or not action.run:
        return ["tamid doctor", "tamid log --kind DeliveryDelayed"]
    return [
        f"tamid why run {action.run}",
        f"tamid train --dry-run --case {action.case}",
        f"tamid train --case {action.case}",
    ]


def _verdicts(facts: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    verdicts = facts["judgement"].get("verdicts", [])
    return [v for v in verdicts if v.get("outcome") != "pass"]


def _verdict_line(verdict: Mapping[str, Any]) -> str:
    return f"**{verdict.get('gate')}** {verdict.get('outcome')}: {verdict.get('message')}"


def _alarm_line(alarm: Mapping[str, Any]) -> str:
    reasons = "; ".join(alarm["reasons"])
    return (
        f"{alarm['message'].rstrip('.')}. Likely cause: {alarm['cause'].replace('_', ' ')}"
        + (f" ({reasons})" if reasons else "")
        + (f". Budget of alarms: {alarm['budget']}" if alarm.get("budget") else "")
    )


def _section(title: str, items: list[str]) -> list[str]:
    return ["", f"## {title}", "", *(f"- {item}" for item in items)] if items else []
