"""A workspace is carried away while its loop turns, and put back only if every byte is right."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from first_workspace import EVENTS, LEFT, MODEL, at, unpacked
from in_process import here
from processes import eventually, present, running
from test_cli_workspace import make

from tamid.core.errors import TamidError
from tamid.stages.audit import audit, prove
from tamid.stages.naming import named_pins
from tamid.upkeep.backup import backup


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace that nobody changes."""
    return unpacked(tmp_path_factory.mktemp("old"))


@pytest.fixture(scope="module")
def kept(old: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, str]:
    """Its backup, its secrets, and the digest that was said."""
    place = tmp_path_factory.mktemp("kept")
    done = here(old, "backup", str(place / "all"), "--keys", str(place / "keys"), "--json")
    assert done.returncode == 0, done.stderr
    return place / "all", place / "keys", json.loads(done.stdout)["digest"]


def whole(root: Path) -> None:
    """Assert that a workspace's chain, contents and decisions are all as they were."""
    with at(root) as app:
        records = app.records(MODEL)
        assert prove(app.rig(MODEL), records).faults == ()
        found = audit(app.rig(MODEL), records)
        assert found.same
        assert found.decisions > 10


def test_what_is_put_back_is_what_was_there(
    old: Path, kept: tuple[Path, Path, str], tmp_path: Path
) -> None:
    """Ledger, tables, models, servers' log, contract and secrets come back; the loop goes on."""
    place, keys, digest = kept
    target = tmp_path / "new"
    done = here(
        tmp_path, "restore", str(place), str(target), "--keys", str(keys), "--digest", digest
    )
    assert done.returncode == 0, done.stderr
    assert f"toy: up to event {EVENTS}" in done.stdout
    whole(target)
    for name in ("contract.yaml", ".tamid/salt", ".tamid/keys/signing.pem"):
        assert (target / name).read_bytes() == (old / name).read_bytes()
    with at(target) as app:
        report = app.tick(MODEL)
        assert report.state.seq >= EVENTS


def test_without_secrets_it_can_be_read_but_not_run(
    kept: tuple[Path, Path, str], old: Path, tmp_path: Path
) -> None:
    """Nothing is made anew that would not fit: the loop refuses until the secrets are back."""
    target = tmp_path / "new"
    done = here(tmp_path, "restore", str(kept[0]), str(target))
    assert "secrets missing: keys/signing.pem, salt" in done.stdout
    whole(target)
    assert not (target / ".tamid" / "salt").exists()
    for words in (("tick",), ("serve",), ("contract", "adopt")):
        refused = here(target, *words)
        assert refused.returncode == 2
        assert "restored without its secrets" in refused.stderr
    for name in ("salt", "keys/signing.pem"):
        (target / ".tamid" / name).write_bytes((old / ".tamid" / name).read_bytes())
    with at(target) as app:
        assert app.tick(MODEL).state.seq >= EVENTS


def _flip(place: Path) -> str:
    path = next((place / "store" / "tables").rglob("*.parquet"))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))
    return "was altered"


def _lose(place: Path) -> str:
    next(p for p in (place / "store" / "blobs").rglob("*") if p.is_file()).unlink()
    return "is gone"


def _add(place: Path) -> str:
    (place / "workspace" / "model.py").write_text("import os\n")
    return "workspace/model.py was added"


def _link(place: Path) -> str:
    path = place / "workspace" / "contract.yaml"
    path.rename(place.parent / "contract.yaml")
    path.symlink_to(place.parent / "contract.yaml")
    return "replaced by a link"


def _forge(place: Path) -> str:
    path = place / "backup.json"
    path.write_text(path.read_text().replace('"seq":164', '"seq":163'))
    return "the manifest itself"


def _cut(place: Path) -> str:
    path = place / "backup.json"
    path.write_text(path.read_text()[:-40])
    return "manifest of the backup is damaged"


@pytest.mark.parametrize("alter", [_flip, _lose, _add, _link, _forge, _cut])
def test_whatever_is_altered_is_refused_and_nothing_is_restored(
    kept: tuple[Path, Path, str], tmp_path: Path, alter: Callable[[Path], str]
) -> None:
    """A flipped bit, a lost, added or replaced file, a changed manifest: 6, named, no trace."""
    place = tmp_path / "backup"
    subprocess.run(["cp", "-r", str(kept[0]), str(place)], check=True)
    says = alter(place)
    done = here(tmp_path, "restore", str(place), str(tmp_path / "new"))
    assert done.returncode == 6
    assert says in done.stderr
    assert not (tmp_path / "new").exists() or not any((tmp_path / "new").iterdir())


