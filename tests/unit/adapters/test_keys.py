"""Keys in a folder: private stays private, rotation keeps old signatures, revocation ends them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tamid.adapters.keys import Keys
from tamid.core.errors import IntegrityError, NotFound, UsageError


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    """Keys with one signing key."""
    made = Keys(tmp_path / "keys")
    made.create()
    return made


def test_the_private_key_is_for_its_owner_only(keys: Keys, tmp_path: Path) -> None:
    """Nobody else may read the file, whatever the umask says."""
    private = tmp_path / "keys" / "signing.pem"
    assert private.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "keys").stat().st_mode & 0o777 == 0o700
    assert keys.known()[0].signs


def test_creating_twice_keeps_the_first_key(keys: Keys) -> None:
    """A workspace opened again signs with the key that it had."""
    assert keys.create() == keys.create()
    assert len(keys.known()) == 1


def test_rotation_keeps_old_signatures_until_revoked(keys: Keys) -> None:
    """New signatures come from the new key; old ones hold until their key is revoked."""
    old = keys.sign(b"bundle")
    first = keys.create()
    second = keys.rotate()
    assert first != second
    assert keys.sign(b"bundle").startswith(second)
    keys.verify(b"bundle", old)
    keys.revoke(first)
    keys.revoke(first)
    with pytest.raises(IntegrityError, match="revoked"):
        keys.verify(b"bundle", old)
    keys.verify(b"bundle", keys.sign(b"bundle"))
    assert {(k.id, k.revoked, k.signs) for k in keys.known()} == {
        (first, True, False),
        (second, False, True),
    }


def test_a_server_verifies_and_cannot_sign(keys: Keys, tmp_path: Path) -> None:
    """Public keys alone verify; signing is refused with what to do."""
    server = Keys(tmp_path / "server")
    server.trust(keys.export(keys.create()))
    server.verify(b"bundle", keys.sign(b"bundle"))
    with pytest.raises(NotFound, match="no signing key"):
        server.sign(b"bundle")


@pytest.mark.parametrize("text", [b"", b"-----BEGIN PUBLIC KEY-----\nAAAA\n", b"\x00\xff"])
def test_what_is_no_key_is_not_trusted(keys: Keys, text: bytes) -> None:
    """Only a public key in PEM form can be trusted."""
    with pytest.raises(UsageError):
        keys.trust(text)


def test_unknown_keys_cannot_be_revoked_or_exported(keys: Keys) -> None:
    """A key id never reaches outside the folder of trusted keys."""
    for key in ("0" * 16, "../signing", ""):
        with pytest.raises(NotFound):
            keys.revoke(key)
        with pytest.raises(NotFound):
            keys.export(key)


def test_a_swapped_public_key_is_noticed(keys: Keys, tmp_path: Path) -> None:
    """A file whose content is another key than its name says vouches for nothing."""
    other = Keys(tmp_path / "other")
    theirs = other.create()
    mine = keys.create()
    signature = keys.sign(b"bundle")
    (tmp_path / "keys" / "trusted" / f"{mine}.pem").write_bytes(other.export(theirs))
    with pytest.raises(IntegrityError, match="another key"):
        keys.verify(b"bundle", signature)
