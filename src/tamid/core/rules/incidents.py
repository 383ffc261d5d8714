"""Opening and closing incidents: failures of the system and failures of the model."""

from __future__ import annotations

from datetime import datetime

from tamid.core.actions import Action, CloseIncident, OpenIncident
from tamid.core.events import Severity
from tamid.core.policy import Policy
from tamid.core.signals import Signals
from tamid.core.state import Alarm, Refusal, State

RESPONSE = {
    "refused": "none of it is used or trained on; a lower rung answers for its periods",
    "late": "the scores stay in the outbox and are handed over as soon as the target takes them",
    "empty": "nothing is delivered; the period is scored as soon as its rows arrive",
    "short": "entities without a row are answered by a lower rung; late rows are scored anew",
    "lost": "entities without a row are answered by a lower rung; late rows are scored anew",
    "quality": "diagnosis, best rung on the drifted periods, then retraining or a case",
    "source": "lower rungs answer for its periods, which are scored anew when it comes",
    "events": "the model that does without, or a lower rung, answers for its rows; what comes "
    "later counts for later rows",
    "tick": "this turn makes up for what was due: new data, scores, deliveries",
    "system_failure": "the next turn tries again; lower rungs answer meanwhile",
    "model_failure": "diagnosis; nothing is retrained on this sign alone",
}


def incidents(policy: Policy, state: State, signals: Signals, now: datetime) -> list[Action]:
    """Open an incident per refused batch and per alarm; close those whose cause is over."""
    opened: list[Action] = []
    for name, refusal in state.refused.items():
        opened.append(_refused(name, refusal))
    for alarm in state.open_alarms.values():
        if alarm.raised.severity != "note":
            opened.append(_alarm(alarm))
    for name in sorted({*signals.late, *state.late}):
        opened.append(_late(name))
    opened.extend(_empty(period) for period, s in state.scored.items() if not s.rows)
    opened.extend(_short(p, text) for p, text in signals.short.items() if p in signals.due)
    opened.extend(_lost(period, text) for period, text in signals.lost.items())
    fresh = [a for a in opened if isinstance(a, OpenIncident) and a.incident not in state.incidents]
    closed = [
        CloseIncident(key=f"close/{name}", reason=over, incident=name)
        for name in state.open_incidents
        if (over := _over(state, name) or _filled(signals, name))
    ]
    return [*fresh, *closed]


def refusal_incident(name: str, refusal: Refusal) -> str:
    """Return the incident's name: one per content that was refused, not one per file name."""
    return f"refused/{name}@{refusal.event.fingerprint[-12:]}"


def _refused(name: str, refusal: Refusal) -> OpenIncident:
    reason = f"{name} was refused: {'; '.join(refusal.event.reasons[:3])}"
    return _system(refusal_incident(name, refusal), reason, "contract check on arrival")


def _alarm(alarm: Alarm) -> OpenIncident:
    incident = f"alarm/{alarm.raised.alarm}"
    return OpenIncident(
        key=f"incident/{incident}",
        reason=alarm.raised.message,
        incident=incident,
        failure=alarm.raised.failure,
        severity=alarm.raised.severity,
        noticed_by=_noticed(alarm),
        response=RESPONSE.get(alarm.raised.signal, RESPONSE[alarm.raised.failure]),
    )


def _empty(period: str) -> OpenIncident:
    return _system(
        f"empty/{period}", f"no rows arrived for {period}: there is nobody to score", "scoring"
    )


def _short(period: str, text: str) -> OpenIncident:
    noticed_by = "rows of a period against those before"
    return _system(f"short/{period}", text, noticed_by, severity="warning")


def _lost(period: str, text: str) -> OpenIncident:
    return _system(f"lost/{period}", text, "entities against those before", severity="warning")


def _filled(signals: Signals, name: str) -> str:
    kind, _, period = name.partition("/")
    still = {"short": signals.short, "lost": signals.lost}.get(kind, {period: ""})
    return "" if period in still else "it has its rows, or is over"


def _noticed(alarm: Alarm) -> str:
    """Say how it was noticed, and how often this happens by chance."""
    raised = alarm.raised
    return f"{raised.noticed_by} ({raised.budget})" if raised.budget else raised.noticed_by


def _late(name: str) -> OpenIncident:
    period, _, sink = name.partition("/")
    reason = f"the scores of {period} missed the deadline of {sink}"
    return _system(f"late/{name}", reason, "deadline of the contract")


def _system(
    incident: str, reason: str, noticed_by: str, severity: Severity = "critical"
) -> OpenIncident:
    """A failure that the system saw itself; its kind, before the first slash, has its response."""
    return OpenIncident(
        key=f"incident/{incident}",
        reason=reason,
        incident=incident,
        failure="system_failure",
        severity=severity,
        noticed_by=noticed_by,
        response=RESPONSE[incident.partition("/")[0]],
    )


def _over(state: State, name: str) -> str:
    """Return why an incident is over, or ""."""
    kind, _, rest = name.partition("/")
    if kind == "refused":
        still = any(rest.startswith(f"{batch}@") for batch in state.refused)
        return "" if still else "a repaired batch was accepted"
    if kind == "alarm":
        alarm = state.alarms.get(rest)
        return alarm.cleared if alarm else ""
    if kind == "empty":
        scored = state.scored.get(rest)
        return "its rows arrived and were scored" if scored and scored.rows else ""
    if kind == "late":
        period, _, sink = rest.partition("/")
        taken = any(p == period and s == sink for p, _, s in state.delivered)
        return "delivered, after the deadline" if taken else ""
    answered = [s for p, s in state.scored.items() if p >= rest and s.rungs.get(state.rung, 0)]
    return "the champion answers again" if kind == "outage" and answered else ""
