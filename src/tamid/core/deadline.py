"""When the scores of a period are due at their consumers."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta, tzinfo

from tamid.core.contract.kinds import parse_moment

_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def due_at(by: str, start: datetime, zone: tzinfo) -> datetime:
    """Return the first moment `by` that is not before a period's start, in UTC.

    `by` is a weekday and an hour ("Sunday 06:00"), or an hour of every day ("06:00").
    The hour is the wall clock's in `zone`, on both sides of a change of clocks; an hour that the
    change leaves out counts as if the clock had not been changed yet.

    >>> due_at("Sunday 06:00", datetime(2026, 1, 4, tzinfo=UTC), UTC).isoformat()
    '2026-01-04T06:00:00+00:00'
    >>> due_at("06:00", datetime(2026, 1, 4, 7, tzinfo=UTC), UTC).isoformat()
    '2026-01-05T06:00:00+00:00'
    """
    wanted = parse_moment(by)
    first = start.astimezone(zone).date()
    for offset in range(9):  # a week, and a day on either side for the hour before the start
        day = first + timedelta(days=offset)
        if wanted.weekday and _DAYS[day.weekday()] != wanted.weekday:
            continue
        moment = datetime.combine(day, time(wanted.hour, wanted.minute), tzinfo=zone)
        if moment.astimezone(UTC) >= start:
            return moment.astimezone(UTC)
    raise ValueError(f"{by!r} never comes")


def is_late(by: str | None, start: datetime, zone: tzinfo, now: datetime) -> bool:
    """Say whether `now` is past the moment at which a period's scores were due."""
    return by is not None and now > due_at(by, start, zone)
