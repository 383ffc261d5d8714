"""Next steps for a model: what each was measured to bring, which comes first, and how to do it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from tamid.core.values import Interval

Kind = Literal["more_data", "window", "features", "labels", "threshold", "slice"]
# measured: fitted and judged; extrapolated: read off a fitted curve; bound: no more than this.
Basis = Literal["measured", "extrapolated", "bound"]
KINDS: tuple[Kind, ...] = ("more_data", "window", "features", "labels", "threshold", "slice")
# What the name of a finding begins with that leaves out one good feature.
WITHOUT = "without "


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One possible step and what it was measured to bring.

    `gain` is in units of the metric, more is better; None: nothing to be gained by it was measured.
    `shown`: the gain stays above 0 after Holm's correction over all steps that were measured.
    `names`: what the step is about (columns, a window, a slice). `numbers`: what `evidence` says.
    """

    kind: Kind
    name: str
    evidence: str
    gain: Interval | None = None
    basis: Basis = "measured"
    shown: bool = False
    names: tuple[str, ...] = ()
    numbers: Mapping[str, float] = field(default_factory=dict)

    @property
    def only_worth(self) -> bool:
        """Return whether it is no step, and only tells what one good feature is worth."""
        return self.kind == "features" and self.name.startswith(WITHOUT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What a study may cost: seconds, draws of a sample; and the window of the run it is about."""

    seconds: float
    seeds: int = 3
    window: str = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """What came of measuring the steps.

    `base`: the recipe's metric on the judged rows. `not_measured`: by kind or name, why not.
    `fits`: how many models were fitted; `judged`, `fitted`: rows. `given`: the file of a model that
    was handed over, "" of one that was trained here; without any fit it was judged as it is.
    """

    metric: str
    base: Interval
    judged: int
    fitted: int
    fits: int
    seconds: float
    findings: tuple[Finding, ...]
    not_measured: Mapping[str, str] = field(default_factory=dict)
    given: str = ""


def ranked(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Return the steps, the most promising first.

    Gains that are shown come first, then those that were measured or extrapolated and not shown,
    then bounds, shown or not, then what would lose; each by its expected gain.

    >>> def one(name, point, **more):
    ...     gain = Interval(point=point, low=point - 1, high=point + 1)
    ...     return Finding(kind="window", name=name, evidence="", gain=gain, **more)
    >>> weak, clear = one("b", 0.5, basis="bound"), one("c", 0.1, shown=True)
    >>> [f.name for f in ranked([one("a", -1.0), weak, clear, one("d", 0.2)])]
    ['c', 'd', 'b', 'a']
    """

    def place(found: Finding) -> tuple[int, float]:
        if found.gain is None or not math.isfinite(found.gain.point):
            return 4, 0.0
        point = found.gain.point
        if point <= 0:
            return 3, -point
        return (2 if found.basis == "bound" else 0 if found.shown else 1), -point

    return tuple(sorted(findings, key=place))


def study_from(told: Mapping[str, Any]) -> Study:
    """Return a study from its JSON values; bounds that JSON could not carry are infinite again.

    >>> gain = Interval(point=0.1, low=-math.inf, high=math.inf)
    >>> one = Finding(kind="window", name="short", evidence="", gain=gain, names=("short",))
    >>> study = Study(
    ...     metric="f1", base=gain, judged=1, fitted=1, fits=1, seconds=1.0, findings=(one,)
    ... )
    >>> from tamid.core.values import jsonable
    >>> study_from(jsonable(study)) == study
    True
    """
    rest = {k: v for k, v in told.items() if k not in ("base", "findings")}
    found = tuple(_finding(f) for f in told["findings"])
    return Study(base=_interval(told["base"]), findings=found, **rest)


def _finding(told: Mapping[str, Any]) -> Finding:
    gain = None if told["gain"] is None else _interval(told["gain"])
    return Finding(**{**told, "gain": gain, "names": tuple(told["names"])})


def _interval(told: Mapping[str, Any]) -> Interval:
    point = math.nan if told["point"] is None else told["point"]
    low = -math.inf if told["low"] is None else told["low"]
    high = math.inf if told["high"] is None else told["high"]
    return Interval(point=point, low=low, high=high, level=told["level"])
