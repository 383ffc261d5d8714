"""Segments: what was committed is read back, and whatever is torn or turned is noticed."""

from __future__ import annotations

import json

from hypothesis import example, given
from hypothesis import strategies as st

from tamid.core.spool import END, LABELS, MAGIC, ROWS, block, end, read_segment, run_on

BODIES = [{"rows": [[1, "א", None]]}, {"labels": []}, {"rows": [[2.5]]}]


def segment(*, sealed: bool = True) -> tuple[bytes, list[int]]:
    """Return a segment of three blocks, and where each of them ends."""
    content, ends, checks = MAGIC, list[int](), 0
    for kind, body in zip((ROWS, LABELS, ROWS), BODIES, strict=True):
        content += (written := block(kind, json.dumps(body).encode()))
        checks = run_on(checks, written)
        ends.append(len(content))
    return (content + end(checks) if sealed else content), ends


def test_a_sealed_segment_is_read_back_whole() -> None:
    """All blocks in order, by kind, nothing torn."""
    found = read_segment(segment()[0])
    assert found.sealed
    assert found.torn == 0
    assert [b.body for b in found.blocks] == BODIES
    assert list(found.of(ROWS)) == [BODIES[0], BODIES[2]]


def test_wherever_a_writer_dies_whole_blocks_count() -> None:
    """Cut at every byte: exactly the blocks before the cut, never half a one, never sealed."""
    content, ends = segment()
    for cut in range(len(content)):
        found = read_segment(content[:cut])
        assert not found.sealed
        assert [b.body for b in found.blocks] == BODIES[: sum(e <= cut for e in ends)]


def test_a_turned_bit_is_noticed_wherever_it_is() -> None:
    """Every bit of the segment: what is read is a part of the front, and it is not sealed."""
    content, _ = segment()
    for place in range(len(content)):
        for bit in range(8):
            turned = bytearray(content)
            turned[place] ^= 1 << bit
            found = read_segment(bytes(turned))
            bodies = [b.body for b in found.blocks]
            assert bodies == BODIES[: len(bodies)]
            assert not found.sealed
            assert found.torn


@given(st.binary(max_size=200), st.booleans())
@example(MAGIC, False)
def test_any_bytes_are_read_without_an_error(noise: bytes, begun: bool) -> None:
    """Noise is torn, not understood."""
    content = segment(sealed=False)[0] + noise if begun else noise
    found = read_segment(content)
    assert len(found.blocks) == (3 if begun else 0)
    assert found.torn == len(noise if begun else noise.removeprefix(MAGIC))
    assert END not in {b.kind for b in found.blocks}


def test_more_behind_the_end_is_no_sealed_segment() -> None:
    """Nothing may be added to what was committed."""
    content, _ = segment()
    found = read_segment(content + b"x")
    assert not found.sealed
    assert found.torn
