"""A version on trial: who is answered by it, what it says unseen, and when it is stopped."""

from __future__ import annotations

import asyncio
import hashlib
import math
import time
from collections import deque
from collections.abc import Sequence

from tamid.core.trial import CANARY, SHADOW, ArmCounts, rule, score_bin, time_bin
from tamid.core.values import Task
from tamid.serving.brain.inline import Inline
from tamid.serving.brain.judging import usable
from tamid.serving.brain.voices import Voice, asked
from tamid.serving.values import Answer, Row, Served

# Distinct scores that are told apart when looking for the most frequent one.
_MOST_KEPT = 64
# Rows that wait for a shadow at most; who comes beyond is not shadowed, and counted.
_MOST_WAITING = 1_000
# A compiled shadow works on the loop's own thread: in slices too short to be noticed, with pauses.
_SLICE, _PAUSE = 0.0002, 0.005
# Rows that a shadow's worker is asked for together, and seconds that it gets.
_TOGETHER, _PATIENCE = 100, 10.0
# Seconds of a window: what is judged is between one and two of them.
_WINDOW = 30.0


class Tally:
    """What one arm did, counted on the loop's thread."""

    def __init__(self, served: Served) -> None:
        self._served = served
        self.rows = self.failed = self.slow = self.skipped = self.called = 0
        self._same: dict[float, int] = {}
        self._scores: dict[int, int] = {}
        self._times: dict[int, int] = {}

    def add(self, score: float, seconds: float, late: bool = False, called: bool = False) -> None:
        """Count one answer; `called`: it lies above the version's own threshold."""
        self.rows += 1
        self.slow += late
        self.called += called
        if score in self._same or len(self._same) < _MOST_KEPT:
            self._same[score] = self._same.get(score, 0) + 1
        place = score_bin(score, self._served.task)
        self._scores[place] = self._scores.get(place, 0) + 1
        place = time_bin(seconds)
        self._times[place] = self._times.get(place, 0) + 1

    def fail(self, rows: int = 1) -> None:
        """Count rows without an answer."""
        self.rows += rows
        self.failed += rows

    def counts(self) -> ArmCounts:
        """Return all that was counted."""
        return ArmCounts(
            rows=self.rows,
            failed=self.failed,
            slow=self.slow,
            skipped=self.skipped,
            called=self.called,
            same=max(self._same.values(), default=0),
            scores=dict(self._scores),
            times=dict(self._times),
        )


