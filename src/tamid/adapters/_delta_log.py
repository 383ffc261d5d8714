"""What a Delta table's log says about one version: columns, files and digests of its slices."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl
from deltalake import DeltaTable
from deltalake.transaction import AddAction, RemoveAction

from tamid.adapters._frames import root_digest
from tamid.core.errors import SystemFailure
from tamid.core.values import PERIOD

# Commits between two that name all slices: a fresh process reads at most about as many.
FULL_EVERY = 24

CONFIGURATION: dict[str, str | None] = {
    # Pins must read for ever: neither the log nor the files may be cleaned away.
    "delta.enableExpiredLogCleanup": "false",
    "delta.logRetentionDuration": "interval 36500 days",
    "delta.deletedFileRetentionDuration": "interval 36500 days",
    # Checkpoints are written here, together with the digests of all slices.
    "delta.checkpointInterval": "1000000000",
}


_TYPES: Mapping[str, pl.DataType] = {
    "binary": pl.Binary(),
    "boolean": pl.Boolean(),
    "date": pl.Date(),
    "double": pl.Float64(),
    "long": pl.Int64(),
    "string": pl.String(),
    "timestamp": pl.Datetime("us", "UTC"),
    "timestamp_ntz": pl.Datetime("us"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class DeltaState:
    """What stands in one version: columns, files and digests of its slices."""

    version: int
    token: int
    schema: Mapping[str, pl.DataType]
    files: Mapping[str, tuple[str, int]]
    digests: Mapping[str, str]
    root: str = field(init=False)

    def __post_init__(self) -> None:
        """Digest the whole once: every read of the version asks for it."""
        object.__setattr__(self, "root", root_digest(self.digests))


def state_of(opened: DeltaTable, table: Path, version: int) -> DeltaState:
    """Return what stands in the opened version of a table."""
    adds = pl.DataFrame(opened.get_add_actions(flatten=True))
    columns = ("path", "size_bytes", f"partition.{PERIOD}")
    rows = adds.select(columns).iter_rows() if adds.height else ()
    digests, token = _digests(table, version)
    return DeltaState(
        version=version,
        token=token,
        schema={f.name: _TYPES[str(f.type.type)] for f in opened.schema().fields},
        files={period: (path, size) for path, size, period in rows},
        digests=dict(sorted(digests.items())),
    )


def metadata_of(
    state: DeltaState, slices: Mapping[str, str], full: bool, key: str
) -> dict[str, Any]:
    """Return what a commit carries; `slices` are the digests it names, all of them if `full`."""
    return {
        "tamid.key": key,
        "tamid.token": str(state.token),
        "tamid.digest": state.root,
        "tamid.slices": json.dumps(dict(slices)),
        **({"tamid.full": "1"} if full else {}),
    }


def actions_of(
    old: DeltaState, new: DeltaState, changed: Sequence[str], stamp: int
) -> list[AddAction | RemoveAction]:
    """Return what a commit does to files; `stamp` in milliseconds since 1970."""
    actions: list[AddAction | RemoveAction] = []
    for period in changed:
        path, size = new.files[period]
        actions.append(AddAction(path, size, {PERIOD: period}, stamp, True, "{}"))
        if period in old.files:
            path, size = old.files[period]
            actions.append(RemoveAction(path, True, stamp, size, {PERIOD: period}))
    return actions


def sync(path: Path) -> None:
    """Make a file durable before the ledger may name it."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def commit_path(table: Path, version: int) -> Path:
    """Return where a version's commit stands."""
    return table / "_delta_log" / f"{version:020}.json"


def disk_failure(table: str, error: Exception) -> SystemFailure:
    """Return the error of a write that the disk did not take."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", str(error))
    return SystemFailure(
        f"cannot write table {table!r}: {' '.join(text.split())}",
        why="the table stands at the version before; a write that was finished is found by its key",
        fix="Free space or repair the disk; the next tick tries again.",
    )


def _digests(table: Path, version: int) -> tuple[dict[str, str], int]:
    """Walk back to the last commit that names all slices; newer commits win over older ones."""
    # Commits are read one by one: `DeltaTable.history` of an older version lists newer commits too.
    found: dict[str, str] = {}
    token = None
    for number in range(version, -1, -1):
        commit = _commit_info(commit_path(table, number))
        token = int(commit.get("tamid.token", 0)) if token is None else token
        found = {**json.loads(commit.get("tamid.slices", "{}")), **found}
        if commit.get("tamid.full"):
            break
    return found, token or 0


def _commit_info(path: Path) -> dict[str, Any]:
    for line in path.read_text("utf-8").splitlines():
        action = json.loads(line)
        if "commitInfo" in action:
            return dict(action["commitInfo"])
    return {}
