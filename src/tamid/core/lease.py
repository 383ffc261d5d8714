"""Who may act on a stream: the rule by which a lease is taken, renewed and lost."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from tamid.core.errors import Conflict, LeaseLost
from tamid.core.values import format_duration, instant


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """A lease as a store keeps it; an empty holder means it was given back."""

    holder: str
    token: int
    until: datetime
    ttl: timedelta


def take(stream: str, current: Hold | None, holder: str, now: datetime, ttl: timedelta) -> Hold:
    """Return the hold after `holder` asked for it at `now`.

    Laws: tokens never fall; another holder's token is higher than all before it; one's own lease
    is renewed under its token. A lease that ends later than twice its own length from now was
    taken under a clock that has since been set back: it no longer counts (fencing keeps it safe).

    Raises:
        Conflict: another holder's lease still runs.
    """
    if current is None:
        return Hold(holder=holder, token=1, until=now + ttl, ttl=ttl)
    if current.holder == holder:
        return replace(current, until=now + ttl, ttl=ttl)
    if current.holder and now < current.until <= now + 2 * current.ttl:
        raise Conflict(
            f"{stream!r} is held by {current.holder} until {instant(current.until)}",
            why="two controllers must not act on one model",
            fix=f"Stop the other controller, or wait {format_duration(current.ttl)} at most.",
        )
    return Hold(holder=holder, token=current.token + 1, until=now + ttl, ttl=ttl)


def give_back(current: Hold | None, holder: str, token: int) -> Hold | None:
    """Return the hold after it was released; a lease that was lost already changes nothing."""
    if current is None or (current.holder, current.token) != (holder, token):
        return current
    return replace(current, holder="")


def check_append(stream: str, head: int, expected: int, newest: int, token: int) -> None:
    """Refuse an append that comes from the past.

    Raises:
        LeaseLost: a token above `token` was handed out (token 0, a person's act, always may).
        Conflict: the stream ends at `head`, not at `expected`.
    """
    if 0 < token < newest:
        raise LeaseLost(
            f"the lease on {stream!r} was lost: token {token}, newest {newest}",
            why="another controller took over; what this one decided may be out of date",
        )
    if head != expected:
        raise Conflict(
            f"stream {stream!r} ends at event {head}, not at {expected}",
            why="somebody wrote in between" if head > expected else "an older copy was put back",
        )
