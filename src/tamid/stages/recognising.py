"""Rows of refused batches, noted so that they are recognised when another batch brings them.

A row is noted as a keyed digest of its entity and moment: the ledger names nobody.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

from tamid.core.events import NO_KEYS
from tamid.core.values import ENTITY, TIME

# So many rows of a refused batch are noted. A batch that lacks a fifth of them passes for a repair,
# which may leave out a tenth, once in 50 times: P(Binomial(64, 0.2) <= 6) = 0.02; one that lacks
# half of them never: 1e-12.
MOST = 64
_BYTES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Recogniser:
    """The workspace's secret, and which noted rows of the source have not come since."""

    salt: str
    lacking: Callable[[], frozenset[str]]

    def noted(self, frame: pl.DataFrame, *, timed: bool) -> tuple[str, ...]:
        """Return the digests of up to 64 rows, the lowest: any rows; `NO_KEYS` alone if of none.

        `timed`: a row is that of a moment; else of an entity alone.
        """
        return tuple(sorted(self._marks(frame, timed))[:MOST]) or (NO_KEYS,)

    def brought(self, frame: pl.DataFrame, *, timed: bool) -> tuple[str, ...]:
        """Return which of the lacking rows are in a batch."""
        wanted = self.lacking()
        return tuple(sorted(wanted & self._marks(frame, timed))) if wanted else ()

    def _marks(self, frame: pl.DataFrame, timed: bool) -> set[str]:
        key = hashlib.blake2b(self.salt.encode(), digest_size=32).digest()
        columns = [pl.col(ENTITY).cast(pl.String)]
        columns += [pl.col(TIME).to_physical().cast(pl.String)] if timed else []
        texts = frame.select(pl.concat_str(columns, separator="\x1f")).to_series().drop_nulls()
        return {
            hashlib.blake2b(text.encode(), key=key, digest_size=_BYTES).hexdigest()
            for text in texts
        }
