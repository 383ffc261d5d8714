"""From the ledger's references to verified bundles, and what the server must know of them.

The stage `packaging` does the same for the loop; it knows tables, which the server does not load.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from tamid.core.bands import band_edges
from tamid.core.contract.kinds import parse_size
from tamid.core.contract.model import Column, Contract
from tamid.core.errors import IntegrityError, NotFound
from tamid.core.ladder import REDUCED as REDUCED_RUNG
from tamid.core.ladder import Step
from tamid.core.learning.bundle import (
    REDUCED,
    Opened,
    Overlay,
    read_manifest,
    reduced,
    unsealed,
    without,
)
from tamid.core.values import Task, VersionRef
from tamid.ports import Blobs, Signer
from tamid.serving.values import Input, Kind, Logged, Served, Value

CONTRACT, GOLDEN = "contract.yaml", "golden.json"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Parse = Callable[[str], Contract]
_KINDS: Mapping[str, Kind] = {
    "number": "number", "integer": "integer", "text": "text", "boolean": "boolean",
    "datetime": "datetime", "naive": "datetime", "date": "datetime",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """A version whose signatures and digests were checked, with its own contract.

    `key`: of the pseudonyms of its store, empty where entities are stored as they were given.
    """

    ref: VersionRef
    opened: Opened
    contract: Contract
    key: bytes = b""


def verify(ref: VersionRef, blobs: Blobs, signer: Signer, parse: Parse) -> Verified:
    """Return a version after checking both signatures and the digest of every file.

    Raises:
        IntegrityError: unsigned, altered, missing, or an overlay of another bundle.
    """
    overlay, signature = unsealed(_get(blobs, ref.overlay, "overlay.json"))
    signer.verify(overlay.content, signature)
    if overlay.bundle != ref.bundle:
        raise IntegrityError(
            "the overlay belongs to another bundle", why=f"it names {overlay.bundle}"
        )
    signer.verify(ref.bundle.encode(), overlay.vouched)
    # Content is checked against its digest as it is read, and the manifest names every digest.
    manifest = read_manifest(_get(blobs, ref.bundle, "manifest.json"))
    files = {path: _get(blobs, digest, path) for path, digest in manifest.files.items()}
    opened = Opened(manifest=manifest, overlay=overlay, files=files)
    return Verified(ref=ref, opened=opened, contract=parse(files[CONTRACT].decode()))


def served(found: Verified, in_force: Contract, steps: tuple[Step, ...]) -> Served:
    """Return what a version takes and gives, under the contract in force for the service."""
    contract, schema = found.contract, found.opened.manifest.schema
    threshold = threshold_of(found.opened.overlay, schema.task)
    edges: tuple[tuple[str, float], ...] = ()
    if schema.task is not Task.MULTICLASS:
        edges = band_edges(in_force.delivery.bands, threshold)
    kinds = {c["name"]: c["type"] for c in json.loads(found.opened.files[GOLDEN])["columns"]}
    return Served(
        name=in_force.name,
        number=found.ref.number,
        bundle=found.ref.bundle,
        overlay=found.ref.overlay,
        task=schema.task,
        inputs=tuple(
            _input(n, contract.data.schema.get(n), kinds.get(n, "number")) for n in schema.inputs
        ),
        entity=contract.data.entity,
        time=contract.data.time if contract.data.time in schema.inputs else None,
        moment=contract.data.time,
        stale_after=in_force.service.stale_after.total_seconds()
        if in_force.service.stale_after
        else None,
        classes=schema.classes,
        threshold=threshold,
        edges=edges,
        deadline=in_force.service.p99_ms / 1000,
        steps=steps,
        logged=_logged(in_force, schema.inputs, veiled=bool(found.key)),
        key=found.key,
        spared=_spared(found.opened, steps),
        beside=_beside(in_force, schema.inputs),
    )


def needed_by(found: Verified, others: Sequence[str]) -> frozenset[str]:
    """Return the columns that a version cannot do without, and that are none of the others."""
    schema = found.contract.data.schema
    names = set(found.opened.manifest.schema.inputs) - set(others) - {found.contract.data.time}
    return frozenset(n for n in names if n in schema and not schema[n].nullable)


def reduced_of(found: Verified) -> Verified | None:
    """Return a version's model without some columns as a version of its own; None: it has none."""
    opened = reduced(found.opened)
    return None if opened is None else replace(found, opened=opened)


def _beside(contract: Contract, inputs: Sequence[str]) -> tuple[Input, ...]:
    """Return the columns of a contract that a version does not read, but for ids and the label."""
    data = contract.data
    taken = {*inputs, data.entity, data.time, data.label.column}
    return tuple(_input(n, c, c.type) for n, c in data.schema.items() if n not in taken)


def _spared(opened: Opened, steps: Sequence[Step]) -> frozenset[str]:
    """Return the inputs that may fail a row, for a model that does without them is asked."""
    told = opened.part(REDUCED.rstrip("/"))
    asked = any(step.rung == REDUCED_RUNG for step in steps)
    return frozenset(without(told)) if asked else frozenset()


def threshold_of(overlay: Overlay, task: Task) -> float | None:
    """Return where the decision begins; numbers and classes have no threshold."""
    known = task is Task.BINARY and math.isfinite(overlay.threshold)
    return overlay.threshold if known else None


def _logged(contract: Contract, inputs: Sequence[str], *, veiled: bool) -> Logged:
    """Return what may be written down of a row: declared, and nothing personal."""
    data, log = contract.data, contract.service.log
    declared = (set(data.schema) | set(contract.features.aggregates)) - set(data.pii)
    kept = declared - set(data.forbidden)
    names = tuple(n for n in inputs if n in kept)
    every = len(names) == len(inputs)
    return Logged(
        names=names,
        beside=tuple(i.name for i in _beside(contract, inputs) if i.name in kept),
        entity=data.entity not in data.pii,
        # A request as a whole holds the entity as it was given.
        whole=every and data.entity not in data.pii and not veiled,
        bare=every and not (veiled and data.entity in inputs),
        share=log.share,
        most_bytes=parse_size(log.max_disk),
        when_full=log.when_full,
    )


def golden_rows(found: Verified) -> list[dict[str, Value]]:
    """Return the golden rows as they would be asked for: each column drawn by itself."""
    stored = json.loads(found.opened.files[GOLDEN])
    columns = {c["name"]: _as_asked(c["type"], c["values"]) for c in stored["columns"]}
    names = [n for n in found.opened.manifest.schema.inputs if n in columns]
    return [{n: columns[n][i] for n in names} for i in range(len(stored["expected"]))]


def _as_asked(kind: str, values: list[Value]) -> list[Value]:
    """Write moments, which are stored as numbers, as the text that a request has."""
    unit = {"datetime": "microseconds", "naive": "microseconds", "date": "days"}.get(kind)
    if unit is None:
        return values
    return [
        None if v is None else (_EPOCH + timedelta(**{unit: float(v)})).isoformat() for v in values
    ]


def _input(name: str, column: Column | None, kind: str) -> Input:
    if column is None:
        return Input(name=name, kind=_KINDS[kind])
    return Input(
        name=name,
        kind=column.type,
        nullable=column.nullable,
        min=column.min,
        max=column.max,
        allowed=None if column.allowed is None else frozenset(column.allowed),
    )


def _get(blobs: Blobs, digest: str, name: str) -> bytes:
    try:
        return blobs.get(digest)
    except NotFound as error:
        raise IntegrityError(f"{name} is missing", why=f"no content {digest}") from error
    except IntegrityError as error:
        raise IntegrityError(f"{name} was altered", why=error.what) from error
