"""Following the ledger: what should answer now, loaded beside what answers, then swapped."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from tamid.core.contract.model import Contract
from tamid.core.errors import TamidError, Waiting
from tamid.core.fold import fold
from tamid.core.ladder import CHAMPION, PREVIOUS, RULE_RUNG, Step, ladder
from tamid.core.state import State
from tamid.core.values import VersionRef
from tamid.ports import Blobs, Ledger, RowModel, Signer
from tamid.serving.brain.breaker import Breaker
from tamid.serving.brain.desk import Desk
from tamid.serving.brain.hands import ModelHand, RuleHand, Spawn
from tamid.serving.brain.inline import Inline
from tamid.serving.brain.opening import Parse, Verified, served, threshold_of, verify
from tamid.serving.brain.turn import Ladder, Voice
from tamid.serving.seams import LastScores

# Kill a worker that takes so many times the deadline: others' rows wait behind what hangs.
_KILL, _LEAST_KILL = 10.0, 1.0
# Seconds between tries to load what the ledger asks for and could not be loaded.
_AGAIN = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the ledger says should answer."""

    champion: VersionRef
    previous: VersionRef | None
    rung: str
    contract: str


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What the brain reads and starts; it writes nothing."""

    ledger: Ledger
    blobs: Blobs
    signer: Signer
    parse: Parse
    spawn: Spawn
    lasts: LastScores
    row_model: Callable[[Verified], RowModel | None] = field(default=lambda found: None)
    say: Callable[[str], None] = field(default=lambda text: None)


class Follower:
    """The brain: turns that follow promotions, rollbacks and moved rungs of one model."""

    def __init__(
        self, model: str, world: World, *, every: float = 0.5, deadline: float | None = None
    ) -> None:
        self.model, self.swaps, self.refused = model, 0, 0
        self._world, self._every, self._deadline = world, every, deadline
        self._turn: Ladder | None = None
        self._turns: list[Ladder] = []
        self._voices: dict[tuple[str, ...], Voice] = {}
        self._state = State()
        self._wanted: Wanted | None = None
        self._retry_at = 0.0
        self._task: asyncio.Task[None] | None = None

    @property
    def turn(self) -> Ladder:
        """Return the turn in force. Raises Waiting before the first one."""
        if self._turn is None:
            raise Waiting(
                f"no version of {self.model!r} is loaded",
                why="none was released yet, or the first one is still being proven",
                fix="Look at `tamid status`, and at /readyz.",
            )
        return self._turn

    def ready(self) -> bool:
        """Say whether there is a turn."""
        return self._turn is not None

    def begin(self) -> None:
        """Follow from now on."""
        self._task = asyncio.get_running_loop().create_task(self._follow())

    async def close(self) -> None:
        """Stop following; end all workers."""
        if self._task is not None:
            self._task.cancel()
        for voice in self._voices.values():
            voice.desk.close()
        self._voices.clear()

    def voices(self) -> dict[str, Voice]:
        """Return what is loaded, by a name for people."""
        return {voice.desk.name: voice for voice in self._voices.values()}

    async def _follow(self) -> None:
        while True:
            try:
                await self._look()
            except TamidError as error:
                # What answers goes on answering; the ledger is looked at again.
                self._world.say(f"{error.what} ({error.why})")
            except Exception as error:  # never stop following
                self._world.say(f"following the ledger failed: {type(error).__name__}: {error}")
            await asyncio.sleep(self._every)

    async def _look(self) -> None:
        self._state = await asyncio.to_thread(self._read)
        wanted = _wanted(self._state)
        if wanted is None or (wanted == self._wanted and time.monotonic() < self._retry_at):
            return
        if wanted != self._wanted:
            self._retry_at = 0.0
        self._wanted = wanted
        try:
            await self._move(wanted)
            self._retry_at = float("inf")
        except BaseException:
            self.refused += 1
            self._retry_at = time.monotonic() + _AGAIN
            raise

    def _read(self) -> State:
        return fold(self._world.ledger.read(self.model, self._state.seq), self._state)

    async def _move(self, wanted: Wanted) -> None:
        """Load what is wanted, then let it answer; what stands below may come after."""
        world = self._world
        contract = world.parse((await asyncio.to_thread(world.blobs.get, wanted.contract)).decode())
        steps = ladder(contract.service.fallback, wanted.rung)
        champion = await asyncio.to_thread(
            verify, wanted.champion, world.blobs, world.signer, world.parse
        )
        first = {CHAMPION: await self._model(champion, contract)}
        older = wanted.previous and self._voices.get(_key(wanted.previous))
        if older:
            first[PREVIOUS] = older
        if self._turn is None or self._turn.served.number != wanted.champion.number:
            self._swap(champion, contract, steps, first, wanted)
        voices = {**first, **await self._below(champion, contract, steps, wanted)}
        self._swap(champion, contract, steps, voices, wanted)

    async def _below(
        self, champion: Verified, contract: Contract, steps: tuple[Step, ...], wanted: Wanted
    ) -> dict[str, Voice]:
        """Load the rungs below; one that cannot be loaded is told of and left out."""
        world, found = self._world, dict[str, Voice]()
        for step in steps:
            try:
                if step.rung == PREVIOUS and wanted.previous is not None:
                    older = await asyncio.to_thread(
                        verify, wanted.previous, world.blobs, world.signer, world.parse
                    )
                    found[PREVIOUS] = await self._model(older, contract)
                elif step.rung == RULE_RUNG and step.code:
                    found[RULE_RUNG] = await self._rule(champion, contract, step.code)
            except TamidError as error:
                world.say(f"the rung {step.rung} is left out: {error.what} ({error.why})")
        return found

    async def _model(self, found: Verified, contract: Contract) -> Voice:
        key = _key(found.ref)
        if key not in self._voices:
            name, spawn = f"version {found.ref.number}", self._world.spawn
            about = served(found, contract, ())
            model = await asyncio.to_thread(self._world.row_model, found)
            desk: Desk | Inline
            if model is not None:
                desk = Inline(name, model, about.classes)
            else:
                desk = Desk(name, lambda: ModelHand(found, spawn()), self._kill_after(contract))
            threshold = threshold_of(found.opened.overlay, about.task)
            self._voices[key] = await self._opened(found.ref.number, desk, threshold, about.edges)
        return self._voices[key]

    async def _rule(self, found: Verified, contract: Contract, code: str) -> Voice:
        key = ("rule", found.ref.bundle, code)
        if key not in self._voices:
            spawn = self._world.spawn
            desk = Desk("rule", lambda: RuleHand(found, code, spawn()), self._kill_after(contract))
            self._voices[key] = await self._opened(0, desk, None, ())
        return self._voices[key]

    async def _opened(
        self,
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
        return Voice(number=number, desk=desk, breaker=breaker, threshold=threshold, edges=edges)

    def _kill_after(self, contract: Contract) -> float:
        given = self._deadline or contract.service.p99_ms / 1000
        return max(_LEAST_KILL, _KILL * given)

    def _swap(
        self,
        champion: Verified,
        contract: Contract,
        steps: tuple[Step, ...],
        voices: dict[str, Voice],
        wanted: Wanted,
    ) -> None:
        """Put a new turn in force: one assignment, so that no request sees half of it."""
        moved = any(s.rung == wanted.rung for s in steps) and wanted.rung != CHAMPION
        fresh = Ladder(
            served=served(champion, contract, steps),
            voices=voices,
            lasts=self._world.lasts,
            reason=f"the loop moved to {wanted.rung}" if moved else "",
            deadline=self._deadline,
            on_idle=self._tidy,
        )
        if self._turn is None or self._turn.served.number != champion.ref.number:
            self._world.say(f"version {champion.ref.number} answers now")
        if self._turn is not None:
            self._turn.retired = True
        self._turn = fresh
        self._turns.append(fresh)
        self.swaps += 1
        self._tidy()

    def _tidy(self) -> None:
        """End workers that no turn needs any more."""
        self._turns = [t for t in self._turns if not t.retired or t.in_flight]
        used = {id(v) for t in self._turns for v in t.voices.values()}
        for key in [k for k, v in self._voices.items() if id(v) not in used]:
            if self._turn is not None and not self._loading(key):
                self._voices.pop(key).desk.close()

    def _loading(self, key: tuple[str, ...]) -> bool:
        """Say whether a voice may be wanted by the turn that is being built."""
        wanted = self._wanted
        refs = (wanted.champion, wanted.previous) if wanted is not None else ()
        return key[0] == "rule" or any(r is not None and r.bundle == key[1] for r in refs)


def _key(ref: VersionRef) -> tuple[str, ...]:
    return ("model", ref.bundle, ref.overlay)


def _wanted(state: State) -> Wanted | None:
    if not state.champion or not state.contract:
        return None
    older = state.previous
    return Wanted(
        champion=state.versions[state.champion].registered.ref,
        previous=state.versions[older].registered.ref if older else None,
        rung=state.rung,
        contract=state.contract,
    )
