"""What marketing receives: files that appear in its folder, read as anybody would read them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

_Stamp = tuple[int, int, int]


@dataclass(slots=True)
class Postbox:
    """The folder into which scores are delivered; it is not told what the sender meant to send.

    `parcels`: files that came, a rewritten one again. `repeated`: outcomes (entity, period,
    revision) that came more than once, in one file or in two.
    """

    folder: Path
    parcels: int = 0
    repeated: int = 0
    _stamps: dict[str, _Stamp] = field(default_factory=dict)
    _had: dict[tuple[str, int], pl.Series] = field(default_factory=dict)

    def collect(self) -> list[pl.DataFrame]:
        """Return the files that came or were rewritten since the last look, in order of name."""
        found = []
        for path in sorted(self.folder.glob("*.csv")):
            seen = path.stat()
            stamp = (seen.st_ino, seen.st_mtime_ns, seen.st_size)
            if self._stamps.get(path.name) != stamp:
                self._stamps[path.name] = stamp
                found.append(pl.read_csv(path))
                self._note(found[-1])
        return found

    def _note(self, parcel: pl.DataFrame) -> None:
        self.parcels += 1
        for key, part in parcel.group_by("period", "revision", maintain_order=True):
            period, revision = str(key[0]), int(str(key[1]))
            entities = part.get_column("entity")
            had = self._had.get((period, revision), entities.clear())
            both = pl.concat([had, entities]).unique()
            self.repeated += len(had) + len(entities) - len(both)
            self._had[period, revision] = both
