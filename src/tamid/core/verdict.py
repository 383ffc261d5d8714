"""From evidence to outcome: what the gates say about a candidate, taken together."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass

from tamid.core.stats.compare import Comparison, Finding
from tamid.core.values import Interval


class GateOutcome(enum.StrEnum):
    """What one gate says."""

    PASS = "pass"  # noqa: S105 - a verdict, no password
    FAIL = "fail"
    UNDECIDED = "undecided"


class Outcome(enum.StrEnum):
    """What becomes of a candidate.

    promote: it goes on to release. keep: not distinguishable, the champion stays, nobody is
    bothered. held: worse, or a guard rail failed: a case. undecided: too little evidence.
    """

    PROMOTE = "promote"
    KEEP = "keep"
    HELD = "held"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True, kw_only=True)
class GateVerdict:
    """One gate's verdict with the numbers it rests on.

    `measured` and `threshold` are None where the gate is no matter of one number. An undecided
    verdict withholds promotion only if `blocking` (a minimum on too few rows does; a protected
    group too small to judge is reported and does not). `missing`: how many more periods with labels
    an undecided verdict waits for, 0 if that is not known.
    """

    gate: str
    outcome: GateOutcome
    measured: float | None = None
    threshold: float | None = None
    interval: Interval | None = None
    n: int = 0
    message: str = ""
    blocking: bool = True
    missing: int = 0


def conclude(
    verdicts: Sequence[GateVerdict],
    comparison: Comparison | None,
    first_run: bool,
    degraded: bool,
    equal_taken: bool = False,
) -> Outcome:
    """Return what becomes of the candidate.

    Laws, in this order:
    1. a failed gate holds it, whatever else was shown, and so does being worse than the champion;
    2. a blocking gate or a comparison without enough evidence leaves it undecided;
    3. a first run has no champion: with 1 and 2 clear, minimums and baselines have decided;
    4. superior or non-inferior promotes;
    5. equal keeps the champion; but a champion known to be degraded is no cure for itself, so
       a candidate that does not better it is held, which opens a case. `equal_taken`: a routine
       refresh that is taken unless it is shown to be worse.

    The order of `verdicts` does not matter, and a further failed gate never helps.

    Raises:
        ValueError: no comparison though there is a champion, or one though there is none.

    >>> passed = GateVerdict(gate="minimum f1", outcome=GateOutcome.PASS)
    >>> failed = GateVerdict(gate="minimum f1", outcome=GateOutcome.FAIL)
    >>> conclude([passed], None, True, False).value, conclude([failed], None, True, False).value
    ('promote', 'held')
    """
    if first_run != (comparison is None):
        raise ValueError("a comparison is needed exactly when there is a champion")
    finding = None if comparison is None else comparison.finding
    if _failed(verdicts) or finding is Finding.WORSE:
        return Outcome.HELD
    if _undecided(verdicts) or finding is Finding.UNDECIDED:
        return Outcome.UNDECIDED
    if finding is Finding.EQUAL and degraded:
        return Outcome.HELD
    return Outcome.KEEP if finding is Finding.EQUAL and not equal_taken else Outcome.PROMOTE


def reasons(
    verdicts: Sequence[GateVerdict],
    comparison: Comparison | None,
    first_run: bool,
    degraded: bool,
    equal_taken: bool = False,
) -> tuple[str, ...]:
    """Return why :func:`conclude` concludes so: at least one sentence, the decisive ones first.

    >>> reasons([GateVerdict(gate="minimum f1", outcome=GateOutcome.PASS)], None, True, False)
    ('first version: there is no champion, and every minimum and baseline is passed',)
    """
    outcome = conclude(verdicts, comparison, first_run, degraded, equal_taken)
    said: list[str] = []
    if outcome is Outcome.HELD:
        said = [_sentence(v) for v in _failed(verdicts)]
    if outcome is Outcome.UNDECIDED:
        said = [_sentence(v) for v in _undecided(verdicts)]
    if comparison is not None:
        said.append(comparison.message)
        if degraded and outcome is Outcome.HELD and comparison.finding is Finding.EQUAL:
            said.append("the champion is known to be degraded, and this candidate does not cure it")
        if outcome is Outcome.PROMOTE and comparison.finding is Finding.EQUAL:
            said.append("taken for the rows it has learnt from besides (retraining.equal: release)")
    elif outcome is Outcome.PROMOTE:
        said.append("first version: there is no champion, and every minimum and baseline is passed")
    return tuple(said)


def _failed(verdicts: Sequence[GateVerdict]) -> list[GateVerdict]:
    return sorted((v for v in verdicts if v.outcome is GateOutcome.FAIL), key=lambda v: v.gate)


def _undecided(verdicts: Sequence[GateVerdict]) -> list[GateVerdict]:
    open_ones = (v for v in verdicts if v.outcome is GateOutcome.UNDECIDED and v.blocking)
    return sorted(open_ones, key=lambda v: v.gate)


def _sentence(verdict: GateVerdict) -> str:
    return f"{verdict.gate}: {verdict.message or verdict.outcome.value}"
