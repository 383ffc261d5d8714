"""Writes the operator's past as files, up to today: what `tamid init --example telecom` gives."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

from tamid.examples.telecom.world import World, write_day

# Enough for steady gates, little enough that a first tick takes about a minute.
CUSTOMERS = 6_000


def write(folder: Path, today: date, *, seed: int = 1, customers: int = CUSTOMERS) -> None:
    """Write every file that had arrived by today; the live year begins with this week's Sunday."""
    sunday = today - timedelta(days=(today.weekday() + 1) % 7)
    start = datetime.combine(sunday, time(), tzinfo=UTC)
    world = World(seed=seed, customers=customers, start=start)
    for day in world.days():
        if day > today:
            break
        write_day(folder, world.files_for(day))
