"""From rows that were read to a draft: roles, leaks, columns."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl

from tamid.adoption.reading import Read, read
from tamid.core.adoption import names
from tamid.core.adoption.columns import Drafted, Facts, drafted
from tamid.core.adoption.draft import Draft
from tamid.core.adoption.leaks import LATER, SUSPICIOUS, Suspect, alone, parts
from tamid.core.adoption.questions import Choice, Question
from tamid.core.adoption.roles import Roles, Wishes, roles
from tamid.core.contract.inputs import Column
from tamid.core.errors import DataError, UsageError
from tamid.core.values import Task
from tamid.stages.counting import facts, later, numbers, repeated, spacing
from tamid.stages.reading import typed

SHOWN = 5
# Snapshots come so far apart at most to be weeks, days; a history has so many periods at least.
_WEEK, _DAY, _FOUR_WEEKS = timedelta(days=7), timedelta(days=1), timedelta(days=28)
_FEWEST_PERIODS = 8
# Above this share of repeated keys the loop would refuse the file whole.
_REPEATED = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What was found in a file: the rows to show, what was inferred, what is open, the draft.

    `rows`: the first rows, each column as texts, in their types; `draft` is None while something
    is open.
    """

    kinds: Mapping[str, str]
    rows: Mapping[str, tuple[str | None, ...]]
    count: int
    notes: tuple[str, ...]
    questions: tuple[Question, ...] = ()
    draft: Draft | None = None


def look(paths: Sequence[Path], path: str, wishes: Wishes) -> Seen:
    """Read files and draft a contract for them; `path` is how the contract will name them.

    Raises:
        UsageError: an option does not fit; DataError: what no table can be made of.
    """
    found = read(paths, wishes)
    if isinstance(found, Question):
        return Seen(kinds={}, rows={}, count=0, notes=(), questions=(found,))
    zone = _zone(wishes.timezone)
    by = wishes.time if found.kinds.get(wishes.time) == "datetime" else None
    counted = facts(found.frame, found.kinds, zone, by)
    who, asked = roles(counted, wishes)
    seen = Seen(
        kinds=found.kinds,
        rows=_first_rows(found, zone),
        count=found.frame.height,
        notes=found.notes,
        questions=(*found.questions, *asked),
    )
    if who is None:
        return seen
    if who.task is Task.MULTICLASS and found.kinds[who.label] != "category":
        # Whole numbers that stand for classes are words of a closed list.
        found = replace(found, kinds={**found.kinds, who.label: "category"})
        counted = facts(found.frame, found.kinds, zone, by)
    notes = (*found.notes, *(() if seen.questions else _said(who, found, wishes, _stem(path))))
    suspects = tuple(s for s in _suspects(found, counted, who, wishes))
    leaks = tuple(_leak_asked(s) for s in suspects if s.name not in (*wishes.drop, *wishes.keep))
    asked = (*seen.questions, *leaks)
    made = None if asked else _draft(found, counted, who, path, paths, wishes)
    return replace(seen, notes=notes, questions=asked, draft=made)


def _stem(path: str) -> str:
    """Return what the data is called: its file without the ending, or what all its files share."""
    return Path(path.replace("*", "")).stem


