"""Which signals may page about a model, and the one budget of false alarms that they share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from tamid.core.contract.metrics import METRIC_FACTS, quality_metric
from tamid.core.contract.model import Contract
from tamid.core.events import Measured
from tamid.core.state import State
from tamid.core.stats.distributions import normal_quantile
from tamid.core.stats.edetector import MIN_REFERENCE, family_run_length
from tamid.core.stats.reference import ENOUGH_WEEKS
from tamid.core.usual import INPUT_PSI, ONLINE_INPUT_PSI, ONLINE_SCORE_PSI, SCORE_PSI

# Realised loss, the level that the contract demands of it, estimated loss; then without any label.
QUALITY, CONTRACT, ESTIMATE = "quality", "contract", "estimate"
# Realised loss of what was answered online, one by one.
ONLINE = "online_quality"
SILENT = (SCORE_PSI, INPUT_PSI)
# What a champion's realised quality would have been in periods that it neither learnt from nor
# answered: others did, before it was live.
HINDSIGHT = "hindsight"
# The same of what is asked and answered online.
ASKED = (ONLINE_SCORE_PSI, ONLINE_INPUT_PSI)
DRIFT = (*SILENT, *ASKED)
# What needs no label pages to warn; a lost quality is critical.
UNLABELLED = (ESTIMATE, *DRIFT)
YEAR = timedelta(days=365)
# A 95 % interval reaches so many standard errors to either side.
_NINETY_FIVE = 1.959964


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityLevel:
    """What the contract demands of the realised quality, and how often we may cry wolf.

    `sign` is +1 where larger is better, -1 for errors; `at_least` is already turned by it.
    """

    metric: str
    sign: float
    at_least: float | None
    checks_per_year: float
    false_alarms_per_year: float

    @property
    def worsened(self) -> str:
        """Return what such a metric does when quality is lost."""
        return "fell" if self.sign > 0 else "rose"


def level_of(contract: Contract) -> QualityLevel:
    """Return what a contract demands of the realised quality, and how often it may cry wolf."""
    quality = contract.monitoring.quality
    metric = quality_metric(contract)
    sign = 1.0 if METRIC_FACTS[metric].higher_is_better else -1.0
    least = quality.at_least if sign > 0 else quality.at_most
    return QualityLevel(
        metric=metric,
        sign=sign,
        at_least=None if least is None else sign * least,
        checks_per_year=YEAR / contract.delivery.every,
        false_alarms_per_year=contract.monitoring.false_alarms_per_year,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """The signals that page about the champion, and what each may cost of the yearly budget."""

    signals: tuple[str, ...]
    checks_per_year: float
    false_alarms_per_year: float
    notes: tuple[str, ...] = ()

    @property
    def run_length(self) -> float:
        """Mean number of checks between two false alarms of one signal, at least."""
        return family_run_length(
            self.checks_per_year, len(self.signals), self.false_alarms_per_year
        )

    @property
    def stretch(self) -> float:
        """By how much a 95 % interval is widened, so that one check errs once in `run_length`."""
        return max(normal_quantile(1.0 - 1.0 / self.run_length) / _NINETY_FIVE, 1.0)

    @property
    def words(self) -> str:
        """What is promised, in one sentence; said wherever an alarm is shown."""
        count = len(self.signals)
        many = "false alarm" if self.false_alarms_per_year == 1 else "false alarms"
        over = (
            f"over all {count} signals that page" if count > 1 else "by the one signal that pages"
        )
        said = (
            f"at most {self.false_alarms_per_year:g} {many} a year expected {over}, "
            "if weeks are exchangeable"
        )
        return "; ".join((said, *self.notes))


def budget_of(state: State, level: QualityLevel) -> Budget:
    """Return the budget of the champion's alarms: shared by the signals that have a reference.

    >>> level = QualityLevel(
    ...     metric="f1", sign=1.0, at_least=0.8, checks_per_year=52, false_alarms_per_year=1
    ... )
    >>> budget_of(State(), level).words
    'at most 1 false alarm a year expected by the one signal that pages, if weeks are exchangeable'
    """
    reference = reference_of(state, state.champion)
    signals = [] if level.at_least is None else [CONTRACT]
    if len(reference.get(QUALITY, ())) >= MIN_REFERENCE:
        signals.append(QUALITY)
        if state.measured.get(f"{ESTIMATE}@{state.champion}"):
            signals.append(ESTIMATE)
    if state.measured.get(f"{ONLINE}@{state.champion}"):
        signals.append(ONLINE)
    signals += [s for s in DRIFT if len(reference.get(s, ())) >= MIN_REFERENCE]
    return Budget(
        signals=tuple(signals),
        checks_per_year=level.checks_per_year,
        false_alarms_per_year=level.false_alarms_per_year,
        notes=_notes(reference),
    )


def reference_of(state: State, version: int) -> Mapping[str, tuple[float, ...]]:
    """Return what a version's alarms go by: as registered, or as a person accepted since."""
    known = state.versions.get(version)
    return known.registered.reference if known else {}


def realised_of(state: State, version: int) -> Mapping[str, Measured]:
    """Return a version's realised quality by period, as far as it may be held against it.

    Of periods that it answered, and in hindsight of those just before that it had not learnt from.
    """
    before = state.measured.get(f"{HINDSIGHT}@{version}", {})
    return {**before, **state.measured.get(f"{QUALITY}@{version}", {})}


def realised_seq(state: State, version: int, period: str) -> int:
    """Return the number of the event that last measured what `realised_of` tells, 0 if none did."""
    names = (QUALITY, HINDSIGHT)
    return max(state.measured_seq.get(f"{name}@{version}/{period}", 0) for name in names)


def reference_losses(state: State, version: int, sign: float) -> tuple[float, ...]:
    """Return a version's reference values of quality, turned so that larger is worse."""
    return tuple(-sign * v for v in reference_of(state, version).get(QUALITY, ()))


def weeks_of(reference: Mapping[str, tuple[float, ...]], signal: str) -> int:
    """Return how many real weeks the reference scores of a signal come from."""
    told = reference.get(f"{signal}/weeks", ())
    return int(told[0]) if told else len(reference.get(signal, ()))


def _notes(reference: Mapping[str, tuple[float, ...]]) -> tuple[str, ...]:
    known = [s for s in DRIFT if reference.get(s)]
    weeks = [weeks_of(reference, s) for s in known]
    if not weeks:
        return ()
    notes = []
    if min(weeks) < ENOUGH_WEEKS:
        notes.append(f"approximate: a reference of {min(weeks)} weeks")
    if not all(reference.get(f"{s}/seasons", (0.0,))[0] for s in known):
        notes.append("too few years of reference to tell seasons apart")
    return tuple(notes)
