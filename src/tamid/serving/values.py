"""The words of the server: what a loaded version takes, what is asked, what is answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from tamid.core.ladder import Step
from tamid.core.values import Task

Kind = Literal["number", "integer", "category", "text", "boolean", "datetime"]
# A moment travels as its text with a time zone; a missing value is None.
Value = float | int | str | bool | None
_NUMERIC = ("number", "integer", "boolean")
# The tensors that hold all numbers, and all texts, of a row.
NUMBERS, TEXTS = "numbers", "texts"


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """One column that a version reads, and what the contract says of its values."""

    name: str
    kind: Kind
    nullable: bool = True
    min: float | None = None
    max: float | None = None
    allowed: frozenset[str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Logged:
    """What the contract says of the prediction log.

    `names`: inputs that may be stored: declared in the contract, and nothing personal. `entity`:
    may the entity be stored. `whole`: may everything that a request holds; `bare`: everything that
    one holds which names no entity. `beside`: columns that may be stored where they came though
    the version does not read them. `most_bytes`: what may wait on the disk.
    """

    names: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()
    entity: bool = True
    whole: bool = False
    bare: bool = False
    share: float = 1.0
    most_bytes: int = 5 * 10**9
    when_full: Literal["sample", "drop", "block"] = "sample"


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """What a loaded version says of itself.

    `edges`: (band, least score) from the highest down. `deadline`: seconds that the contract gives
    for one row. `steps`: the ladder in the order in which it is climbed down. `time`: the column of
    the row's moment, which is now where a request leaves it out; `moment`: its name also where the
    model does not read it. `stale_after`: seconds after which looked-up features are too old.
    `key`: of the pseudonyms under which entities are known and written down, empty for none.
    `spared`: inputs that its second model does without. `beside`: columns of the contract that this
    version does not read; they may come, for a version on trial may read them.
    """

    name: str
    number: int
    bundle: str
    overlay: str
    task: Task
    inputs: tuple[Input, ...]
    entity: str | None = None
    time: str | None = None
    moment: str | None = None
    stale_after: float | None = None
    classes: tuple[str, ...] = ()
    threshold: float | None = None
    edges: tuple[tuple[str, float], ...] = ()
    deadline: float = 0.05
    steps: tuple[Step, ...] = ()
    logged: Logged = field(default_factory=Logged)
    key: bytes = b""
    spared: frozenset[str] = frozenset()
    beside: tuple[Input, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of the inputs, in their order."""
        return tuple(i.name for i in self.inputs)

    @property
    def tensors(self) -> Mapping[str, tuple[str, ...]]:
        """Return which inputs the tensors hold that hold several, in their order."""
        numbers = tuple(i.name for i in self.inputs if i.kind in _NUMERIC)
        texts = tuple(i.name for i in self.inputs if i.kind not in _NUMERIC)
        return {n: t for n, t in ((NUMBERS, numbers), (TEXTS, texts)) if n not in self.names}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row, strictly decoded; `broken`: the rule of the contract that it breaks, "" if none.

    `values`: of all inputs, and of what came beside them. `partly`: it breaks the contract in
    nothing but inputs that the second model does without.
    `moment`: what it is about, where the caller says so. `sought`: it names its entity alone, its
    features are looked up; `as_of`: the moment that looked-up features are about, in seconds.
    """

    values: Mapping[str, Value]
    entity: str | None = None
    broken: str = ""
    partly: bool = False
    moment: str | None = None
    sought: bool = False
    as_of: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Rows that were asked for together; `arrived`: seconds of the monotonic clock.

    `spent`: seconds of parts of the request that only those know who answer, such as `queue`.
    `faults`: what a drill lets each rung suffer for this request alone; None: it is no drill.
    """

    rows: Sequence[Row]
    ids: Sequence[str]
    arrived: float
    explain: bool = False
    spent: dict[str, float] = field(default_factory=dict)
    faults: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What one row gets, always.

    `score`: None only on the rung `withheld`. `reason`: why not a better rung, "" for the best.
    `age`: seconds since the score was made, for scores that were not made now; `features_age`:
    since the moment that looked-up features are about. `control`: whether the entity is in the
    control group that is never acted on, None where the contract has none.
    """

    id: str
    score: float | None
    version: int
    rung: str
    reason: str = ""
    classes: Mapping[str, float] = field(default_factory=dict)
    decision: int | None = None
    band: str | None = None
    age: float | None = None
    explanation: Mapping[str, float] = field(default_factory=dict)
    features_age: float | None = None
    control: bool | None = None
