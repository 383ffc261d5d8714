"""All that a model's stages act through, gathered once by the wiring and handed along."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date

from numpy.random import Generator

from tamid.core.contract.model import Contract
from tamid.core.learning.model import Learner
from tamid.core.special import Holidays
from tamid.core.values import Task
from tamid.ports import (
    Blobs,
    Clock,
    Leases,
    Ledger,
    Lookup,
    Progress,
    Reports,
    RuleRunner,
    Scorer,
    Signer,
    Sink,
    Source,
    Spool,
    Tables,
    Trainer,
)


def no_holidays(country: str, year: int) -> Mapping[date, tuple[str, ...]]:
    """Return the holidays of a world that has none; the wiring puts a real calendar in."""
    return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a run's code comes from: commit, uncommitted changes to it, digest of the packages.

    `changed`: files that differ from the commit, `diff` as git tells it.
    """

    git: str = ""
    dirty: bool = False
    environment: str = ""
    branch: str = ""
    changed: tuple[str, ...] = ()
    diff: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rig:
    """The ports of one model.

    `sources`: by name, "rows", "labels" (if they come apart) and each event table. `sinks`: by the
    name that the policy gives them. `salt`: secret of the workspace that keys hashes of entities.
    `parse` reads a contract's text; `generator` makes seeded randomness; `origin` says
    what the code and the packages are at the moment. `learner` makes the small helper models of
    monitoring, by task; without one, what needs a fit stays unmeasured. `holidays` names the
    special days of a country. `spool`: what servers of the model wrote down, if any may, `lookup`:
    what they look up. `reports`: what model servers told, None where nobody serves.
    """

    model: str
    clock: Clock
    ledger: Ledger
    leases: Leases
    blobs: Blobs
    tables: Tables
    sources: Mapping[str, Source]
    trainer: Trainer
    scorer: Scorer
    signer: Signer
    sinks: Mapping[str, Sink]
    progress: Progress
    parse: Callable[[str], Contract]
    generator: Callable[[int], Generator]
    salt: str
    rules: RuleRunner | None = None
    spool: Spool | None = None
    lookup: Lookup | None = None
    holidays: Holidays = no_holidays
    origin: Callable[[], Origin] = Origin
    learner: Callable[[Task], Learner] | None = None
    reports: Reports | None = None

    def contract(self, digest: str) -> Contract:
        """Return the contract with this digest, as it was when it was adopted."""
        return _parsed(self.parse, self.blobs.get(digest).decode())

    def table(self, name: str) -> str:
        """Return the stored name of one of this model's tables."""
        return f"{self.model}.{name}"


@functools.lru_cache(maxsize=32)
def _parsed(parse: Callable[[str], Contract], text: str) -> Contract:
    return parse(text)
