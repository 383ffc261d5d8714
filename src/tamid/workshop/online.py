"""What a worker answers for the model server: rows as JSON columns, scores as JSON lists."""

from __future__ import annotations

import json
import mmap
import os
import signal
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tamid.core.errors import UsageError
from tamid.workshop.answers import run_rule
from tamid.workshop.tools import parse

if TYPE_CHECKING:
    import polars as pl

    from tamid.adapters.spawn.child import Channel, Handler
    from tamid.core.contract.model import Contract
    from tamid.stages.answering import Predictor

# Bytes that a drill's leak holds on to at a time.
_LEAK = 300_000_000

Columns = Mapping[str, Sequence[Any]]


def online_handlers(
    opened: Mapping[str, Predictor], golden: Mapping[str, bytes], here: Path
) -> dict[str, Handler]:
    """Return what a worker answers for the server: `online`, `online_rule` and `drill`.

    `opened`, `golden`: where `open` has put the bundle's predictor and its golden rows.
    """

    def online(request: Mapping[str, Any], channel: Channel) -> Mapping[str, Any]:
        return answer_rows(
            opened["bundle"], golden["rows"], request["columns"], explain=request["explain"]
        )

    def online_rule(request: Mapping[str, Any], channel: Channel) -> Mapping[str, Any]:
        from tamid.adapters.spawn.handover import read_files
        from tamid.stages.golden import CONTRACT, GOLDEN

        files = read_files(here / "rule")
        contract = parse(files[CONTRACT].decode())
        rows = cleaned_rows(files[GOLDEN], request["columns"], contract)
        return {"score": run_rule(files, request["code"], rows).get_column("score").to_list()}

    held: list[bytearray] = []

    def drill(request: Mapping[str, Any], channel: Channel) -> Mapping[str, Any]:
        suffer(request["fault"], held)
        return {}

    return {"online": online, "online_rule": online_rule, "drill": drill}


def suffer(fault: str, held: list[bytearray]) -> None:
    """Do to this worker what user code may do to it: hang, leak, segfault, exit.

    Raises:
        UsageError: there is no such fault.
    """
    if fault == "hang":
        time.sleep(3600)
    elif fault == "leak":
        held.append(bytearray(_LEAK))
        held[-1][:: mmap.PAGESIZE] = b"x" * len(range(0, _LEAK, mmap.PAGESIZE))
    elif fault == "segfault":
        os.kill(os.getpid(), signal.SIGSEGV)
    elif fault == "exit":
        os._exit(3)
    else:
        raise UsageError(f"there is no fault {fault!r}")


def answer_rows(
    predictor: Predictor, golden: bytes, columns: Columns, *, explain: bool
) -> Mapping[str, object]:
    """Return `score`, by name the chances of classes, and what each feature contributed if asked.

    The rows go the way of batch scoring: the types of training, the declared cleaning, the code.
    """
    frame = cleaned_rows(golden, columns, predictor.contract)
    table = predictor.table(frame)
    scores = predictor.scores(table)
    found: dict[str, object] = {}
    if scores.ndim == 2:
        found["score"] = scores.argmax(axis=1).astype(float).tolist()
        found["classes"] = dict(zip(predictor.schema.classes, scores.T.tolist(), strict=True))
    else:
        found["score"] = scores.tolist()
    if explain:
        names = [f.name for f in predictor.schema.features]
        moved = predictor.model.contributions(table)
        found["explanation"] = dict(zip(names, moved.T.tolist(), strict=True))
    return found


def cleaned_rows(golden: bytes, columns: Columns, contract: Contract) -> pl.DataFrame:
    """Return rows as the model sees them, in the column types of training, which golden rows carry.

    Where a step reads texts as numbers, rows of looked-up features hold the numbers already.
    """
    import polars as pl

    from tamid.stages.alone import clean_alone, is_read, read_as_numbers

    read = read_as_numbers(contract, [n for n, v in columns.items() if v])
    if not read:
        return clean_alone(online_frame(golden, columns), contract).frame
    height = _height(columns)
    before = [is_read({n: columns[n][i] for n in read}, read) for i in range(height)]
    parts, order = [], list[int]()
    for done in (False, True):
        places = [i for i, was in enumerate(before) if was is done]
        if places or not (done or height):
            some = {n: [v[i] for i in places] for n, v in columns.items() if v}
            frame = online_frame(golden, some, texts=frozenset() if done else read)
            parts.append(clean_alone(frame, contract).frame)
            order += places
    if len(parts) == 1:
        return parts[0]
    return pl.concat(parts).select(pl.all().sort_by(pl.Series(order)))


def online_frame(
    golden: bytes, columns: Columns, texts: frozenset[str] = frozenset()
) -> pl.DataFrame:
    """Return rows in the column types of training; `texts`: columns that are texts as they come."""
    import polars as pl

    from tamid.stages.golden import golden_frame

    like = golden_frame(json.loads(golden))
    made = []
    for name, trained in like.schema.items():
        kind = pl.String() if name in texts else trained
        values = columns.get(name) or [None] * _height(columns)
        if kind.is_temporal():
            values = [None if v is None else _moment(v, kind) for v in values]
        made.append(pl.Series(name, values, dtype=kind))
    return pl.DataFrame(made)


def _height(columns: Columns) -> int:
    return len(next(iter(columns.values()), ()))


def _moment(text: str, kind: pl.DataType) -> object:
    import polars as pl

    found = datetime.fromisoformat(text)
    if isinstance(kind, pl.Date):
        return found.date()
    zoned = isinstance(kind, pl.Datetime) and kind.time_zone
    return found if zoned else found.replace(tzinfo=None)
