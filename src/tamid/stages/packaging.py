"""Bundles as signed, digest-addressed content: pack, unpack, change the overlay, carry elsewhere.

A bundle's address is the digest of its manifest, which names every file's digest. The overlay
names the bundle and carries the signature over its address, and is signed itself: a version is the
pair, and moving a threshold signs a new overlay over the same bundle.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tamid.core.contract.model import Contract
from tamid.core.errors import IntegrityError, NotFound
from tamid.core.learning.bundle import (
    ABOUT_REDUCED,
    REDUCED,
    Manifest,
    Opened,
    Overlay,
    read_manifest,
    read_schema,
    sealed,
    unsealed,
    without,
)
from tamid.core.learning.model import Model, Schema, StoredModel
from tamid.core.stats.calibration import Calibration, calibration_from
from tamid.core.values import digest_bytes
from tamid.ports import Blobs, Signer, TrainingResult
from tamid.stages.answering import FeatureCode, Predictor
from tamid.stages.golden import CODE, CONTRACT, MODEL, SCHEMA

_MANIFEST, _OVERLAY, _ENVIRONMENT = "manifest.json", "overlay.json", "environment.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Packed:
    """The addresses of a packed candidate: its bundle and its first overlay."""

    bundle: str
    overlay: str


def pack(result: TrainingResult, blobs: Blobs, signer: Signer) -> Packed:
    """Store a candidate's files, its manifest and its signed overlay; return their addresses.

    Laws: the same files give the same bundle address, whoever signs; packing twice stores once.
    """
    digests = {path: blobs.put(content) for path, content in sorted(result.files.items())}
    manifest = Manifest(
        contract=digests[CONTRACT],
        schema=read_schema(json.loads(result.files[SCHEMA])),
        files=digests,
    )
    bundle = blobs.put(manifest.content)
    given = result.overlay
    calibration, reference = given["calibration"], given["reference"]
    assert isinstance(calibration, Mapping)
    assert isinstance(reference, Mapping)
    overlay = Overlay(
        bundle=bundle,
        vouched=signer.sign(bundle.encode()),
        threshold=float(str(given["threshold"])),
        calibration=calibration_from(calibration),
        reference={str(k): tuple(float(x) for x in v) for k, v in reference.items()},
    )
    return Packed(bundle=bundle, overlay=_seal(overlay, blobs, signer))


def unpack(bundle: str, overlay: str, blobs: Blobs, signer: Signer) -> Opened:
    """Return a bundle after checking both signatures and every file's digest.

    Raises:
        IntegrityError: unsigned, altered, missing, or an overlay of another bundle; the message
            names the file.
    """
    policy = open_overlay(overlay, blobs, signer)
    if policy.bundle != bundle:
        raise IntegrityError(
            "the overlay belongs to another bundle",
            why=f"it names {policy.bundle}, not {bundle}",
        )
    manifest = read_manifest(_get(blobs, bundle, _MANIFEST))
    files = {path: _get(blobs, digest, path) for path, digest in manifest.files.items()}
    return _checked(manifest, bundle, policy, files, signer)


def open_overlay(overlay: str, blobs: Blobs, signer: Signer) -> Overlay:
    """Return an overlay after checking its signature. Raises IntegrityError."""
    policy, signature = unsealed(_get(blobs, overlay, _OVERLAY))
    signer.verify(policy.content, signature)
    return policy


def restate(
    overlay: str,
    blobs: Blobs,
    signer: Signer,
    *,
    threshold: float | None = None,
    calibration: Calibration | None = None,
    reference: Mapping[str, tuple[float, ...]] | None = None,
) -> str:
    """Return the address of a new overlay over the same bundle, with what is given changed."""
    old = open_overlay(overlay, blobs, signer)
    new = dataclasses.replace(
        old,
        threshold=old.threshold if threshold is None else threshold,
        calibration=calibration or old.calibration,
        reference=old.reference if reference is None else reference,
    )
    return _seal(new, blobs, signer)


def carry(bundle: str, overlay: str, blobs: Blobs, signer: Signer) -> Mapping[str, bytes]:
    """Return a bundle as the files of a directory, manifest and sealed overlay among them."""
    opened = unpack(bundle, overlay, blobs, signer)
    return {
        **opened.files,
        _MANIFEST: opened.manifest.content,
        _OVERLAY: _get(blobs, overlay, _OVERLAY),
    }


def admit(files: Mapping[str, bytes], blobs: Blobs, signer: Signer) -> Packed:
    """Take in a directory that :func:`carry` made elsewhere.

    Raises:
        IntegrityError: a file is altered, missing or extra, or nobody trusted signed it.
    """
    for name in (_MANIFEST, _OVERLAY):
        if name not in files:
            raise IntegrityError(f"the bundle has no {name}", why="it cannot be verified")
    manifest = read_manifest(files[_MANIFEST])
    policy, signature = unsealed(files[_OVERLAY])
    signer.verify(policy.content, signature)
    held = {path: c for path, c in files.items() if path not in (_MANIFEST, _OVERLAY)}
    _checked(manifest, digest_bytes(files[_MANIFEST]), policy, held, signer)
    for content in held.values():
        blobs.put(content)
    return Packed(bundle=blobs.put(files[_MANIFEST]), overlay=blobs.put(files[_OVERLAY]))


def rule_files(bundle: str, blobs: Blobs) -> Mapping[str, bytes]:
    """Return a bundle's contract and code, each checked against the digest that names it.

    A rule is the step below a bundle whose model cannot answer: it needs neither model nor overlay.

    Raises:
        IntegrityError: a file is missing or altered.
    """
    manifest = read_manifest(_get(blobs, bundle, _MANIFEST))
    wanted = {p: d for p, d in manifest.files.items() if p == CONTRACT or p.startswith(f"{CODE}/")}
    return {path: _get(blobs, digest, path) for path, digest in wanted.items()}


def files_of(bundle: str, blobs: Blobs) -> frozenset[str]:
    """Return the paths of a bundle's files. Raises IntegrityError: its manifest is damaged."""
    return frozenset(read_manifest(_get(blobs, bundle, _MANIFEST)).files)


