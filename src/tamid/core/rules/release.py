"""The way of a passed candidate into production, back out of it, and what a release settles."""

from __future__ import annotations

from datetime import datetime, timedelta

from tamid.core.actions import (
    Action,
    ClearAlarm,
    CloseCase,
    Enter,
    OpenCase,
    Promote,
    Register,
    RollBack,
    SetRung,
    StopRelease,
)
from tamid.core.alarms import is_back_to_normal, reference_losses
from tamid.core.events import ROW_BUGS
from tamid.core.handoff import awaits_acceptance
from tamid.core.paging import ONLINE, QUALITY, UNLABELLED, realised_of, realised_seq
from tamid.core.policy import Policy
from tamid.core.signals import Signals
from tamid.core.state import Alarm, State, Version
from tamid.core.trial import CANARY
from tamid.core.values import Role, instant
from tamid.core.watching import SHADOW, harmful, shadow_words, watched

# What a case on a version that was withdrawn is about: this, and its number.
TRIAL = "trial"
# ... and of a first run that was held: any version that is live is an answer to it.
FIRST = "trigger/first"
# A version stays in shadow for at least one turn of a daily loop before it goes on.
LEAST_STAY = timedelta(hours=12)
# After a rollback nothing is trained for so long: what went live did harm that its gates did not
# see, and the next candidate would be judged by the same gates on nearly the same rows.
COOLING = timedelta(weeks=1)


def release(policy: Policy, state: State, signals: Signals, now: datetime) -> list[Action]:
    """Register what passed; move the challenger one stage on; promote it at the end of the path."""
    if waiting := _unregistered(state):
        number = max(state.versions, default=0) + 1
        return [
            Register(
                key=f"register/{waiting}", reason="all gates passed", run=waiting, number=number
            )
        ]
    number = state.challenger
    version = state.versions.get(number)
    if version is None:
        return []
    if version.stage == "registered" and awaits_acceptance(state, number, policy.acceptor):
        return []
    path = [stage for stage in policy.path if stage != "live"]
    if version.stage == "registered" and path and state.champion:
        return [_enter(number, path[0])]
    if version.stage in path:
        found = watched(state, SHADOW, number)
        if found is not None and found.stops:
            why = f"shown to be worse in {version.stage}: {shadow_words(state, number)}"
            return [StopRelease(key=f"stop/{number}", reason=why, number=number)]
        if version.stage_at is None or now - version.stage_at < LEAST_STAY:
            return []
        if undecided(policy, state, signals, now) or awaits_answers(version):
            return []
        following = path[path.index(version.stage) + 1 :]
        if following:
            return [_enter(number, following[0])]
    if policy.approvers - version.approvals:
        return []
    reason = "first release" if not state.champion else f"passed {', '.join(path) or 'the gates'}"
    found = watched(state, SHADOW, number)
    if found is not None:
        shown = "better" if found.shown_better else "undecided, the gates' verdict stands"
        reason += f" ({shown} on live rows: {shadow_words(state, number)})"
    return [Promote(key=f"promote/{number}", reason=reason, number=number, previous=state.champion)]


def awaits_answers(version: Version) -> bool:
    """Say whether a canary has not answered enough people, well, to go on."""
    online = version.online and version.stage.startswith(CANARY)
    return online and (version.trial is None or version.trial.verdict != "pass")


def answers_awaited(version: Version) -> str:
    """Return which answers of servers a canary waits for, "" if for none."""
    if not awaits_answers(version):
        return ""
    return "; ".join(version.trial.reasons) if version.trial else "none so far"


def withdraw(policy: Policy, state: State, signals: Signals, now: datetime) -> list[Action]:
    """Take back a version that does harm in shadow or canary, and hand it to who made it."""
    version = state.versions.get(state.challenger)
    if version is None or version.trial is None or version.trial.verdict != "fail":
        return []
    number, stage = version.registered.ref.number, version.stage
    reason, case = "; ".join(version.trial.reasons), len(state.cases) + 1
    return [
        StopRelease(key=f"stop/{number}", reason=reason, number=number),
        OpenCase(
            key=f"case/{case}",
            reason=reason,
            case=case,
            role=Role.ML_DEVELOPER,
            kind="held",
            title=f"version {number} was withdrawn from {stage}",
            about=f"{TRIAL}/{number}",
            run=version.registered.run,
        ),
    ]


def _unregistered(state: State) -> str:
    known = {v.registered.run for v in state.versions.values()}
    for name, run in state.runs.items():
        if run.judged is not None and run.judged.outcome == "promote" and name not in known:
            return name
    return ""


def _enter(number: int, stage: str) -> Enter:
    return Enter(
        key=f"enter/{number}/{stage}", reason="next stage of the path", number=number, stage=stage
    )


