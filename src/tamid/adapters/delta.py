"""Versioned tables in Delta Lake, one folder a table, one file a slice.

A slice is rewritten whole when rows are appended to it, so that it is always one file: reading a
slice opens one file, and no upkeep is needed. Each commit carries its key, its fencing token, the
table's digest and the digests of the slices it changed; every `FULL_EVERY` commits it carries the
digests of all slices, beside a checkpoint of the log. Nothing is vacuumed here: pins read for ever.
"""

from __future__ import annotations

import time
import uuid
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import polars as pl
from deltalake import (
    CommitProperties,
    DeltaTable,
    PostCommitHookProperties,
    Schema,
    Transaction,
)
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError

from tamid.adapters._delta_log import (
    CONFIGURATION,
    FULL_EVERY,
    DeltaState,
    actions_of,
    commit_path,
    disk_failure,
    metadata_of,
    state_of,
    sync,
)
from tamid.adapters._frames import (
    SliceCache,
    joined,
    slice_digest,
    slices_of,
    stacked,
    storable,
)
from tamid.adapters._redactions import Redacted
from tamid.core.errors import IntegrityError, LeaseLost, NotFound, SystemFailure
from tamid.core.values import PERIOD, TablePin

# Bytes of recent slices kept in memory, so that a tick reads each slice from disk once.
_CACHE_BYTES = 192 * 2**20
# Versions whose list of slices is kept in memory.
_MOST_STATES = 256
# How often a write is tried again when another process wrote the same table meanwhile.
_TRIES = 8

_NO_HOOKS = PostCommitHookProperties(create_checkpoint=False, cleanup_expired_logs=False)


