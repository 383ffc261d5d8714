"""Runs side by side: what each rests on, what came of it, and in what two of them differ."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field

from tamid.core.errors import NotFound
from tamid.core.learning.model import Param
from tamid.core.state import Run, State
from tamid.core.values import Interval, TablePin, digest_of
from tamid.core.view.snapshot import RunCard

# Letters of a digest that tell a workspace's own things apart, as in git.
SHORT = 8
_NAMES = ("run", "exp")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSheet:
    """One run whole. `verdicts`: the gates as sentences; `report`: what the worker told of it.

    `pins`, `periods`, `seed` and `code` (digest by path) are what it can be made again from.
    """

    card: RunCard
    contract: str
    code: Mapping[str, str]
    pins: tuple[TablePin, ...]
    periods: tuple[str, ...]
    judged_on: tuple[str, ...]
    seed: int
    git: str
    branch: str
    changed: tuple[str, ...]
    environment: str
    bundle: str
    overlay: str
    rows: int
    peak_mb: float
    verdicts: tuple[str, ...]
    report: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """One thing that two runs have otherwise; "-" where one of them lacks it."""

    name: str
    before: str
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FileChanged:
    """One file of the user's code that differs, with the lines."""

    path: str
    how: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricPair:
    """One metric of two runs; each was measured on the rows that its own run was judged on."""

    name: str
    before: float | None
    after: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunsDiffer:
    """In what two runs differ.

    `shared`: difference of `metric`, second less first, on the rows that both were judged on and
    neither was fitted on, with a 95 % interval over entities; None where there are too few.
    """

    one: str
    two: str
    parameters: tuple[Changed, ...]
    data: tuple[Changed, ...]
    code: tuple[FileChanged, ...]
    environment: tuple[str, ...]
    metrics: tuple[MetricPair, ...]
    metric: str
    shared: Interval | None
    shared_rows: int

    @property
    def same_inputs(self) -> bool:
        """Say whether both were made from the same things."""
        return not (self.parameters or self.data or self.code or self.environment)


def run_named(state: State, text: str) -> str:
    """Return a run's full name from `run-0003`, `3`, `exp-2` or `last`. Raises NotFound.

    >>> run_named(State(), "3")
    Traceback (most recent call last):
        ...
    tamid.core.errors.NotFound: there is no run '3'
    """
    known = list(state.every_run)
    if text in known:
        return text
    if text == "last" and known:
        return known[-1]
    kind, _, number = text.rpartition("-")
    if number.isdigit() and (kind or "run") in _NAMES:
        name = f"{kind or 'run'}-{int(number):04d}"
        if name in known:
            return name
    near = difflib.get_close_matches(text, known, n=1)
    listed = f"there are {', '.join(known[-5:])}" if known else "no run was made yet"
    raise NotFound(
        f"there is no run {text!r}",
        why=listed if len(known) <= len(known[-5:]) else f"{listed} and {len(known) - 5} more",
        fix="".join(f"Did you mean {name}? " for name in near) + "List them: `tamid runs`.",
    )


def data_digest(run: Run) -> str:
    """Return one digest over the content of all tables and the periods that a run was given."""
    content = [(pin.table, pin.digest) for pin in run.started.pins]
    return digest_of([content, run.started.periods])


def code_digest(run: Run) -> str:
    """Return one digest over the contract and the user's code: the recipe as people wrote it."""
    return digest_of([run.started.contract, run.started.code])


def short(digest: str) -> str:
    """Return the first letters of a digest, enough to tell it from its neighbours.

    >>> short("sha256:0123456789abcdef")
    '01234567'
    """
    return digest.removeprefix("sha256:")[:SHORT]


def changed_mappings(
    before: Mapping[str, object], after: Mapping[str, object]
) -> tuple[Changed, ...]:
    """Return the keys whose values differ, sorted.

    >>> changed_mappings({"a": 1, "b": 2}, {"a": 1, "c": 0.5})
    (Changed(name='b', before='2', after='-'), Changed(name='c', before='-', after='0.5'))
    """
    names = sorted(n for n in {**before, **after} if before.get(n) != after.get(n))
    return tuple(
        Changed(name=n, before=_said(before.get(n)), after=_said(after.get(n))) for n in names
    )


def changed_files(before: Mapping[str, str], after: Mapping[str, str]) -> tuple[FileChanged, ...]:
    """Return the files whose texts differ, with the lines as `diff -u` writes them.

    >>> changed_files({"f.py": "x = 1\\n"}, {"f.py": "x = 2\\n"})[0].lines
    ('@@ -1 +1 @@', '-x = 1', '+x = 2')
    """
    found = []
    for path in sorted({**before, **after}):
        old, new = before.get(path), after.get(path)
        if old == new:
            continue
        how = "added" if old is None else "removed" if new is None else "changed"
        lines = difflib.unified_diff(
            (old or "").splitlines(), (new or "").splitlines(), lineterm=""
        )
        told = tuple(line for line in lines if not line.startswith(("---", "+++")))
        found.append(FileChanged(path=path, how=how, lines=told))
    return tuple(found)


def _said(value: Param | object | None) -> str:
    if value is None:
        return "-"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
