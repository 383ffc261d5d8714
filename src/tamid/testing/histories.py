"""Histories without a world: the decisions are real, what comes of them is drawn or scripted.

`Story.live` plays ticks over a policy: each action of `decide` becomes the events that acting would
have yielded. It serves property tests of the rules and authors of policies.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from tamid.core import actions as do
from tamid.core import events as ev
from tamid.core.chain import Draft, Recorded, chain
from tamid.core.decide import decide
from tamid.core.fold import evolve
from tamid.core.policy import Policy
from tamid.core.signals import Signals
from tamid.core.state import State
from tamid.core.values import Role, TablePin, VersionRef

START = datetime(2026, 1, 4, tzinfo=UTC)
PIN = TablePin(table="t", version=0, digest="sha256:0")

POLICY = Policy(
    metric="f1",
    triggers=frozenset({"quality", "age", "code"}),
    max_age=timedelta(weeks=13),
    cooldown=timedelta(days=2),
    runs_per_year=26,
    new_rows=0,
    path=("shadow", "live"),
    approvers=frozenset(),
    sinks=("1-csv",),
)

Outcome = Callable[[str], str]


@dataclass
class Story:
    """A stream of one model that grows by decisions and by what is told from outside."""

    policy: Policy = POLICY
    outcome: Outcome = lambda run: "promote"
    sink_up: Callable[[datetime], bool] = lambda now: True
    now: datetime = START
    state: State = field(default_factory=State)
    records: list[Recorded] = field(default_factory=list)

    def tell(self, *happened: ev.Event, role: Role = Role.CONTROLLER) -> None:
        """Append events from outside."""
        for event in happened:
            draft = Draft(event=event, at=self.now, role=role)
            record = chain("m", self.state.seq + 1, draft, self.state.head)
            self.records.append(record)
            self.state = evolve(self.state, record)

    def live(self, signals: Signals, most: int = 100) -> list[do.Action]:
        """Play one tick to rest and return what was done; fail if it does not come to rest."""
        done: list[do.Action] = []
        for _ in range(most):
            decision = decide(self.policy, self.state, signals, self.now)
            if not decision.actions:
                return done
            for action in decision.actions:
                done.append(action)
                self.tell(*self._act(action))
        raise AssertionError(f"no rest after {most} rounds, last {done[-1].key}")

    def _act(self, action: do.Action) -> Sequence[ev.Event]:
        match action:
            case do.Score():
                rungs = {self.state.rung: 10}
                return [
                    ev.Scored(
                        period=action.period,
                        revision=action.revision,
                        number=self.state.champion,
                        pin=PIN,
                        rows=10,
                        rungs=rungs,
                    )
                ]
            case do.Deliver():
                where = (action.period, action.revision, action.sink)
                if self.sink_up(self.now):
                    return [_delivered(*where)]
                period, revision, sink = where
                return [
                    ev.DeliveryDelayed(
                        period=period,
                        revision=revision,
                        sink=sink,
                        error="down",
                        attempt=action.attempt,
                    )
                ]
            case do.Train():
                return [_started(self.state, action), *self._trained(action.run)]
            case do.Judge():
                outcome = self.outcome(action.run)
                return [ev.Judged(run=action.run, outcome=outcome, reasons=("r",), report="")]  # type: ignore[arg-type]
            case _:
                return _settle(action)

    def _trained(self, run: str) -> Sequence[ev.Event]:
        outcome = self.outcome(run)
        if outcome in ("system", "user_code"):
            return [ev.RunFailed(run=run, failure=outcome, message="m")]  # type: ignore[arg-type]
        return [
            ev.RunFinished(
                run=run,
                bundle="b",
                overlay="o",
                report="r",
                metrics={},
                window="all",
                rows=1,
                seconds=1,
                peak_mb=1,
            )
        ]


def _settle(action: do.Action) -> Sequence[ev.Event]:
    match action:
        case do.Register():
            ref = VersionRef(number=action.number, bundle="b", overlay="o")
            return [ev.VersionRegistered(ref=ref, run=action.run, contract="c")]
        case do.Enter():
            return [ev.StageEntered(number=action.number, stage=action.stage)]
        case do.Promote():
            number, before = action.number, action.previous
            return [ev.Promoted(number=number, previous=before, reason=action.reason, evidence="")]
        case do.RollBack():
            return [ev.RolledBack(number=action.number, back_to=action.back_to, reason="worse")]
        case do.StopRelease():
            return [ev.ReleaseStopped(number=action.number, reason=action.reason)]
        case do.MoveThreshold():
            return [
                ev.ThresholdMoved(
                    alarm=action.alarm,
                    number=action.number,
                    overlay="o2",
                    before=0.5,
                    threshold=action.threshold,
                    reference={},
                    periods=(action.period,),
                )
            ]
        case do.SetRung():
            return [ev.RungSet(rung=action.rung, reason=action.reason)]
        case do.ClearAlarm():
            return [ev.AlarmCleared(alarm=action.alarm, reason=action.reason)]
        case do.Abandon():
            return [ev.RunFailed(run=action.run, failure="abandoned", message=action.reason)]
        case do.CloseCase():
            return [ev.CaseClosed(case=action.case, resolution=action.reason)]
        case do.Comment():
            return [_comment(action)]
        case do.CloseIncident():
            return [ev.IncidentClosed(incident=action.incident, resolution=action.reason)]
        case do.OpenIncident():
            return [_incident(action)]
        case do.OpenCase():
            return [_case(action)]
    raise AssertionError(f"no act for {action}")


def _incident(action: do.OpenIncident) -> ev.IncidentOpened:
    return ev.IncidentOpened(
        incident=action.incident,
        failure=action.failure,
        severity=action.severity,
        noticed_by=action.noticed_by,
        message=action.reason,
        response=action.response,
    )


def _case(action: do.OpenCase) -> ev.CaseOpened:
    return ev.CaseOpened(
        case=action.case,
        role=action.role,
        kind=action.kind,
        title=action.title,
        report="",
        about=action.about,
        run=action.run,
    )


def _comment(action: do.Comment) -> ev.CaseCommented:
    return ev.CaseCommented(
        case=action.case, text=action.text, run=action.run, escalated_to=action.escalated_to
    )


def _delivered(period: str, revision: int, sink: str) -> ev.Delivered:
    return ev.Delivered(period=period, revision=revision, sink=sink, receipt="r", rows=10)


def _started(state: State, action: do.Train) -> ev.RunStarted:
    return ev.RunStarted(
        run=action.run,
        trigger=action.trigger,
        reason=action.reason,
        window="auto",
        contract=state.contract,
        code=state.code,
        pins=(),
        seed=7,
        case=action.case,
        periods=action.periods,
        degraded_periods=action.degraded,
    )


def accepted(period: str) -> ev.DataAccepted:
    """Return the arrival of one period's rows."""
    return ev.DataAccepted(
        source="rows",
        batch=f"{period}.parquet",
        fingerprint=period,
        pin=PIN,
        rows=10,
        periods=(period,),
    )


def refused(period: str) -> ev.DataRefused:
    """Return the refusal of one period's rows."""
    return ev.DataRefused(
        source="rows",
        batch=f"{period}.parquet",
        fingerprint=f"bad {period}",
        owner=Role.MLOPS_ENGINEER,
        reasons=("minutes above max",),
        periods=(period,),
    )


def fallen(version: int, period: str, remedy: ev.Remedy = "needed") -> tuple[ev.Event, ...]:
    """Return an alarm about quality with its diagnosis."""
    name = f"quality/{version}/{period}"
    return (
        ev.AlarmRaised(
            alarm=name,
            signal="quality",
            failure="model_failure",
            severity="critical",
            period=period,
            periods=(period,),
            noticed_by="test",
            message="f1 fell",
        ),
        ev.Diagnosed(
            alarm=name,
            cause="concept_drift",
            confirmed=True,
            route=Role.ML_DEVELOPER,
            reasons=("r",),
            periods=(period,),
            retraining=remedy,
        ),
    )
