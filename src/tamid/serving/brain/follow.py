"""Following the ledger: what should answer now, loaded beside what answers, then swapped."""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from dataclasses import dataclass

from tamid.core.contract.kinds import parse_stage
from tamid.core.contract.model import Contract
from tamid.core.errors import ModelRetired, TamidError, Waiting
from tamid.core.fold import fold
from tamid.core.ladder import CHAMPION, PREVIOUS, REDUCED, RULE_RUNG, Step, ladder
from tamid.core.state import State
from tamid.core.trial import CANARY, SHADOW
from tamid.serving.brain.desk import Desk
from tamid.serving.brain.loading import MODEL, Voices, World
from tamid.serving.brain.opening import Verified, golden_rows, needed_by, reduced_of, served
from tamid.serving.brain.trial import Trial
from tamid.serving.brain.turn import Ladder
from tamid.serving.brain.voices import Voice
from tamid.serving.brain.wanted import OnTrial, Wanted, wanted_by
from tamid.serving.values import Value

# Seconds between tries to load what the ledger asks for and could not be loaded; for what stands
# below a champion that answers, they double so many times.
_AGAIN, _DOUBLED = 5.0, 6


@dataclass(frozen=True, slots=True, kw_only=True)
class _Loaded:
    """What a turn is made of, so far."""

    champion: Verified
    contract: Contract
    steps: tuple[Step, ...]
    voices: dict[str, Voice]
    trial: Trial | None = None


