"""When the loop goes back to training, and when it must not."""

from __future__ import annotations

from datetime import datetime, timedelta

from tamid.core.actions import Abandon, Action, Judge, Train
from tamid.core.policy import Policy
from tamid.core.releases import how_ended
from tamid.core.rules.threshold import tried_in_vain
from tamid.core.rules.worth import not_worth
from tamid.core.signals import Signals
from tamid.core.state import Alarm, Run, State
from tamid.core.values import STATIC_PERIOD, Role, TablePin

YEAR = timedelta(days=365)
# A quarter of the drifted rows tunes a candidate, on 50 at least; a draw of a quarter of so many is
# smaller in 3 of 1,000 runs.
FEWEST_DRIFTED = 280


def judge(policy: Policy, state: State, signals: Signals, now: datetime) -> list[Action]:
    """Hold the gates against a finished run."""
    run = state.run_in_flight
    if run is None or run.finished is None:
        return []
    name = run.started.run
    return [Judge(key=f"judge/{name}", reason="the run yielded a candidate", run=name)]


def retrain(policy: Policy, state: State, signals: Signals, now: datetime) -> list[Action]:
    """Continue a broken run or give it up; start one if a trigger fires and nothing forbids it."""
    run = state.run_in_flight
    if run is not None:
        if run.attempts > policy.restarts:
            return [_abandoned(run)]
        started = run.started
        return [
            Train(
                key=f"train/{started.run}/{run.attempts + 1}",
                reason="the run did not come to its end",
                run=started.run,
                trigger=started.trigger,
                case=started.case,
                degraded=started.degraded_periods,
                periods=started.periods,
            )
        ]
    if state.challenger or not signals.trainable or not state.contract or forbidden(state):
        return []
    trigger, reason, degraded = _trigger(policy, state, signals, now)
    if not trigger or _exhausted(policy, state, signals, trigger, degraded, now):
        return []
    name = f"run-{len(state.runs) + 1:04d}"
    return [
        Train(
            key=f"train/{name}/1",
            reason=reason,
            run=name,
            trigger=trigger,
            case=_case_worked(state) if trigger == "code" else 0,
            degraded=degraded,
            periods=signals.trainable,
        )
    ]


def _abandoned(run: Run) -> Abandon:
    name, last = run.started.run, run.failed.message if run.failed else "its process died"
    reason = f"{name} was started {run.attempts} times and never came to its end: {last}"
    return Abandon(key=f"abandon/{name}", reason=reason, run=name)


def forbidden(state: State) -> str:
    """Return why training is blocked just now, or ""."""
    for name in state.refused:
        return f"{name} broke the contract and is not repaired yet"
    for alarm in state.open_alarms.values():
        if alarm.diagnosis is not None and alarm.diagnosis.retraining == "blocked":
            return f"{alarm.diagnosis.cause} in {', '.join(alarm.diagnosis.periods)}"
    return ""


def drifted(state: State, matured: tuple[str, ...]) -> tuple[str, ...]:
    """Return the matured periods since the onset of a confirmed fall of the champion's quality."""
    since = state.released_at
    onsets = [
        min(a.raised.periods)
        for a in state.open_alarms.values()
        if a.raised.signal == "quality"
        and a.raised.periods
        and a.diagnosis is not None
        # An alarm from before the last release is about a version that is gone.
        and not (since is not None and a.at <= since)
    ]
    return tuple(p for p in matured if onsets and p >= min(onsets))


def _trigger(
    policy: Policy, state: State, signals: Signals, now: datetime
) -> tuple[str, str, tuple[str, ...]]:
    """Return the trigger, its reason and the drifted periods to judge on."""
    degraded = drifted(state, signals.matured)
    if not state.champion:
        return "first", "there is no champion yet", ()
    if "code" in policy.triggers and _changed(state):
        return "code", "the contract or the code changed", degraded
    if "code" in policy.triggers and (name := _open_question(state, signals)):
        return "code", f"{name} was undecided, and more is known now", degraded
    alarm = _quality(state)
    told = "quality" in policy.triggers and alarm is not None and _can_tell(state, degraded)
    if told and alarm is not None and not not_worth(policy, state, degraded):
        return "quality", alarm.raised.message, degraded
    last = max((r.at for r in state.runs.values()), default=now)
    if "age" in policy.triggers and now - max(last, state.reigns[-1].since) > policy.max_age:
        return "age", f"the champion is older than {policy.max_age.days} days", degraded
    if "new_data" in policy.triggers and 0 < policy.new_rows <= signals.fresh_rows:
        return "new_data", f"{signals.fresh_rows} matured rows are new to the champion", degraded
    if "new_data" in policy.triggers and policy.grown > 0:
        grown = _grown(state, signals)
        if grown >= policy.grown:
            return "new_data", f"all that can be learnt from grew by {grown:.0%}", degraded
    return "", "", ()


def _grown(state: State, signals: Signals) -> float:
    """Return by which share of what any run could learn from rows have matured since."""
    tried = (max(run.started.periods, default="") for run in state.runs.values())
    through = max(state.versions[state.champion].registered.trained_through, *tried, "")
    rows = {p: state.volume.get(p, 0) for p in signals.trainable}
    known = sum(n for p, n in rows.items() if p <= through)
    return (sum(rows.values()) - known) / known if known and STATIC_PERIOD not in rows else 0.0


def _can_tell(state: State, degraded: tuple[str, ...]) -> bool:
    """Whether the drifted periods have rows enough to tune and judge on, as far as is counted."""
    rows = [state.volume[p] for p in degraded if p in state.volume]
    return len(rows) < len(degraded) or not rows or sum(rows) >= FEWEST_DRIFTED


def _changed(state: State) -> bool:
    last = _last(state)
    return last is not None and not _same_recipe(state, last)


