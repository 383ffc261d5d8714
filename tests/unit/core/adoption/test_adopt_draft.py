"""A draft is a contract that can be read back as it was meant, and roles that were not guessed."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from tamid.core.adoption.columns import Drafted, Facts
from tamid.core.adoption.draft import Draft, Proposal, contract_text, quoted
from tamid.core.adoption.roles import Roles, Wishes, roles
from tamid.core.contract.csvform import CsvForm
from tamid.core.contract.inputs import Column
from tamid.core.errors import DataError, UsageError
from tamid.core.values import Task
from tamid.workshop import parse

ODD = ("Yes", "a: b", "#1", "1.5", "null", "כן", 'say "x"', "- x", "a,b", "[x]", "trailing:")
FORM = CsvForm(encoding="cp1255", separator=";", decimal=",", dates="dmy", missing=("NA", "-"))
WHO = Roles(label="left", task=Task.BINARY, positive="Yes", entity="מספר לקוח", time="at",
            horizon=timedelta(days=7))  # fmt: skip
DRAFT = Draft(
    name="shop",
    data="my\nfile.csv",
    path="data/a b.csv",
    roles=WHO,
    columns=(
        Drafted(name="a: b", column=Column(type="category", allowed=ODD), remark="odd"),
        Drafted(name="left", column=Column(type="category", allowed=("No", "Yes"), nullable=True)),
        Drafted(name="tenure", column=Column(type="number", min=0.0, nullable=True)),
    ),
    form=FORM,
    dropped=("reason",),
    baselines=("majority",),
    proposal=Proposal(metric="f1", level=0.571, why="what logistic reaches"),
)


def test_a_draft_reads_back_as_it_was_meant() -> None:
    """Whatever words columns and values are made of."""
    read = parse(contract_text(DRAFT))
    assert read.data.schema["a: b"].allowed == ODD
    assert (read.data.entity, read.data.time) == ("מספר לקוח", "at")
    assert read.data.label.positive == "Yes"
    assert read.data.label.horizon == timedelta(days=7)
    assert read.data.source.csv == FORM
    assert read.data.forbidden == ("reason",)
    assert read.gates.minimum == {"f1": 0.571}
    assert read.monitoring.quality.at_least == 0.571


def test_a_moment_of_knowledge_becomes_a_source_of_labels() -> None:
    """Where a column says when the outcome was known, labels come from there, in the same form."""
    read = parse(contract_text(replace(DRAFT, roles=replace(WHO, known_at="told"))))
    assert read.data.label.source is not None
    assert (read.data.label.source.known_at, read.data.label.source.csv) == ("told", FORM)


def test_without_time_nothing_is_promised_about_weeks() -> None:
    """No calendar, no monitoring, no period."""
    text = contract_text(replace(DRAFT, roles=replace(WHO, time=None)))
    assert not [w for w in ("calendar:", "monitoring:", "every:", "horizon:") if w in text]
    assert parse(text).data.time is None


@pytest.mark.parametrize("text", ODD)
def test_a_text_stays_a_text(text: str) -> None:
    """What YAML would take for something else stands in quotes."""
    contract = f"tamid: 1\nname: x\ntask: binary\ndata: {{source: a.csv, label: {quoted(text)}}}\n"
    assert parse(contract).data.label.column == text


def facts(name: str, kind: str = "category", distinct: int = 2, **more: object) -> Facts:
    """Return facts of a hundred rows."""
    base = Facts(name=name, kind=kind, rows=100, missing=0, distinct=distinct)  # type: ignore[arg-type]
    return replace(base, **more)  # type: ignore[arg-type]


LEFT = facts("left", levels=(("No", 70), ("Yes", 30)))
ID = facts("customer_id", distinct=100)
AT = facts("at", "datetime", 10)


def test_only_what_cannot_be_inferred_is_asked() -> None:
    """A label with a plain yes and a column of names leave nothing open."""
    who, asked = roles([ID, LEFT], Wishes(label="left"))
    assert asked == ()
    assert who == Roles(label="left", task=Task.BINARY, positive="Yes", entity="customer_id")


def test_everything_open_is_asked_at_once() -> None:
    """Label, moment, horizon and entity, each with its option."""
    other = facts("group_id", distinct=100)
    who, asked = roles([ID, other, LEFT, AT], Wishes())
    assert who is None
    assert [q.option for q in asked] == ["--label", "--time", "--horizon", "--entity"]


def test_words_that_name_each_row_are_the_entity() -> None:
    """Whatever the column is called; of two such columns the user names one."""
    booking, code = facts("booking", distinct=100), facts("code", distinct=100)
    who, _ = roles([booking, LEFT], Wishes(label="left"))
    assert who is not None
    assert who.entity == "booking"
    _, (asked,) = roles([booking, code, LEFT], Wishes(label="left"))
    assert asked.answers() == "--entity booking | code | none (each row is its own)"


def test_a_label_that_does_not_say_yes_is_asked_about() -> None:
    """Of two words that say nothing the user names the one to be found."""
    odd = facts("left", levels=(("a", 50), ("b", 50)))
    _, (asked,) = roles([odd], Wishes(label="left"))
    assert asked.answers() == "--positive a | b"
    who, _ = roles([odd], Wishes(label="left", positive="b"))
    assert who is not None
    assert who.positive == "b"


@pytest.mark.parametrize(
    ("label", "task"),
    [
        (facts("y", "integer", 2, low=0.0, high=1.0), Task.BINARY),
        (facts("y", "number", 90, low=0.0, high=9.0), Task.REGRESSION),
        (facts("y", "integer", 90, low=0.0, high=90.0), Task.REGRESSION),
        (facts("y", "category", 4), Task.MULTICLASS),
        (facts("y", "integer", 5, low=1.0, high=5.0), None),
    ],
)
def test_the_label_tells_the_task(label: Facts, task: Task | None) -> None:
    """Few whole numbers may be classes or amounts; that alone is asked."""
    who, asked = roles([label], Wishes(label="y"))
    assert (who.task if who else None) == task
    assert [q.option for q in asked] == ([] if task else ["--task"])


@pytest.mark.parametrize(
    ("wishes", "what"),
    [
        (Wishes(label="lefd"), "did you mean 'left'"),
        (Wishes(label="left", time="customer_id"), "holds no moments"),
        (Wishes(label="left", task="regression"), "holds no numbers"),
        (Wishes(label="customer_id"), "100 values, too many for classes"),
        (Wishes(label="left", positive="maybe"), "is no value of left"),
        (Wishes(label="left", entity="left"), "2 entities in 100 rows"),
        (Wishes(label="left", time="at", horizon="soon"), "is not a duration"),
        (Wishes(label="left", drop=("nothing",)), "--drop names 'nothing'"),
    ],
)
def test_an_option_that_does_not_fit_is_refused(wishes: Wishes, what: str) -> None:
    """With what there is instead."""
    with pytest.raises(UsageError) as raised:
        roles([ID, LEFT, AT], wishes)
    assert what in raised.value.what + raised.value.why


def test_a_label_of_one_value_cannot_be_learnt() -> None:
    """There is nothing to tell apart."""
    with pytest.raises(DataError, match="one value only"):
        roles([facts("left", distinct=1)], Wishes(label="left"))
