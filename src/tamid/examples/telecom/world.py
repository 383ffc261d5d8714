"""A seeded telecom operator that lives week by week and reacts to the campaign that acts on scores.

    world = World(seed=1, customers=10_000)
    for day in world.days():                     # from the first file to the end of the live year
        write_day(folder, world.files_for(day))  # what arrives that day, and nothing known later
        ...
        world.act(day, scores)                   # customer_id, treated: from the next day on

Files, one folder each: ``usage/`` (one row a customer every Sunday: the as-of), ``complaints/`` and
``payments/`` (events of the seven days before that Sunday), ``left/`` (one file a day: who left and
was reported that day). A repaired file arrives under its old name.

Laws: the same seed, size, story and acts give the same files, however often a day is asked for; a
file holds only what was known on its day; treatment changes nothing but whether a customer leaves.
Days are asked for in order: the world cannot go back.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from tamid.examples.telecom import customers as people_of
from tamid.examples.telecom.customers import GENDERS, PLANS, REGIONS, Floats, Ints
from tamid.examples.telecom.story import Story

FIRST_LIVE = datetime(2025, 6, 1, tzinfo=UTC)  # a Sunday
REPORTED_AFTER = 2.0  # days from leaving to the report
_BURN_IN = 16  # weeks lived before the first file, so that the population is steady
_LOOK_BACK = 4  # weeks of events delivered before the first usage file
_STAMP = pl.Datetime("us", "UTC")

Files = dict[str, pl.DataFrame]


class World:
    """One operator, one seed."""

    def __init__(
        self, seed: int = 1, customers: int = 10_000, *, start: datetime = FIRST_LIVE,
        story: Story | None = None, slow_labels: bool = False,
    ) -> None:  # fmt: skip
        self.story = story or Story()
        self.horizon = timedelta(days=28 if slow_labels else 7)
        self.first_live = start.date()
        self.first_day = self.first_live - timedelta(weeks=self.story.history_weeks)
        live = timedelta(weeks=self.story.live_weeks)
        self.last_day = self.first_live + live - timedelta(days=1)
        self.saved = 0
        # With slow labels a decision stays visible for four weeks: a quarter makes the same share.
        self._often = 0.25 if slow_labels else 1.0
        self._seed = seed
        # Fewer leave a week then, so that a population takes as much longer to become steady.
        visible = self.horizon.days // 7
        self._week = -_BURN_IN * visible - 1
        self._people = people_of.found(customers, self._rng(self._week), visible)
        self._gone: list[tuple[int, float]] = []
        self._today: date | None = None
        self._files: Files = {}
        self._broken: pl.DataFrame | None = None
        while self._week < -_LOOK_BACK - 1:
            self._next_week()

    def days(self) -> Iterator[date]:
        """Yield every day on which files may arrive, from the first to the end of the live year."""
        day = self.first_day - timedelta(weeks=_LOOK_BACK)
        while day <= self.last_day:
            yield day
            day += timedelta(days=1)

    def files_for(self, day: date) -> Files:
        """Return the files that arrive on a day, by relative path.

        Raises ValueError when the day lies before one that was already asked for.
        """
        if self._today == day:
            return self._files
        if self._today is not None and day < self._today:
            raise ValueError(f"{day} is past: the world already lives on {self._today}")
        step = self._today or self.first_day - timedelta(weeks=_LOOK_BACK) - timedelta(days=1)
        while step < day:
            step += timedelta(days=1)
            self._today, self._files = step, self._arriving(step)
        return self._files

    def act(self, period: date, scores: pl.DataFrame) -> int:
        """Make the campaign's offer to the treated customers; return how many stay because of it.

        `scores` has customer_id and treated. Acts on who would leave after the current day.
        Raises ValueError for a period that has not begun.
        """
        if self._today is None or period > self._today:
            raise ValueError(f"the period {period} has not begun")
        ids = scores.filter(pl.col("treated"))["customer_id"].str.slice(1).cast(pl.Int64)
        after = float((self._today - self.first_day).days + 1)
        kept = people_of.persuade(self._people, ids.to_numpy(), after)
        self.saved += kept
        return kept

    def _arriving(self, day: date) -> Files:
        """Live through one day and return its files."""
        age = (day - self.first_day).days
        if age % 7 == 0:
            self._next_week()
        files: Files = {}
        live_week = (day - self.first_live).days // 7
        if age % 7 == 0:
            files[f"complaints/{day}.parquet"] = self._complaints()
            files[f"payments/{day}.parquet"] = self._payments()
        if age % 7 == 0 and age >= 0:
            files[f"usage/{day}.parquet"] = self._usage(day, live_week)
        repaired = self.first_live + timedelta(weeks=self.story.bug_week)
        if self._broken is not None and day == repaired + self.story.bug_repaired_after:
            files[f"usage/{repaired}.parquet"] = self._broken
        left = self._left(age)
        if age >= 0 and left.height:
            files[f"left/{day}.parquet"] = left
        return files

    def _next_week(self) -> None:
        """Seven days pass for everybody; the Sunday that follows is the new as-of."""
        self._week += 1
        rng, today = self._rng(self._week), 7.0 * self._week
        people = self._people
        gone = people.leaves_at < today
        leavers = zip(people.number[gone], people.leaves_at[gone], strict=True)
        self._gone = [(n, at) for n, at in self._gone if at >= today - 14]
        self._gone += [(int(n), float(at)) for n, at in leavers]
        people_of.move_in(people, gone, rng)
        people_of.live_a_week(people, self._week, self._often, rng)
        law = self.story.regime(self._week - self.story.history_weeks)
        often = self._often
        law = replace(law, unexplained=law.unexplained * often, expiry=law.expiry * often)
        people_of.decide(people, law, today + self.horizon.days, self.story.saved_by_offer, rng)

    def _rng(self, week: int) -> np.random.Generator:
        return np.random.default_rng([self._seed, week + 1000])

    def _usage(self, day: date, live_week: int) -> pl.DataFrame:
        """One row a customer: who it is and what the last seven days looked like."""
        people = self._people
        frame = pl.DataFrame(
            {
                "customer_id": _ids(people.number),
                "week": pl.repeat(datetime.combine(day, time(), UTC), len(people.number),
                                  dtype=_STAMP, eager=True),
                "tenure_months": people.tenure.round(1),
                "plan": _words(PLANS, people.plan),
                "region": _words(REGIONS, people.region),
                "gender": _words(GENDERS, people.gender),
                "monthly_charge": people.charge.round(2),
                "contract_months_left": people.contract_left.round(2),
                "minutes": people.minutes.round(1),
                "minutes_prev": people.minutes_prev.round(1),
                "data_gb": people.data.round(2),
                "data_gb_prev": people.data_prev.round(2),
            }
        )  # fmt: skip
        if live_week != self.story.bug_week:
            return frame
        self._broken = frame
        return frame.with_columns(pl.col("minutes") * self.story.bug_factor)

    def _complaints(self) -> pl.DataFrame:
        """The complaints of the seven days before this Sunday."""
        people, rng = self._people, self._rng(self._week + 10_000)
        who = np.repeat(people.number, people.complaints)
        kinds = _words(("network", "billing", "service"), rng.choice(3, len(who)))
        return pl.DataFrame(
            {"customer_id": _ids(who), "at": self._moments(rng.random(len(who))), "kind": kinds}
        ).sort("at")

    def _payments(self) -> pl.DataFrame:
        """The payments of the seven days before this Sunday, one row for every attempt."""
        people, rng = self._people, self._rng(self._week + 20_000)
        tries = np.where(people.due, people.failed + 1, 0)
        who = np.repeat(np.arange(len(people.number)), tries)
        attempt = np.arange(len(who)) - np.repeat(np.cumsum(tries) - tries, tries)
        share = (rng.random(len(people.number))[who] + attempt) / (tries[who] + 1)
        failed = attempt < people.failed[who]
        return pl.DataFrame(
            {
                "customer_id": _ids(people.number[who]),
                "at": self._moments(share),
                "amount": people.charge[who].round(2),
                "days_late": np.where(failed, 0, people.days_late[who]),
                "failed": failed.astype(np.int64),
            }
        ).sort("at")

    def _left(self, age: int) -> pl.DataFrame:
        """Who left and is reported on this day."""
        people = self._people
        since = float(age) - REPORTED_AFTER
        now = (people.leaves_at >= since) & (people.leaves_at < since + 1)
        pairs = [(n, at) for n, at in self._gone if since <= at < since + 1]
        number = np.concatenate([people.number[now], np.array([n for n, _ in pairs], np.int64)])
        at = np.concatenate([people.leaves_at[now], np.array([at for _, at in pairs], float)])
        return pl.DataFrame(
            {
                "customer_id": _ids(number),
                "left_at": self._stamps(at),
                "reported_at": self._stamps(at + REPORTED_AFTER),
            }
        ).sort("reported_at", "customer_id")

    def _moments(self, share: Floats) -> pl.Series:
        """Turn shares of the past week into moments strictly before this Sunday."""
        return self._stamps(7.0 * (self._week - 1) + 7.0 * np.clip(share, 0.0, 0.9999))

    def _stamps(self, days: Floats) -> pl.Series:
        first = datetime.combine(self.first_day, time(), UTC)
        seconds = np.floor(days * 86_400).astype(np.int64)
        micros = (seconds + int(first.timestamp())) * 1_000_000
        return pl.Series(micros, dtype=pl.Int64).cast(_STAMP)


def write_day(folder: Path, files: Files) -> list[Path]:
    """Write a day's files below a folder, each in one step, and return their paths."""
    written = []
    for name, frame in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        half = path.with_suffix(".part")
        frame.write_parquet(half)
        half.replace(path)
        written.append(path)
    return written


def _ids(numbers: Ints) -> pl.Series:
    return pl.select(pl.format("C{}", pl.Series(numbers).cast(pl.String).str.zfill(7))).to_series()


def _words(words: tuple[str, ...], codes: Ints) -> pl.Series:
    return pl.Series(np.array(words, dtype=object)[codes], dtype=pl.String)
