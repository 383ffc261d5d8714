"""Every mirror keeps the laws of its port; the one of a real server is looked at in integration."""

from __future__ import annotations

import pytest

from tamid.adapters.memory_mirror import MemoryMirror
from tamid.core.errors import MirrorDown
from tamid.testing.mirror_suite import RUN, Look, MirrorSuite, Piece, Wall


class TestMemoryMirror(MirrorSuite):
    """A tracking server in memory."""

    @pytest.fixture
    def mirror(self) -> MemoryMirror:
        return MemoryMirror()

    @pytest.fixture
    def wall(self, mirror: MemoryMirror) -> Look:
        def look() -> Wall:
            work = {}
            for key, shown in mirror.work.items():
                found: dict[str, list[tuple[float, int]]] = {}
                for r in shown.readings:
                    found.setdefault(r.name, []).append((r.value, r.step))
                work[key] = Piece(
                    status=shown.status,
                    parent=shown.parent,
                    params=shown.params,
                    tags=shown.tags,
                    readings={name: sorted(points) for name, points in found.items()},
                    files=mirror.files.get(key, {}),
                )
            editions = {o: (e.number, e.run, e.files) for o, e in mirror.editions.items()}
            return Wall(work=work, editions=editions, aliases=dict(mirror.aliases))

        return look

    def test_a_server_that_is_down_takes_nothing(self, mirror: MemoryMirror) -> None:
        """While it is down every method says so."""
        mirror.down = True
        with pytest.raises(MirrorDown, match="no answer"):
            mirror.show([RUN])
        with pytest.raises(MirrorDown):
            mirror.point("champion", "")
        assert not mirror.work