def _zone(name: str) -> str:
    from zoneinfo import available_timezones

    known = available_timezones()
    if known and name not in known:
        near = difflib.get_close_matches(name, known, 1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise UsageError(
            f"--timezone {name} is none", why=f"{hint}zones are named like Asia/Jerusalem"
        )
    return name


def _first_rows(found: Read, zone: str) -> Mapping[str, tuple[str | None, ...]]:
    head = found.frame.head(SHOWN)
    shown = {}
    for name, kind in found.kinds.items():
        values = typed(head.get_column(name), kind, zone).values
        if values.dtype == pl.Datetime:
            values = values.dt.to_string("%Y-%m-%d %H:%M").str.strip_suffix(" 00:00")
        shown[name] = tuple(None if v is None else _cell(v) for v in values.to_list())
    return shown


def _cell(value: object) -> str:
    return f"{value:.10g}" if isinstance(value, float) else str(value)


def _said(who: Roles, found: Read, wishes: Wishes, stem: str) -> list[str]:
    """Return what was inferred and not told."""
    notes = []
    if not wishes.entity:
        notes.append(
            f"a row is about {who.entity}" if who.entity else "each row is about one of its own"
        )
    if who.task is Task.BINARY and not wishes.positive:
        notes.append(f"{who.label} is positive where it is {who.positive}")
    if who.time is None and not wishes.time:
        notes.append("no column holds moments: there will be no loop, one training and one scoring")
    if not wishes.name and not stem.isascii():
        notes.append(f"the model is called {names.model_name(stem)}, another name with --name")
    if found.form is not None:
        form = found.form
        numerals = f"fractions behind {form.decimal!r}"
        if form.thousands != "none":
            numerals += f", thousands apart by {form.thousands!r}"
        days = "" if form.dates == "iso" else f", days as {form.dates}"
        notes.append(f"read as {form.encoding}, fields apart by {form.separator}, {numerals}{days}")
    return notes


def _suspects(found: Read, counted: Sequence[Facts], who: Roles, wishes: Wishes) -> list[Suspect]:
    """Return the columns that may know the outcome."""
    zone, frame = wishes.timezone, found.frame
    y = _outcome(found, who, zone)
    known = np.isfinite(y)
    suspects = []
    features = [f for f in counted if f.name not in (*who.columns(), *wishes.drop)]
    if who.task is Task.REGRESSION:
        sums = [f.name for f in features if f.kind in ("number", "integer")]
        columns = {n: numbers(frame, n, found.kinds[n], zone)[known] for n in sums}
        added = parts(columns, y[known])
        why = f"{' and '.join(added)} add up to {who.label}"
        suspects += [Suspect(name=name, why=why) for name in added]
    for f in features:
        if f.name in [s.name for s in suspects]:
            continue
        values = numbers(frame, f.name, f.kind, zone)
        told = alone(values[known], y[known], who.task)
        if told > SUSPICIOUS:
            measure = "an R2" if who.task is Task.REGRESSION else "an AUC"
            why = f"alone it tells {who.label} with {measure} of {told:.3f}"
            suspects.append(Suspect(name=f.name, why=why))
        elif who.time and f.kind == "datetime":
            share = later(frame, f.name, who.time, zone)
            if share > LATER:
                why = f"in {share:.0%} of the rows it lies after {who.time}"
                suspects.append(Suspect(name=f.name, why=why))
        elif names.known_afterwards(f.name, who.label):
            suspects.append(Suspect(name=f.name, why="its name speaks of what came afterwards"))
    return suspects


def _outcome(found: Read, who: Roles, zone: str) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    values = typed(found.frame.get_column(who.label), found.kinds[who.label], zone).values
    if who.task is Task.BINARY:
        return numbers((values == who.positive).to_frame(), who.label, "boolean", zone)
    return numbers(found.frame, who.label, found.kinds[who.label], zone)


def _leak_asked(suspect: Suspect) -> Question:
    return Question(
        option="--drop",
        what=f"is {suspect.name} known when the row is? ({suspect.why})",
        choices=(Choice(value="drop", meaning="no"), Choice(value="keep", meaning="yes")),
        about=suspect.name,
    )


def _draft(
    found: Read,
    counted: Sequence[Facts],
    who: Roles,
    path: str,
    paths: Sequence[Path],
    wishes: Wishes,
) -> Draft:
    _refuse_repeated(found, who)
    aside = {who.entity, who.time, who.known_at, *wishes.drop}
    columns = [
        _label(f, who) if f.name == who.label else drafted(f)
        for f in counted
        if f.name not in aside
    ]
    every = _every(found, who, wishes.timezone)
    return Draft(
        name=wishes.name or names.model_name(_stem(path)),
        data=paths[0].name,
        path=path,
        roles=who,
        columns=tuple(columns),
        form=found.form,
        dropped=wishes.drop,
        protected=tuple(c.name for c in columns if names.protected(c.name) and _cuts(c, who)),
        every=every,
        timezone=wishes.timezone,
    )


def _label(label: Facts, who: Roles) -> Drafted:
    """Draft the label's column: a row that is to be scored has none yet."""
    if label.kind == "category":
        allowed = tuple(sorted(word for word, _ in label.levels))
        column = Column(type="category", allowed=allowed, nullable=True)
    else:
        plain = drafted(replace(label, missing=max(label.missing, 1))).column
        column = replace(plain, feature=True)
    return Drafted(name=label.name, column=column)


def _cuts(column: Drafted, who: Roles) -> bool:
    few = column.column.allowed is not None or column.column.max == 1
    return few and column.name != who.label


def _refuse_repeated(found: Read, who: Roles) -> None:
    keys = [n for n in (who.entity, who.time) if n]
    share = repeated(found.frame, keys) if who.entity else 0.0
    if share > _REPEATED:
        raise DataError(
            f"{share:.0%} of the rows repeat {' and '.join(keys)} of another row",
            why="of two rows about one entity and moment nobody could say which is right",
            fix="Name another entity or time (--entity, --time), or remove the repeated rows.",
        )


def _every(found: Read, who: Roles, zone: str) -> timedelta:
    """Guess the period: how far snapshots lie apart, a week for rows that come all the time."""
    if who.time is None:
        return _WEEK
    moments, usual, span = spacing(found.frame, who.time, zone)
    if found.frame.height >= 10 * moments and usual > 2 * _WEEK:
        return _FOUR_WEEKS
    return _WEEK if span >= _FEWEST_PERIODS * _WEEK else _DAY