def test_the_digest_that_was_noted_decides(kept: tuple[Path, Path, str], tmp_path: Path) -> None:
    """Another backup in its place is refused, and so are the secrets of another one."""
    wrong = here(tmp_path, "restore", str(kept[0]), "new", "--digest", "sha256:" + "0" * 64)
    assert wrong.returncode == 6
    assert "not the manifest that was asked for" in wrong.stderr
    other = tmp_path / "keys"
    subprocess.run(["cp", "-r", str(kept[1]), str(other)], check=True)
    text = (other / "keys.json").read_text()
    (other / "keys.json").write_text(text.replace('"made_by":"', '"made_by":"x'))
    assert here(tmp_path, "restore", str(kept[0]), "new", "--keys", str(other)).returncode == 6


def test_nothing_is_overwritten(old: Path, kept: tuple[Path, Path, str], tmp_path: Path) -> None:
    """A folder with anything in it is neither restored into nor backed up to."""
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "mine.txt").write_text("mine")
    for words in (("restore", str(kept[0]), str(tmp_path / "used")),
                  ("backup", str(tmp_path / "used"))):  # fmt: skip
        done = here(old, *words)
        assert done.returncode == 2
        assert "is not empty" in done.stderr
    inside = here(old, "backup", str(old / ".tamid" / "backup"))
    assert inside.returncode == 2
    both = here(old, "backup", str(tmp_path / "b"), "--keys", str(tmp_path / "b" / "keys"))
    assert both.returncode == 2
    assert sorted(p.name for p in tmp_path.iterdir()) == ["used"]


def test_a_broken_workspace_gives_no_backup(tmp_path: Path) -> None:
    """What the ledger names must be there and whole: a backup without it would be none."""
    root = unpacked(tmp_path)
    next(p for p in (root / ".tamid" / "blobs").rglob("*") if p.is_file()).unlink()
    done = here(root, "backup", str(tmp_path / "backup"))
    assert done.returncode == 6
    assert not (tmp_path / "backup").exists()


def test_a_restore_that_is_killed_is_begun_anew(
    kept: tuple[Path, Path, str], tmp_path: Path
) -> None:
    """Wherever it dies, what stands there is no workspace, and the same command mends it."""
    target = tmp_path / "new"
    command = [sys.executable, "-m", "tamid", "-q", "restore", str(kept[0]), str(target)]
    for number in range(3):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        eventually(target.exists, "the restore")
        time.sleep(0.01 * number)
        process.send_signal(signal.SIGKILL)
        process.wait()
        if (target / "contract.yaml").exists():  # it was faster
            whole(target)
            subprocess.run(["rm", "-r", str(target)], check=True)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    whole(target)
    assert not list(target.glob(".tamid-restoring"))


def test_backups_of_a_turning_loop_are_whole(tmp_path: Path) -> None:
    """While a watch takes in data, trains and releases, each backup is one moment of it."""
    root = make(tmp_path / "shop")
    made: list[Path] = []
    with running(root, tmp_path / "log", "watch", "--poll", "1s") as watch:
        eventually(lambda: (root / ".tamid" / "head.json").exists() or _begun(root), "a turn")
        while len(made) < 2 or (not present(root).champion and len(made) < 12):
            place = tmp_path / f"backup-{len(made)}"
            done = here(root, "backup", str(place), "--keys", str(tmp_path / f"k{len(made)}"))
            assert done.returncode == 0, done.stderr
            made.append(place)
        assert watch.poll() is None
        eventually(lambda: bool(present(root).champion), "a champion")
    for number, place in list(enumerate(made))[-3:]:
        target = tmp_path / f"restored-{number}"
        keys = str(tmp_path / f"k{number}")
        done = here(tmp_path, "restore", str(place), str(target), "--keys", keys)
        assert done.returncode == 0, done.stderr
        proof = here(target, "verify", "--json")
        assert proof.returncode == 0, proof.stdout


def _begun(root: Path) -> bool:
    return bool((root / ".tamid" / "ledger.sqlite").exists() and present(root).seq > 3)


def test_later_versions_of_a_table_stay_behind(old: Path, tmp_path: Path) -> None:
    """A write that the ledger does not name yet is not carried along."""
    with at(old) as app:
        before = {p for r in app.records(MODEL) for p in named_pins(r.event)}
        newest = max(p.version for p in before if p.table == "toy.rows")
        made = backup(app, tmp_path / "backup")
    log = tmp_path / "backup" / "store" / "tables" / "toy.rows" / "_delta_log"
    assert max(int(p.stem) for p in log.glob("0*.json") if p.stem.isdigit()) == newest
    assert made.left_out == ("keys/signing.pem", "salt")
    assert made.manifest.made_at == LEFT


def test_two_upkeeps_do_not_run_at_once(old: Path, tmp_path: Path) -> None:
    """The second is told who is at work."""
    from tamid.cli.upkeep import alone

    with at(old) as app:
        app.holder = f"elsewhere:{os.getpid()}"
        app.clock.now()
        with alone(app), at(old) as other:
            other.holder = "another:1"
            with pytest.raises(TamidError, match="is held by elsewhere"), alone(other):
                pass
    assert not (tmp_path / "b").exists()