def columns_of(bundle: str, blobs: Blobs) -> tuple[str, ...]:
    """Return the columns that a bundle reads. Raises IntegrityError: its manifest is damaged."""
    return read_manifest(_get(blobs, bundle, _MANIFEST)).schema.inputs


def environment_of(bundle: str, blobs: Blobs) -> bytes:
    """Return what a bundle was made with. Raises IntegrityError: missing or altered."""
    files = read_manifest(_get(blobs, bundle, _MANIFEST)).files
    if _ENVIRONMENT not in files:
        raise IntegrityError(f"the bundle {bundle} does not say what it was made with")
    return _get(blobs, files[_ENVIRONMENT], _ENVIRONMENT)


def reduced_policy(bundle: str, blobs: Blobs) -> Mapping[str, Any] | None:
    """Return what is told of a bundle's model without some columns; None: it has none.

    Raises:
        IntegrityError: its manifest or this file is damaged.
    """
    path = REDUCED + ABOUT_REDUCED
    files = read_manifest(_get(blobs, bundle, _MANIFEST)).files
    if path not in files:
        return None
    told: Mapping[str, Any] = json.loads(_get(blobs, files[path], path))
    return told


def predictor(
    opened: Opened,
    parse: Callable[[str], Contract],
    load: Callable[[StoredModel, Schema], Model],
    code: Callable[[Mapping[str, str], str], FeatureCode],
) -> Predictor:
    """Return what answers for a bundle: its own contract, code and model. Worker processes only."""
    contract = parse(opened.files[CONTRACT].decode())
    schema = opened.manifest.schema
    sources = {path: text.decode() for path, text in opened.part(CODE).items()}
    entry = contract.features.code
    return Predictor(
        contract=contract,
        schema=schema,
        model=load(StoredModel(format=schema.format, files=opened.part(MODEL)), schema),
        code=code(sources, entry) if entry else None,
        calibration=opened.overlay.calibration,
        without=without(opened.files),
    )


def _checked(
    manifest: Manifest, bundle: str, policy: Overlay, files: Mapping[str, bytes], signer: Signer
) -> Opened:
    """Check a bundle's address, its signature, and each file against the manifest."""
    if policy.bundle != bundle:
        raise IntegrityError("manifest.json was altered, or the overlay is another bundle's")
    signer.verify(bundle.encode(), policy.vouched)
    extra = sorted(set(files) - set(manifest.files))
    missing = sorted(set(manifest.files) - set(files))
    altered = sorted(
        path
        for path, content in files.items()
        if path in manifest.files and digest_bytes(content) != manifest.files[path]
    )
    for names, what in ((missing, "is missing"), (extra, "is extra"), (altered, "was altered")):
        if names:
            raise IntegrityError(
                f"{names[0]} {what} in the bundle {bundle[:19]}",
                why=f"{len(names)} files do not fit the signed manifest",
            )
    return Opened(manifest=manifest, overlay=policy, files=files)


def _seal(overlay: Overlay, blobs: Blobs, signer: Signer) -> str:
    return blobs.put(sealed(overlay, signer.sign(overlay.content)))


def _get(blobs: Blobs, digest: str, name: str) -> bytes:
    """Read one file; say its name in the bundle when it is gone or altered."""
    try:
        return blobs.get(digest)
    except NotFound as error:
        raise IntegrityError(f"{name} is missing", why=f"no content {digest}") from error
    except IntegrityError as error:
        raise IntegrityError(f"{name} was altered", why=error.what) from error
