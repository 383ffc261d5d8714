"""Bundles: one address for one content, and nothing altered, missing, extra or unsigned."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from tamid.adapters.blobs import FileBlobs
from tamid.adapters.keys import Keys
from tamid.adapters.memory_blobs import MemoryBlobs
from tamid.core.errors import IntegrityError
from tamid.core.stats.calibration import Calibration
from tamid.core.values import digest_bytes
from tamid.ports import TrainingResult
from tamid.stages.packaging import (
    Packed,
    admit,
    carry,
    open_overlay,
    pack,
    restate,
    rule_files,
    unpack,
)
from tamid.testing.candidates import job
from tamid.testing.trainer_suite import train
from tamid.workshop import inline_trainer

FILES = (
    "card.md", "compiled.json", "code/features.py", "code/rules.py", "contract.yaml", "golden.json",
    "metrics.json", "model/model.json", "parity.json", "profile.json", "schema.json",
)  # fmt: skip


@pytest.fixture(scope="module")
def result() -> TrainingResult:
    """A candidate of the learner that needs only numpy."""
    return train(inline_trainer(tiny=True), job())


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    """A workspace's keys."""
    made = Keys(tmp_path / "keys")
    made.create()
    return made


@pytest.fixture
def blobs(tmp_path: Path) -> FileBlobs:
    """Contents on disk, where a test can alter them."""
    return FileBlobs(tmp_path / "blobs")


def altered(tmp_path: Path, digest: str, content: bytes | None) -> None:
    """Alter or remove one stored content behind the store's back."""
    name = digest.removeprefix("sha256:")
    (path,) = [p for p in (tmp_path / "blobs").rglob("*") if p.is_file() and p.name in name]
    path.chmod(0o600)
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)


def test_a_bundle_is_read_back_as_packed(
    result: TrainingResult, blobs: FileBlobs, keys: Keys
) -> None:
    """Every file, the schema and the overlay come back unchanged."""
    packed = pack(result, blobs, keys)
    opened = unpack(packed.bundle, packed.overlay, blobs, keys)
    assert opened.files == result.files
    assert sorted(opened.files) == sorted(FILES)
    assert opened.overlay.threshold == result.overlay["threshold"]
    assert opened.manifest.contract == digest_bytes(result.files["contract.yaml"])
    assert [f.name for f in opened.manifest.schema.features][:2] == ["age", "calls"]
    assert opened.size == sum(len(c) for c in result.files.values())


def test_the_address_depends_on_content_alone(result: TrainingResult, tmp_path: Path) -> None:
    """Two workspaces with different keys give the same bundle address, packed twice or once."""
    addresses = set()
    for name in ("one", "two"):
        keys = Keys(tmp_path / name)
        keys.create()
        store = MemoryBlobs()
        addresses |= {pack(result, store, keys).bundle, pack(result, store, keys).bundle}
    assert len(addresses) == 1


@pytest.mark.parametrize("path", FILES)
@pytest.mark.parametrize("how", ["altered", "missing"])
def test_each_file_is_guarded(
    path: str, how: str, result: TrainingResult, blobs: FileBlobs, keys: Keys, tmp_path: Path
) -> None:
    """An altered or missing file is refused by its name in the bundle."""
    packed = pack(result, blobs, keys)
    content = result.files[path]
    changed = None if how == "missing" else content[:-1] + bytes([content[-1] ^ 1])
    altered(tmp_path, digest_bytes(content), changed)
    with pytest.raises(IntegrityError, match=f"^{path} "):
        unpack(packed.bundle, packed.overlay, blobs, keys)


def test_manifest_and_overlay_are_guarded(
    result: TrainingResult, blobs: FileBlobs, keys: Keys, tmp_path: Path
) -> None:
    """An altered manifest or overlay is refused."""
    packed = pack(result, blobs, keys)
    for digest, name in ((packed.bundle, "manifest.json"), (packed.overlay, "overlay.json")):
        whole = blobs.get(digest)
        altered(tmp_path, digest, whole.replace(b"0", b"1", 1))
        with pytest.raises(IntegrityError, match=name):
            unpack(packed.bundle, packed.overlay, blobs, keys)
        altered(tmp_path, digest, whole)


def test_an_overlay_of_another_bundle_is_refused(
    result: TrainingResult, blobs: FileBlobs, keys: Keys
) -> None:
    """A version is a pair: a threshold of one model never rides on another."""
    one = pack(result, blobs, keys)
    two = pack(train(inline_trainer(tiny=True), job(seed=8)), blobs, keys)
    assert one.bundle != two.bundle
    with pytest.raises(IntegrityError, match="another bundle"):
        unpack(one.bundle, two.overlay, blobs, keys)


