"""When a person is needed: bugs of a source, held candidates, undecided ones below contract."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal

from tamid.core.actions import Action, CloseCase, Comment, OpenCase
from tamid.core.policy import Policy
from tamid.core.repairs import concerned, matter
from tamid.core.signals import Signals
from tamid.core.state import Case, Refusal, Run, State
from tamid.core.values import Role

# How soon the owner of a case should answer; then the other signatory is asked as well.
CLOCK = {
    "bug": timedelta(days=1), "label_bug": timedelta(days=1), "delivery": timedelta(days=1),
}  # fmt: skip
USUAL_CLOCK = timedelta(days=7)
# Attempts at one parcel after which a target counts as down: seven hours of an hourly loop, three
# days of a daily one. Until then a restart of the target is the likelier story.
ATTEMPTS_WHEN_DOWN = 4
# The rules by which what was refused for one cause is one case.
ALIKE = 3
# Batches named in one sentence.
_NAMED = 5


def answer_by(kind: str, opened: datetime) -> datetime:
    """Return the moment by which the owner of a case should have answered."""
    return opened + CLOCK.get(kind, USUAL_CLOCK)


def answer_due(case: Case) -> datetime:
    """Return the moment by which a case should be answered: a person's word starts it anew."""
    return answer_by(case.opened.kind, case.heard_at or case.at)


def bugs(policy: Policy, state: State, signals: Signals, now: datetime) -> list[Action]:
    """Open a case per source and cause of refused batches; close it when all are repaired.

    Later batches of the cause join it. Labels that cannot be right and targets that stay down are
    cases too.
    """
    return [*_opened(policy, state, _refused(state)), *_joined(state), *_closed(policy, state)]


def bugs_apart(policy: Policy, state: State, signals: Signals, now: datetime) -> list[Action]:
    """Return what `bugs` did under the rules before `ALIKE`: a case per refused batch."""
    return [*_opened(policy, state, _refused_apart(state)), *_closed(policy, state)]


def _opened(policy: Policy, state: State, refused: list[Action]) -> list[Action]:
    known = {c.opened.about for c in state.open_cases.values()}
    found = [*refused]
    found.extend(_label_bugs(state, len(state.cases) + len(found) + 1, known))
    found.extend(_targets_down(policy, state, len(state.cases) + len(found) + 1, known))
    return found


def _refused(state: State) -> list[Action]:
    """Hand what was refused for one cause to the owner of the source, as one case."""
    abouts = [c.opened.about for c in state.open_cases.values()]
    alike: dict[str, dict[str, Refusal]] = {}
    for name, refusal in state.refused.items():
        if not any(concerned(about, refusal.event) for about in abouts):
            alike.setdefault(matter(refusal.event), {})[name] = refusal
    found: list[Action] = []
    for number, (cause, some) in enumerate(alike.items(), len(state.cases) + 1):
        first, event = next(iter(some)), next(iter(some.values())).event
        reason, title = "; ".join(event.reasons[:3]), f"{first} breaks the contract"
        if len(some) > 1:
            reason = f"{first}: {reason}; so do {_listed([*some][1:])}"
            title = f"{len(some)} batches of {event.source} break the contract alike"
        found.append(_bug(number, reason, event.owner, title, f"refused/{cause}"))
    return found


def _refused_apart(state: State) -> list[Action]:
    known = {c.opened.about for c in state.open_cases.values()}
    fresh = [(n, r.event) for n, r in state.refused.items() if f"refused/{n}" not in known]
    return [
        _bug(
            number,
            "; ".join(event.reasons[:3]),
            event.owner,
            f"{name} breaks the contract",
            f"refused/{name}",
        )
        for number, (name, event) in enumerate(fresh, len(state.cases) + 1)
    ]


def _joined(state: State) -> list[Action]:
    """Tell an open case of each batch that was refused for its cause since."""
    found: list[Action] = []
    for number, case in state.open_cases.items():
        alike = {n: r for n, r in state.refused.items() if concerned(case.opened.about, r.event)}
        found.extend(
            Comment(
                key=f"comment/{number}/{name}@{refusal.event.fingerprint[-12:]}",
                reason=f"{len(alike)} batches are refused for this cause",
                case=number,
                text=f"{name}: {'; '.join(refusal.event.reasons[:3])}",
            )
            for name, refusal in alike.items()
            if refusal.at > case.at and not any(f": {name}: " in c for c in case.comments)
        )
    return found


def _closed(policy: Policy, state: State) -> list[Action]:
    found: list[Action] = []
    for number, case in state.open_cases.items():
        kind, _, name = case.opened.about.partition("/")
        about = case.opened.about
        if kind == "refused" and not any(concerned(about, r.event) for r in state.refused.values()):
            reason = "a repaired batch was accepted"
            found.append(CloseCase(key=f"close/{number}", reason=reason, case=number))
        waiting = any(k.endswith(f"/{name}") for k in state.delayed)
        if kind == "delivery" and not (waiting and name in policy.sinks):
            gone = "the contract no longer names it" if waiting else "it took all that waited"
            reason = f"{name}: {gone}"
            found.append(CloseCase(key=f"close/{number}", reason=reason, case=number))
    return found


