"""Who is in the control group, one entity at a time: the draw of :mod:`tamid.core.control`."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from tamid.core.control import rotation


def membership(
    share: float, rotate: timedelta, salt: str, wall: Callable[[], float] = time.time
) -> Callable[[str | None], bool | None]:
    """Return a function of an entity; None for a row that has none.

    Law: says what :func:`tamid.core.control.in_control` says for the same moment.
    """
    turn, keyed = -1, hashlib.blake2b(digest_size=8)

    def member(entity: str | None) -> bool | None:
        nonlocal turn, keyed
        if entity is None:
            return None
        now = rotation(datetime.fromtimestamp(wall(), UTC), rotate)
        if now != turn:
            secret = hashlib.blake2b(f"control/{now}/{salt}".encode(), digest_size=32).digest()
            turn, keyed = now, hashlib.blake2b(key=secret, digest_size=8)
        one = keyed.copy()
        one.update(entity.encode())
        return (int.from_bytes(one.digest(), "little") >> 11) / 2.0**53 < share

    return member
