"""Container images as OCI archives: the same bytes for the same content; no engine, no root.

Layers are tar files without moments, names of users and order of chance. The archive is an OCI
layout with the list that `docker load` reads beside it: podman, Docker, skopeo and containerd take
it.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

from tamid.adapters._entries import Entry

_OCI = "application/vnd.oci.image"
_LEVEL = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """What was written: the digest of the image, of its layers, and the size of the archive."""

    digest: str
    layers: tuple[str, ...]
    size: int


@dataclass(frozen=True, slots=True)
class _Blob:
    digest: str
    size: int
    content: bytes | Path
    plain: str = ""

    @property
    def path(self) -> str:
        return f"blobs/sha256/{self.digest}"

    def named(self, kind: str) -> dict[str, Any]:
        return {
            "mediaType": f"{_OCI}.{kind}",
            "digest": f"sha256:{self.digest}",
            "size": self.size,
        }


def write_image(
    file: Path,
    layers: Sequence[Iterable[Entry]],
    config: Mapping[str, Any],
    *,
    name: str,
    created: str,
    machine: str,
) -> Image:
    """Write an image whole or not at all; `config` is what the container is started with.

    `name`: under which engines load it. `created`: the moment that the image says of itself.
    `machine`: the architecture in Go's words, such as amd64.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=file.parent, prefix=".image-") as folder:
        place = Path(folder)
        blobs = [_layer(place / str(i), entries) for i, entries in enumerate(layers)]
        about = _json(
            {
                "created": created,
                "architecture": machine,
                "os": "linux",
                "config": dict(config),
                # Engines that build on an image count its layers here.
                "history": [{"created": created, "created_by": "tamid export image"}] * len(blobs),
                "rootfs": {"type": "layers", "diff_ids": [f"sha256:{b.plain}" for b in blobs]},
            }
        )
        manifest = _json(
            {
                "schemaVersion": 2,
                "mediaType": f"{_OCI}.manifest.v1+json",
                "config": about.named("config.v1+json"),
                "layers": [b.named("layer.v1.tar+gzip") for b in blobs],
            }
        )
        whole = place / "image.tar"
        with whole.open("wb") as out:
            _archive(out, [*blobs, about, manifest], about, manifest, name)
        size = whole.stat().st_size
        whole.replace(file)
    return Image(
        digest=f"sha256:{manifest.digest}",
        layers=tuple(f"sha256:{b.digest}" for b in blobs),
        size=size,
    )


def _archive(
    out: IO[bytes], blobs: Sequence[_Blob], about: _Blob, manifest: _Blob, name: str
) -> None:
    first = manifest.named("manifest.v1+json")
    first["annotations"] = {
        "io.containerd.image.name": name,
        "org.opencontainers.image.ref.name": name,
    }
    index = {
        "schemaVersion": 2,
        "mediaType": f"{_OCI}.index.v1+json",
        "manifests": [first],
    }
    layers = [b.path for b in blobs if b not in (about, manifest)]
    docker = [{"Config": about.path, "RepoTags": [name], "Layers": layers}]
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        _put(tar, Entry(path="oci-layout", content=b'{"imageLayoutVersion":"1.0.0"}'))
        _put(tar, Entry(path="index.json", content=_json(index).content))
        _put(tar, Entry(path="manifest.json", content=_json(docker).content))
        for blob in sorted({b.path: b for b in blobs}.values(), key=lambda b: b.path):
            _put(tar, Entry(path=blob.path, content=blob.content))


def _layer(place: Path, entries: Iterable[Entry]) -> _Blob:
    """Write a layer: sorted, each path once, all folders above them readable."""
    found = {e.path.strip("/"): e for e in entries}
    for path in list(found):
        for above in PurePosixPath(path).parents:
            if str(above) != ".":
                found.setdefault(str(above), Entry(path=str(above), mode=0o755))
    with place.open("wb") as raw:
        packed = _Counting(raw)
        with gzip.GzipFile("", "wb", _LEVEL, packed, mtime=0) as zipped:
            plain = _Counting(zipped)
            with tarfile.open(fileobj=plain, mode="w", format=tarfile.PAX_FORMAT) as tar:  # type: ignore[call-overload]
                for path in sorted(found):
                    _put(tar, found[path])
    return _Blob(packed.digest, packed.size, place, plain.digest)


def _put(tar: tarfile.TarFile, entry: Entry) -> None:
    about = tarfile.TarInfo(entry.path.strip("/"))
    about.mode, about.uid, about.gid = entry.mode, entry.owner, entry.owner
    about.mtime, about.uname, about.gname = 0, "", ""
    if entry.target:
        about.type, about.linkname, about.mode = tarfile.SYMTYPE, entry.target, 0o777
        tar.addfile(about)
    elif entry.content is None:
        about.type = tarfile.DIRTYPE
        tar.addfile(about)
    elif isinstance(entry.content, bytes):
        about.size = len(entry.content)
        tar.addfile(about, io.BytesIO(entry.content))
    else:
        about.size = entry.content.stat().st_size
        with entry.content.open("rb") as file:
            tar.addfile(about, file)


def _json(value: object) -> _Blob:
    content = json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
    return _Blob(hashlib.sha256(content).hexdigest(), len(content), content)


class _Counting:
    """A file to write to that knows its digest and its size."""

    def __init__(self, out: Any) -> None:
        self._out, self._hash, self.size = out, hashlib.sha256(), 0

    @property
    def digest(self) -> str:
        """The digest of what was written."""
        return self._hash.hexdigest()

    def write(self, content: Any) -> int:
        """Write on."""
        self._hash.update(content)
        self.size += len(content)
        self._out.write(content)
        return len(content)

    def flush(self) -> None:
        """Pass it on."""
        self._out.flush()

    def tell(self) -> int:
        """Return how much was written."""
        return self.size