def _bug(number: int, reason: str, owner: Role, title: str, about: str) -> OpenCase:
    return OpenCase(
        key=f"case/{number}", reason=reason, case=number, role=owner, kind="bug",
        title=title, about=about,
    )  # fmt: skip


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def _targets_down(policy: Policy, state: State, number: int, known: set[str]) -> list[Action]:
    """Hand a target that stays down to who runs it; its parcels wait."""
    found: list[Action] = []
    for sink in sorted({name.rpartition("/")[2] for name in state.delayed} & set(policy.sinks)):
        parcels = {k: n for k, (n, _) in state.delayed.items() if k.endswith(f"/{sink}")}
        attempts = max(parcels.values())
        if attempts < ATTEMPTS_WHEN_DOWN or f"delivery/{sink}" in known:
            continue
        oldest = min(parcels).rpartition("/")[0]
        found.append(
            OpenCase(
                key=f"case/{number + len(found)}",
                reason=f"{len(parcels)} period(s) wait for {sink}, the oldest {oldest}, after "
                f"{attempts} attempts; all are kept and handed over when it answers",
                case=number + len(found),
                role=Role.MLOPS_ENGINEER,
                kind="delivery",
                title=f"{sink} does not take the scores",
                about=f"delivery/{sink}",
            )
        )
    return found


def _label_bugs(state: State, number: int, known: set[str]) -> list[Action]:
    """Hand labels that cannot be right to the owner of their source."""
    found: list[Action] = []
    for name, alarm in state.open_alarms.items():
        diagnosis = alarm.diagnosis
        if diagnosis is None or diagnosis.cause != "label_bug" or f"alarm/{name}" in known:
            continue
        found.append(
            OpenCase(
                key=f"case/{number + len(found)}",
                reason="; ".join(diagnosis.reasons),
                case=number + len(found),
                role=diagnosis.route,
                kind="label_bug",
                title=f"the labels of {', '.join(diagnosis.periods)} cannot be right",
                about=f"alarm/{name}",
            )
        )
    return found


def failed_runs(policy: Policy, state: State, signals: Signals, now: datetime) -> list[Action]:
    """Hand the first unhandled stopped run to whom it concerns, in an open case if there is one.

    A run that worked on a case tells it how it ended, however it ended; a case about a run that no
    machine finished is over as soon as a later run comes to its end.
    """
    if over := _machine_mended(state):
        return over
    handled = {run for case in state.cases.values() for run in case.runs}
    for name, run in state.runs.items():
        if name in handled:
            continue
        if run.judged is not None and run.started.case in state.open_cases:
            return [_told(run, run.started.case, f"{name} ended {run.judged.outcome}")]
        kind = _stopped(state, run)
        if kind is None:
            continue
        about, role = _about(state, run), _answers_for(run)
        ended = f"{name} ended {kind}"
        text = _with_reasons(ended, run)
        open_case = run.started.case or next(
            (
                n
                for n, c in state.open_cases.items()
                if (c.opened.about, c.opened.role) == (about, role)
            ),
            0,
        )
        if open_case in state.open_cases:
            return [_told(run, open_case, ended)]
        number = len(state.cases) + 1
        return [
            OpenCase(
                key=f"case/{number}",
                reason=text,
                case=number,
                role=role,
                kind=kind,
                title=_title(run),
                about=about,
                run=name,
            )
        ]
    return []


def _told(run: Run, case: int, ended: str) -> Comment:
    text, name = _with_reasons(ended, run), run.started.run
    return Comment(key=f"comment/{case}/{name}", reason=text, case=case, text=text, run=name)


def _with_reasons(ended: str, run: Run) -> str:
    return f"{ended}: {'; '.join(_reasons(run)[:4])}"


def _machine_mended(state: State) -> list[Action]:
    names = list(state.runs)
    found: list[Action] = []
    for number, case in state.open_cases.items():
        run = state.runs.get(case.opened.run)
        if run is None or run.failed is None or run.failed.failure != "abandoned":
            continue
        later = names[names.index(run.started.run) + 1 :]
        done = next((n for n in later if state.runs[n].finished is not None), "")
        if done:
            reason = f"{done} came to its end"
            found.append(CloseCase(key=f"close/{number}", reason=reason, case=number))
    return found


def _stopped(state: State, run: Run) -> Literal["held", "undecided"] | None:
    if run.failed is not None:
        return "held" if run.failed.failure != "system" else None
    if run.judged is None:
        return None
    if run.judged.outcome == "undecided":
        at = run.judged_at
        below = (a for a in state.open_alarms.values() if a.raised.signal == "quality")
        return "undecided" if any(at is not None and a.at <= at for a in below) else None
    return "held" if run.judged.outcome == "held" else None


def _answers_for(run: Run) -> Role:
    """A run that no machine brings to its end is a matter of the machine, not of the model."""
    abandoned = run.failed is not None and run.failed.failure == "abandoned"
    return Role.MLOPS_ENGINEER if abandoned else Role.ML_DEVELOPER


def _about(state: State, run: Run) -> str:
    if run.started.trigger == "quality":
        for alarm in state.open_alarms.values():
            if alarm.raised.signal == "quality":
                return f"alarm/{alarm.raised.alarm}"
    return f"trigger/{run.started.trigger}"


def _reasons(run: Run) -> tuple[str, ...]:
    if run.judged is not None:
        return run.judged.reasons
    return (run.failed.message,) if run.failed else ()


def _title(run: Run) -> str:
    if run.failed is not None:
        return f"{run.started.run} could not be trained"
    if run.judged is not None and run.judged.outcome == "undecided":
        when = run.judged.decidable_at
        what = f"{run.started.run}: too little evidence to decide"
        return what + (f" ({when})" if when else "")
    gates = ", ".join(run.judged.failed) if run.judged else ""
    return f"{run.started.run}: no candidate is good enough" + (f" ({gates})" if gates else "")
