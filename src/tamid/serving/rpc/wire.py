"""Protocol buffers as far as V2 needs them: fields of a message, read strictly and written.

A message is a run of fields, each a key (number and wire type) and a value: a varint, 4 or 8 bytes,
or a length and so many bytes. Source: protobuf.dev/programming-guides/encoding.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tamid.serving.plain_json import Malformed

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
# Bytes of the longest varint: 64 bits, seven in each.
_LONGEST = 10
_BITS = 64
_SIGN = 1 << (_BITS - 1)
_WIDTHS = {FIXED64: 8, FIXED32: 4}


def fields(message: memoryview) -> Iterator[tuple[int, int, int, memoryview]]:
    """Yield number, wire type, varint (0 for others) and bytes (of others) of each field.

    Raises:
        Malformed: it ends within a field, or holds what V2 never has (groups, field 0).

    >>> [(n, kind, v, bytes(b)) for n, kind, v, b in fields(memoryview(text(1, "a") + whole(2, 5)))]
    [(1, 2, 0, b'a'), (2, 0, 5, b'')]
    """
    place = 0
    while place < len(message):
        key, place = _varint(message, place)
        number, kind = key >> 3, key & 7
        if number == 0 or kind not in (VARINT, FIXED64, BYTES, FIXED32):
            raise Malformed("the message is no protocol buffer of V2")
        if kind == VARINT:
            value, place = _varint(message, place)
            yield number, kind, value, message[:0]
            continue
        size = _WIDTHS.get(kind, 0)
        if kind == BYTES:
            size, place = _varint(message, place)
        if place + size > len(message):
            raise Malformed("the message ends within a field")
        yield number, kind, 0, message[place : place + size]
        place += size


def varints(packed: memoryview) -> list[int]:
    """Return packed varints, unsigned. Raises Malformed.

    >>> varints(memoryview(bytes([1, 172, 2])))
    [1, 300]
    """
    found, place = list[int](), 0
    while place < len(packed):
        value, place = _varint(packed, place)
        found.append(value)
    return found


def signed(value: int) -> int:
    """Return a varint as the signed number of 64 bits that it stands for.

    >>> signed(2**64 - 1), signed(7)
    (-1, 7)
    """
    return value - (1 << _BITS) if value & _SIGN else value


def said(raw: memoryview) -> str:
    """Return bytes as a text. Raises Malformed."""
    try:
        return str(raw, "utf-8")
    except UnicodeDecodeError:
        raise Malformed("a text of the message is not UTF-8") from None


def whole(number: int, value: int) -> bytes:
    """Return a field of a whole number or flag; what is 0 is not written.

    >>> whole(3, 300), whole(3, 0), whole(1, -1).hex()
    (b'\\x18\\xac\\x02', b'', '08ffffffffffffffffff01')
    """
    return _key(number, VARINT) + _written(value) if value else b""


def part(number: int, content: bytes) -> bytes:
    """Return a field of bytes or of a message, also of an empty one."""
    return _key(number, BYTES) + _written(len(content)) + content


def text(number: int, value: str) -> bytes:
    """Return a field of a text; an empty one is not written."""
    return part(number, value.encode()) if value else b""


def shape(number: int, sizes: Iterable[int]) -> bytes:
    """Return a packed field of whole numbers."""
    return part(number, b"".join(map(_written, sizes)))


def _key(number: int, kind: int) -> bytes:
    return _written(number << 3 | kind)


def _written(value: int) -> bytes:
    value &= (1 << _BITS) - 1
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    found.append(value)
    return bytes(found)


def _varint(message: memoryview, place: int) -> tuple[int, int]:
    value = 0
    for step in range(_LONGEST):
        if place >= len(message):
            raise Malformed("the message ends within a number")
        byte = message[place]
        place += 1
        value |= (byte & 0x7F) << (7 * step)
        if byte < 0x80:
            break
    else:
        raise Malformed("a number of the message is too long")
    if value >> _BITS:
        raise Malformed("a number of the message is too large")
    return value, place
