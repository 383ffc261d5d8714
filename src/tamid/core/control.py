"""The control group: entities that are never treated, drawn by a keyed hash and rotated."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_RESOLUTION = 2.0**53  # as many steps between 0 and 1 as a float can tell apart


def rotation(moment: datetime, rotate: timedelta) -> int:
    """Return the number of the rotation that a moment falls into, counted from 1970.

    >>> weeks = timedelta(weeks=13)
    >>> start = datetime(2026, 1, 4, tzinfo=UTC)
    >>> rotation(start + weeks, weeks) - rotation(start, weeks)
    1
    """
    return (moment - _EPOCH) // rotate


def lots(entities: Iterable[str], key: str) -> npt.NDArray[np.float64]:
    """Return one number in [0, 1) per entity, (n,): the same for ever, and even over entities.

    The keyed hash (BLAKE2b) makes the lot of an entity unguessable without the key.
    """
    secret = hashlib.blake2b(key.encode(), digest_size=32).digest()
    keyed = hashlib.blake2b(key=secret, digest_size=8)
    drawn = bytearray()
    for entity in entities:
        one = keyed.copy()
        one.update(entity.encode())
        drawn += one.digest()
    return (np.frombuffer(bytes(drawn), dtype="<u8") >> np.uint64(11)) / _RESOLUTION


def in_control(
    entities: Iterable[str], share: float, salt: str, turn: int
) -> npt.NDArray[np.bool_]:
    """Say which entities belong to the control group of rotation `turn`, (n,).

    Laws: within a rotation an entity stays where it is; rotations are independent draws; a larger
    share keeps the entities of a smaller one.

    >>> in_control(["a", "b"], 1.0, "salt", 7).tolist(), in_control(["a"], 0.0, "s", 7).tolist()
    ([True, True], [False])
    """
    return lots(entities, f"control/{turn}/{salt}") < share


def dealt_offers(
    entities: Iterable[str], offers: Mapping[str, float], salt: str, turn: int
) -> npt.NDArray[np.object_]:
    """Return the offer that each entity draws in rotation `turn`, (n,), control group or not.

    Laws: another draw than that of the control group; within a rotation an entity keeps its offer.

    >>> dealt_offers(["a", "b"], {"call": 1.0}, "salt", 7).tolist()
    ['call', 'call']
    """
    names = sorted(offers)
    edges = np.cumsum([offers[name] for name in names])
    drawn = np.searchsorted(edges, lots(entities, f"offer/{turn}/{salt}") * edges[-1], "right")
    found: npt.NDArray[np.object_] = np.array(names, dtype=object)
    return np.asarray(found[np.minimum(drawn, len(names) - 1)], dtype=object)
