"""The seven stages of a model's life: who leads, what goes in and out, and where a model stands."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from tamid.core.state import Run, State
from tamid.core.values import Role

Condition = Literal["done", "now", "ahead", "trouble"]
STAGES = ("develop", "version", "build", "test", "deploy", "monitor", "maintain")


@dataclass(frozen=True, slots=True, kw_only=True)
class LifeStage:
    """One stage: who leads and supports, artifacts in and out, the check, the commands."""

    name: str
    leads: Role
    supports: Role
    takes: str
    gives: str
    check: str
    commands: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How far a model has come in one stage, in a sentence."""

    stage: str
    condition: Condition
    sentence: str


_DEVELOPER, _ENGINEER = Role.ML_DEVELOPER, Role.MLOPS_ENGINEER

LIFECYCLE: tuple[LifeStage, ...] = (
    LifeStage(
        name="develop",
        leads=_DEVELOPER,
        supports=_ENGINEER,
        takes="data, a question and what an error costs",
        gives="a contract with the code of features and model",
        check="the contract has no problem, and its code runs on the data",
        commands=("tamid init", "tamid contract check", "tamid plan", "tamid train --dry-run"),
    ),
    LifeStage(
        name="version",
        leads=_DEVELOPER,
        supports=_ENGINEER,
        takes="the contract, its code and the sources",
        gives="a contract in force; rows and labels as pinned snapshots",
        check="each role adopted its own blocks; every snapshot has its digest in the ledger",
        commands=("tamid contract diff", "tamid contract adopt", "tamid tick"),
    ),
    LifeStage(
        name="build",
        leads=_DEVELOPER,
        supports=_ENGINEER,
        takes="snapshots, contract, code and environment, all pinned",
        gives="a candidate: a signed bundle and its overlay",
        check="the run finished; the bundle holds all that it needs, and its golden rows",
        commands=("tamid train", "tamid runs", "tamid why run"),
    ),
    LifeStage(
        name="test",
        leads=_ENGINEER,
        supports=_DEVELOPER,
        takes="the candidate, the champion and rows that neither has seen",
        gives="a verdict of each gate, with its numbers",
        check="every gate of the contract passed; a candidate that is held opens a case",
        commands=("tamid why run", "tamid cases"),
    ),
    LifeStage(
        name="deploy",
        leads=_ENGINEER,
        supports=_DEVELOPER,
        takes="a registered version",
        gives="a champion that answers, in batches and online, with a ladder below it",
        check="each step of the release path and each approval passed; a drill proves every rung",
        commands=("tamid approve", "tamid serve", "tamid drill", "tamid rollback"),
    ),
    LifeStage(
        name="monitor",
        leads=_ENGINEER,
        supports=_DEVELOPER,
        takes="answers, and the labels that come late",
        gives="quality with its interval, alarms with their likely cause",
        check="the service is healthy, and quality keeps the contract",
        commands=("tamid status", "tamid why alarm", "tamid skew"),
    ),
    LifeStage(
        name="maintain",
        leads=_DEVELOPER,
        supports=_ENGINEER,
        takes="alarms, cases and the drifted weeks",
        gives="the next candidate, a closed case, or a model out of service",
        check="no case is open, the loop turns, and a backup was put back once",
        commands=("tamid cases", "tamid train --case", "tamid accept-normal", "tamid retire"),
    ),
)


def current(state: State) -> str:
    """Return the stage in which a model is now, "" once it is retired."""
    if state.retired:
        return ""
    if not state.contract:
        return "develop"
    if state.open_cases:
        return "maintain"
    run = state.run_in_flight
    if run is not None:
        return "test" if run.finished else "build"
    if state.challenger:
        return "deploy"
    if not state.champion:
        return "build" if state.pins else "version"
    return "monitor"


def standings(state: State) -> tuple[Standing, ...]:
    """Return how far a model has come in each stage, in their order."""
    here = current(state)
    found = []
    for name in STAGES:
        condition, sentence = _SAYS[name](state)
        if condition in ("done", "ahead") and name == here:
            condition = "now"
        found.append(Standing(stage=name, condition=condition, sentence=sentence))
    return tuple(found)


def _develop(state: State) -> tuple[Condition, str]:
    if not state.contract:
        return "now", "no contract is in force yet"
    return "done", f"contract {state.contract[7:19]} with {len(state.code)} files of code"


def _version(state: State) -> tuple[Condition, str]:
    if not state.contract or state.adopted_at is None:
        return "ahead", "nothing was adopted yet"
    tables = f"{len(state.pins)} tables pinned, {len(state.periods)} periods of rows"
    refused = f"; refused and not repaired: {', '.join(state.refused)}" if state.refused else ""
    return (
        "trouble" if refused else "done",
        f"in force since {state.adopted_at.date()}, {tables}{refused}",
    )


def _last(state: State) -> Run | None:
    return next(reversed(list(state.runs.values())), None)


def _build(state: State) -> tuple[Condition, str]:
    run = _last(state)
    if run is None:
        return "ahead", "nothing was trained yet"
    name = run.started.run
    if run.finished:
        return "done", f"{name} yielded a candidate from {run.finished.rows} rows"
    if run.failed and not run.open:
        return "trouble", f"{name} failed: {run.failed.message}"
    return "now", f"{name} is under way: {run.started.reason}"


def _test(state: State) -> tuple[Condition, str]:
    judged = next((r for r in reversed(list(state.runs.values())) if r.judged), None)
    if judged is None or judged.judged is None:
        return "ahead", "no candidate was judged yet"
    verdict = judged.judged
    why = "; ".join(verdict.failed or verdict.reasons)
    told = f"{judged.started.run}: {verdict.outcome}" + (f", {why}" if why else "")
    return "trouble" if verdict.outcome == "held" else "done", told


def _deploy(state: State) -> tuple[Condition, str]:
    if state.challenger:
        version = state.versions[state.challenger]
        return "now", f"version {state.challenger} is in {version.stage}"
    if not state.champion:
        return "ahead", "no version was released yet"
    reign, rung = state.reigns[-1], state.rung
    low = "" if rung == "champion" else f"; the rung {rung} answers first"
    told = f"version {reign.number} is live since {reign.since.date()}{low}"
    return "trouble" if low else "done", told


def _monitor(state: State) -> tuple[Condition, str]:
    if not state.champion:
        return "ahead", "there is nothing to watch yet"
    if state.open_alarms:
        return "trouble", f"open alarms: {', '.join(sorted(state.open_alarms))}"
    known = state.measured.get(f"quality@{state.champion}", {})
    if not known:
        return "done", "no alarm is open; no period of this version has all its labels yet"
    last = known[max(known)]
    return "done", f"no alarm is open; quality of {last.period} is {last.value:.3f}"


def _maintain(state: State) -> tuple[Condition, str]:
    if state.retired:
        return "done", f"retired {state.retired.words}"
    if state.open_cases:
        listed = ", ".join(f"{n} ({c.opened.role.value})" for n, c in state.open_cases.items())
        return "now", f"open cases: {listed}"
    if state.paused:
        return "trouble", "a person paused the loop"
    closed = len(state.cases)
    return "done", f"no case is open ({closed} closed so far)"


_SAYS: Mapping[str, Callable[[State], tuple[Condition, str]]] = {
    "develop": _develop,
    "version": _version,
    "build": _build,
    "test": _test,
    "deploy": _deploy,
    "monitor": _monitor,
    "maintain": _maintain,
}
