"""Which column is what: the label and what counts as positive, the row's moment, its entity."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from tamid.core.adoption import names
from tamid.core.adoption.columns import MOST_LEVELS, Facts
from tamid.core.adoption.questions import Choice, Question
from tamid.core.errors import DataError, UsageError
from tamid.core.values import Task, parse_duration

# What an option says where there is no such column.
NONE = "none"
# A label of whole numbers with more values than this counts something.
_MOST_CLASSES = 20
_OFFERED = 8
# Fewer entities than this, or than so small a share of the rows, are groups of them.
_FEWEST_ENTITIES = 20
_NAMING = ("category", "integer")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What the user has decided; an empty text is undecided, `none` means that there is none."""

    name: str = ""
    label: str = ""
    positive: str = ""
    task: str = ""
    time: str = ""
    entity: str = ""
    horizon: str = ""
    lag: str = ""
    known_at: str = ""
    timezone: str = "UTC"
    encoding: str = ""
    separator: str = ""
    decimal: str = ""
    thousands: str = ""
    dates: str = ""
    drop: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Roles:
    """What the special columns are; `positive` as the contract writes it."""

    label: str
    task: Task
    positive: str | int | float | bool | None = None
    entity: str | None = None
    time: str | None = None
    horizon: timedelta = timedelta(0)
    lag: timedelta = timedelta(0)
    known_at: str | None = None

    def columns(self) -> frozenset[str]:
        """Return the columns that have a role and so are no features."""
        named = (self.label, self.entity, self.time, self.known_at)
        return frozenset(n for n in named if n)


def roles(facts: Sequence[Facts], wishes: Wishes) -> tuple[Roles | None, tuple[Question, ...]]:
    """Return what each special column is, and what must be asked to know it.

    The roles are None while it is open what is to be foretold; what else is open has no role yet.

    Raises:
        UsageError: an option names no column, or one that cannot be what it says.
        DataError: the label has one value only.
    """
    known = {f.name: f for f in facts}
    for option, named in (
        ("label", (wishes.label,)), ("time", (wishes.time,)), ("entity", (wishes.entity,)),
        ("known-at", (wishes.known_at,)), ("drop", wishes.drop), ("keep", wishes.keep),
    ):  # fmt: skip
        for name in named:
            if name and name != NONE:
                _there(option, name, known)
    asked = [*_time_asked(facts, wishes), *_entity_asked(facts, wishes)]
    if not wishes.label:
        return None, (_label_asked(facts), *asked)
    label = known[wishes.label]
    task, positive, more = _truth(label, wishes)
    if more:
        return None, (*more, *asked)
    time = None if wishes.time in ("", NONE) else wishes.time
    found = Roles(
        label=label.name,
        task=task,
        positive=positive,
        entity=_entity(facts, wishes),
        time=time,
        horizon=_duration("horizon", wishes.horizon) if time else timedelta(0),
        lag=_duration("lag", wishes.lag) if time else timedelta(0),
        known_at=wishes.known_at or None,
    )
    _refuse_twice(found)
    return found, tuple(asked)


def _there(option: str, name: str, known: Mapping[str, Facts]) -> None:
    if name not in known:
        near = difflib.get_close_matches(name, list(known), 1, 0.6)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise UsageError(
            f"--{option} names {name!r}, and the data has no such column",
            why=f"{hint}there are: {', '.join(known)}",
            fix=f"Name a column of the data with --{option}.",
        )
    if option in ("time", "known-at") and known[name].kind != "datetime":
        raise UsageError(
            f"--{option} names {name!r}, which holds no moments",
            why=f"it was read as {known[name].kind}; moments are ISO 8601, 31/12/2026 or the like",
            fix="Name another column, or say with --dates how its days are written.",
        )


def _label_asked(facts: Sequence[Facts]) -> Question:
    fitting = [f for f in facts if f.distinct >= 2 and f.kind != "datetime"]
    fitting = [f for f in fitting if f.distinct == 2 or names.names_truth(f.name)]
    fitting.sort(key=lambda f: (not names.names_truth(f.name), facts.index(f)))
    choices = tuple(Choice(value=f.name) for f in fitting[:_OFFERED])
    return Question(option="--label", what="which column is to be foretold?", choices=choices)


def _time_asked(facts: Sequence[Facts], wishes: Wishes) -> Iterator[Question]:
    moments = [f for f in facts if f.kind == "datetime" and f.name != wishes.known_at]
    if not wishes.time and moments:
        choices = tuple(Choice(value=f.name) for f in moments[:_OFFERED])
        none = Choice(value=NONE, meaning="no loop: trained and scored once")
        what = "of which moment is a row, so that all else in it was known by then?"
        yield Question(option="--time", what=what, choices=(*choices, none))
    timed = wishes.time != NONE and (wishes.time or moments)
    if timed and not wishes.horizon and not wishes.known_at:
        what = (
            f"how long after {wishes.time or 'that moment'} is the outcome decided (such as 30d, "
            "0d: at once; or name the column that says when it was known: --known-at COLUMN)?"
        )
        yield Question(option="--horizon", what=what)


