"""A model's story with moments, people and digests, and the contract that it is told under."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from tamid.core import events as ev
from tamid.core.chain import Draft, chain
from tamid.core.fold import evolve
from tamid.core.values import Role, digest_of, instant
from tamid.testing.histories import START, Story

CONTRACT = """\
tamid: 1
name: churn
task: binary
calendar: {week_starts: sunday}
data:
  source: {path: rows/*.csv, owner: mlops_engineer}
  entity: customer
  time: week
  label: {column: left, positive: 1, horizon: 7d, reporting_lag: 2d}
  schema:
    minutes: {type: number, min: 0, max: 10080}
    left: {type: integer, nullable: true}
training: {model: logistic}
release: {path: [shadow, live], approval: auto}
monitoring: {every: 1d, quality: {metric: f1, at_least: 0.75}}
delivery: {every: 7d, by: "Sunday 06:00", to: [{csv: out/scores.csv}]}
"""
WEEK = timedelta(weeks=1)


class Life(Story):
    """A story with moments, digests and people; `blobs` maps the digests that it names."""

    def __init__(self, begin: datetime = START) -> None:
        super().__init__(now=begin)
        self.begin = begin

    def say(
        self,
        event: ev.Event,
        *,
        reason: str = "",
        actor: str = "tamid",
        role: Role = Role.CONTROLLER,
    ) -> None:
        """Append one event with who did it and why."""
        draft = Draft(event=event, at=self.now, actor=actor, role=role, reason=reason)
        record = chain("churn", self.state.seq + 1, draft, self.state.head)
        self.records.append(record)
        self.state = evolve(self.state, record)

    def at(self, **after: float) -> Life:
        """Move to a moment after the beginning, such as days=3."""
        self.now = self.begin + timedelta(**after)
        return self

    def period(self, week: int) -> str:
        """Return the period that begins this many weeks after the beginning."""
        return (self.begin + week * WEEK).date().isoformat()

    @property
    def drafts(self) -> list[Draft]:
        """Everything that was said, to be appended to a real ledger."""
        return [
            Draft(event=r.event, at=r.at, actor=r.actor, role=r.role, reason=r.reason)
            for r in self.records
        ]


def digests_of(given: Mapping[str, str] | None) -> dict[str, str]:
    """Return a digest for each kind of stored content, the given ones as they are."""
    names = ("contract", "bundle", "overlay", "report", "gates", "case")
    return {name: digest(name) for name in names} | dict(given or {})


def digest(name: str) -> str:
    """Return a digest that stands for a name."""
    return digest_of(name)


def moment_name(now: datetime) -> str:
    """Return the name of the tick of a moment."""
    return instant(now)
