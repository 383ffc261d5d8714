"""What an operator may set of the server."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Limits and guards.

    `token`: what callers must show, "" for nobody; `tokens`: others that they may show. `drill`:
    the secret of who may break things on purpose, "" for nobody. `hosts`: names under which the
    server may be called besides localhost and bare addresses. `lower`: rows outside the contract go
    to a lower rung instead of being refused. Sizes in bytes, times in seconds.
    """

    token: str = ""
    tokens: tuple[str, ...] = ()
    drill: str = ""
    hosts: frozenset[str] = frozenset()
    lower: bool = False
    most_body: int = 8_000_000
    most_rows: int = 10_000
    most_header: int = 32_768
    header_time: float = 10.0
    body_time: float = 10.0
    # For a caller to take what was answered.
    taking_time: float = 30.0
    # Requests that models work on at once; who comes beyond is answered at once by a rung that
    # computes nothing.
    most_requests: int = 1_000

    @property
    def shown(self) -> tuple[str, ...]:
        """Return the tokens of which callers must show one; none: they need not."""
        return (self.token, *self.tokens) if self.token else self.tokens
