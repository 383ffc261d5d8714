"""The loop lived week by week on a world: watch, page, diagnose, block or let the policy train."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from tamid.core.policies.board import JUDGED
from tamid.core.policies.policy import QUALITY, ReplayPolicy
from tamid.core.policies.walk import Walk
from tamid.loopbench.checks import Rows
from tamid.loopbench.diagnosing import Doctor, Finding
from tamid.loopbench.tables import Table, course
from tamid.loopbench.watching import UNLABELLED, Page, Served, Watch, newly_matured

# Whoever a suspicion is sent to has looked, and answers truly, within so many weeks.
ANSWERED = 2
# ... and looked so far back for where it began.
_LOOKED_BACK = 13
# However little time there is.
_FEWEST_CHECKS = 4

Truth = Callable[[int], bool]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Life:
    """Pages, findings, which model served when, checks lived through and weeks suspected."""

    pages: tuple[Page, ...]
    findings: tuple[Finding, ...]
    walked: Walk
    checks: int
    suspected: int


@dataclass(slots=True, kw_only=True, eq=False)
class _Living:
    table: Table
    policy: ReplayPolicy
    watch: Watch
    doctor: Doctor
    walked: Walk
    broken: Truth
    rows: Rows
    pages: list[Page] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    champion: Served | None = None
    lifted: int = 0
    early: list[Page] = field(default_factory=list)
    _at: tuple[int, int] = (-1, -1)

    def turn(self, now: int) -> None:
        """Turn the check at the start of week `now`."""
        self._answer(now)
        champion = self._champion(now)
        fresh = self.watch.check(champion, self.rows, now)
        self.pages += fresh
        asked = fresh or self._wants_to_train(now)
        if asked:
            found = self.doctor.diagnose(self.table.world, champion, self.rows, fresh, now)
            self.findings.append(found)
            if found.blocks:
                self._block(now)
        self._look_again(champion, now)
        self.early += [page for page in fresh if page.signal in UNLABELLED]

    def _look_again(self, champion: Served, now: int) -> None:
        """Diagnose pages before any label once more, once, when the labels of their week are in."""
        known = set(newly_matured(self.table.world, now))
        for page in [page for page in self.early if page.week in known]:
            self.early.remove(page)
            if page.signal in champion.open:
                found = self.doctor.with_labels(self.table.world, champion, page, now)
                self.findings.append(found)

    def _champion(self, now: int) -> Served:
        place = now - 1 - self.walked.first
        at = (int(self.walked.origin[place]), int(self.walked.window[place]))
        if self.champion is None or at != self._at:
            self._at, self.early = at, []
            known = self.table.known(at[0])
            self.champion = self.watch.begin(self.rows, self.table.model(*at), known, now - 1)
        return self.champion

    def _answer(self, now: int) -> None:
        """Let the person who was asked answer: later weeks are held against what is sound."""
        for week in [w for w in self.rows.suspected if w + ANSWERED <= now]:
            if not self.broken(week):
                self.rows.suspected.pop(week)
                self.rows.vouched.add(week)
                self.lifted += 1

    def _wants_to_train(self, now: int) -> bool:
        """Say whether a fall of quality asks for training at this check: diagnosis comes first."""
        return any(run.week == now and run.trigger == QUALITY for run in self.walked.runs)

    def _block(self, now: int) -> None:
        """Keep the suspected weeks from every later model; train nothing until it is settled.

        A suspicion without a bug is lifted when it is answered. After a bug's end the weeks that a
        candidate is judged on must be sound, too.
        """
        weeks = self.table.world.weeks
        past = range(max(now - _LOOKED_BACK, 0), now)
        broken = next((w for w in past if self.broken(w)), None)
        if broken is None:
            self.table.close(now, now + ANSWERED)
        else:
            end = next((w for w in range(broken, weeks) if not self.broken(w)), weeks)
            self.table.bar(range(broken, end), now)
            self.table.close(now, end + self.table.world.delay + 1 + JUDGED)
        self.walked = course(self.table, self.policy)


def live(
    table: Table,
    policy: ReplayPolicy,
    watch: Watch,
    doctor: Doctor,
    broken: Truth,
    *,
    since: int,
    until: int,
    stop: Callable[[], bool] = lambda: False,
) -> Life:
    """Live through the checks from week `since` to `until`; before it the walk stands alone.

    `broken` knows in which weeks a bug is in the data: it answers for the person who was asked.
    `stop` ends a life early; what was not lived through is not told.
    """
    walked = course(table, policy, stop)
    living = _Living(
        table=table, policy=policy, watch=watch, doctor=doctor, walked=walked, broken=broken,
        rows=Rows(world=table.world),
    )  # fmt: skip
    checks = 0
    for now in range(max(since, walked.first) + 1, until + 1):
        if checks >= _FEWEST_CHECKS and stop():
            break
        living.turn(now)
        checks += 1
    return Life(
        pages=tuple(living.pages),
        findings=tuple(living.findings),
        walked=living.walked,
        checks=checks,
        suspected=len(living.rows.suspected) + living.lifted,
    )