class Trial:
    """One version in one stage of its release, for as long as the ledger says so.

    `stage`: canary or shadow. `share`: of the entities that a canary answers. `expected`: how far
    its scores lay from the champion's on the same rows before. `calls`: how many times as many it
    called there. `needs`: columns that it cannot do without and the champion does not read: rows
    that do not bring them are the champion's alone.
    """

    def __init__(
        self,
        stage: str,
        share: float,
        voice: Voice,
        served: Served,
        expected: float = 0.0,
        calls: float = 1.0,
        needs: frozenset[str] = frozenset(),
    ) -> None:
        self.stage, self.share, self.voice, self.stopped = stage, share, voice, ""
        self.number, self._usual, self._needs = voice.number, (expected, calls), needs
        self._served, self._binary = served, served.task is Task.BINARY
        self.tallies = {stage: Tally(served), "champion": Tally(served)}
        self._own, self._champion = self.tallies[stage], self.tallies["champion"]
        self._waiting: deque[Row] = deque(maxlen=_MOST_WAITING)
        self._pumping = False
        self._looks: deque[tuple[float, ArmCounts, ArmCounts]] = deque()

    def takes(self, row: Row, name: str) -> bool:
        """Say whether the canary answers this row: sticky by entity, else by the request's id."""
        if self.stage != CANARY or self.stopped or self._lacks(row):
            return False
        return lot(row.entity if row.entity is not None else name, self.number) < self.share

    def heard(self, rung: str, answers: Sequence[Answer | str], seconds: float, end: float) -> None:
        """Count what an arm answered to rows that were asked together."""
        tally = self.tallies.get(rung)
        if tally is None:
            return
        late = time.monotonic() > end
        for answer in answers:
            if isinstance(answer, Answer) and answer.score is not None:
                tally.add(answer.score, seconds, late, self._binary and answer.decision == 1)
            else:
                tally.fail()

    def beside(self, rows: Sequence[Row]) -> None:
        """Let a shadow answer rows too, after and beside those who wait for an answer."""
        if self.stage != SHADOW or self.stopped:
            return
        if self._needs:
            rows = [row for row in rows if not self._lacks(row)]
        self._own.skipped += max(0, len(self._waiting) + len(rows) - _MOST_WAITING)
        self._waiting.extend(rows)
        if not self._pumping:
            self._pumping = True
            asyncio.get_running_loop().call_later(_PAUSE, self._pump)

    def look(self, now: float) -> str:
        """Judge the last half to one minute; return why the trial ends here, or ""."""
        if self.stopped:
            return ""
        own, champion = self._own.counts(), self._champion.counts()
        if not self._looks or now - self._looks[-1][0] >= _WINDOW:
            self._looks.append((now, own, champion))
        while len(self._looks) > 1 and now - self._looks[1][0] >= _WINDOW:
            self._looks.popleft()
        _, own_before, champion_before = self._looks[0]
        found = rule(own - own_before, champion - champion_before, *self._usual)
        if found.verdict != "fail":
            # What creeps in too slowly for a window is seen in the whole.
            found = rule(own, champion, *self._usual)
        if found.verdict != "fail":
            return ""
        self.stop("; ".join(found.reasons))
        return self.stopped

    def stop(self, reason: str) -> None:
        """Send nobody there any more."""
        self.stopped = self.stopped or reason
        self._waiting.clear()

    def _lacks(self, row: Row) -> bool:
        return any(row.values.get(name) is None for name in self._needs)

    def _pump(self) -> None:
        """Answer some of the rows that wait for a shadow, then pause."""
        desk = self.voice.desk
        if not self._waiting:
            self._pumping = False
        elif isinstance(desk, Inline):
            self._slice(desk)
            asyncio.get_running_loop().call_later(_PAUSE, self._pump)
        else:
            rows = [self._waiting.popleft() for _ in range(min(_TOGETHER, len(self._waiting)))]
            asyncio.get_running_loop().create_task(self._together(rows))

    def _slice(self, desk: Inline) -> None:
        end = time.perf_counter() + _SLICE
        while self._waiting:
            started = time.perf_counter()
            try:
                score = desk.score(self._waiting.popleft())
            except Exception:
                score = math.nan
            ended = time.perf_counter()
            self._count(score, ended - started)
            if ended > end:
                return

    async def _together(self, rows: list[Row]) -> None:
        started = time.perf_counter()
        try:
            outcomes = await asked(self.voice, rows, False, _PATIENCE)
            seconds = time.perf_counter() - started
            for outcome in outcomes:
                self._count(outcome.score, seconds)
            self.voice.breaker.good()
        except Exception:
            self._own.fail(len(rows))
        asyncio.get_running_loop().call_later(_PAUSE, self._pump)

    def _count(self, score: float, seconds: float) -> None:
        if not usable(score, self._served):
            self._own.fail()
            return
        limit = self.voice.threshold
        called = self._binary and limit is not None and score >= limit
        self._own.add(min(max(score, 0.0), 1.0) if self._binary else score, seconds, called=called)


def lot(key: str, number: int) -> float:
    """Return a number in [0, 1): the same for a key while a version is on trial.

    Laws: a larger share keeps the keys of a smaller one; versions draw independently.

    >>> lot("c1", 3) == lot("c1", 3) != lot("c1", 4)
    True
    """
    made = hashlib.blake2b(key.encode(errors="replace"), digest_size=8, salt=b"%d" % number)
    return int.from_bytes(made.digest(), "little") / 2**64
