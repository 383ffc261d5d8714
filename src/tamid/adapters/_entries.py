"""What stands at a path of an image, whoever gathers it and whoever packs it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A file (`content`: bytes, or where they lie), a folder (none) or a link (`target`)."""

    path: str
    mode: int = 0o444
    content: bytes | Path | None = None
    target: str = ""
    owner: int = 0
