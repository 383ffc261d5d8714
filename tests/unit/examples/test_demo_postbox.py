"""Marketing's postbox counts what came, not what was meant to be sent."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from tamid.examples.telecom.demo_postbox import Postbox


def put(folder: Path, revision: int, entities: list[str], period: str = "2026-01-04") -> None:
    """Write a delivered file."""
    rows = {"entity": entities, "period": period, "revision": revision}
    (folder / "half").write_text(pl.DataFrame(rows).write_csv())
    (folder / "half").replace(folder / f"scores-{period}.csv")


def test_a_file_is_collected_once(tmp_path: Path) -> None:
    """A file that did not change since the last look is not collected again."""
    box = Postbox(tmp_path)
    assert box.collect() == []
    put(tmp_path, 1, ["a", "b"])
    assert [parcel.height for parcel in box.collect()] == [2]
    assert box.collect() == []
    assert (box.parcels, box.repeated) == (1, 0)


def test_a_correction_is_no_repetition(tmp_path: Path) -> None:
    """The same entities under the next revision, or in another period, are new answers."""
    box = Postbox(tmp_path)
    put(tmp_path, 1, ["a", "b"])
    box.collect()
    put(tmp_path, 2, ["a", "b", "c"])
    put(tmp_path, 1, ["a", "b"], "2026-01-11")
    box.collect()
    assert (box.parcels, box.repeated) == (3, 0)


def test_the_same_revision_again_is_counted(tmp_path: Path) -> None:
    """Each answer that comes a second time under its revision counts, in one file or in two."""
    box = Postbox(tmp_path)
    put(tmp_path, 1, ["a", "b", "b"])
    box.collect()
    assert box.repeated == 1
    put(tmp_path, 1, ["a", "c"])
    box.collect()
    assert (box.parcels, box.repeated) == (2, 2)
