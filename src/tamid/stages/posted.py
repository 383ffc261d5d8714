"""Labels that were sent back by the id of an answer: into the inbox, as what its row is about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from tamid.core.contract.model import Contract
from tamid.core.errors import DataError
from tamid.core.events import LabelsAccepted
from tamid.core.spool import LABELS as SENT
from tamid.core.state import State
from tamid.core.values import TablePin, digest_of
from tamid.ports import Claim
from tamid.stages.feeds import ROWS
from tamid.stages.hearing import VALUE
from tamid.stages.inbox import put
from tamid.stages.named import answers_of, by_key
from tamid.stages.reading import MOMENT
from tamid.stages.rig import Rig
from tamid.stages.truth import truth


@dataclass(frozen=True, slots=True, kw_only=True)
class Posted:
    """The labels of a claim that were put into the inbox, and how many could not be."""

    event: LabelsAccepted | None = None
    unknown: int = 0
    invalid: int = 0


def posted(
    rig: Rig,
    contract: Contract,
    state: State,
    claim: Claim,
    pin: TablePin | None,
    periods: Sequence[str],
    now: datetime,
    token: int,
) -> Posted:
    """Put the labels of a claim into the inbox.

    A label belongs to the answer with its id, served online or in a batch; answers are looked for
    as far back as `service.log.keep`. `pin`: the answers with those that came with the claim, which
    are about `periods`. Whoever may ask may send labels: what cannot be understood is counted, and
    is no bug of a source.
    """
    sent = [x for s in claim.segments.values() for body in s.of(SENT) for x in body["labels"]]
    if not sent:
        return Posted()
    given = pl.DataFrame(
        [(str(i), _text(contract, v), _moment(at), _moment(heard)) for i, v, at, heard in sent],
        schema={"id": pl.String, "value": pl.String, "at": MOMENT, "heard": MOMENT},
        orient="row",
    )
    valid = _understood(contract, given)
    about = answers_of(rig, contract, state, pin, periods, set(valid.get_column("id")), now)
    both = valid.join(about, on="id", how="inner")
    name = f"posted/{claim.name}"
    heard = by_key(contract, both, name, now)
    event = None
    if not heard.is_empty():
        event = put(
            contract,
            heard,
            rig.tables,
            batch=name,
            fingerprint=digest_of(claim.name),
            rows=state.pins.get(rig.table(ROWS)),
            now=now,
            token=token,
        )
    unknown = valid.height - valid.join(about, on="id", how="semi").height
    return Posted(event=event, unknown=unknown, invalid=given.height - valid.height)


def _understood(contract: Contract, given: pl.DataFrame) -> pl.DataFrame:
    """Return the labels that mean something, as numbers.

    Of values that no list allows the two most frequent count: a slip of one caller must not cost
    the labels of all.
    """
    values = given.select(pl.col("value").alias(contract.data.label.column))
    try:
        read = truth(values, contract)
    except DataError:
        often = given.get_column("value").value_counts(sort=True).get_column("value").head(2)
        if given.get_column("value").n_unique() <= len(often):
            return given.clear().with_columns(pl.lit(None, pl.Float64).alias(VALUE))
        return _understood(contract, given.filter(pl.col("value").is_in(often.to_list())))
    return given.with_columns(read.values.alias(VALUE)).filter(~read.invalid)


def _text(contract: Contract, value: Any) -> str | None:
    """Return a value as a file would hold it."""
    if value is None or isinstance(value, str):
        return value
    numbered = isinstance(contract.data.label.positive, (int, float))
    if isinstance(value, bool) and (not numbered or contract.data.label.positive is True):
        return str(value).lower()
    return repr(int(value)) if isinstance(value, bool) else repr(value)


def _moment(seconds: float | None) -> datetime | None:
    if seconds is None:
        return None
    try:
        return datetime.fromtimestamp(0, UTC) + timedelta(microseconds=round(seconds * 1e6))
    except OverflowError:  # no calendar has it: it was not said
        return None
