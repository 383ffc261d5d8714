"""One live year of the telecom operator: the world, the workspace, the people, day by day.

The loop gets what any loop gets: files in a folder and a clock. The world gets the campaign's acts,
read from the delivered files. People do what people would: they repair a file and answer a case
with new code. Nothing here tells the loop what is going to happen.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from importlib.resources import files
from pathlib import Path

import polars as pl

from tamid.app import App
from tamid.core.chain import Recorded
from tamid.core.events import CaseCommented
from tamid.core.state import Case, State
from tamid.core.values import Role
from tamid.examples.telecom.demo_developer import look
from tamid.examples.telecom.demo_outage import outage
from tamid.examples.telecom.demo_postbox import Postbox
from tamid.examples.telecom.story import Story
from tamid.examples.telecom.world import Files, World, write_day

MODEL = "churn"
# What the campaign does for those whom it is told to treat.
OFFER = "call"
# The loop turns at four in the morning UTC: six or seven o'clock in Jerusalem, before eight.
TURN_AT = time(4, tzinfo=UTC)
# How long the ML developer takes to look into a case, and when he looks again at one he could not
# answer: after another week's truth.
LOOKS_AFTER, LOOKS_AGAIN = timedelta(days=4), timedelta(days=7)
# Only a case about a candidate is the ML developer's: bugs go to the owner of the source.
_HIS_CASES = ("held", "undecided")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the player may choose."""

    folder: Path
    seed: int = 1
    customers: int = 10_000
    slow_labels: bool = False
    weeks: int = 52
    story: Story | None = None


@dataclass(slots=True)
class HandClock:
    """A clock that is set by hand."""

    moment: datetime

    def now(self) -> datetime:
        """Return the moment it stands at."""
        return self.moment


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """What one day brought: new records, files that marketing got, and what else happened."""

    date: date
    records: tuple[Recorded, ...]
    state: State
    received: tuple[pl.DataFrame, ...] = ()
    happened: tuple[str, ...] = ()


@dataclass(slots=True)
class Year:
    """A world, a fresh workspace and an open App; `close` it.

    `calls`: whom the campaign called, when, as its own system noted it.
    """

    options: Options
    world: World
    clock: HandClock
    app: App
    story: Story
    postbox: Postbox
    looked: dict[int, datetime] = field(default_factory=dict)
    answered: set[int] = field(default_factory=set)
    calls: list[pl.DataFrame] = field(default_factory=list)

    def days(self) -> Iterator[Day]:
        """Live through the live year, one turn of the loop a day."""
        for day in self.world.days():
            if day < self.world.first_live:
                continue
            yield self._live(day)

    def close(self) -> None:
        """End the worker processes."""
        self.app.close()

    def _live(self, day: date) -> Day:
        write_day(self.data, self.world.files_for(day))
        self.clock.moment = datetime.combine(day, TURN_AT)
        happened = self._answer_cases()
        down = self.world.first_live + timedelta(weeks=self.story.outage_week)
        before = self.app.state(MODEL).seq
        if day == down:
            with outage() as killed:
                self.app.tick(MODEL)
            happened += [f"the machine kills {len(killed)} scoring workers"] if killed else []
        else:
            self.app.tick(MODEL)
        records = tuple(self.app.ledger.read(MODEL, before))
        received = tuple(self.postbox.collect())
        for listed in received:
            self.world.act(day, listed.select(customer_id="entity", treated="treat"))
            called = listed.filter("treat").select(customer_id="entity")
            told = {"offer": OFFER, "at": self.clock.moment.isoformat()}
            self.calls.append(called.with_columns(pl.lit(v).alias(k) for k, v in told.items()))
        return Day(
            date=day,
            records=records,
            state=self.app.state(MODEL),
            received=received,
            happened=tuple(happened),
        )

    @property
    def data(self) -> Path:
        """The folder in which the operator's systems put their files."""
        return self.options.folder / "data"

    def _answer_cases(self) -> list[str]:
        """Let the ML developer look into his cases, and answer those that he found the cause of."""
        happened = []
        for number, case in self.app.state(MODEL).open_cases.items():
            due = case.at + LOOKS_AFTER
            if number in self.looked:
                due = self.looked[number] + LOOKS_AGAIN
            his = case.opened.kind in _HIS_CASES and number not in self.answered
            if his and self.clock.moment >= due:
                self.looked[number] = self.clock.moment
                happened += self._look_into(number, case)
        return happened

    def _look_into(self, number: int, case: Case) -> list[str]:
        report = json.loads(self.app.blobs.get(case.opened.report))
        horizon = self.app.contract(MODEL).data.label.horizon
        found = look(self.options.folder, report, horizon)
        if found is None or any(text.endswith(found.words) for text in case.comments):
            return []  # nothing to say, or nothing new
        if found.worth_it:
            self.answered.add(number)
            put_code(self.options, second=True)
        event = CaseCommented(
            key=f"comment/{number}/{self.clock.moment.date()}", case=number, text=found.words
        )
        self.app.record(
            MODEL, event, role=Role.ML_DEVELOPER, actor="ml-team", reason="looked into the case"
        )
        did = "answers" if found.worth_it else "looks into"
        return [f"the ML developer {did} case {number}: {found.words}"]


def begin(options: Options) -> Year:
    """Make a fresh workspace with the operator's past in it, and open it."""
    story = options.story or Story(live_weeks=options.weeks)
    world = World(
        seed=options.seed,
        customers=options.customers,
        story=story,
        slow_labels=options.slow_labels,
    )
    put_code(options, second=False)
    _put_salt(options)
    _hand_over_history(world, options.folder / "data")
    clock = HandClock(datetime.combine(world.first_live, TURN_AT) - timedelta(days=1))
    app = App.open(options.folder, clock=clock)
    app.stays = True
    box = Postbox(options.folder / "out")
    return Year(options=options, world=world, clock=clock, app=app, story=story, postbox=box)


def put_code(options: Options, *, second: bool) -> None:
    """Put contract and code into the workspace, the first or the second version."""
    package = files("tamid.examples.telecom")
    options.folder.mkdir(parents=True, exist_ok=True)
    names = {"contract.yaml": "contract_v2.yaml" if second else "contract.yaml"}
    code = ("features_v2.py",) if second else ("features.py", "rules.py")
    names |= {name: name for name in code}
    for name, source in names.items():
        text = (package / source).read_text("utf-8")
        if options.slow_labels and name == "contract.yaml":
            text = text.replace("horizon: 7d", "horizon: 28d")
        (options.folder / name).write_text(text, encoding="utf-8")


def _put_salt(options: Options) -> None:
    """Draw the control group by the seed: the same seed then gives the same year again."""
    store = options.folder / ".tamid"
    store.mkdir(mode=0o700, exist_ok=True)
    salt = store / "salt"
    salt.touch(mode=0o600)
    salt.write_text(hashlib.sha256(f"demo/{options.seed}".encode()).hexdigest(), encoding="utf-8")


def _hand_over_history(world: World, folder: Path) -> None:
    """Write all that was before the live year, one file a source."""
    parts: dict[str, list[pl.DataFrame]] = {}
    for day in world.days():
        if day >= world.first_live:
            break
        for name, frame in world.files_for(day).items():
            parts.setdefault(Path(name).parent.name, []).append(frame)
    history: Files = {f"{k}/history.parquet": pl.concat(v) for k, v in parts.items()}
    shutil.rmtree(folder, ignore_errors=True)
    write_day(folder, history)
