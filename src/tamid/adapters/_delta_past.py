"""Which files each version of a Delta table reads, from its commits alone."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from tamid.core.values import PERIOD

LOG = "_delta_log"


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """One version of a table: the file of each slice, and when it was written (ms since 1970)."""

    version: int
    files: Mapping[str, str]
    written: int


def commits(table: Path) -> list[tuple[int, Path]]:
    """Return the commits of a table, oldest first."""
    found = (p for p in (table / LOG).glob("*.json") if p.stem.isdigit())
    return sorted((int(path.stem), path) for path in found)


def past(table: Path, until: int | None = None) -> Iterator[Past]:
    """Yield the versions of a table, oldest first, up to one of them."""
    files: dict[str, str] = {}
    for version, path in commits(table):
        if until is not None and version > until:
            return
        written = 0
        for action in actions(path):
            if "remove" in action:
                gone = unquote(action["remove"]["path"])
                files = {p: f for p, f in files.items() if f != gone}
            elif "add" in action:
                add = action["add"]
                files = {**files, add["partitionValues"][PERIOD]: unquote(add["path"])}
            elif "commitInfo" in action:
                written = int(action["commitInfo"].get("timestamp", 0))
        yield Past(version=version, files=files, written=written)


def actions(commit: Path) -> list[dict[str, Any]]:
    """Return what a commit does, removals first: a slice that is replaced stays in the table."""
    found = [json.loads(line) for line in commit.read_text("utf-8").splitlines() if line]
    return sorted(found, key=lambda action: "remove" not in action)
