"""What a ledger names of all that is stored: contents, versions of tables, bundles."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from tamid.core import events as ev
from tamid.core.chain import Recorded
from tamid.core.learning.bundle import read_manifest
from tamid.core.values import TablePin
from tamid.ports import Blobs


def blobs_named(records: Iterable[Recorded], blobs: Blobs) -> frozenset[str]:
    """Return the digests of all content that events need: named by them, or by a bundle they name.

    Raises:
        NotFound, IntegrityError: the manifest of a bundle is gone or altered.
    """
    found: set[str] = set()
    bundles: set[str] = set()
    for record in records:
        found.update(digest for digest in named_blobs(record.event) if digest)
        bundles.update(bundle for bundle, _ in named_bundles(record.event))
    for bundle in bundles:
        found.update(read_manifest(blobs.get(bundle)).files.values())
    return frozenset(found | bundles)


def cleared(records: Iterable[Recorded], blobs: Blobs) -> frozenset[tuple[str, int]]:
    """Return the versions of tables that were cleared away on purpose: (table, version)."""
    found: set[tuple[str, int]] = set()
    for record in records:
        if isinstance(record.event, ev.Collected):
            listed = json.loads(blobs.get(record.event.report))["versions"]
            found.update((table, v) for table, versions in listed.items() for v in versions)
    return frozenset(found)


def newest_named(records: Iterable[Recorded]) -> dict[str, int]:
    """Return the highest version of each table that events name."""
    found: dict[str, int] = {}
    for record in records:
        for pin in named_pins(record.event):
            found[pin.table] = max(pin.version, found.get(pin.table, 0))
    return found


def named_blobs(event: ev.Event) -> Iterator[str]:
    """Yield the digests of stored content that an event names."""
    match event:
        case ev.ContractAdopted():
            yield from (event.contract, *event.code.values())
        case ev.RunStarted():
            yield from (event.contract, *event.code.values())
            if event.diff:
                yield event.diff
        case ev.RunFinished():
            yield from (event.bundle, event.overlay, event.report)
        case ev.RowsCleaned() | ev.AnswersCleaned():
            yield event.contract
        case ev.Judged() | ev.CaseOpened():
            yield event.report
        case ev.VersionRegistered():
            yield from (event.ref.bundle, event.ref.overlay, event.contract)
            if event.usual:
                yield event.usual
        case ev.ThresholdMoved():
            yield event.overlay
        case ev.NormalAccepted():
            yield from (event.overlay, event.usual)
            if event.asked:
                yield event.asked
        case ev.OnlineUsual():
            yield event.usual
        case ev.Promoted():
            yield event.evidence
        case ev.EntityErased() if event.report:
            yield event.report
        case ev.Collected():
            yield event.report


def named_pins(event: ev.Event) -> Iterator[TablePin]:
    """Yield the versions of tables that an event names."""
    match event:
        case ev.DataAccepted() | ev.LabelsAccepted() | ev.ActionsAccepted() | ev.Scored():
            yield event.pin
        case ev.RunStarted() | ev.Measured() | ev.FeedbackGiven():
            yield from event.pins
        case ev.RunFinished() if event.judged is not None:
            yield event.judged
        case ev.AnswersTaken():
            yield from (pin for pin in (event.pin, event.times) if pin is not None)
        case ev.Collected():
            yield from event.pins
        case ev.RowsCleaned():
            yield event.pin
        case ev.ViewMaterialised():
            yield from (event.events, event.pin)


def named_bundles(event: ev.Event) -> Iterator[tuple[str, str]]:
    """Yield the bundles, each with its policy overlay, that an event names."""
    if isinstance(event, ev.RunFinished):
        yield event.bundle, event.overlay
    if isinstance(event, ev.VersionRegistered):
        yield event.ref.bundle, event.ref.overlay
