"""What the columns of each source hold by the contract: what a reader of texts must know."""

from __future__ import annotations

from collections.abc import Mapping

from tamid.core.contract.inputs import Column, EventTable
from tamid.core.contract.model import Contract
from tamid.core.contract.running import Actions
from tamid.core.values import Task


def row_kinds(contract: Contract) -> dict[str, str]:
    """Return the type of each known column of the rows; those of moments and the label too."""
    data = contract.data
    found = _kinds(data.schema, data.time, data.source.known_at)
    return {**found, **_label(contract, data.schema)}


def label_kinds(contract: Contract) -> dict[str, str]:
    """Return the type of each known column of a label source."""
    data, label = contract.data, contract.data.label
    known_at = label.source.known_at if label.source else None
    return {
        **row_kinds(contract),
        **_kinds({}, data.time, known_at, label.event_time),
    }


def table_kinds(table: EventTable) -> dict[str, str]:
    """Return the type of each known column of an event table."""
    return _kinds(table.schema, table.time, table.known_at)


def action_kinds(actions: Actions) -> dict[str, str]:
    """Return the type of each known column of a campaign's files."""
    named = {actions.offer: "label", **({actions.id: "text"} if actions.id else {})}
    return {**named, **_kinds({}, actions.time)}


def _kinds(schema: Mapping[str, Column], *moments: str | None) -> dict[str, str]:
    found: dict[str, str] = {name: column.type for name, column in schema.items()}
    return {**found, **{name: "datetime" for name in moments if name}}


def _label(contract: Contract, schema: Mapping[str, Column]) -> dict[str, str]:
    """Return the label's type; where the schema is silent, by what it is compared with."""
    label = contract.data.label
    if label.column in schema:
        # Blanks and texts for missing values count in a label of words too.
        kind = schema[label.column].type
        return {label.column: "label" if kind in ("category", "text") else kind}
    number = type(label.positive) in (int, float) or contract.task is Task.REGRESSION
    return {label.column: "number" if number else "label"}
