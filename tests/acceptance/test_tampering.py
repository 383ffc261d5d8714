"""Whatever is altered in a store, `tamid verify` finds and names it, and leaves with 6."""

from __future__ import annotations

import json
import shutil
import sqlite3
from pathlib import Path

import pytest
import toy
import toy_folder

from tamid.cli.main import main

INTEGRITY = 6


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace after its first turn: a release, a delivery and a signed head."""
    root, turn = tmp_path_factory.mktemp("sealed") / "root", toy.life()[0]
    toy_folder.prepare(root, turn)
    toy_folder.live(root, turn)
    return root


@pytest.fixture
def root(sealed: Path, tmp_path: Path) -> Path:
    """A copy that a test may alter."""
    return shutil.copytree(sealed, tmp_path / "root")


def verified(root: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """Return the status and the words of `tamid verify`."""
    status = main(["-C", str(root), "-q", "verify"])
    return status, capsys.readouterr().out


def blob(root: Path, digest: str) -> Path:
    """Return the file of a stored content."""
    name = digest.removeprefix("sha256:")
    return root / ".tamid" / "blobs" / name[:2] / name[2:]


def flip(path: Path) -> None:
    """Change one bit in the middle of a file."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def finished(root: Path) -> dict[str, str]:
    """Return what the ledger says of the run that was released."""
    with sqlite3.connect(root / ".tamid" / "ledger.sqlite") as db:
        rows = db.execute("SELECT body FROM events ORDER BY seq").fetchall()
    db.close()
    bodies = [json.loads(body)["event"] for (body,) in rows]
    found: dict[str, str] = next(b["data"] for b in bodies if b["kind"] == "RunFinished")
    return found


def test_an_untouched_store_is_whole(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing altered, nothing found."""
    status, said = verified(root, capsys)
    assert (status, "whole" in said) == (0, True)


@pytest.mark.parametrize("what", ["report", "overlay", "bundle"])
def test_an_altered_content_is_named(
    root: Path, what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """One bit of a report, an overlay or a bundle's manifest."""
    digest = finished(root)[what]
    flip(blob(root, digest))
    status, said = verified(root, capsys)
    assert status == INTEGRITY
    assert digest in said


def test_an_altered_file_of_a_bundle_is_found(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The model itself, which no event names: the bundle's manifest does."""
    bundle = finished(root)["bundle"]
    files = json.loads(blob(root, bundle).read_bytes())["files"]
    model = next(digest for name, digest in files.items() if name.endswith("model.json"))
    flip(blob(root, model))
    status, said = verified(root, capsys)
    assert status == INTEGRITY
    assert f"bundle {bundle}" in said


@pytest.mark.parametrize("way", ["flipped", "cut", "swapped"])
def test_an_altered_table_is_named(
    root: Path, way: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """One bit, a missing end, or another week's file, which is a sound file of the wrong rows."""
    files = sorted((root / ".tamid" / "tables" / "toy.rows").rglob("*.parquet"))
    if way == "flipped":
        flip(files[0])
    elif way == "cut":
        files[0].write_bytes(files[0].read_bytes()[:-1])
    else:
        shutil.copyfile(files[1], files[0])
    status, said = verified(root, capsys)
    assert status == INTEGRITY
    assert "table toy.rows" in said


def test_an_audit_repeats_nothing_on_altered_labels(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Another week's file is read without a word, and the decisions might even come out the same.

    The audit says which input is altered, and leaves with 6 as `verify` does.
    """
    assert main(["-C", str(root), "-q", "replay", "--audit"]) == 0
    files = sorted((root / ".tamid" / "tables" / "toy.labels").rglob("*.parquet"))
    shutil.copyfile(files[1], files[0])
    capsys.readouterr()
    assert main(["-C", str(root), "-q", "replay", "--audit"]) == INTEGRITY
    said = capsys.readouterr().out
    assert "nothing is repeated on it" in said
    assert "table toy.labels at version" in said
    assert "came out the same" not in said


@pytest.mark.parametrize(
    "act",
    [
        "UPDATE events SET body = replace(body, 'first release', 'second release')",
        "DELETE FROM events WHERE seq = 5",
        "DELETE FROM events WHERE seq > (SELECT max(seq) - 2 FROM events)",
        "UPDATE events SET seq = seq + 1000 WHERE seq = (SELECT max(seq) FROM events)",
    ],
    ids=["altered", "gap", "tail", "renumbered"],
)
def test_an_altered_ledger_is_found(
    root: Path, act: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A word, a gap, a missing end (by the signed head), a number."""
    with sqlite3.connect(root / ".tamid" / "ledger.sqlite") as db:
        assert db.execute(act).rowcount
    db.close()
    status, said = verified(root, capsys)
    assert (status, ": whole" in said) == (INTEGRITY, False)


def test_a_head_signed_by_nobody_known_is_refused(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Who cuts the ledger and seals it anew needs the workspace's key."""
    path = root / ".tamid" / "head.json"
    head = json.loads(path.read_text())
    head["streams"][0]["seq"] -= 1
    path.write_text(json.dumps(head))
    status, said = verified(root, capsys)
    assert status == INTEGRITY
    assert "signature" in said
    assert ": whole" not in said
