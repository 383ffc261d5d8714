"""What the small worlds share: stores in memory that outlive a turn, and how their contracts begin.

Every port is the in-memory one, every process this one, and the learner needs only numpy.
"""

from __future__ import annotations

from collections.abc import Mapping

from in_process import inline
from numpy.random import default_rng

from tamid.adapters.holiday_table import holidays_of
from tamid.adapters.keys import Keys
from tamid.adapters.memory import MemoryLeases, MemoryLedger, MemorySink
from tamid.adapters.memory_blobs import MemoryBlobs
from tamid.adapters.memory_lookup import MemoryLookup
from tamid.adapters.memory_source import MemorySource
from tamid.adapters.memory_spool import MemorySpool
from tamid.adapters.memory_tables import MemoryTables
from tamid.app import Quiet
from tamid.ports import Clock, Sink
from tamid.stages.rig import Rig
from tamid.workshop import inline_scorer, inline_trainer, parse

# Weekly rows of customers who leave or stay; a schema follows.
LEAVERS = """\
tamid: 1
name: {name}
task: binary
calendar: {{week_starts: sunday}}
data:
  source: {{path: rows/*.parquet, owner: mlops_engineer}}
  entity: customer
  time: week
  label:
    column: left
    positive: 1
    horizon: 7d
    reporting_lag: 1d
    source: {{path: labels/*.parquet{labels_owner}}}
"""
# Behind it: a model with a second one that does without complaints, and the rung that asks it.
COMPLAINTS = """\
  schema:
    usage: {type: number}
    calls: {type: number}
    complaints: {type: number, min: 0}
training: {model: logistic, reduced: [complaints]}
gates: {minimum: {f1: 0.5}, calibration: {max_ece: 0.3}}
service: {p99_ms: 60000, start_s: 600, fallback: [reduced, default: 0.3]}
"""


class Stores:
    """All that outlives a turn of one model."""

    def __init__(
        self, model: str, signer: Keys, salt: str, sinks: Mapping[str, Sink] | None = None
    ) -> None:
        self.model, self.signer, self.salt = model, signer, salt
        self.leases = MemoryLeases()
        self.ledger = MemoryLedger(self.leases)
        self.blobs, self.tables = MemoryBlobs(), MemoryTables()
        self.rows, self.labels = MemorySource(), MemorySource()
        self.events: dict[str, MemorySource] = {}
        self.spool, self.lookup = MemorySpool(), MemoryLookup()
        self.sinks = sinks or {"1-csv": MemorySink()}

    def opened(self, clock: Clock) -> Rig:
        """Open the ports as a fresh process does."""
        return inline(
            Rig(
                model=self.model,
                clock=clock,
                ledger=self.ledger,
                leases=self.leases,
                blobs=self.blobs,
                tables=self.tables,
                sources={"rows": self.rows, "labels": self.labels, **self.events},
                trainer=inline_trainer(tiny=True),
                scorer=inline_scorer(self.blobs, self.signer),
                signer=self.signer,
                sinks=self.sinks,
                progress=Quiet(),
                parse=parse,
                generator=default_rng,
                salt=self.salt,
                holidays=holidays_of,
                spool=self.spool,
                lookup=self.lookup,
            )
        )
