"""The name under which an entity is stored: a keyed hash of the one it was given under."""

from __future__ import annotations

import base64
import hashlib

# 72 bits: two of ten million entities meet with a chance of one in 10^8. As twelve characters, the
# most that Polars keeps in the view of a string itself: joins stay as fast as on short ids.
_BYTES = 9


def pseudonym(entity: str, key: bytes) -> str:
    """Return an entity's pseudonym: always the same under one key, and not to be undone without it.

    >>> pseudonym("7", b"k" * 32) == pseudonym("7", b"k" * 32), len(pseudonym("7", b"k" * 32))
    (True, 12)
    """
    digest = hashlib.blake2b(entity.encode(errors="replace"), key=key, digest_size=_BYTES).digest()
    return base64.urlsafe_b64encode(digest).decode()
