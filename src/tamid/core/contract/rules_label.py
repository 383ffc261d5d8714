"""Rules about task, label and time: what is foreseen, when it is known, what needs a time."""

from __future__ import annotations

import dataclasses
from typing import Final

from tamid.core.contract import scalars
from tamid.core.contract.case import Case, rule
from tamid.core.contract.fields import Limits
from tamid.core.contract.model import Column, Contract
from tamid.core.contract.problems import quoted
from tamid.core.values import Task, format_duration

# Keys that speak of periods; without a time column there are none.
_NEED_TIME: Final = (
    ("monitoring", "monitoring needs periods", "put least values under gates.minimum instead"),
    ("retraining", "retraining by itself needs periods", "run `tamid train` when you want"),
    ("data.label.horizon", "a horizon counts from the row's time", ""),
    ("data.label.reporting_lag", "a reporting lag counts from the row's time", ""),
    ("data.label.mature_at", "weeks mature, and there are no weeks", ""),
    ("data.label.event_time", "a label's moment is compared with the row's time", ""),
    ("delivery.every", "there are no periods to deliver", ""),
    ("delivery.by", "there are no periods to deliver", ""),
    ("delivery.control_group", "a control group is followed over periods", ""),
    ("delivery.rotate", "a control group is followed over periods", ""),
    ("calendar", "a calendar cuts periods", ""),
)


def positive_as_column(case: Case) -> Contract:
    """Return the contract with label.positive in the type that the schema gives the label's column.

    In a text column `positive: 1` means the text 1, in a number column "1" means the number. What
    cannot be turned is reported.
    """
    contract, label = case.contract, case.contract.data.label
    column = contract.data.schema.get(label.column)
    written = case.scalar("data.label.positive")
    if column is None or written is None or label.positive is None:
        return contract
    unquoted = dataclasses.replace(written, plain=True)
    try:
        if column.type in ("number", "integer"):
            integer = column.type == "integer"
            value: str | int | float | bool = (
                scalars.whole(unquoted, Limits()) if integer else scalars.number(unquoted, Limits())
            )
        elif column.type == "boolean":
            value = scalars.truth(unquoted)
        else:
            value = scalars.text(written, Limits())
    except scalars.Misfit as misfit:
        kind = f"the label's column has type {column.type}"
        case.problem("data.label.positive", f"{misfit.message}, but {kind}", misfit.hint)
        return contract
    changed = dataclasses.replace(label, positive=value)
    return dataclasses.replace(contract, data=dataclasses.replace(contract.data, label=changed))


def _positive(case: Case) -> None:
    """A binary label has a positive value, others have none."""
    contract, label = case.contract, case.contract.data.label
    column = contract.data.schema.get(label.column)
    if contract.task is not Task.BINARY:
        if label.positive is not None:
            message = f"a {contract.task} label has no positive value"
            case.problem("data.label.positive", message, "remove the key, or set task: binary")
        return
    if label.positive is None:
        hint = "add positive: VALUE, such as positive: true or positive: Yes"
        case.problem("data.label", "a binary label needs its positive value", hint)
    elif column and column.allowed and str(label.positive) not in column.allowed:
        allowed = ", ".join(column.allowed[:5])
        message = f"{quoted(str(label.positive))} is not among the allowed values: {allowed}"
        case.problem("data.label.positive", message)


def _wordy(column: Column) -> bool:
    return column.type in ("category", "text") and not column.allowed


def _label_type(case: Case) -> None:
    """The label's column fits the task."""
    contract, label = case.contract, case.contract.data.label
    column = contract.data.schema.get(label.column)
    path = f"data.schema.{label.column}.type"
    if contract.task is Task.REGRESSION:
        if column and column.type not in ("number", "integer"):
            case.problem(path, f"a regression foresees numbers, not type {column.type}")
        if label.absence == "negative":
            message = "a missing number is not negative; it is unknown"
            case.problem("data.label.absence", message, "write absence: unknown")
    elif contract.task is Task.MULTICLASS and label.absence == "negative":
        message = "with several classes, a missing label is unknown"
        case.problem("data.label.absence", message, "write absence: unknown")
    elif contract.task is Task.MULTICLASS and column and _wordy(column):
        message = "classes that are texts must be named"
        case.problem(path, message, f"add allowed: [...] to data.schema.{label.column}")
    elif column and column.type == "datetime":
        case.problem(path, "a moment is no class", "use label.source with event_time")


def _time_needed(case: Case) -> None:
    """Without a time column there is no loop, and nothing that speaks of periods."""
    if case.contract.data.time is not None:
        return
    for path, message, hint in _NEED_TIME:
        if case.given(path):
            case.problem(path, f"{message}, and data.time is missing", hint or "set data.time")


def _horizon(case: Case) -> None:
    """What happens before an outcome is known cannot rest on it."""
    contract, label = case.contract, case.contract.data.label
    known = label.horizon + label.reporting_lag
    rotate, keep = contract.delivery.rotate, contract.service.log.keep
    if contract.delivery.control_group > 0 and rotate < label.horizon:
        case.problem(
            "delivery.rotate",
            f"the control group changes after {format_duration(rotate)}, before its outcomes are "
            f"decided (horizon {format_duration(label.horizon)})",
            f"write at least {format_duration(label.horizon)}",
        )
    if case.given("service.log.keep") and keep < known:
        case.problem(
            "service.log.keep",
            f"answers are deleted before their labels are known (horizon and lag are "
            f"{format_duration(known)})",
            f"write at least {format_duration(known)}",
        )


RULES = (
    rule(_positive, "task", "data.label", "data.schema"),
    rule(_label_type, "task", "data.label", "data.schema"),
    rule(_time_needed, "data.time"),
    rule(_horizon, "data.label.horizon", "data.label.reporting_lag", "delivery.rotate",
         "delivery.control_group", "service.log.keep"),
)  # fmt: skip
