"""The bundle's manifest and its policy overlay as values, with their canonical bytes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tamid.core.errors import IntegrityError, NotFound
from tamid.core.learning.model import Feature, Schema
from tamid.core.stats.calibration import Calibration, calibration_from
from tamid.core.values import Task, canonical_json, digest_bytes

FORMAT = 1
# Where a bundle keeps the model that does without some columns, and what is told of it there. What
# stands beside it in the bundle and belongs to both.
REDUCED, ABOUT_REDUCED = "reduced/", "reduced.json"
_OF_BOTH = ("contract.yaml", "environment.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a bundle holds: each file's digest by path. Its own digest is the bundle's address."""

    contract: str
    schema: Schema
    files: Mapping[str, str]
    format: int = FORMAT

    @property
    def content(self) -> bytes:
        """Return the canonical bytes."""
        return canonical_json(self).encode()

    @property
    def digest(self) -> str:
        """Return the bundle's address."""
        return digest_bytes(self.content)


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlay:
    """What may change without building the model anew; `vouched` is the bundle's own signature."""

    bundle: str
    vouched: str
    threshold: float
    calibration: Calibration = field(default_factory=Calibration)
    reference: Mapping[str, tuple[float, ...]] = field(default_factory=dict)

    @property
    def content(self) -> bytes:
        """Return the canonical bytes that are signed."""
        return canonical_json(self).encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A bundle whose every byte was verified, with its overlay."""

    manifest: Manifest
    overlay: Overlay
    files: Mapping[str, bytes]

    @property
    def size(self) -> int:
        """Return the size of all files in bytes."""
        return sum(len(content) for content in self.files.values())

    def part(self, folder: str) -> dict[str, bytes]:
        """Return the files under a folder, by their path in it."""
        start = f"{folder}/"
        return {p.removeprefix(start): c for p, c in self.files.items() if p.startswith(start)}


def reduced(opened: Opened) -> Opened | None:
    """Return a bundle's model without some columns as a bundle of its own; None: it has none.

    What opens a bundle opens it alike. Its calibration and threshold are its own.

    Raises:
        IntegrityError: what is told of it cannot be read.
    """
    own = opened.part(REDUCED.rstrip("/"))
    if not own:
        return None
    files = {
        path: content
        for path, content in opened.files.items()
        if path in _OF_BOTH or path.startswith("code/")
    } | own
    try:
        told = json.loads(own[ABOUT_REDUCED])
        manifest = Manifest(
            contract=opened.manifest.contract,
            schema=read_schema(json.loads(own["schema.json"])),
            files={path: digest_bytes(content) for path, content in files.items()},
        )
        overlay = Overlay(
            bundle=opened.overlay.bundle,
            vouched=opened.overlay.vouched,
            threshold=float(told["threshold"]),
            calibration=calibration_from(told["calibration"]),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise IntegrityError("the bundle's reduced model is damaged", why=str(error)) from error
    return Opened(manifest=manifest, overlay=overlay, files=files)


def reduced_or_refused(opened: Opened) -> Opened:
    """Return what :func:`reduced` does. Raises NotFound where there is none."""
    found = reduced(opened)
    if found is None:
        raise NotFound(
            "the bundle has no model that does without columns",
            why="its contract asked for none when it was made, or it was handed over",
        )
    return found


def without(files: Mapping[str, bytes]) -> tuple[str, ...]:
    """Return the columns that the model of a bundle's files does without."""
    told = files.get(ABOUT_REDUCED)
    return () if told is None else tuple(json.loads(told)["without"])


def sealed(overlay: Overlay, signature: str) -> bytes:
    """Return an overlay with its signature, as it is stored."""
    return canonical_json({"body": json.loads(overlay.content), "signature": signature}).encode()


def unsealed(content: bytes) -> tuple[Overlay, str]:
    """Read what :func:`sealed` wrote; the signature is not checked here.

    Raises:
        IntegrityError: this is no overlay.
    """
    try:
        data = json.loads(content)
        body = data["body"]
        overlay = Overlay(
            bundle=body["bundle"],
            vouched=body["vouched"],
            threshold=float(body["threshold"]),
            calibration=calibration_from(body["calibration"]),
            reference={k: tuple(float(x) for x in v) for k, v in body["reference"].items()},
        )
        return overlay, str(data["signature"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise IntegrityError("the overlay is damaged", why=str(error)) from error


def read_manifest(content: bytes) -> Manifest:
    """Read a manifest's canonical bytes. Raises IntegrityError if they are none."""
    try:
        data = json.loads(content)
        if data["format"] != FORMAT:
            raise ValueError(f"format {data['format']} is not known to this version")
        return Manifest(
            contract=data["contract"], schema=read_schema(data["schema"]), files=data["files"]
        )
    except (ValueError, KeyError, TypeError) as error:
        raise IntegrityError("the bundle's manifest is damaged", why=str(error)) from error


def read_schema(data: Mapping[str, Any]) -> Schema:
    """Read a schema back from its JSON."""
    return Schema(
        task=Task(data["task"]),
        classes=tuple(data["classes"]),
        inputs=tuple(data["inputs"]),
        features=tuple(
            Feature(name=f["name"], kind=f["kind"], categories=tuple(f["categories"]))
            for f in data["features"]
        ),
        format=data["format"],
    )