class DeltaTables:
    """The tables of a workspace below one folder.

    Laws beyond the port's: a process that dies at any point leaves the table at the version before
    or after the write; files that no version names are never read. One process may hold several
    instances; another process may write the same table, the commit log decides who was first.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._open: dict[str, DeltaTable] = {}
        self._states: OrderedDict[tuple[str, int], DeltaState] = OrderedDict()
        self._absent: tuple[str, str, int] | None = None
        self._slices, self._redacted = SliceCache(_CACHE_BYTES), Redacted(root)

    def write(
        self,
        table: str,
        frame: pl.DataFrame,
        *,
        key: str,
        token: int,
        mode: Literal["append", "slice"],
    ) -> TablePin:
        """Append rows or replace slices in one commit; the same key again writes nothing."""
        for _ in range(_TRIES):
            found = self.find(table, key)
            if found is not None:
                return found
            state = self._newest(table)
            if state is not None and 0 < token < state.token:
                raise LeaseLost(f"table {table!r} was written by a newer controller")
            try:
                return self._write(table, state, frame, key, token, mode)
            except CommitFailedError:
                continue  # somebody else wrote this version first: look again
            except (OSError, DeltaError) as error:
                self._open.pop(table, None)
                raise disk_failure(table, error) from error
        raise SystemFailure(f"table {table!r} is written by others without pause")

    def read(
        self,
        pin: TablePin,
        *,
        periods: Sequence[str] | None = None,
        columns: Sequence[str] | None = None,
    ) -> pl.DataFrame:
        """Return the rows of a pinned version."""
        state = self._at(pin.table, pin.version)
        if state.root != pin.digest:
            raise IntegrityError(f"table {pin.table!r} version {pin.version} is not the pinned one")
        wanted = state.files if periods is None else set(periods)
        kept = {p: self._slice(pin.table, state, p) for p in sorted(state.files) if p in wanted}
        return stacked(kept, state.schema, columns)

    def latest(self, table: str) -> TablePin | None:
        """Return the newest version, if there is one."""
        state = self._newest(table)
        return None if state is None or not state.digests else self._pin(table, state)

    def find(self, table: str, key: str) -> TablePin | None:
        """Return the version that was written with a key, looked up in the log's own index."""
        opened = self._refreshed(table)
        if opened is None or self._absent == (table, key, opened.version()):
            return None
        version = opened.transaction_version(key)
        if version is None:
            self._absent = (table, key, opened.version())
            return None
        return self._pin(table, self._at(table, version))

    def verify(self, pin: TablePin) -> None:
        """Compare a pinned version, as it stands on disk, with its digest."""
        state = self._at(pin.table, pin.version)
        read = {p: slice_digest(self._load(pin.table, state, p)) for p in state.files}
        asked = {p: self._redacted.of(pin.table, d) for p, d in state.digests.items()}
        if read != asked or state.root != pin.digest:
            wrong = sorted(p for p in read if read[p] != asked.get(p))
            raise IntegrityError(
                f"table {pin.table!r} version {pin.version} was altered",
                why=f"slices that do not fit their digest: {', '.join(wrong) or 'the list itself'}",
            )

    def _write(
        self,
        table: str,
        state: DeltaState | None,
        frame: pl.DataFrame,
        key: str,
        token: int,
        mode: str,
    ) -> TablePin:
        stored = storable(frame, state.schema if state else None)
        if state is None or set(stored.columns) - set(state.schema):
            state = self._shaped(table, state, stored)
        old = state.files if mode == "append" else {}
        parts = {
            p: joined(self._slice(table, state, p) if p in old else None, part)
            for p, part in slices_of(stored).items()
        }
        digests = {p: slice_digest(part) for p, part in parts.items()}
        files = {p: self._save(table, p, part) for p, part in parts.items()}
        new = DeltaState(
            version=state.version + 1,
            token=max(token, state.token),
            schema=state.schema,
            files={**state.files, **files},
            digests=dict(sorted({**state.digests, **digests}.items())),
        )
        self._commit(table, state, new, digests, key)
        for period, part in parts.items():
            self._slices.put(digests[period], part)
        self._keep(table, new)
        return self._pin(table, new)

    def _commit(
        self, table: str, old: DeltaState, new: DeltaState, changed: Mapping[str, str], key: str
    ) -> None:
        opened = self._open[table]
        full = new.version % FULL_EVERY == 0
        opened.create_write_transaction(
            actions_of(old, new, list(changed), int(time.time() * 1000)),
            "append",
            opened.schema(),
            partition_by=[PERIOD],
            commit_properties=CommitProperties(
                custom_metadata=metadata_of(new, new.digests if full else changed, full, key),
                app_transactions=[Transaction(key, new.version)],
                max_commit_retries=0,
            ),
            post_commithook_properties=_NO_HOOKS,
        )
        sync(commit_path(self._root / table, new.version))
        opened.update_incremental()
        if full:
            opened.create_checkpoint()
            # An opened table goes on replaying all commits since it was opened: begin anew.
            del self._open[table]

    def _shaped(self, table: str, state: DeltaState | None, stored: pl.DataFrame) -> DeltaState:
        """Make the table, or add columns to it: a commit of its own that changes no content."""
        schema = Schema.from_arrow(stored.clear().schema)
        if state is None:
            self._open[table] = DeltaTable.create(
                self._folder(table),
                schema,
                mode="ignore",
                partition_by=[PERIOD],
                configuration=CONFIGURATION,
            )
        else:
            added = [f for f in schema.fields if f.name not in state.schema]
            self._open[table].alter.add_columns(
                added,
                commit_properties=CommitProperties(
                    custom_metadata=metadata_of(state, {}, False, ""), max_commit_retries=0
                ),
                post_commithook_properties=_NO_HOOKS,
            )
        shaped = self._newest(table)
        if shaped is None:
            raise SystemFailure(f"table {table!r} vanished while it was made")
        return shaped

    def _newest(self, table: str) -> DeltaState | None:
        opened = self._refreshed(table)
        return None if opened is None else self._at(table, opened.version())

    def _refreshed(self, table: str) -> DeltaTable | None:
        opened = self._open.get(table)
        if opened is None:
            try:
                opened = DeltaTable(self._folder(table))
            except TableNotFoundError:
                return None
            self._open[table] = opened
        elif self._grown(table, opened.version()):
            opened.update_incremental()
        return opened

    def _grown(self, table: str, version: int) -> bool:
        # A look at one name; to list the log would cost more with every commit.
        return commit_path(self._root / table, version + 1).exists()

    def _at(self, table: str, version: int) -> DeltaState:
        known = self._states.get((table, version))
        if known is not None:
            return known
        try:
            opened = self._open.get(table)
            if opened is None or opened.version() != version:
                opened = DeltaTable(self._folder(table), version=version)
        except (DeltaError, OSError) as error:
            raise NotFound(
                f"table {table!r} has no version {version}",
                why="the ledger names a version that this store does not hold",
                fix="Restore the table from a backup, then run `tamid verify`.",
            ) from error
        return self._keep(table, state_of(opened, self._root / table, version))

    def _keep(self, table: str, state: DeltaState) -> DeltaState:
        self._states[table, state.version] = state
        while len(self._states) > _MOST_STATES:
            self._states.popitem(last=False)
        return state

    def _slice(self, table: str, state: DeltaState, period: str) -> pl.DataFrame:
        digest = self._redacted.of(table, state.digests[period])
        held = self._slices.get(digest)
        if held is None:
            held = self._load(table, state, period)
            self._slices.put(digest, held)
        return held

    def _load(self, table: str, state: DeltaState, period: str) -> pl.DataFrame:
        path = Path(self._folder(table)) / state.files[period][0]
        try:
            return pl.read_parquet(path, hive_partitioning=False)
        except FileNotFoundError:
            raise IntegrityError(f"table {table!r} has lost its file {path.name}") from None
        except (pl.exceptions.PolarsError, OSError) as error:
            raise IntegrityError(f"table {table!r} cannot be read: {error}") from error

    def _save(self, table: str, period: str, part: pl.DataFrame) -> tuple[str, int]:
        name = f"{PERIOD}={period}/{uuid.uuid4().hex}.parquet"
        path = Path(self._folder(table)) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            part.write_parquet(path, compression="zstd")
        except pl.exceptions.PolarsError as error:
            raise OSError(str(error)) from error
        sync(path)
        return name, path.stat().st_size

    def _folder(self, table: str) -> str:
        return str(self._root / table)

    def _pin(self, table: str, state: DeltaState) -> TablePin:
        return TablePin(table=table, version=state.version, digest=state.root)
