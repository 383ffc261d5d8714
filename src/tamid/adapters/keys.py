"""Ed25519 keys of a workspace: one private key that signs, a folder of trusted public keys."""

from __future__ import annotations

import base64
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from tamid.core.errors import IntegrityError, NotFound, UsageError

if TYPE_CHECKING:
    from tamid.ports import Signer

_PRIVATE = "signing.pem"
_TRUSTED = "trusted"
_REVOKED = "revoked.txt"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyInfo:
    """One known key: its id, whether it is revoked, and whether this workspace signs with it."""

    id: str
    revoked: bool
    signs: bool


class Keys:
    """The keys in one folder: `signing.pem` (0600), `trusted/<id>.pem`, `revoked.txt`.

    A server needs the folder without `signing.pem`: it can verify and not sign.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def create(self) -> str:
        """Make the first key, if there is none; return the id of the signing key."""
        if not (self._folder / _PRIVATE).exists():
            self._generate()
        return key_id(self._private().public_key())

    def rotate(self) -> str:
        """Sign with a new key from now on; the old one stays trusted until it is revoked."""
        self._generate()
        return key_id(self._private().public_key())

    def revoke(self, key: str) -> None:
        """Trust no signature of this key any more, old ones included. Raises NotFound."""
        self._public(key)
        if key not in self._revoked():
            with (self._folder / _REVOKED).open("a", encoding="utf-8") as file:
                file.write(key + "\n")
                file.flush()
                os.fsync(file.fileno())

    def trust(self, pem: bytes) -> str:
        """Trust another workspace's public key; return its id. Raises UsageError."""
        try:
            public = load_pem_public_key(pem)
        except ValueError as error:
            raise UsageError("this is not a public key in PEM form") from error
        if not isinstance(public, Ed25519PublicKey):
            raise UsageError("only Ed25519 keys are used here")
        self._write_public(public)
        return key_id(public)

    def export(self, key: str) -> bytes:
        """Return a public key in PEM form. Raises NotFound."""
        return _pem(self._public(key))

    def known(self) -> tuple[KeyInfo, ...]:
        """Return all trusted keys, revoked ones included, sorted by id."""
        revoked = self._revoked()
        private = self._folder / _PRIVATE
        mine = key_id(self._private().public_key()) if private.exists() else ""
        names = sorted(p.stem for p in (self._folder / _TRUSTED).glob("*.pem"))
        return tuple(KeyInfo(id=n, revoked=n in revoked, signs=n == mine) for n in names)

    def sign(self, message: bytes) -> str:
        """Return `<key id>:<signature in base64>`. Raises NotFound without a private key."""
        private = self._private()
        signature = base64.b64encode(private.sign(message)).decode()
        return f"{key_id(private.public_key())}:{signature}"

    def verify(self, message: bytes, signature: str) -> None:
        """Raise IntegrityError unless a trusted, unrevoked key made this signature."""
        key, _, encoded = signature.partition(":")
        if key in self._revoked():
            raise IntegrityError(
                f"the signature's key {key} was revoked",
                why="what it signed is not trusted any more",
                fix="Train again, or sign again with `tamid keys rotate`.",
            )
        try:
            public = self._public(key)
            public.verify(base64.b64decode(encoded, validate=True), message)
        except NotFound as error:
            raise IntegrityError(
                f"the signature's key {key!r} is not trusted here",
                why="only bundles signed by a known key are loaded",
                fix="Get the public key from its owner: `tamid keys export`.",
            ) from error
        except (InvalidSignature, ValueError) as error:
            raise IntegrityError("a signature does not fit what it signs") from error

    def _generate(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        private = Ed25519PrivateKey.generate()
        text = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        # The public half first: a crash in between leaves a key that nobody signs with.
        self._write_public(private.public_key())
        _write(self._folder / _PRIVATE, text, 0o600)

    def _private(self) -> Ed25519PrivateKey:
        try:
            key = load_pem_private_key((self._folder / _PRIVATE).read_bytes(), None)
        except FileNotFoundError as error:
            raise NotFound(
                "this workspace has no signing key",
                why="a server holds public keys only",
                fix="Make one where models are trained: `tamid keys rotate`.",
            ) from error
        assert isinstance(key, Ed25519PrivateKey)
        return key

    def _public(self, key: str) -> Ed25519PublicKey:
        # An id is sixteen hexadecimal digits; anything else could name another file.
        path = self._folder / _TRUSTED / f"{key}.pem"
        if len(key) != 16 or not set(key) <= set("0123456789abcdef") or not path.exists():
            raise NotFound(f"there is no key {key!r}", fix="List the keys: `tamid keys`.")
        public = load_pem_public_key(path.read_bytes())
        if not isinstance(public, Ed25519PublicKey) or key_id(public) != key:
            raise IntegrityError(f"the file of key {key} holds another key")
        return public

    def _write_public(self, public: Ed25519PublicKey) -> None:
        folder = self._folder / _TRUSTED
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        _write(folder / f"{key_id(public)}.pem", _pem(public), 0o644)

    def _revoked(self) -> frozenset[str]:
        try:
            return frozenset((self._folder / _REVOKED).read_text(encoding="utf-8").split())
        except FileNotFoundError:
            return frozenset()


def key_id(public: Ed25519PublicKey) -> str:
    """Return the first sixteen hexadecimal digits of the SHA-256 of the raw public key."""
    raw = public.public_bytes(Encoding.Raw, PublicFormat.Raw)
    return hashlib.sha256(raw).hexdigest()[:16]


def _pem(public: Ed25519PublicKey) -> bytes:
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def _write(path: Path, content: bytes, mode: int) -> None:
    """Write whole or not at all, never readable by more than `mode` allows."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


if TYPE_CHECKING:
    _signer: Signer = Keys(Path())
