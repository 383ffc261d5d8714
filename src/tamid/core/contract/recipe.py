"""What of a contract a model is made from and judged by; all else may change without a new run."""

from __future__ import annotations

from dataclasses import replace

from tamid.core.contract.inputs import Data, EventTable, Source
from tamid.core.contract.model import Contract, Owners
from tamid.core.contract.running import Delivery, Monitoring, Release, Retraining, Service
from tamid.core.values import digest_of


def recipe(contract: Contract) -> str:
    """Return the digest of what training and the gates read; layout and comments are not in it.

    Left out are the people, where data lies and how its files are written, how the model is
    released, watched, served and delivered. What a candidate is measured against stays in.

    Law: contracts of one recipe make, of one snapshot and one seed, one model with one verdict;
    but what becomes of an equal one is `retraining.equal`, a matter of when, not of how it is made.
    """
    service, delivery = contract.service, contract.delivery
    return digest_of(
        replace(
            contract,
            owners=Owners(),
            consumers=(),
            data=_unplaced(contract.data),
            release=Release(),
            service=replace(
                Service(),
                p99_ms=service.p99_ms,
                memory_mb=service.memory_mb,
                size_mb=service.size_mb,
                start_s=service.start_s,
            ),
            monitoring=Monitoring(quality=contract.monitoring.quality),
            retraining=Retraining(window=contract.retraining.window),
            delivery=Delivery(
                every=delivery.every, control_group=delivery.control_group, rotate=delivery.rotate
            ),
        )
    )


def _unplaced(data: Data) -> Data:
    truth = data.label.source
    return replace(
        data,
        source=_nowhere(data.source),
        label=replace(data.label, source=None if truth is None else _nowhere(truth)),
        tables={name: _here(table) for name, table in data.tables.items()},
    )


def _nowhere(source: Source) -> Source:
    return Source(path="-", known_at=source.known_at)


def _here(table: EventTable) -> EventTable:
    return replace(table, path="-", format="auto", csv=None, owner="mlops_engineer")