def test_a_forged_overlay_is_refused(result: TrainingResult, blobs: FileBlobs, keys: Keys) -> None:
    """A threshold that nobody signed is refused, although its content fits its digest."""
    packed = pack(result, blobs, keys)
    data = json.loads(blobs.get(packed.overlay))
    data["body"]["threshold"] = 0.01
    forged = blobs.put(json.dumps(data).encode())
    with pytest.raises(IntegrityError, match="signature"):
        unpack(packed.bundle, forged, blobs, keys)


def test_strangers_and_revoked_keys_vouch_for_nothing(
    result: TrainingResult, blobs: FileBlobs, keys: Keys, tmp_path: Path
) -> None:
    """A bundle is refused where its key is unknown, and everywhere once the key is revoked."""
    packed = pack(result, blobs, keys)
    stranger = Keys(tmp_path / "stranger")
    stranger.create()
    with pytest.raises(IntegrityError, match="not trusted"):
        unpack(packed.bundle, packed.overlay, blobs, stranger)
    stranger.trust(keys.export(keys.create()))
    assert unpack(packed.bundle, packed.overlay, blobs, stranger).files == result.files
    keys.revoke(keys.create())
    with pytest.raises(IntegrityError, match="revoked"):
        unpack(packed.bundle, packed.overlay, blobs, keys)


def test_a_new_overlay_leaves_the_bundle_alone(
    result: TrainingResult, blobs: FileBlobs, keys: Keys
) -> None:
    """Moving threshold, calibration or reference signs a new overlay over the same bundle."""
    packed = pack(result, blobs, keys)
    curve = Calibration(kind="platt", slope=0.5, intercept=0.1)
    moved = restate(packed.overlay, blobs, keys, threshold=0.9, calibration=curve)
    again = restate(moved, blobs, keys, reference={"f1": (0.8, 0.9)})
    assert len({packed.overlay, moved, again}) == 3
    opened = unpack(packed.bundle, again, blobs, keys)
    assert opened.overlay.threshold == 0.9
    assert opened.overlay.calibration == curve
    assert opened.overlay.reference == {"f1": (0.8, 0.9)}
    assert open_overlay(packed.overlay, blobs, keys).threshold == result.overlay["threshold"]


def test_a_bundle_can_be_carried_elsewhere(
    result: TrainingResult, blobs: FileBlobs, keys: Keys
) -> None:
    """A directory of the bundle gives the same addresses in another store."""
    packed = pack(result, blobs, keys)
    elsewhere = MemoryBlobs()
    assert admit(carry(packed.bundle, packed.overlay, blobs, keys), elsewhere, keys) == packed
    assert unpack(packed.bundle, packed.overlay, elsewhere, keys).files == result.files


@pytest.mark.parametrize("path", [*FILES, "manifest.json", "overlay.json"])
def test_a_carried_directory_is_guarded(
    path: str, result: TrainingResult, blobs: FileBlobs, keys: Keys
) -> None:
    """Each file of a carried directory is refused when altered or missing; so is an extra one."""
    packed: Packed = pack(result, blobs, keys)
    files = dict(carry(packed.bundle, packed.overlay, blobs, keys))
    changed: Mapping[str, bytes] = {**files, path: files[path] + b" "}
    missing = {p: c for p, c in files.items() if p != path}
    for wrong in (changed, missing, {**files, "code/extra.py": b"import os"}):
        if path == "overlay.json" and wrong is changed:
            continue  # space after the JSON changes neither body nor signature
        with pytest.raises(IntegrityError):
            admit(wrong, MemoryBlobs(), keys)


def test_rule_files_hold_code_and_contract_only(
    result: TrainingResult, blobs: FileBlobs, keys: Keys, tmp_path: Path
) -> None:
    """A rule is read without the model, and still only as the manifest names it."""
    packed = pack(result, blobs, keys)
    altered(tmp_path, digest_bytes(result.files["model/model.json"]), None)
    assert sorted(rule_files(packed.bundle, blobs)) == [
        "code/features.py", "code/rules.py", "contract.yaml",
    ]  # fmt: skip
    altered(tmp_path, digest_bytes(result.files["code/rules.py"]), b"def score(f): ...")
    with pytest.raises(IntegrityError, match=r"code/rules\.py was altered"):
        rule_files(packed.bundle, blobs)
