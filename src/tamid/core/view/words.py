"""Every event and every action as one plain sentence."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from tamid.core import events as ev
from tamid.core.chain import Recorded
from tamid.core.estimates import SIGNAL
from tamid.core.paging import HINDSIGHT
from tamid.core.stats.betting import evidence_better, evidence_worse
from tamid.core.values import Interval
from tamid.core.view.estimate import estimate_words
from tamid.core.view.intake_words import (
    accepted_words,
    actions_words,
    adopted_words,
    answers_words,
    checked_words,
    cleaned_words,
    collected_words,
    labels_words,
    materialised_words,
    refused_words,
    served_words,
)
from tamid.core.view.lift import LIFT, lift_words
from tamid.core.view.scene import count, first_lines, number, share, spread
from tamid.core.view.snapshot import Line
from tamid.core.watching import AFTER, FIRST_ANSWERS, SHADOW


def line(record: Recorded) -> Line:
    """Return an event in plain words, with who did it and why."""
    return Line(
        seq=record.seq,
        at=record.at,
        kind=type(record.event).__name__,
        actor=record.actor,
        role=record.role.value,
        text=sentence(record.event),
        reason=record.reason,
        broken=_broken(record.event),
    )


def _broken(event: ev.Event) -> Mapping[str, int]:
    if isinstance(event, ev.DataRefused):
        return event.broken
    return event.quarantined if isinstance(event, ev.DataAccepted) else {}


def sentence(event: ev.Event) -> str:
    """Return what happened.

    >>> sentence(ev.Promoted(number=2, previous=1, reason="passed shadow", evidence=""))
    'Version 2 became champion in place of version 1: passed shadow.'
    """
    return _WORDS[type(event)](event) + "."


def has_words(kind: type[ev.Event]) -> bool:
    """Say whether a kind of event can be told."""
    return kind in _WORDS


def action_words(record: Mapping[str, Any]) -> str:
    """Return a recorded action (see `action_record`) as what was to be done and why.

    >>> action_words({"do": "Train", "key": "k", "reason": "f1 fell", "run": "run-0002"})
    'train run-0002: f1 fell'
    """
    kind, reason = str(record["do"]), str(record["reason"])
    words = _ACTIONS.get(kind, kind)
    return f"{words.format_map(_Known(record))}: {reason}"


def difference_words(found: Interval) -> str:
    """Return the difference between candidate and champion with its bounds."""
    return f"{found.point:+.3f}{spread(found)} against the champion"


class _Known(dict[str, Any]):
    def __missing__(self, key: str) -> str:
        return "?"


_ACTIONS: Mapping[str, str] = {
    "Score": "score {period}, revision {revision}",
    "Deliver": "deliver {period} to {sink}",
    "Train": "train {run}",
    "Judge": "hold the gates against {run}",
    "Register": "register {run} as version {number}",
    "Enter": "bring version {number} into {stage}",
    "Promote": "make version {number} champion",
    "RollBack": "roll back from version {number} to {back_to}",
    "StopRelease": "withdraw version {number} from its release",
    "MoveThreshold": "move the threshold of version {number}",
    "SetRung": "let the rung {rung} answer first",
    "OpenCase": "open case {case} for the {role}, {title}",
    "Abandon": "give up {run}",
    "Comment": "comment on case {case}",
    "CloseCase": "close case {case}",
    "OpenIncident": "record the incident {incident}",
    "CloseIncident": "close the incident {incident}",
    "ClearAlarm": "clear the alarm {alarm}",
}


def _measured(e: ev.Measured) -> str:
    if e.signal == SIGNAL:
        return estimate_words(e)
    if e.signal in (SHADOW, AFTER):
        return _side_by_side(e)
    if e.signal.startswith(LIFT):
        return lift_words(e)
    if e.signal == FIRST_ANSWERS:
        return f"version {e.model_version} answered {share(e.value)} of its rows in {e.period}"
    before = e.signal == HINDSIGHT
    name = "realised quality" if before else e.signal.replace("_", " ")
    text = f"{name} in {e.period} is {number(e.value)}{spread(e.interval)}"
    if e.model_version:
        text += f" for version {e.model_version}"
    if before:
        text += ", asked in hindsight, for it was not live yet"
    same = e.detail.get("at_reference_prevalence", math.nan)
    if math.isfinite(same):
        text += f", {number(same)} at the reference's share of positives"
    # Drift is measured without labels: how many are in says nothing about it.
    labels = f", {share(e.matured)} of labels in" if e.matured else ""
    return f"{text}, on {count(e.rows, 'row')}{labels}"


def _side_by_side(e: ev.Measured) -> str:
    where = "in shadow" if e.signal == SHADOW else "live"
    against = e.detail.get("against")
    text = f"version {e.model_version} {where}"
    text += f" against version {against:.0f}" if against else " against the version before it"
    text += f" on the rows of {e.period}: {e.value:+.3f}{spread(e.interval)}"
    if e.band is not None:
        text += f", at any look between {e.band.low:+.3f} and {e.band.high:+.3f}"
    if e.bets is not None:
        better, worse = evidence_better(e.bets), evidence_worse(e.bets)
        text += f"; evidence of this period for better {better:.2g}, for worse {worse:.2g}"
    return f"{text}, on {count(e.rows, 'row')}"


def _diagnosed(e: ev.Diagnosed) -> str:
    sure = "confirmed" if e.confirmed else "likely"
    training = {
        "needed": "retraining is needed",
        "useless": "retraining would not help",
        "blocked": "retraining is blocked",
    }[e.retraining]
    cause, when = e.cause.replace("_", " "), ""
    if e.earlier is not None:
        when = ", asked anew" if e.earlier == "label_bug" else ", now that its labels are in"
        cause = f"{cause} (before: {e.earlier.replace('_', ' ')})"
    return f"{sure} cause of {e.alarm}{when}: {cause}; {training}; {first_lines(e.reasons)}"


def _run_started(e: ev.RunStarted) -> str:
    case = f" for case {e.case}" if e.case else ", an experiment" if e.experiment else ""
    return f"{e.run} started{case} ({e.trigger}): {e.reason}"


def _run_finished(e: ev.RunFinished) -> str:
    figures, less = (
        ", ".join(f"{k} {number(v)}" for k, v in sorted(found.items()))
        for found in (e.metrics, e.reduced)
    )
    return (
        f"{e.run} gave a candidate from {count(e.rows, 'row')}, window {e.window}"
        f"{', ' + figures if figures else ''}"
        f"{'; its reduced model: ' + less if less else ''}"
        f"; it took {e.seconds:.0f} s and {e.peak_mb:.0f} MB"
    )


def _judged(e: ev.Judged) -> str:
    later = f"; decidable {e.decidable_at}" if e.decidable_at else ""
    return f"{e.run}: {e.outcome}; {first_lines(e.reasons, most=1)}{later}"


def _scored(e: ev.Scored) -> str:
    rungs = ", ".join(f"{rung} {n}" for rung, n in sorted(e.rungs.items()))
    again = f" (revision {e.revision}: {e.reason})" if e.revision > 1 else ""
    return f"{e.period} scored by version {e.number}{again}: {count(e.rows, 'answer')}, {rungs}"


def _delivered(e: ev.Delivered) -> str:
    late = ", late" if e.late else ""
    return f"{e.period} delivered to {e.sink}: {count(e.rows, 'row')}{late}"


def _server(e: ev.ServerReported) -> str:
    rungs = ", ".join(f"{rung} {n}" for rung, n in sorted(e.rungs.items())) or "nobody yet"
    last = f"; last change: {e.changes[-1]}" if e.changes else ""
    return f"Server {e.process} with version {e.champion} answered by {rungs}{last}"


def _trial(e: ev.TrialMeasured) -> str:
    arms = ", ".join(f"{arm} {int(seen.get('rows', 0))}" for arm, seen in sorted(e.arms.items()))
    said = {"pass": "does well", "fail": "fails", "nodata": "has too few answers to be judged"}
    why = f": {first_lines(e.reasons)}" if e.reasons else ""
    return f"Version {e.number} in {e.stage} {said[e.verdict]} ({arms} rows){why}"


_WORDS: Mapping[type[ev.Event], Callable[[Any], str]] = {
    ev.ContractAdopted: adopted_words,
    ev.DataAccepted: accepted_words,
    ev.ViewMaterialised: materialised_words,
    ev.RowsCleaned: cleaned_words,
    ev.AnswersCleaned: served_words,
    ev.DataRefused: refused_words,
    ev.PeriodChecked: checked_words,
    ev.LabelsAccepted: labels_words,
    ev.ActionsAccepted: actions_words,
    ev.AnswersTaken: answers_words,
    ev.Measured: _measured,
    ev.AlarmRaised: lambda e: (
        f"Alarm {e.alarm} ({e.severity}): {e.message}{f' [{e.budget}]' if e.budget else ''}"
    ),
    ev.AlarmCleared: lambda e: f"Alarm {e.alarm} cleared: {e.reason}",
    ev.Diagnosed: _diagnosed,
    ev.NormalAccepted: lambda e: (
        f"Alarm {e.alarm} accepted as the new normal: the reference of version {e.number} is that "
        f"of {', '.join(e.periods)}"
    ),
    ev.OnlineUsual: lambda e: (
        f"What is usual online for version {e.number} rests on "
        + (f"{len(e.periods)} served weeks" if e.on == "served" else "the weeks of its bundle")
        + f", {', '.join(e.periods[:1])}{' and later' if len(e.periods) > 1 else ''}"
    ),
    ev.ThresholdMoved: lambda e: (
        f"The decision of version {e.number} begins at {e.threshold:.3f} instead of "
        f"{e.before:.3f}: that alone repairs what alarm {e.alarm} was about"
    ),
    ev.IncidentOpened: lambda e: (
        f"Incident {e.incident} ({e.failure.replace('_', ' ')}): {e.message}; answer: {e.response}"
    ),
    ev.IncidentClosed: lambda e: f"Incident {e.incident} is over: {e.resolution}",
    ev.RunStarted: _run_started,
    ev.RunFinished: _run_finished,
    ev.RunFailed: lambda e: f"{e.run} failed ({e.failure.replace('_', ' ')}): {e.message}",
    ev.Judged: _judged,
    ev.VersionRegistered: lambda e: f"{e.run} was registered as version {e.ref.number}",
    ev.StageEntered: lambda e: f"Version {e.number} entered {e.stage}",
    ev.ServerReported: _server,
    ev.TrialMeasured: _trial,
    ev.Promoted: lambda e: (
        f"Version {e.number} became champion"
        + (f" in place of version {e.previous}" if e.previous else "")
        + f": {e.reason}"
    ),
    ev.RolledBack: lambda e: f"Version {e.number} was rolled back to {e.back_to}: {e.reason}",
    ev.ReleaseStopped: lambda e: f"The release of version {e.number} was stopped: {e.reason}",
    ev.ApprovalGiven: lambda e: f"The release of version {e.number} was approved",
    ev.ApprovalRefused: lambda e: f"The release of version {e.number} was refused",
    ev.RungSet: lambda e: f"The rung {e.rung} answers first: {e.reason}",
    ev.Scored: _scored,
    ev.Delivered: _delivered,
    ev.DeliveryDelayed: lambda e: (
        f"{e.sink} did not take {e.period}, attempt {e.attempt}: {e.error}"
    ),
    ev.CaseOpened: lambda e: f"Case {e.case} opened for the {e.role.value}: {e.title}",
    ev.EntityErased: lambda e: f"Entity {e.pseudonym} was erased: it names nobody any more",
    ev.FeedbackGiven: lambda e: (
        f"{e.rows} labelled rows of {e.periods[0]} to {e.periods[-1]}, answered by version "
        f"{e.number}, were taken out as feedback"
    ),
    ev.CaseCommented: lambda e: (
        f"Case {e.case} was escalated: {e.text}"
        if e.escalated_to
        else f"Comment on case {e.case}: {e.text}"
    ),
    ev.CaseClosed: lambda e: f"Case {e.case} closed: {e.resolution}",
    ev.Paused: lambda e: "The loop was paused" + (f" until {e.until}" if e.until else ""),
    ev.Resumed: lambda e: "The loop was resumed",
    ev.Collected: collected_words,
    ev.Retired: lambda e: (
        "The model was retired: it is neither scored nor trained any more"
        + (f"; version {e.champion} was live" if e.champion else "")
    ),
    ev.Reinstated: lambda e: "The model was brought back into service",
    ev.Decided: lambda e: f"Decided in round {e.round + 1} of the tick of {e.tick[:16]}",
    ev.Ticked: lambda e: f"The tick of {e.tick[:16]} ended",
}