class Follower:
    """The brain: turns that follow promotions, rollbacks, trials and moved rungs of one model."""

    def __init__(
        self, model: str, world: World, *, every: float = 0.5, deadline: float | None = None
    ) -> None:
        self.model, self.swaps, self.refused = model, 0, 0
        self._world, self._every, self._deadline = world, every, deadline
        self._turn: Ladder | None = None
        self._turns: list[Ladder] = []
        self._voices = Voices(world, deadline)
        self._state = State()
        self._wanted: Wanted | None = None
        self._trial: tuple[OnTrial, Trial] | None = None
        self._golden: list[dict[str, Value]] = []
        self._retry_at, self._gone = 0.0, ""
        # What could not be loaded below the champion, what was said of it, and how often it was
        # tried.
        self._left_out, self._said, self._tries = False, set[str](), 0
        self._task: asyncio.Task[None] | None = None

    @property
    def turn(self) -> Ladder:
        """Return the turn in force. Raises Waiting before the first one, ModelRetired."""
        if self._gone:
            raise ModelRetired(self._gone)
        if self._turn is None:
            raise Waiting(
                f"no version of {self.model!r} is loaded",
                why="none was released yet, or the first one is still being proven",
                fix="Look at `tamid status`, and at /readyz.",
            )
        return self._turn

    @property
    def trial(self) -> tuple[OnTrial, Trial] | None:
        """Return the version on trial with its counts."""
        return self._trial

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
        self._voices.close()

    def voices(self) -> dict[str, Voice]:
        """Return what is loaded, by a name for people."""
        return {voice.desk.name: voice for voice in self._voices.all()}

    def golden(self) -> list[dict[str, Value]]:
        """Return rows that the champion was proven by; nobody's rows."""
        return self._golden

    def drill(self, rung: str, fault: str) -> str:
        """Let a rung's worker suffer a fault; return where it answers: worker or here, "" nowhere.

        A rung that answers here has no worker, and runs no code of anybody.
        """
        voice = self.turn.voices.get(rung)
        if voice is None:
            return ""
        if not isinstance(voice.desk, Desk):
            return "here"
        return "worker" if voice.desk.drill(fault) else ""

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
        if self._trial is not None and (why := self._trial[1].look(time.monotonic())):
            self._world.say(f"version {self._trial[1].number} was stopped: {why}")
        for voice in self._voices.all():
            if isinstance(voice.desk, Desk):
                voice.desk.tend()
        self._state = await asyncio.to_thread(self._read)
        if self._state.retired or self._gone:
            self._rest(self._state)
        wanted = None if self._gone else wanted_by(self._state)
        if wanted is None or (wanted == self._wanted and time.monotonic() < self._retry_at):
            return
        if wanted != self._wanted:
            self._said, self._tries = set(), 0
        self._wanted, self._left_out = wanted, False
        try:
            await self._move(wanted)
            self._retry_at = self._when_again()
        except BaseException:
            self.refused += 1
            self._retry_at = time.monotonic() + _AGAIN
            raise

    def _when_again(self) -> float:
        """Return when what was left out is tried again; endless if all is there."""
        if not self._left_out:
            return math.inf
        pause = _AGAIN * 2.0 ** min(self._tries, _DOUBLED)
        self._tries += 1
        return time.monotonic() + pause

    def _leave_out(self, what: str, error: TamidError) -> None:
        """Go on without something for now, and say so once."""
        self._left_out, text = True, f"{what}: {error.what} ({error.why})"
        if text not in self._said:
            self._said.add(text)
            self._world.say(text)

    def _read(self) -> State:
        return fold(self._world.ledger.read(self.model, self._state.seq), self._state)

    async def _move(self, wanted: Wanted) -> None:
        """Load what is wanted, then let it answer; what stands below may come after."""
        world = self._world
        contract = world.parse((await asyncio.to_thread(world.blobs.get, wanted.contract)).decode())
        steps = ladder(contract.service.fallback, wanted.rung)
        try:
            champion = await asyncio.to_thread(world.verified, wanted.champion)
            first = {CHAMPION: await self._voices.model(champion, contract)}
        except Exception:
            if self._turn is None:
                await self._stand_in(wanted, contract, steps)
            raise
        older = wanted.previous and self._voices.known(wanted.previous)
        if older:
            first[PREVIOUS] = older
        loaded = _Loaded(champion=champion, contract=contract, steps=steps, voices=first)
        if self._turn is None or self._turn.served.number != wanted.champion.number:
            self._swap(loaded, wanted)
        below = await self._below(loaded, wanted)
        trial = await self._tried(loaded, wanted.trial)
        self._swap(
            _Loaded(
                champion=champion,
                contract=contract,
                steps=steps,
                voices={**first, **below},
                trial=trial,
            ),
            wanted,
        )

    async def _stand_in(self, wanted: Wanted, contract: Contract, steps: tuple[Step, ...]) -> None:
        """Let the version before answer, if the ladder has it: the champion cannot be loaded."""
        if wanted.previous is None or all(step.rung != PREVIOUS for step in steps):
            return
        # What is told of is what kept the champion.
        with contextlib.suppress(TamidError, OSError):
            older = await asyncio.to_thread(self._world.verified, wanted.previous)
            voices = {PREVIOUS: await self._voices.model(older, contract)}
            loaded = _Loaded(champion=older, contract=contract, steps=steps, voices=voices)
            self._swap(loaded, wanted)

    async def _below(self, loaded: _Loaded, wanted: Wanted) -> dict[str, Voice]:
        """Load the rungs below; one that cannot be loaded is told of, and tried again later."""
        world, found = self._world, dict[str, Voice]()
        for step in loaded.steps:
            try:
                if step.rung == PREVIOUS and wanted.previous is not None:
                    older = await asyncio.to_thread(world.verified, wanted.previous)
                    found[PREVIOUS] = await self._voices.model(older, loaded.contract)
                elif step.rung == REDUCED and (part := reduced_of(loaded.champion)):
                    found[REDUCED] = await self._voices.model(part, loaded.contract, kind=REDUCED)
                elif step.rung == RULE_RUNG and step.code:
                    found[RULE_RUNG] = await self._voices.rule(
                        loaded.champion, loaded.contract, step.code
                    )
            except TamidError as error:
                self._leave_out(f"the rung {step.rung} is left out", error)
        return found

    async def _tried(self, loaded: _Loaded, wanted: OnTrial | None) -> Trial | None:
        """Return the trial, the same as long as version and stage are; one that fails to load has
        failed, and the champion answers for it."""
        if wanted is None:
            self._trial = None
            return None
        if self._trial is not None and self._trial[0] == wanted:
            return self._trial[1]
        stage, world = parse_stage(wanted.stage), self._world
        about = served(loaded.champion, loaded.contract, loaded.steps)
        try:
            found = await asyncio.to_thread(world.verified, wanted.ref)
            kind = SHADOW if stage.kind == SHADOW else MODEL
            voice = await self._voices.model(found, loaded.contract, kind=kind)
        except TamidError as error:
            self._leave_out(f"version {wanted.ref.number} cannot be tried", error)
            self._trial = None
            return None
        share = stage.share if stage.kind == CANARY else 0.0
        needs = needed_by(found, about.names)
        made = Trial(stage.kind, share, voice, about, wanted.expected, wanted.calls, needs)
        self._trial = (wanted, made)
        world.say(f"version {wanted.ref.number} is in {wanted.stage}")
        return made

    def _swap(self, loaded: _Loaded, wanted: Wanted) -> None:
        """Put a new turn in force: one assignment, so that no request sees half of it."""
        moved = any(s.rung == wanted.rung for s in loaded.steps) and wanted.rung != CHAMPION
        champion, number = loaded.champion, loaded.champion.ref.number
        fresh = Ladder(
            served=served(champion, loaded.contract, loaded.steps),
            voices=loaded.voices,
            lasts=self._world.lasts,
            reason=f"the loop moved to {wanted.rung}" if moved else "",
            deadline=self._deadline,
            trial=loaded.trial,
            control=self._world.control(loaded.contract),
            on_idle=self._tidy,
        )
        if self._turn is None or self._turn.served.number != number:
            self._world.say(f"version {number} answers now")
            self._golden = golden_rows(champion)
        if self._turn is not None:
            self._turn.retired = True
        self._turn = fresh
        self._turns.append(fresh)
        self.swaps += 1
        self._tidy()

    def _rest(self, state: State) -> None:
        """Answer nobody any more, or again: as the ledger says of the model."""
        out = state.retired
        if bool(out) == bool(self._gone):
            return
        self._gone = f"model {self.model!r} was retired {out.words}" if out else ""
        if self._turn is not None:
            self._turn.retired = True
        self._turn = self._wanted = self._trial = None
        self._world.say(self._gone or f"model {self.model!r} is back in service")
        self._tidy()

    def _tidy(self) -> None:
        """End workers that no turn needs any more, nor the turn that is being built."""
        self._turns = [t for t in self._turns if not t.retired or t.in_flight]
        used = {id(v) for t in self._turns for v in t.voices.values()}
        used |= {id(t.trial.voice) for t in self._turns if t.trial is not None}
        wanted = self._wanted
        trial = wanted.trial.ref if wanted is not None and wanted.trial is not None else None
        refs = (wanted.champion, wanted.previous, trial) if wanted is not None else ()
        self._voices.keep(used, {ref.bundle for ref in refs if ref is not None})
