"""What is awaited, and of whom: approvals, cases, repairs, a resumption, and the truth."""

from __future__ import annotations

from tamid.core.handoff import awaits_acceptance
from tamid.core.policy import policy_of
from tamid.core.repairs import concerned
from tamid.core.rules.cases import answer_due
from tamid.core.values import Role, parse_instant
from tamid.core.view.quality import next_truth
from tamid.core.view.scene import Scene
from tamid.core.view.snapshot import Awaited, Point


def awaited(scene: Scene, points: tuple[Point, ...]) -> tuple[Awaited, ...]:
    """Return what is awaited: first of people, the oldest first, then of time."""
    people = [*_approvals(scene), *_cases(scene), *_repairs(scene), *_resumption(scene)]
    people.sort(key=lambda a: a.since or scene.now)
    return (*people, *_truth(scene, points))


def _approvals(scene: Scene) -> list[Awaited]:
    state = scene.state
    version = state.versions.get(state.challenger)
    if version is None:
        return []
    number = state.challenger
    policy = policy_of(scene.contract)
    missing = sorted(policy.approvers - version.approvals)
    accepting = []
    if awaits_acceptance(state, number, policy.acceptor):
        missing = [role for role in missing if role != policy.acceptor]
        said = f"accept or reject the hand-over of version {number}"
        command = f"`tamid approve {number} --as {policy.acceptor}`"
        accepting = [Awaited(who=policy.acceptor, what=f"{said}: {command}", since=version.at)]
    return accepting + [
        Awaited(
            who=role,
            what=f"approve or reject version {number}: `tamid approve {number} --as {role}`",
            since=version.at,
        )
        for role in missing
    ]


def _cases(scene: Scene) -> list[Awaited]:
    return [
        Awaited(
            who=role.value,
            what=f"work on case {number}, {case.opened.title}: `tamid cases {number}`",
            since=case.at,
            by=answer_due(case),
        )
        for number, case in scene.state.open_cases.items()
        for role in (case.opened.role, case.escalated)
        if role is not None
    ]


def _repairs(scene: Scene) -> list[Awaited]:
    known = {case.opened.about for case in scene.state.open_cases.values()}
    return [
        Awaited(
            who=refusal.event.owner.value,
            what=f"repair {name} at its source and put it down again",
            since=refusal.at,
        )
        for name, refusal in scene.state.refused.items()
        if not any(concerned(about, refusal.event) for about in known)
    ]


def _resumption(scene: Scene) -> list[Awaited]:
    if scene.state.paused is None:
        return []
    until = scene.state.paused.until
    role = Role.MLOPS_ENGINEER.value
    what = f"let the loop act again: `tamid resume --as {role} --reason ...`"
    return [Awaited(who=role, what=what, by=parse_instant(until) if until else None)]


def _truth(scene: Scene, points: tuple[Point, ...]) -> list[Awaited]:
    due, period = next_truth(scene, points)
    if due is None:
        return []
    if due <= scene.now:
        return [Awaited(who="time", what=f"labels of {period}, due and not measured yet", by=due)]
    return [Awaited(who="time", what=f"labels of {period}", by=due)]
