"""What a backup holds, as a value: every file with its digest, and the ends of all streams.

The manifest is signed by the workspace that made the backup; its own digest, noted elsewhere,
proves later that neither the files nor the manifest were exchanged.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from tamid.core.errors import IntegrityError
from tamid.core.head import StreamHead
from tamid.core.values import canonical_json, digest_bytes, parse_instant

FORMAT = 1
MANIFEST, KEYS_MANIFEST = "backup.json", "keys.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """One file of a backup: its path below the backup, its size in bytes and its digest."""

    path: str
    size: int
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """All files of a backup; `store` is where the store lies in the workspace.

    `keys`: the digest of the manifest of the secrets that were put elsewhere, "" where they were
    left out. `secrets`: the names of all secrets that the workspace has.
    """

    made_at: datetime
    made_by: str
    store: str
    streams: tuple[StreamHead, ...]
    files: tuple[Kept, ...]
    secrets: tuple[str, ...] = ()
    keys: str = ""
    format: int = FORMAT
    signature: str = ""

    @property
    def size(self) -> int:
        """Return the size of all files in bytes."""
        return sum(file.size for file in self.files)

    @property
    def text(self) -> str:
        """Return the manifest as it is written."""
        return canonical_json(self) + "\n"

    @property
    def digest(self) -> str:
        """Return the digest to note elsewhere: of the text as it is written."""
        return digest_bytes(self.text.encode())


def signed(manifest: Manifest, sign: Callable[[bytes], str]) -> Manifest:
    """Return the manifest with a signature over all the rest of it."""
    return replace(manifest, signature=sign(_message(manifest)))


def check_signature(manifest: Manifest, verify: Callable[[bytes, str], None]) -> None:
    """Raise IntegrityError unless the signature holds."""
    verify(_message(manifest), manifest.signature)


def read_manifest(text: str) -> Manifest:
    """Read what :attr:`Manifest.text` wrote.

    Raises:
        IntegrityError: it is damaged, of a newer format, or names files outside the backup.
    """
    try:
        found = _read(json.loads(text))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise IntegrityError(
            f"the manifest of the backup is damaged: {error}", fix="Use another backup."
        ) from None
    if found.format > FORMAT:
        raise IntegrityError(
            f"the backup has format {found.format}; this version knows {FORMAT}",
            why="it was written by a newer version",
            fix="Restore it with the version that wrote it, or a newer one.",
        )
    for path in (found.store, *(file.path for file in found.files)):
        if path.startswith("/") or ".." in path.split("/") or not path:
            raise IntegrityError(f"the manifest of the backup names {path!r}, outside the backup")
    return found


def _read(data: Mapping[str, object]) -> Manifest:
    given = dict(data)
    made_at, streams, files = str(given["made_at"]), given["streams"], given["files"]
    secrets = given["secrets"]
    assert isinstance(streams, list)
    assert isinstance(files, list)
    assert isinstance(secrets, list)
    return Manifest(
        made_at=parse_instant(made_at),
        made_by=str(given["made_by"]),
        store=str(given["store"]),
        streams=tuple(StreamHead(**one) for one in streams),
        files=tuple(Kept(**one) for one in files),
        secrets=tuple(str(one) for one in secrets),
        keys=str(given["keys"]),
        format=int(str(given["format"])),
        signature=str(given["signature"]),
    )


def _message(manifest: Manifest) -> bytes:
    return canonical_json(replace(manifest, signature="")).encode()