def roll_back(policy: Policy, state: State, signals: Signals, now: datetime) -> list[Action]:
    """Bring the previous champion back when the new one is at fault or proven worse live.

    The proof is a bet on the paired losses of both on the same rows, which may be looked at every
    tick; faults that need no label count at once.
    """
    if not state.previous or not state.champion:
        return []
    reason = harmful(state, now, policy.watch)
    if not reason:
        return []
    key = f"rollback/{state.champion}"
    return [RollBack(key=key, reason=reason, number=state.champion, back_to=state.previous)]


def cooling(state: State, now: datetime) -> str:
    """Return until when nothing is trained after a rollback, or "" if it may be."""
    if all(reign.number != state.champion for reign in state.reigns[:-1]):
        return ""
    until = state.reigns[-1].since + COOLING
    return instant(until) if now < until else ""


def undecided(policy: Policy, state: State, signals: Signals, now: datetime) -> str:
    """Return until when the version in shadow waits for labels, with what is known, or ""."""
    number = state.challenger
    version = state.versions.get(number)
    if version is None or version.stage_at is None or version.stage not in policy.path:
        return ""
    found = watched(state, SHADOW, number)
    decided = found is not None and found.shown_better
    if decided or not signals.shadow_until or now >= version.stage_at + policy.shadow_wait:
        return ""
    return (
        f"version {number} is undecided in {version.stage} until {signals.shadow_until[:16]}, when "
        f"labels of what it answered there are due; so far {shadow_words(state, number)}"
    )


def stays_until(policy: Policy, state: State, now: datetime) -> datetime | None:
    """Return until when the version on its way stays where it is whatever is known of it."""
    version = state.versions.get(state.challenger)
    if version is None or version.stage_at is None or version.stage not in policy.path:
        return None
    until = version.stage_at + LEAST_STAY
    return until if now < until else None


def aftermath(policy: Policy, state: State, signals: Signals, now: datetime) -> list[Action]:
    """Settle what a release has settled: alarms of the version before it, the rung, cases.

    A rollback settles nothing: what the version that came back was replaced for is still there.
    """
    champion = state.versions.get(state.champion)
    if champion is None:
        return []
    since = state.reigns[-1].since
    released = state.released_at == since
    reason = f"version {state.champion} is live"
    over = {
        name: reason
        for name, a in state.open_alarms.items()
        if released and a.raised.signal in (QUALITY, *UNLABELLED) and a.at <= since
    }
    for name, alarm in state.open_alarms.items():
        if name not in over and _recovered(policy, state, alarm):
            over[name] = "measured anew on corrected labels, its periods are as good as usual"
        elif name not in over and _mended(state, alarm):
            over[name] = "what was broken in its periods is mended"
        elif name not in over and is_back_to_normal(state, alarm):
            over[name] = "the latest periods are as the reference again"
    found: list[Action] = [
        ClearAlarm(key=f"clear/{name}", reason=why, alarm=name) for name, why in over.items()
    ]
    models = (a for a in state.open_alarms.items() if a[1].raised.failure == "model_failure")
    fallen = {n for n, a in models if a.raised.signal not in UNLABELLED}
    if state.rung != "champion" and not fallen - set(over):
        found.append(SetRung(key=f"rung/champion/{state.seq}", reason=reason, rung="champion"))
    run = state.runs.get(champion.registered.run) if released else None
    cleared = {name: a.cleared for name, a in state.alarms.items() if a.cleared} | over
    about = {f"alarm/{name}": why for name, why in cleared.items()}
    for number, case in state.open_cases.items():
        why = about.get(case.opened.about, "")
        if run is not None and number == run.started.case:
            why = reason
        elif run is not None and case.at <= since:
            settled = (f"trigger/{run.started.trigger}", FIRST, TRIAL)
            why = reason if case.opened.about.startswith(settled) else why
        if why:
            found.append(CloseCase(key=f"close/{number}", reason=why, case=number))
    return found


def _mended(state: State, alarm: Alarm) -> bool:
    """Whether rows that were suspected when the alarm was diagnosed are sound by now."""
    known = alarm.diagnosis
    if known is None or known.cause not in ROW_BUGS:
        return False
    return not set(known.periods) & set(state.suspected)


def _recovered(policy: Policy, state: State, alarm: Alarm) -> bool:
    """Whether labels that came since the alarm have lifted all its periods into the reference."""
    if alarm.raised.signal != "quality" or not alarm.raised.periods:
        return False
    version = int(alarm.raised.alarm.split("/")[1])
    usual = reference_losses(state, version, policy.sign)
    periods = alarm.raised.periods
    anew = min(realised_seq(state, version, p) for p in periods)
    batch = [realised_of(state, version).get(p) for p in periods]
    # Labels of the batch say nothing about those that were sent back for answers given online.
    asked = [m for p in periods if (m := state.measure(ONLINE, version, p)) is not None]
    return (
        bool(usual)
        and anew > alarm.seq
        and all(m is not None and -policy.sign * m.value <= max(usual) for m in (*batch, *asked))
    )
