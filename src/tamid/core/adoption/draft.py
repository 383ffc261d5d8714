"""The draft of a contract as the text of its file, with a word where something was inferred."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import timedelta

from tamid.core.adoption.columns import Drafted
from tamid.core.adoption.roles import Roles
from tamid.core.contract.csvform import CsvForm
from tamid.core.contract.inputs import Column
from tamid.core.contract.running import GROWN
from tamid.core.values import Task, format_duration

_PLAIN = re.compile(r"[^\W\d_](?:[\w .()/+%-]*[\w)%+])?\Z")
# Words that some readers of YAML take for something else.
_TAKEN = frozenset(("true", "false", "null", "yes", "no", "on", "off", "y", "n"))
_WIDTH = 100
# What a busy machine needs for one row in a fresh worker, ten times over; no promise to callers.
_BATCH_MS, _BATCH_START_S = 5000, 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """What a contract may demand, and on what that rests."""

    metric: str
    level: float
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """All that goes into a drafted contract.

    `path`: the data, from the contract's folder. `form`: None for files with types. `dropped`:
    columns that must never be read. `every`: the period of delivery.
    """

    name: str
    data: str
    path: str
    roles: Roles
    columns: tuple[Drafted, ...]
    form: CsvForm | None = None
    dropped: tuple[str, ...] = ()
    protected: tuple[str, ...] = ()
    every: timedelta = timedelta(days=7)
    timezone: str = "UTC"
    model: str = "lightgbm"
    baselines: tuple[str, ...] = ()
    proposal: Proposal | None = None


def contract_text(draft: Draft) -> str:
    """Return the contract's file."""
    roles = draft.roles
    lines = [
        f"# Drafted by `tamid adopt` from {one_line(draft.data)}. Both roles read it and change",
        "# what is wrong: `tamid contract show` says who owns which block.",
        "tamid: 1",
        f"name: {quoted(draft.name)}",
        f"task: {roles.task.value}",
        "owners: {ml_developer: ml-team, mlops_engineer: ops-team}",
    ]
    if roles.time:
        lines.append(f"calendar: {{timezone: {quoted(draft.timezone)}, week_starts: monday}}")
    lines += ["data:", *_source(draft)]
    if roles.entity:
        lines.append(f"  entity: {quoted(roles.entity)}")
    if roles.time:
        lines.append(f"  time: {quoted(roles.time)}")
    else:
        lines.append("  # No time: trained, judged and scored once; there is no loop.")
    lines += _label(draft)
    lines += ["  schema:", *(_column(c) for c in draft.columns)]
    if draft.dropped:
        lines += [
            "  # Known only with the outcome, or told so: never read.",
            f"  forbidden: {flow(draft.dropped)}",
        ]
    lines += [f"training: {{model: {quoted(draft.model)}}}", *_gates(draft)]
    lines += [
        "# Scores go out in a file; how long one row takes alone matters once a server answers.",
        f"service: {{p99_ms: {_BATCH_MS}, start_s: {_BATCH_START_S}}}",
    ]
    every = f"every: {format_duration(draft.every)}, " if roles.time else ""
    lines.append(f'delivery: {{{every}to: [{{csv: "out/{draft.name}-{{period}}.csv"}}]}}')
    return "\n".join(lines) + "\n"


def quoted(text: str) -> str:
    """Return a text as YAML takes it for a text, plain where that is safe.

    >>> quoted("plan"), quoted("Yes"), quoted("a: b"), quoted("מספר לקוח")
    ('plan', '"Yes"', '"a: b"', 'מספר לקוח')
    """
    plain = _PLAIN.match(text) and text.lower() not in _TAKEN
    return text if plain else json.dumps(text, ensure_ascii=False)


def flow(values: Sequence[str]) -> str:
    """Return texts as a list in one line."""
    return "[" + ", ".join(quoted(v) for v in values) + "]"


