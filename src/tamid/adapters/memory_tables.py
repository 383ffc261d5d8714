"""Versioned tables in memory, for tests, dry runs and replay; versions share their slices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import polars as pl

from tamid.adapters._frames import joined, root_digest, slice_digest, slices_of, stacked, storable
from tamid.core.errors import IntegrityError, LeaseLost, NotFound
from tamid.core.values import TablePin


@dataclass(frozen=True, slots=True, kw_only=True)
class _Version:
    key: str
    token: int
    schema: Mapping[str, pl.DataType]
    slices: Mapping[str, pl.DataFrame]
    digests: Mapping[str, str]


_EMPTY = _Version(key="", token=0, schema={}, slices={}, digests={})


class MemoryTables:
    """Tables that live as long as the process."""

    def __init__(self) -> None:
        self._tables: dict[str, list[_Version]] = {}

    def write(
        self,
        table: str,
        frame: pl.DataFrame,
        *,
        key: str,
        token: int,
        mode: Literal["append", "slice"],
    ) -> TablePin:
        """Append rows or replace slices; the same key again writes nothing."""
        found = self.find(table, key)
        if found is not None:
            return found
        versions = self._tables.setdefault(table, [])
        last = versions[-1] if versions else _EMPTY
        if 0 < token < last.token:
            raise LeaseLost(f"table {table!r} was written by a newer controller")
        stored = storable(frame, last.schema)
        new = {
            period: joined(last.slices.get(period) if mode == "append" else None, part)
            for period, part in slices_of(stored).items()
        }
        version = _Version(
            key=key,
            token=max(token, last.token),
            schema={**last.schema, **stored.schema},
            slices=dict(sorted({**last.slices, **new}.items())),
            digests=dict(
                sorted({**last.digests, **{p: slice_digest(f) for p, f in new.items()}}.items())
            ),
        )
        versions.append(version)
        return self._pin(table, len(versions) - 1)

    def read(
        self,
        pin: TablePin,
        *,
        periods: Sequence[str] | None = None,
        columns: Sequence[str] | None = None,
    ) -> pl.DataFrame:
        """Return the rows of a pinned version."""
        version = self._at(pin)
        wanted = version.slices if periods is None else set(periods)
        kept = {p: f for p, f in version.slices.items() if p in wanted}
        return stacked(kept, version.schema, columns)

    def latest(self, table: str) -> TablePin | None:
        """Return the newest version, if there is one."""
        versions = self._tables.get(table)
        return self._pin(table, len(versions) - 1) if versions else None

    def find(self, table: str, key: str) -> TablePin | None:
        """Return the version that was written with a key."""
        for number, version in enumerate(self._tables.get(table, [])):
            if version.key == key:
                return self._pin(table, number)
        return None

    def verify(self, pin: TablePin) -> None:
        """Compare a pinned version with its digest."""
        version = self._at(pin)
        if root_digest({p: slice_digest(f) for p, f in version.slices.items()}) != pin.digest:
            raise IntegrityError(f"table {pin.table!r} version {pin.version} was altered")

    def _pin(self, table: str, number: int) -> TablePin:
        digest = root_digest(self._tables[table][number].digests)
        return TablePin(table=table, version=number + 1, digest=digest)

    def _at(self, pin: TablePin) -> _Version:
        versions = self._tables.get(pin.table, [])
        if not 0 < pin.version <= len(versions):
            raise NotFound(
                f"table {pin.table!r} has no version {pin.version}",
                why="the ledger names a version that this store does not hold",
                fix="Restore the table from a backup, then run `tamid verify`.",
            )
        return versions[pin.version - 1]