def _entity_asked(facts: Sequence[Facts], wishes: Wishes) -> Iterator[Question]:
    offered = _entities(facts, wishes)
    if not wishes.entity and len(offered) > 1:
        choices = tuple(Choice(value=f.name) for f in offered[:_OFFERED])
        none = Choice(value=NONE, meaning="each row is its own")
        yield Question(option="--entity", what="whom is a row about?", choices=(*choices, none))
    timed = wishes.time not in ("", NONE)
    named = next((f for f in facts if f.name == wishes.entity), None)
    if named and not timed and named.distinct < named.present:
        raise UsageError(
            f"{named.name!r} names {named.distinct} entities in {named.present} rows",
            why="without a time column two rows of one entity contradict each other",
            fix="Name the column of the row's moment with --time, or write --entity none.",
        )


def _entities(facts: Sequence[Facts], wishes: Wishes) -> list[Facts]:
    """Return the columns that may name entities: by name, else words that name each row alone.

    Without time an entity has one row.
    """
    timed = wishes.time not in ("", NONE)
    found = [f for f in facts if f.name != wishes.label and not f.missing]
    words = [f for f in found if f.kind == "category" and f.unique and f.rows > _FEWEST_ENTITIES]
    named = [f for f in found if names.names_something(f.name) and f.kind in _NAMING]
    if timed:
        named = [f for f in named if f.distinct >= max(_FEWEST_ENTITIES, f.rows / 1000)]
    else:
        named = [f for f in named if f.unique]
    return named or words


def _entity(facts: Sequence[Facts], wishes: Wishes) -> str | None:
    if wishes.entity:
        return None if wishes.entity == NONE else wishes.entity
    offered = _entities(facts, wishes)
    return offered[0].name if len(offered) == 1 else None


def _truth(
    label: Facts, wishes: Wishes
) -> tuple[Task, str | int | float | bool | None, tuple[Question, ...]]:
    if label.kind == "datetime" or label.distinct < 2:
        raise DataError(
            f"{label.name!r} cannot be foretold: "
            + ("it holds moments" if label.kind == "datetime" else "it has one value only"),
            why="a label has at least two values, and both must have been seen",
            fix="Name another column with --label.",
        )
    try:
        task = Task(wishes.task) if wishes.task else _task(label)
    except ValueError:
        raise UsageError(
            f"--task {wishes.task} is none", fix="Write binary, multiclass or regression."
        ) from None
    _refuse_unfit(label, task)
    if task is None:
        what = f"{label.name} has {label.distinct} whole numbers; are they classes or amounts?"
        kinds = (Choice(value="multiclass"), Choice(value="regression"))
        return Task.MULTICLASS, None, (Question(option="--task", what=what, choices=kinds),)
    if task is not Task.BINARY:
        return task, None, ()
    values = _two_values(label)
    said = wishes.positive or names.positive_of(values)
    if said is None:
        what = f"which value of {label.name} is the one to be found?"
        choices = tuple(Choice(value=v) for v in values)
        return task, None, (Question(option="--positive", what=what, choices=choices),)
    if said not in values:
        raise UsageError(
            f"--positive {said} is no value of {label.name}",
            why=f"its values are {' and '.join(values)}",
            fix="Name one of them.",
        )
    return task, _as_written(label, said), ()


def _refuse_unfit(label: Facts, task: Task | None) -> None:
    if task is Task.REGRESSION and label.kind not in ("number", "integer"):
        raise UsageError(
            f"--task regression: {label.name!r} holds no numbers",
            why=f"it was read as {label.kind}; a regression foresees amounts",
            fix="Leave out --task, or name a label of numbers.",
        )
    if task is Task.MULTICLASS and label.distinct > MOST_LEVELS:
        numbers = label.kind in ("number", "integer")
        raise UsageError(
            f"{label.name!r} has {label.distinct} values, too many for classes",
            why=f"at most {MOST_LEVELS} classes are told apart",
            fix="Write --task regression, or name another label."
            if numbers
            else "Name another label, or group its values first.",
        )


def _task(label: Facts) -> Task | None:
    if label.distinct == 2:
        return Task.BINARY
    if label.kind == "category":
        return Task.MULTICLASS
    if label.kind == "integer" and label.distinct <= _MOST_CLASSES:
        return None
    return Task.REGRESSION


def _two_values(label: Facts) -> tuple[str, ...]:
    if label.distinct != 2:
        raise UsageError(
            f"{label.name!r} has {label.distinct} values, a binary label two",
            fix="Write --task multiclass or --task regression, or name another label.",
        )
    if label.kind == "boolean":
        return ("false", "true")
    if label.kind == "category":
        return tuple(word for word, _ in label.levels)
    return tuple(f"{v:g}" for v in (label.low, label.high) if v is not None)


def _as_written(label: Facts, said: str) -> str | int | float | bool:
    if label.kind == "boolean":
        return said == "true"
    if label.kind == "category":
        return said
    number = float(said)
    return int(number) if number.is_integer() else number


def _duration(option: str, text: str) -> timedelta:
    try:
        return parse_duration(text) if text else timedelta(0)
    except ValueError as error:
        raise UsageError(
            f"--{option}: {error}", fix="Write a number and a unit, such as 7d or 12h."
        ) from None


def _refuse_twice(found: Roles) -> None:
    named = [n for n in (found.label, found.entity, found.time) if n]
    for name in named:
        if named.count(name) > 1:
            raise UsageError(
                f"column {name!r} has two roles", fix="Name another column with one of the options."
            )
