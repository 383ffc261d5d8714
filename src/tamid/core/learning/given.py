"""A model that was made elsewhere: what it reads and answers, and how that fits a contract."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from tamid.core.contract.model import Contract
from tamid.core.contract.problems import nearest
from tamid.core.errors import UserCodeError
from tamid.core.learning.model import Feature, StoredModel
from tamid.core.values import Task

# What `--trained-through` says when the model has learnt from none of the rows.
NOTHING = "none"
ONE_NUMBER = "one number"


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """One thing that a model reads; without a `name` only its place says what it is.

    `any`: it takes what the pipeline was fitted on. `words`: the categories that it knows, in its
    own order. `whole`: it takes no missing value.
    """

    name: str = ""
    kind: Literal["number", "category", "any"] = "number"
    words: tuple[str, ...] = ()
    whole: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """A model file that was opened: what it reads, what it answers, and who wrote it.

    `answers`: "chances" (`outputs` of them, 1 for the positive class alone), "numbers", or "one
    number" that may be either; else in words what it answers instead. `classes`: what it calls its
    classes, if it does.
    """

    stored: StoredModel
    inputs: tuple[Input, ...]
    answers: str
    outputs: int = 1
    classes: tuple[str, ...] = ()
    made_with: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Offered:
    """A column that is offered to a model: its kind, the words in it, may it be missing."""

    kind: Literal["number", "integer", "boolean", "text"]
    words: tuple[str, ...] = ()
    nullable: bool = True


def fitted(
    described: Described,
    contract: Contract,
    offered: Mapping[str, Offered],
    names: Sequence[str] = (),
) -> tuple[Feature, ...]:
    """Return the features that the model reads, in its order, out of the columns offered.

    `names` says what nameless inputs are. Laws: each feature is a column that is offered; words
    are in the model's own order where it holds them.

    Raises:
        UserCodeError: model and contract do not fit; all that does not, one line each.
    """
    wrong = [*_answers(described, contract)]
    inputs, trouble = _named(described.inputs, names)
    wrong += trouble
    made: list[Feature] = []
    for one in inputs if not trouble else ():
        column = _column(one.name, offered)
        problem = _problem(one, column, offered, contract)
        if problem:
            wrong.append(problem)
            continue
        made.append(_feature(one, column, offered[column], contract))
    if wrong:
        unlike = "thing does" if len(wrong) == 1 else "things do"
        raise UserCodeError(
            f"the model does not fit the contract, {len(wrong)} {unlike} not",
            why="\n".join(f"- {line}" for line in wrong),
            fix="Change the contract or `features.code` so that it offers what the model reads.",
        )
    return tuple(made)


def places(d: Described, contract: Contract) -> tuple[int, ...]:
    """Return which of the contract's classes each of the model's is; empty where nobody can say.

    Classes called 0, 1, 2 (or false, true) are what encoding labels in order has left.
    """
    column = contract.data.schema.get(contract.data.label.column)
    known = (column.allowed if column else None) or ()
    encoded = [str(i) for i in range(len(d.classes))]
    if contract.task is Task.BINARY:
        positive = contract.data.label.positive
        word = "true" if positive is None else str(positive)
        word = word.lower() if isinstance(positive, bool) else word.removesuffix(".0")
        if len(d.classes) != 2:
            return ()
        if word in d.classes:
            return tuple(int(c == word) for c in d.classes)
        return (0, 1) if d.classes in (("0", "1"), ("false", "true")) else ()
    if known and set(d.classes) == set(known):
        return tuple(known.index(c) for c in d.classes)
    if list(d.classes) == encoded:
        return tuple(range(len(d.classes)))
    return ()


def _answers(d: Described, contract: Contract) -> Iterator[str]:
    task = contract.task
    wanted = "numbers" if task is Task.REGRESSION else "chances"
    if d.answers == ONE_NUMBER and task is not Task.MULTICLASS:
        return
    if d.answers != wanted:
        yield f"the contract's task is {task.value}, which needs {wanted}; it answers {d.answers}"
        return
    column = contract.data.schema.get(contract.data.label.column)
    known = (column.allowed if column else None) or ()
    if task is Task.BINARY and d.outputs > 1:
        yield f"the contract's task is binary, and the model knows {d.outputs} classes"
    elif task is Task.BINARY and d.classes and not places(d, contract):
        positive, told = contract.data.label.positive, ", ".join(d.classes)
        yield f"the contract's positive label is {positive!r}, the model knows {told}"
    if task is Task.MULTICLASS and known and d.outputs != len(known):
        yield f"the contract knows {len(known)} classes, the model {d.outputs}"
    elif task is Task.MULTICLASS and d.classes and not places(d, contract):
        yield f"the model knows the classes {', '.join(d.classes)}, the contract {', '.join(known)}"


def _named(inputs: Sequence[Input], names: Sequence[str]) -> tuple[Sequence[Input], list[str]]:
    """Return the inputs with their names, and what is wrong with the names."""
    nameless = [i for i in inputs if not i.name]
    if not nameless and not names:
        return inputs, []
    if not names:
        return inputs, [
            f"its {len(inputs)} inputs have no names: say which columns they are, in the order in "
            "which it was fitted, with --inputs a,b,c"
        ]
    if len(names) != len(inputs):
        return inputs, [f"--inputs names {len(names)} columns, and the model reads {len(inputs)}"]
    if twice := sorted({n for n in names if list(names).count(n) > 1}):
        return inputs, [f"--inputs names {', '.join(twice)} twice"]
    return [replace(i, name=n) for i, n in zip(inputs, names, strict=True)], []


def _column(name: str, offered: Mapping[str, Offered]) -> str:
    """Return the column that an input means; LightGBM writes blanks in names as underscores."""
    if name in offered:
        return name
    blank = [c for c in offered if "_".join(c.split()) == name]
    return blank[0] if len(blank) == 1 else name


def _problem(one: Input, column: str, offered: Mapping[str, Offered], contract: Contract) -> str:
    found = offered.get(column)
    if found is None:
        return f"input {one.name!r}: {_absent(one.name, offered, contract)}"
    if one.kind == "number" and found.kind == "text":
        return f"input {one.name!r}: it reads a number, and the column holds texts"
    if one.kind == "category" and found.kind != "text":
        return (
            f"input {one.name!r}: it reads words, and the column is of type {found.kind}; declare "
            "it as `category` in data.schema"
        )
    if one.whole and found.nullable:
        return f"input {one.name!r}: it takes no missing value, and the column may be missing"
    if one.words and found.words and not set(one.words) & set(found.words):
        shown = ", ".join(found.words[:3])
        return f"input {one.name!r}: it knows none of the words in the column ({shown}, ...)"
    return ""


def _absent(name: str, offered: Mapping[str, Offered], contract: Contract) -> str:
    data = contract.data
    if name == data.label.column:
        return "this is the label, which nobody knows when the model is asked"
    if name == data.entity:
        return "this names the entity, which is no feature"
    if name == data.time:
        return "this is the row's moment; make a number of it in features.code"
    if name in data.forbidden:
        return "data.forbidden says that this column is never read"
    if name in data.schema and not data.schema[name].feature:
        return "the contract does not offer this column to a model (`feature: false`)"
    if name in data.schema:
        return f"a column of type {data.schema[name].type} is no feature; see features.code"
    close = nearest(name, offered)
    return "the contract offers no such column" + (f"; did you mean {close!r}?" if close else "")


def _feature(one: Input, column: str, found: Offered, contract: Contract) -> Feature:
    if found.kind != "text":
        return Feature(name=column)
    if one.words:
        return Feature(name=column, kind="category", categories=one.words)
    data = contract.data
    allowed = (data.schema[column].allowed if column in data.schema else None) or ()
    words = tuple(sorted({*allowed, *found.words}))
    return Feature(name=column, kind="category", categories=words)
