"""Rules about a feature view as it is declared: its table, its columns, its features."""

from __future__ import annotations

from tamid.core.contract.case import Told
from tamid.core.contract.model import EventTable, Measure, View
from tamid.core.contract.problems import did_you_mean, quoted
from tamid.core.contract.rules_shared import MOMENTS, SUMMABLE, column_limits, source_faults


def judge_view(told: Told, path: str, view: View) -> None:
    """Put every problem of one view into the report; what cannot be believed is not judged."""
    report = told.report
    if told.zones is not None and view.timezone not in told.zones:
        hint = did_you_mean(view.timezone, told.zones) or "write such as Asia/Jerusalem or UTC"
        told.problem(f"{path}.timezone", f"{quoted(view.timezone)} is no IANA time zone", hint)
    if not view.features and report.trusts(f"{path}.features"):
        told.problem(f"{path}.features", "the view gives no features", "name what it computes")
    if not report.trusts(f"{path}.table"):
        return
    _table(told, f"{path}.table", view)
    for name, measure in view.features.items():
        if report.trusts(f"{path}.features.{name}"):
            _measure(told, f"{path}.features.{name}", measure, view)


def _table(told: Told, path: str, view: View) -> None:
    table = view.table
    source_faults(told, path, table.path, table.format)
    if table.entity == table.time:
        told.problem(f"{path}.time", "is the same column as entity")
    for name, column in table.schema.items():
        column_limits(told, f"{path}.schema.{name}", column)
    _moments(told, path, table)
    for key in ("entity", "time", "known_at"):
        _readable(told, f"{path}.{key}", getattr(table, key), view)


def _moments(told: Told, path: str, table: EventTable) -> None:
    for name in (table.time, table.known_at):
        column = table.schema.get(name) if name else None
        if column and column.type not in MOMENTS:
            message = f"{quoted(name or '')} holds moments, not type {column.type}"
            told.problem(f"{path}.schema.{name}", message, "use type: datetime")


def _measure(told: Told, path: str, measure: Measure, view: View) -> None:
    table, name = view.table, measure.column
    if measure.window and measure.window <= table.delay:
        told.problem(f"{path}.window", "no event is known within this window",
                     "make it longer than the table's delay")  # fmt: skip
    if name is None:
        if measure.function != "count":
            what = f"{measure.function} needs a column"
            told.problem(path, what, f"write {measure.function}: COLUMN")
        return
    column = table.schema.get(name)
    if table.schema and column is None and name not in (table.entity, table.time):
        hint = did_you_mean(name, table.schema)
        told.problem(f"{path}.column", f"the table has no column {quoted(name)}", hint)
    elif column and measure.function in ("sum", "mean") and column.type not in SUMMABLE:
        told.problem(f"{path}.column", f"a {measure.function} of type {column.type} does not exist")
    _readable(told, f"{path}.column", name, view)


def _readable(told: Told, path: str, name: str | None, view: View) -> None:
    """What is used is neither forbidden nor thrown away before it is stored."""
    if name in view.forbidden:
        told.problem(path, f"{quoted(name or '')} is used here and forbidden")
    elif name in view.pii and name != view.table.entity:
        told.problem(path, f"{quoted(name or '')} is used here and never stored (pii)")