def _quality(state: State) -> Alarm | None:
    for alarm in state.open_alarms.values():
        known = alarm.diagnosis
        if alarm.raised.signal != "quality" or known is None:
            continue
        if known.retraining == "needed" or (
            known.retraining == "useless" and tried_in_vain(state, alarm)
        ):
            return alarm
    return None


def too_dear(policy: Policy, state: State, signals: Signals) -> str:
    """Return why a fall that calls for a new model is left as it is for now, or ""."""
    if "quality" not in policy.triggers or state.run_in_flight or _quality(state) is None:
        return ""
    return not_worth(policy, state, drifted(state, signals.matured))


def awaited(state: State, signals: Signals) -> str:
    """Return what the next try waits for after a run that left no new champion, or "".

    While a version is on its way into production no next try is waited for.
    """
    run = _last(state)
    if run is None or state.run_in_flight or state.challenger or not _same_recipe(state, run):
        return ""
    undecided = run.judged is not None and run.judged.outcome == "undecided"
    if (state.champion and not undecided) or not _nothing_new(state, signals, [run]):
        return ""
    ended = how_ended(state, run)
    if signals.trainable == (STATIC_PERIOD,):
        return f"{ended}; the next try waits for new data or new code"
    missing = _wanted(state, run) - len(_fresh(signals, run))
    return (
        f"{ended}; the next try waits for {max(missing, 1)} more period(s) with all "
        "labels, or for new code"
    )


def _exhausted(
    policy: Policy,
    state: State,
    signals: Signals,
    trigger: str,
    degraded: tuple[str, ...],
    now: datetime,
) -> bool:
    """Cooldown, a rollback of late, yearly budget, and no second try on the same evidence."""
    runs = list(state.runs.values())
    if not runs or (trigger in ("code", "first") and _changed(state)):
        return False
    if signals.cooling or now - runs[-1].at < policy.cooldown:
        return True
    if sum(now - r.at < YEAR for r in runs) >= policy.runs_per_year:
        return True
    tried = [r for r in runs if r.started.trigger == trigger]
    if trigger == "first":
        return bool(tried) and _tried_enough(policy, state, signals, runs)
    alarm = _quality(state)
    if trigger == "quality" and alarm is not None:
        return not _worth_a_try(policy, [r for r in tried if r.at >= alarm.at], degraded)
    return False


def _worth_a_try(policy: Policy, tried: list[Run], degraded: tuple[str, ...]) -> bool:
    """Whether the drifted periods say more than at the last try on the same alarm.

    After the first few tries they must have doubled: a matter that waits for its owner is tried
    again on much more evidence, and a year long that is a handful of runs.
    """
    if not tried:
        return bool(degraded)
    known = set(tried[-1].started.degraded_periods)
    wanted = 2 * len(known) if len(tried) >= policy.attempts else 0
    return bool(set(degraded) - known) and len(degraded) >= wanted


def _tried_enough(policy: Policy, state: State, signals: Signals, runs: list[Run]) -> bool:
    """Whether the next first run would only repeat the last; what the machine spoilt may be."""
    if not _same_recipe(state, runs[-1]):
        return False
    if not _nothing_new(state, signals, runs):
        return False
    spoilt = [r for r in runs if _abandoned_by_machine(r) and not _fresh(signals, r)]
    return not _abandoned_by_machine(runs[-1]) or len(spoilt) >= policy.attempts


def _nothing_new(state: State, signals: Signals, runs: list[Run]) -> bool:
    run = runs[-1]
    if signals.trainable == (STATIC_PERIOD,):
        return all(state.pins.get(pin.table, pin) == pin for pin in run.started.pins if _given(pin))
    return len(_fresh(signals, run)) < _wanted(state, run)


def _fresh(signals: Signals, run: Run) -> list[str]:
    """Return the periods whose labels came in since a run."""
    return [p for p in signals.trainable if p > max(run.started.periods, default="")]


def _wanted(state: State, run: Run) -> int:
    """Return how many new periods are worth a next try: as many as are missing, or ever more."""
    told = run.judged.periods_missing if run.judged is not None else 0
    same = [r for r in state.runs.values() if recipe_of(state, r) == recipe_of(state, run)]
    return told or max(len(same), 1)


def _given(pin: TablePin) -> bool:
    """Whether a table came from outside; what the loop itself wrote is no new evidence."""
    return not pin.table.endswith((".predictions", ".judged"))


def _open_question(state: State, signals: Signals) -> str:
    """Return the latest run if it was undecided, on today's recipe, and more is known by now."""
    run = _last(state)
    if run is None or run.judged is None or run.judged.outcome != "undecided":
        return ""
    asked = run.started.trigger in ("code", "case", "person") and _same_recipe(state, run)
    return run.started.run if asked and not _nothing_new(state, signals, [run]) else ""


def _last(state: State) -> Run | None:
    return next(reversed(list(state.runs.values())), None)


def recipe_of(state: State, run: Run) -> tuple[str, dict[str, str]]:
    """Return what a run made its candidate from: the contract's recipe and the code's digests."""
    contract = run.started.contract
    return state.recipes.get(contract, contract), dict(run.started.code)


def _same_recipe(state: State, run: Run) -> bool:
    now = state.recipes.get(state.contract, state.contract)
    return recipe_of(state, run) == (now, dict(state.code))


def _abandoned_by_machine(run: Run) -> bool:
    return run.failed is not None and run.failed.failure == "abandoned"


def _case_worked(state: State) -> int:
    cases = [
        n
        for n, c in state.open_cases.items()
        if c.opened.kind in ("held", "undecided") and c.opened.role is Role.ML_DEVELOPER
    ]
    return max(cases, default=0)
