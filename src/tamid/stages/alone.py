"""The declared cleaning as a model server does it: to rows that come one by one.

Such rows have no duplicates, and what is joined to them is never cleaned, as in a batch. A row
whose features were looked up was cleaned when they were written: its texts are numbers already
where a step reads numbers.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import polars as pl

from tamid.core.contract.model import CleanStep, Contract
from tamid.core.events import AnswersCleaned
from tamid.core.ladder import ON_ROWS
from tamid.core.learning.bundle import read_manifest
from tamid.core.state import State
from tamid.core.trial import CANARY
from tamid.core.values import PERIOD
from tamid.stages import features
from tamid.stages.features import Cleaned, StepCount
from tamid.stages.reading import MOMENT
from tamid.stages.rig import Rig

_TYPES: Mapping[str, pl.DataType | type[pl.DataType]] = {
    "number": pl.Float64, "integer": pl.Int64, "boolean": pl.Boolean, "category": pl.String,
    "text": pl.String, "datetime": MOMENT,
}  # fmt: skip
_PLACE = "_place"
_Counts = tuple[int, int, int]


def clean_alone(frame: pl.DataFrame, contract: Contract) -> Cleaned:
    """Apply the declared cleaning to what rows themselves carry; the counts are of each step.

    Law: a step that reaches no column of the frame changes nothing and is counted with 0.

    Raises:
        DataError: a step does not fit a column that it names.
    """
    joined = {c for c in frame.columns if c in contract.features.aggregates}
    # Numbers already: only what comes after the step that would have read them reaches them.
    early = {c for c in read_as_numbers(contract, frame.columns) if frame.schema[c].is_numeric()}
    counts = list[StepCount]()
    for step in contract.clean:
        own = frame.drop(joined | early)
        here = None if step.step == "drop_duplicates" else _reaching(step, own.columns)
        if here is None:
            counts.append(StepCount(step=step.step, before=own.height, after=own.height))
        else:
            done = features.clean(own, (here,))
            frame, counts = frame.with_columns(done.frame), [*counts, *done.counts]
        if step.step == "number":
            early -= set(step.columns or early)
    return Cleaned(frame=frame, counts=tuple(counts))


def read_as_numbers(contract: Contract, names: Sequence[str]) -> frozenset[str]:
    """Return the columns among these whose texts a declared step turns into numbers."""
    schema = contract.data.schema
    texts = tuple(n for n, c in schema.items() if c.type in ("text", "category"))
    told = (s.columns or texts for s in contract.clean if s.step == "number")
    joined = contract.features.aggregates
    return frozenset(c for columns in told for c in columns if c in names and c not in joined)


def is_read(row: Mapping[str, Any], read: frozenset[str]) -> bool:
    """Say whether a row was cleaned before: it holds a number where a step reads one."""
    return any(isinstance(row.get(name), int | float) for name in read)


def typed_rows(
    contract: Contract, rows: Sequence[Mapping[str, Any]], names: Sequence[str]
) -> Cleaned:
    """Return the inputs of rows, as they were asked, in the contract's types, cleaned.

    The frame (n) keeps the order of the rows.
    """
    read = read_as_numbers(contract, names)
    before = [is_read(row, read) for row in rows]
    parts = []
    for done in (False, True):
        places = [i for i, was in enumerate(before) if was is done]
        if places or not done:
            kinds = _kinds(contract, names, read if done else frozenset())
            made = [_column(name, kind, [rows[i].get(name) for i in places])
                    for name, kind in kinds.items()]  # fmt: skip
            frame = pl.DataFrame([pl.Series(_PLACE, places, dtype=pl.UInt32), *made])
            parts.append(clean_alone(frame, contract))
    frame = pl.concat([p.frame for p in parts]).sort(_PLACE).drop(_PLACE)
    return Cleaned(frame=frame, counts=_summed([p.counts for p in parts]))


def count_answers(
    rig: Rig, state: State, claim: str, answers: pl.DataFrame
) -> Iterator[AnswersCleaned]:
    """Count what each step did to answers that were taken in, under the contract of each version.

    Counted are rows that a model or the rule answered; other rungs read no row. A log that kept a
    share of the answers is counted as it is: `stands_for` adds up 1 / chance, nothing is scaled.
    """
    computed = answers.filter(pl.col("rung").is_in([CANARY, *ON_ROWS]))
    found: dict[str, _Told] = {}
    groups = computed.group_by(["version", "bundle", PERIOD], maintain_order=True)
    for (version, bundle, period), mine in groups:
        number = _version(state, version, bundle)
        digest = state.versions[number].registered.contract if number else ""
        contract = rig.contract(digest) if digest else None
        if contract is None or not contract.clean:
            continue
        names = read_manifest(
            rig.blobs.get(state.versions[number].registered.ref.bundle)
        ).schema.inputs
        kept = _kept(contract, names)
        rows = [json.loads(text) for text in mine.get_column("inputs")]
        counts = typed_rows(contract, rows, kept).counts
        told = found.setdefault(digest, _Told())
        told.add(str(period), counts, float((1.0 / mine.get_column("chance")).sum()))
        told.unlogged |= _touched(contract, set(names) - set(kept))
    for digest, told in found.items():
        yield AnswersCleaned(
            key=f"{rig.model}.cleaned/{claim}/{digest[-12:]}",
            claim=claim,
            contract=digest,
            stands_for=told.stands_for,
            steps=told.steps,
            unlogged=tuple(sorted(told.unlogged)),
        )


def named(number: int, step: str) -> str:
    """Return how a step is called where steps are counted."""
    return f"{number} {step}"


class _Told:
    """What the steps of one contract did, by period."""

    def __init__(self) -> None:
        self.steps: dict[str, dict[str, _Counts]] = {}
        self.stands_for: dict[str, float] = {}
        self.unlogged: set[str] = set()

    def add(self, period: str, counts: Sequence[StepCount], worth: float) -> None:
        steps = self.steps.setdefault(period, {})
        for i, c in enumerate(counts, 1):
            before, after, changed = steps.get(named(i, c.step), (0, 0, 0))
            told = (before + c.before, after + c.after, changed + c.changed)
            steps[named(i, c.step)] = told
        self.stands_for[period] = self.stands_for.get(period, 0.0) + worth


def _version(state: State, version: object, bundle: object) -> int:
    """Return whose contract holds for an answer; a rule's is that of the turn's bundle."""
    if isinstance(version, int) and version in state.versions:
        return version
    ours = (n for n, v in state.versions.items() if v.registered.ref.bundle == bundle)
    return next(ours, 0)


def _kept(contract: Contract, names: Sequence[str]) -> tuple[str, ...]:
    data = contract.data
    declared = set(data.schema) | set(contract.features.aggregates)
    logged = declared - set(data.pii) - set(data.forbidden)
    return tuple(n for n in names if n in logged)


def _touched(contract: Contract, hidden: set[str]) -> set[str]:
    """Return which of these columns a step may have changed."""
    any_of = {c for s in contract.clean for c in (s.columns or tuple(hidden))}
    return {c for c in hidden if c in any_of and c not in contract.features.aggregates}


def _reaching(step: CleanStep, there: Sequence[str]) -> CleanStep | None:
    """Return the step on those of its columns that are there; None: none is."""
    here = tuple(c for c in step.columns if c in there)
    return replace(step, columns=here) if here or not step.columns else None


def _kinds(
    contract: Contract, names: Sequence[str], read: frozenset[str]
) -> Mapping[str, pl.DataType | type[pl.DataType]]:
    declared = {n: contract.data.schema.get(n) for n in names}
    kinds = {n: _TYPES[c.type] if c else pl.Float64 for n, c in declared.items()}
    return {n: pl.Float64 if n in read else kind for n, kind in kinds.items()}


def _column(name: str, kind: pl.DataType | type[pl.DataType], given: Sequence[Any]) -> pl.Series:
    values = pl.Series(name, given, strict=False)
    if kind == MOMENT:
        return values.cast(pl.String).str.to_datetime(time_unit="us", time_zone="UTC")
    return values.cast(kind, strict=False)


def _summed(counts: Sequence[Sequence[StepCount]]) -> tuple[StepCount, ...]:
    return tuple(
        StepCount(
            step=same[0].step,
            before=sum(c.before for c in same),
            after=sum(c.after for c in same),
            changed=sum(c.changed for c in same),
        )
        for same in zip(*counts, strict=True)
    )
