"""What computes, loaded: compiled versions in this process, all others before a worker."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace

from tamid.core.contract.model import Contract
from tamid.core.errors import DataError
from tamid.core.ladder import REDUCED
from tamid.core.trial import SHADOW
from tamid.core.values import VersionRef
from tamid.ports import Blobs, Ledger, RowModel, Signer
from tamid.serving.brain.breaker import Breaker
from tamid.serving.brain.desk import Desk
from tamid.serving.brain.hands import ModelHand, RuleHand, Spawn
from tamid.serving.brain.inline import Inline
from tamid.serving.brain.opening import Parse, Verified, golden_rows, served, threshold_of, verify
from tamid.serving.brain.voices import Voice
from tamid.serving.seams import LookUp
from tamid.serving.values import Value

# Kill a worker that takes so many times the deadline: others' rows wait behind what hangs.
_KILL, _LEAST_KILL = 10.0, 1.0
# Seconds that a row may take on the thread that all others wait for, too.
_INLINE = 0.0005
_TRIES = 5

Key = tuple[str, ...]
# As what a version is loaded, and what a person reads behind its number then.
MODEL = "model"
_NAMED = {MODEL: "", SHADOW: " in shadow", REDUCED: " without some columns"}


def _never(contract: Contract) -> Callable[[str | None], bool | None] | None:
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What the brain reads and starts; it writes nothing.

    `spawn_low`: starts a worker that gets only the time that others leave. `control`: returns who
    is in the control group under a contract, None where it has none. `key`: of the pseudonyms of
    the store.
    """

    ledger: Ledger
    blobs: Blobs
    signer: Signer
    parse: Parse
    spawn: Spawn
    lasts: LookUp
    spawn_low: Spawn | None = None
    row_model: Callable[[Verified], RowModel | None] = field(default=lambda found: None)
    control: Callable[[Contract], Callable[[str | None], bool | None] | None] = _never
    say: Callable[[str], None] = field(default=lambda text: None)
    key: bytes = b""

    def verified(self, ref: VersionRef) -> Verified:
        """Return a version whose signatures and digests hold. Raises IntegrityError."""
        return replace(verify(ref, self.blobs, self.signer, self.parse), key=self.key)


class Voices:
    """The voices of one model, each loaded once and kept while somebody needs it."""

    def __init__(self, world: World, deadline: float | None) -> None:
        self._world, self._deadline = world, deadline
        self._known: dict[Key, Voice] = {}

    def known(self, ref: VersionRef) -> Voice | None:
        """Return a version that is loaded already."""
        return self._known.get(key_of(ref))

    def all(self) -> list[Voice]:
        """Return what is loaded."""
        return list(self._known.values())

    async def model(self, found: Verified, contract: Contract, *, kind: str = MODEL) -> Voice:
        """Return a version, proven by its golden rows; a shadow's worker gets what time is left.

        `kind`: the version itself, in shadow, or its model without some columns, given as such.
        """
        key, shadow = key_of(found.ref, kind), kind == SHADOW
        if key in self._known:
            return self._known[key]
        world, about = self._world, served(found, contract, ())
        name = f"version {found.ref.number}{_NAMED[kind]}"
        spawn = (world.spawn_low or world.spawn) if shadow else world.spawn
        model = await asyncio.to_thread(self._quick, found)
        desk: Desk | Inline
        if model is not None:
            desk = Inline(name, model, about.classes)
        else:
            desk = self._desk(name, lambda: ModelHand(found, spawn()), contract)
        threshold = threshold_of(found.opened.overlay, about.task)
        return await self._open(key, found.ref.number, desk, threshold, about.edges)

    async def rule(self, found: Verified, contract: Contract, code: str) -> Voice:
        """Return the rule out of a version's code, in a worker that loads no model."""
        key = ("rule", found.ref.bundle, code)
        if key in self._known:
            return self._known[key]
        spawn = self._world.spawn
        desk = self._desk("rule", lambda: RuleHand(found, code, spawn()), contract)
        return await self._open(key, 0, desk, None, ())

    def keep(self, used: Collection[int], wanted: Collection[str]) -> None:
        """Let go what no turn uses (by `id`), unless it is of a wanted bundle."""
        for key in [k for k, v in self._known.items() if id(v) not in used]:
            if key[0] != "rule" and key[1] not in wanted:
                self._known.pop(key).desk.close()

    def close(self) -> None:
        """End all workers."""
        for voice in self._known.values():
            voice.desk.close()
        self._known.clear()

    def _quick(self, found: Verified) -> RowModel | None:
        """Return a version as a row model, if a row takes so little that others may wait for it."""
        model = self._world.row_model(found)
        rows = golden_rows(found)
        if model is None or not rows:
            return model
        seconds = _row_seconds(model, rows[:_TRIES])
        if seconds <= _INLINE:
            return model
        self._world.say(
            f"version {found.ref.number} takes {seconds * 1000:.1f} ms a row: a worker answers"
        )
        return None

    def _desk(self, name: str, start: Callable[[], ModelHand | RuleHand], on: Contract) -> Desk:
        given = self._deadline or on.service.p99_ms / 1000
        return Desk(name, start, max(_LEAST_KILL, _KILL * given), on.service.memory_mb)

    async def _open(
        self,
        key: Key,
        number: int,
        desk: Desk | Inline,
        threshold: float | None,
        edges: tuple[tuple[str, float], ...],
    ) -> Voice:
        try:
            await desk.open()
        except BaseException:
            desk.close()
            raise
        breaker = Breaker(time.monotonic)
        found = Voice(number=number, desk=desk, breaker=breaker, threshold=threshold, edges=edges)
        self._known[key] = found
        return found


def _row_seconds(model: RowModel, rows: list[dict[str, Value]]) -> float:
    taken = [0.0]
    for row in rows:
        started = time.perf_counter()
        try:
            model.score(row)
        except DataError:  # drawn column by column, a row may be one that no caller sends
            continue
        taken.append(time.perf_counter() - started)
    return statistics.median(taken[1:] or taken)


def key_of(ref: VersionRef, kind: str = MODEL) -> Key:
    """Return under what a version is kept."""
    return (kind, ref.bundle, ref.overlay)
