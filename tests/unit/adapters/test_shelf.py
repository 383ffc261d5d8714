"""The shelf of parts that may be lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from tamid.adapters.shelf import FolderShelf


def test_what_is_kept_is_given_back(tmp_path: Path) -> None:
    """Parts come back by name, also to another reader of the folder; a lost one is a KeyError."""
    shelf = FolderShelf(tmp_path / "parts")
    shelf["sha256:a/12"] = b"one"
    shelf["sha256:a/12"] = b"two"
    again = FolderShelf(tmp_path / "parts")
    assert again["sha256:a/12"] == b"two"
    assert "sha256:a/12" in again
    assert "sha256:a/13" not in again
    assert len(list(again)) == len(again) == 1
    del again["sha256:a/12"]
    with pytest.raises(KeyError):
        shelf["sha256:a/12"]
    with pytest.raises(KeyError):
        del shelf["sha256:a/12"]


def test_the_oldest_make_room(tmp_path: Path) -> None:
    """No more than `most` parts are kept."""
    shelf = FolderShelf(tmp_path, most=3)
    for i in range(6):
        shelf[str(i)] = b"x"
    assert len(shelf) == 3
    assert "5" in shelf


def test_a_folder_that_cannot_be_written_keeps_nothing(tmp_path: Path) -> None:
    """What can be made again must not fail because it cannot be kept."""
    (tmp_path / "file").write_text("in the way", "utf-8")
    shelf = FolderShelf(tmp_path / "file")
    shelf["a"] = b"x"
    assert "a" not in shelf
