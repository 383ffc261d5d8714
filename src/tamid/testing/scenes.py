"""One model's life told in events: for tests of what people see, and for authors of pages.

    life = first_release(Life())         # version 1 goes live on the first Sunday
    served(life, 0)                      # its first week is scored and delivered
    held(life, fall(life, 0))            # its quality falls, a candidate is held, a case opens

Moments are counted from the Sunday `START` of :mod:`tamid.testing.histories`, or from `begin`.
"""

from __future__ import annotations

from collections.abc import Mapping

from tamid.core import events as ev
from tamid.core.values import Interval, Role, TablePin, VersionRef
from tamid.testing.life import Life, digest, digests_of, moment_name

SINK = "1-csv"


def first_release(life: Life, digests: Mapping[str, str] | None = None) -> Life:
    """Tell of a contract, a first run, its gates and version 1 going live on day 0."""
    known = digests_of(digests)
    life.say(ev.ContractAdopted(key="adopt/1", contract=known["contract"]))
    life.say(_arrival(life, 0))
    run(life, "run-0001", "first", "there is no champion yet", known)
    life.say(_verdict("run-0001", "promote", known["gates"]), reason="the run yielded a candidate")
    release(life, 1, 0, "run-0001", known)
    life.say(ev.Ticked(key="tick/0", tick=moment_name(life.now)))
    return life


def run(life: Life, name: str, trigger: str, reason: str, known: Mapping[str, str]) -> None:
    """Tell of a run that yields a candidate."""
    pins = (TablePin(table="churn.rows", version=3, digest=digest("rows")),)
    life.say(
        ev.RunStarted(
            key=f"train/{name}/1",
            run=name,
            trigger=trigger,
            reason=reason,
            window="auto",
            contract=known["contract"],
            code={},
            pins=pins,
            seed=7,
            periods=(life.period(-9), life.period(-3)),
        ),
        reason=reason,
    )
    life.say(
        ev.RunFinished(
            key=f"finished/{name}",
            run=name,
            bundle=known["bundle"],
            overlay=known["overlay"],
            report=known["report"],
            metrics={"f1": 0.831},
            window="all",
            rows=42_000,
            seconds=12,
            peak_mb=310,
        )
    )


def release(life: Life, number: int, previous: int, name: str, known: Mapping[str, str]) -> None:
    """Tell of a candidate that is registered and, as the first one, goes live at once."""
    ref = VersionRef(number=number, bundle=known["bundle"], overlay=known["overlay"])
    registered = ev.VersionRegistered(
        key=f"register/{name}",
        ref=ref,
        run=name,
        contract=known["contract"],
        reference={"quality": (0.82, 0.83, 0.84, 0.83)},
        trained_through=life.period(-2),
    )
    life.say(registered, reason="all gates passed")
    if previous:
        entered = ev.StageEntered(key=f"enter/{number}/shadow", number=number, stage="shadow")
        life.say(entered, reason="next stage of the path")
        return
    promoted = ev.Promoted(
        key=f"promote/{number}",
        number=number,
        previous=previous,
        reason="first release",
        evidence=known["gates"],
    )
    life.say(promoted, reason="first release")


def served(life: Life, week: int, number: int = 1, late: bool = False, rule: int = 0) -> None:
    """Tell of a week that was scored and delivered; `rule` answers came from the rung rule."""
    period = life.period(week)
    life.at(days=7 * week, hours=9 if late else 3)
    life.say(_arrival(life, week))
    rungs = {name: n for name, n in (("champion", 1000 - rule), ("rule", rule)) if n}
    pin = TablePin(table="churn.predictions", version=week, digest=digest(f"p{week}"))
    key = f"score/{period}/1"
    life.say(
        ev.Scored(
            key=key, period=period, revision=1, number=number, pin=pin, rows=1000, rungs=rungs
        ),
        reason=f"period {period} is due",
    )
    life.say(
        ev.Delivered(
            key=f"deliver/{period}/1/{SINK}/1",
            period=period,
            revision=1,
            sink=SINK,
            receipt="out/scores.csv",
            rows=1000,
            late=late,
        ),
        reason="scores are ready",
    )
    life.say(ev.Ticked(key=f"tick/{week}", tick=moment_name(life.now)))


