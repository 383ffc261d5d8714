"""A tracking server in memory: for tests and dry runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from tamid.core.errors import MirrorDown
from tamid.ports import Edition, Exhibit

if TYPE_CHECKING:
    from tamid.ports import Mirror


class MemoryMirror:
    """What was shown, as long as the process lives; while `down` it takes nothing."""

    def __init__(self) -> None:
        self.down = False
        self.work: dict[str, Exhibit] = {}
        self.files: dict[str, dict[str, bytes]] = {}
        self.editions: dict[str, Edition] = {}
        self.aliases: dict[str, str] = {}

    def show(self, work: Sequence[Exhibit]) -> None:
        """Show pieces of work, each merged with what was shown of it before."""
        self._up()
        for piece in work:
            known = self.work.get(piece.key, piece)
            readings = {(r.name, r.step, r.value, r.at): r for r in known.readings}
            readings |= {(r.name, r.step, r.value, r.at): r for r in piece.readings}
            self.work[piece.key] = replace(
                piece,
                params={**piece.params, **known.params},
                tags={**known.tags, **piece.tags},
                readings=tuple(readings.values()),
            )

    def attach(self, key: str, files: Mapping[str, bytes]) -> None:
        """Lay files beside a piece of work."""
        self._up()
        self.files.setdefault(key, {}).update(files)

    def publish(self, edition: Edition) -> None:
        """Put a version into the registry, once."""
        self._up()
        self.editions.setdefault(edition.overlay, edition)

    def point(self, alias: str, overlay: str) -> None:
        """Let an alias name an edition, or nothing."""
        self._up()
        if not overlay:
            self.aliases.pop(alias, None)
        elif overlay in self.editions:
            self.aliases[alias] = overlay
        else:
            raise MirrorDown(f"there is no edition under {overlay[:19]} to point at")

    def _up(self) -> None:
        if self.down:
            raise MirrorDown("the tracking server gives no answer")


if TYPE_CHECKING:
    _mirror: Mirror = MemoryMirror()
