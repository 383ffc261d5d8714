"""The small grammars of the contract: scalars, names, sizes, stages, metrics."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest

from tamid.core.contract.fields import SHARE, Limits
from tamid.core.contract.kinds import (
    holds_password,
    name_fault,
    parse_moment,
    parse_rate,
    parse_size,
    parse_stage,
)
from tamid.core.contract.metrics import METRIC_FACTS, champion_metric, quality_metric
from tamid.core.contract.model import (
    ChampionGate,
    Contract,
    Data,
    Gates,
    Label,
    Monitoring,
    Quality,
    Source,
)
from tamid.core.contract.node import Scalar, resolve
from tamid.core.contract.problems import quoted
from tamid.core.contract.scalars import Misfit, number
from tamid.core.stats.metrics import METRICS
from tamid.core.values import Task

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("", None), ("~", None), ("Null", None), ("TRUE", True), ("false", False), ("yes", "yes"),
        ("007", 7), ("-3", -3), ("0x1F", 31), ("0o17", 15), ("1e3", 1000.0), (".5", 0.5),
        ("1.", 1.0), ("-.inf", -math.inf), ("1_000", "1_000"), ("9" * 500, "9" * 500), (".", "."),
    ],
)  # fmt: skip
def test_plain_texts_mean_what_yaml_1_2_says(text: str, meaning: object) -> None:
    """The core schema, and a number too long to be one is a text."""
    value = resolve(Scalar(text=text))
    assert value == meaning
    assert type(value) is type(meaning)


@pytest.mark.parametrize(
    ("text", "value"), [("15%", 0.15), ("99.9%", 0.999), ("0.2", 0.2), ("1", 1.0), ("0 %", 0.0)]
)
def test_shares_are_exact_in_percent_too(text: str, value: float) -> None:
    """99.9% is 0.999, not the nearest thing after a division."""
    assert number(Scalar(text=text), SHARE) == value


def test_huge_numbers_are_refused_and_not_an_error_of_ours() -> None:
    """A number beyond a float is not finite."""
    with pytest.raises(Misfit):
        number(Scalar(text="9" * 350), Limits())


@pytest.mark.parametrize(
    ("read", "text"),
    [
        (parse_size, "5"), (parse_size, "5 gb"), (parse_rate, "2000"), (parse_rate, "1/day"),
        (parse_moment, "Sun 06:00"), (parse_moment, "25:00"), (parse_stage, "canary"),
        (parse_stage, "canary 5"), (parse_moment, "06:00\n"),
    ],
)  # fmt: skip
def test_texts_outside_a_grammar_are_refused(read: Callable[[str], object], text: str) -> None:
    """A helper for consumers refuses what the parser refuses."""
    with pytest.raises(ValueError, match="is not"):
        read(text)


@pytest.mark.parametrize(
    ("text", "bytes_"), [("500MB", 500_000_000), ("1.5 GB", 1_500_000_000), ("1KB", 1000)]
)
def test_sizes_are_in_bytes(text: str, bytes_: int) -> None:
    """Units are powers of a thousand."""
    assert parse_size(text) == bytes_


@pytest.mark.parametrize("name", ["שם", "שם מלא", "tenure_months", "a.b", "Größe", "列"])
def test_names_of_any_script_are_good(name: str) -> None:
    """Letters, marks, spaces inside and signs are allowed."""
    assert name_fault(name) == ""


@pytest.mark.parametrize("name", ["", " a", "a\n", "_a", "a\u200f", "a\ufeff", "a\x00", "a" * 201])
def test_names_that_the_eye_cannot_tell_apart_are_refused(name: str) -> None:
    """Invisible signs, direction marks, leading underscores and endless names are faults."""
    assert name_fault(name)


@pytest.mark.parametrize(
    ("text", "bad"),
    [
        ("postgresql://u:p@host/db", True), ("postgresql://u@host/db", False),
        ("s3://bucket/a.parquet", False), ("https://h/x?sig=abc", True), ("a:b@c.csv", False),
        ("https://h/x?page=2&access_token=1", True), ("env:DB", False),
    ],
)  # fmt: skip
def test_passwords_in_addresses_are_seen(text: str, bad: bool) -> None:
    """User info and tokens in a query count as secrets."""
    assert holds_password(text) is bad


def test_messages_show_short_texts_on_one_line() -> None:
    """A text from the file cannot turn, break or flood the message."""
    shown = quoted("\u202e\n" + "x" * 1000)
    assert shown.isprintable()
    assert len(shown) < 100


def test_the_contract_knows_exactly_the_metrics_that_are_computed() -> None:
    """Name, tasks, direction and range agree with what statistics measures."""
    computed = {m.name: (m.tasks, m.higher_is_better, m.low, m.high) for m in METRICS.values()}
    known = {m.name: (m.tasks, m.higher_is_better, m.low, m.high) for m in METRIC_FACTS.values()}
    assert known == computed


@pytest.mark.parametrize(
    ("task", "metric"),
    [(Task.BINARY, "f1"), (Task.MULTICLASS, "macro_f1"), (Task.REGRESSION, "mae")],
)
def test_the_quality_metric_follows_the_task_unless_named(task: Task, metric: str) -> None:
    """Champion and quality are judged by the named metric, else by the task's own."""
    data = Data(source=Source(path="a.csv"), label=Label(column="y"))
    plain = Contract(tamid=1, name="m", task=task, data=data)
    assert (quality_metric(plain), champion_metric(plain)) == (metric, metric)
    named = Contract(
        tamid=1, name="m", task=task, data=data,
        monitoring=Monitoring(quality=Quality(metric="a")),
        gates=Gates(champion=ChampionGate(metric="b")),
    )  # fmt: skip
    assert (quality_metric(named), champion_metric(named)) == ("a", "b")