def measured(life: Life, week: int, value: float, number: int = 1) -> None:
    """Tell of a week's realised quality, nine days after it began."""
    period = life.period(week)
    life.at(days=7 * week + 9, hours=1)
    life.say(
        ev.Measured(
            key=f"quality/{period}",
            signal="quality",
            period=period,
            value=value,
            interval=Interval(point=value, low=value - 0.02, high=value + 0.02),
            model_version=number,
            rows=1000,
            positives=48,
            matured=0.98,
        )
    )


def fall(life: Life, week: int, value: float = 0.70) -> str:
    """Tell of a week whose quality fell: measurement, alarm, diagnosis, incident."""
    measured(life, week, value)
    period = life.period(week)
    name = f"quality/1/{period}"
    message = f"f1 of version 1 fell to {value:.3f} in {period}"
    life.say(
        ev.AlarmRaised(
            key=f"alarm/{name}",
            alarm=name,
            signal="quality",
            failure="model_failure",
            severity="critical",
            period=period,
            periods=(period,),
            noticed_by="realised quality on matured labels",
            message=message,
            budget="at most 1 false alarm a year expected",
        )
    )
    life.say(
        ev.Diagnosed(
            key=f"diagnosis/{name}",
            alarm=name,
            cause="concept_drift",
            confirmed=True,
            route=Role.ML_DEVELOPER,
            reasons=("the scores promised 0.83, the labels gave 0.70",),
            periods=(period,),
        )
    )
    life.say(
        ev.IncidentOpened(
            key=f"incident/alarm/{name}",
            incident=f"alarm/{name}",
            failure="model_failure",
            severity="critical",
            noticed_by="realised quality on matured labels",
            message=message,
            response="diagnosis, best rung, then retraining or a case",
        ),
        reason=message,
    )
    return name


def held(life: Life, alarm: str, digests: Mapping[str, str] | None = None) -> None:
    """Tell of a second run that the gates hold, and of the case that follows."""
    known = digests_of(digests)
    run(life, "run-0002", "quality", "f1 of version 1 fell", known)
    life.say(_verdict("run-0002", "held", known["gates"]), reason="the run yielded a candidate")
    life.say(
        ev.CaseOpened(
            key="case/1",
            case=1,
            role=Role.ML_DEVELOPER,
            kind="held",
            title="run-0002: no candidate is good enough (minimum f1)",
            report=known["case"],
            about=f"alarm/{alarm}",
            run="run-0002",
        ),
        reason="run-0002 ended held",
    )


def challenger(life: Life, digests: Mapping[str, str] | None = None) -> None:
    """Tell of a second run that passes its gates and enters shadow as version 2."""
    known = digests_of(digests)
    run(life, "run-0002", "quality", "f1 of version 1 fell", known)
    life.say(_verdict("run-0002", "promote", known["gates"]), reason="the run yielded a candidate")
    release(life, 2, 1, "run-0002", known)


def _arrival(life: Life, week: int) -> ev.DataAccepted:
    period = life.period(week)
    return ev.DataAccepted(
        key=f"rows/{period}",
        source="rows",
        batch=f"{period}.csv",
        fingerprint=digest(f"file{week}"),
        pin=TablePin(table="churn.rows", version=week, digest=digest(f"rows{week}")),
        rows=1000,
        quarantined={"minutes above max": 3},
        periods=(period,),
    )


def _verdict(name: str, outcome: str, report: str) -> ev.Judged:
    good = outcome == "promote"
    return ev.Judged(
        key=f"judge/{name}",
        run=name,
        outcome=outcome,  # type: ignore[arg-type]
        reasons=("superior on the judged weeks",) if good else ("minimum f1: 0.71 is below 0.75",),
        report=report,
        failed=() if good else ("minimum f1",),
        difference=Interval(point=0.04, low=0.01, high=0.07) if good else None,
    )