def one_line(text: str) -> str:
    """Return a text without what would end a comment."""
    return " ".join(text.split())


def _source(draft: Draft) -> Iterator[str]:
    path = quoted(draft.path)
    if draft.form is None:
        yield f"  source: {{path: {path}, owner: mlops_engineer}}"
        return
    yield "  source:"
    yield f"    path: {path}"
    yield f"    csv: {_form(draft.form)}"
    yield "    owner: mlops_engineer"


def _form(form: CsvForm) -> str:
    default = CsvForm()
    parts = []
    for field in fields(CsvForm):
        value = getattr(form, field.name)
        if value != getattr(default, field.name):
            parts.append(f"{field.name}: {_value(value)}")
    return "{" + ", ".join(parts or ["encoding: utf-8"]) + "}"


def _label(draft: Draft) -> Iterator[str]:
    roles = draft.roles
    parts = [f"column: {quoted(roles.label)}"]
    if roles.task is Task.BINARY:
        parts.append(f"positive: {_value(roles.positive)}")
    if roles.known_at:
        source = [f"path: {quoted(draft.path)}", f"known_at: {quoted(roles.known_at)}"]
        if draft.form is not None:
            source.insert(1, f"csv: {_form(draft.form)}")
        yield "  label:"
        yield from (f"    {part}" for part in parts)
        yield "    absence: unknown"
        yield f"    source: {{{', '.join(source)}, owner: mlops_engineer}}"
        return
    if roles.time:
        parts.append(f"horizon: {format_duration(roles.horizon) if roles.horizon else '0d'}")
        parts.append(f"reporting_lag: {format_duration(roles.lag) if roles.lag else '0d'}")
    yield f"  label: {{{', '.join(parts)}}}"


def _column(drafted: Drafted) -> str:
    column = drafted.column
    parts = [f"type: {column.type}"]
    for name, bound in (("min", column.min), ("max", column.max)):
        if bound is not None:
            parts.append(f"{name}: {bound:g}")
    if column.allowed is not None:
        parts.append(f"allowed: {flow(column.allowed)}")
    parts += [f"{key}: {_value(v)}" for key, v in _flags(column)]
    line = f"    {quoted(drafted.name)}: {{{', '.join(parts)}}}"
    remark = f"  # {one_line(drafted.remark)}" if drafted.remark else ""
    return line + (remark if len(line) + len(remark) <= _WIDTH else "")


def _flags(column: Column) -> Iterator[tuple[str, bool]]:
    if column.nullable:
        yield "nullable", True
    if not column.feature:
        yield "feature", False


def _gates(draft: Draft) -> Iterator[str]:
    proposal = draft.proposal
    yield "gates:"
    if proposal is not None:
        yield f"  minimum: {{{proposal.metric}: {proposal.level:g}}}  # {one_line(proposal.why)}"
    yield f"  baselines: {flow(draft.baselines)}"
    if draft.protected:
        groups = flow(draft.protected)
        yield f"  # fairness: {{protected: {groups}, max_gap: 0.05}}   # if groups must be alike"
    if proposal is not None and draft.roles.time:
        bound = "at_most" if proposal.metric in ("mae", "rmse") else "at_least"
        quality = f"{{metric: {proposal.metric}, {bound}: {proposal.level:g}}}"
        yield f"monitoring: {{quality: {quality}}}"
    if draft.roles.time:
        grown = f"new_data: {{grown: {GROWN:.0%}}}"
        yield "# What age or new rows ask for is taken unless it is shown to be worse."
        yield f"retraining: {{on: [quality, age, {grown}, code], equal: release}}"


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return flow([str(v) for v in value])
    return quoted(value) if isinstance(value, str) else f"{value}"


def schema_of(columns: Sequence[Drafted]) -> Mapping[str, Column]:
    """Return drafted columns as a contract's schema."""
    return {drafted.name: drafted.column for drafted in columns}
