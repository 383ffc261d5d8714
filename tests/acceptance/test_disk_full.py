"""A full disk, for real: a small tmpfs that runs out at many places of a turn."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import toy
import toy_folder

from tamid.cli.turning import HEAD, write_head
from tamid.core.errors import SystemFailure, TamidError

MIB = 2**20
# Free bytes at which the turn begins: from nothing at all up to just too little for a delivery.
ROOM = (0, 8_192, 40_960, 98_304, 163_840, 212_992, 294_912, 376_832, 425_984, 475_136)
# What a life has come to, however often it was tried.
LASTING = ("reigns", "versions", "scored", "delivered", "cases", "batches", "refused", "rung")

Mount = Callable[[int], Path]


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Mount]:
    """Mount small file systems in memory; only root may."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    places: list[Path] = []

    def mount(size: int) -> Path:
        place = tmp_path / f"disk-{len(places)}"
        place.mkdir()
        options = ["-t", "tmpfs", "-o", f"size={size}", "tmpfs"]
        done = subprocess.run(["mount", *options, str(place)], capture_output=True, check=False)
        if done.returncode:
            pytest.skip(f"this machine mounts no tmpfs: {done.stderr.decode().strip()}")
        places.append(place)
        return place

    yield mount
    for place in places:
        subprocess.run(["umount", "-l", str(place)], check=True)


def fill(disk: Path, room: int) -> Path:
    """Leave so many bytes free on a disk."""
    ballast = disk / "ballast"
    state = os.statvfs(disk)
    ballast.write_bytes(b"x" * max(state.f_bavail * state.f_frsize - room, 0))
    return ballast


def failed(root: Path, turn: toy.Turn) -> TamidError | None:
    """Turn the loop and return what it failed of."""
    try:
        toy_folder.live(root, turn)
    except TamidError as error:
        return error
    return None


def lasting(root: Path, turn: toy.Turn) -> dict[str, Any]:
    """Return what stays, whatever went wrong on the way."""
    found = toy_folder.portrait(root, turn)
    assert found["events told twice"] == []
    kept = {name: found[f"state: {name}"] for name in LASTING}
    return {**kept, "tables": found["tables"], "files": found["files"], "rows": found["rows"]}


def test_a_full_disk_stops_the_turn_and_loses_nothing(mounted: Mount, tmp_path: Path) -> None:
    """Wherever it runs out: a clear failure of the system, then the same life, without repair."""
    first, second = toy.life()[:2]
    whole = tmp_path / "whole"
    toy_folder.prepare(whole, first)
    keys = {p: p.read_bytes() for p in (whole / ".tamid" / "keys").rglob("*") if p.is_file()}
    for turn in (first, second):
        toy_folder.prepare(whole, turn)
        toy_folder.live(whole, turn)
    wanted, told = lasting(whole, second), list[str]()
    for room in ROOM:
        disk = mounted(8 * MIB)
        root = disk / "root"
        toy_folder.prepare(root, first)
        for path, content in keys.items():
            (root / path.relative_to(whole)).write_bytes(content)
        ballast = fill(disk, room)
        if (failure := failed(root, first)) is not None:
            assert isinstance(failure, SystemFailure), f"{room}: {failure!r}"
            assert failure.why
            assert failure.remedy
            told.append(failure.what.split(" ")[0])
        ballast.unlink()
        toy_folder.live(root, first)
        toy_folder.prepare(root, second)
        toy_folder.live(root, second)
        assert lasting(root, second) == wanted, f"with {room} bytes free"
    assert len(told) >= len(ROOM) - 2
    assert len(set(told)) > 1, "the disk ran out at one place only"


def test_a_head_that_cannot_be_written_leaves_the_one_before(mounted: Mount) -> None:
    """On a full disk the signed head stays whole, and the failure names it."""
    disk, turn = mounted(8 * MIB), toy.life()[0]
    root = disk / "root"
    toy_folder.prepare(root, turn)
    toy_folder.live(root, turn)
    before = (root / ".tamid" / HEAD).read_bytes()
    fill(disk, 0)
    app = toy_folder.Toy(root, turn)
    try:
        with pytest.raises(SystemFailure, match="head"):
            write_head(app)
    finally:
        app.close()
    assert (root / ".tamid" / HEAD).read_bytes() == before
    assert not list((root / ".tamid").glob(f"{HEAD}.*"))
