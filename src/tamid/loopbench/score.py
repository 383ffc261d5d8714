"""The score and its parts, from what was measured on all sets."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tamid.loopbench.events import BUGS, CONTRACT, GROSS, ROUTES
from tamid.loopbench.injected import Trial
from tamid.loopbench.oneset import SetResult

_LEAST_REGRET, _MOST_REGRET = -1.0, 2.0
# Weights of the score: points a retraining, a false alarm beyond the first, a harmful promotion and
# a week of waiting for the first alarm.
_RETRAIN, _FALSE, _HARM, _WAIT = 1.0, 5.0, 10.0, 2.0
_CONCEPT_SDS = 3.0
_GROSS_WEEKS = 2.0
_AFTER_LABELS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What the score is made of; rates are per model and year."""

    regret: float
    retrains: float
    false_alarms: float
    harmful: float
    wait: float

    @property
    def first_two(self) -> float:
        """Return regret and retrainings alone, which published anchors are made of."""
        return 100.0 * (1.0 - self.regret) - _RETRAIN * self.retrains

    @property
    def score(self) -> float:
        """Return the whole score.

        Formula: 100 (1 - mean regret) - retrains/yr - 5 max(0, false alarms/yr - 1) - 10 harmful
        promotions/yr - 2 (mean weeks to the first alarm - 1).

        >>> Parts(regret=0.2, retrains=5.0, false_alarms=2.0, harmful=0.1, wait=2.0).score
        67.0
        """
        return (
            self.first_two
            - _FALSE * max(0.0, self.false_alarms - 1.0)
            - _HARM * self.harmful
            - _WAIT * (self.wait - 1.0)
        )


def clipped(regrets: Iterable[float]) -> float:
    """Return the mean regret, each clipped to [-1, 2]; NaN (undecidable) is left out.

    >>> clipped([0.0, 5.0, math.nan])
    1.0
    """
    known = [min(max(r, _LEAST_REGRET), _MOST_REGRET) for r in regrets if math.isfinite(r)]
    return float(np.mean(known)) if known else math.nan


def poisson_interval(count: int, years: float) -> tuple[float, float]:
    """Return the exact 95 % interval of a rate.

    Formula: chi-square quantiles of 2k and 2k + 2 over 2 years, here by bisection of the Poisson
    distribution. Source: Garwood (1936), Biometrika 28.

    >>> low, high = poisson_interval(3, 1.0)
    >>> round(low, 2), round(high, 2)
    (0.62, 8.77)
    """
    low = 0.0 if count == 0 else _solve(lambda m: 1.0 - _at_most(count - 1, m) - 0.025, count)
    high = _solve(lambda m: 0.025 - _at_most(count, m), count)
    return low / years, high / years


def parts_of(results: Sequence[SetResult]) -> Parts:
    """Return the parts of the score, over all sets."""
    trials = [t for r in results for t in r.trials]
    looks = [h for r in results for h in (r.natural.hindsight, *(n.hindsight for n in r.nulls))]
    regret = clipped(r.natural.default.regret for r in results)
    return Parts(
        regret=regret if math.isfinite(regret) else 1.0,
        retrains=float(np.mean([r.natural.default.retrains for r in results])),
        false_alarms=_rate(sum(n.alarms for r in results for n in r.nulls),
                           sum(n.years for r in results for n in r.nulls)),
        harmful=_rate(sum(h.harmful for h in looks), sum(h.years for h in looks)),
        wait=float(np.mean([t.found for t in trials])) if trials else 1.0,
    )  # fmt: skip


def report(results: Sequence[SetResult], parts: Parts) -> dict[str, object]:
    """Return the score with every part, as plain JSON values."""
    alarms = sum(n.alarms for r in results for n in r.nulls)
    years = sum(n.years for r in results for n in r.nulls)
    looks = [h for r in results for h in (r.natural.hindsight, *(n.hindsight for n in r.nulls))]
    found = sum(n.suspected for r in results for n in r.nulls)
    asked = sum(n.checks for r in results for n in r.nulls)
    return {
        "score": _plain(parts.score),
        "score_first_two_terms": _plain(parts.first_two),
        "regret": _plain(parts.regret),
        "regret_sets": sum(r.natural.decidable for r in results),
        "retrains_per_year": _plain(parts.retrains),
        "false_alarms_per_year": _plain(parts.false_alarms),
        "false_alarms_ci95": [_plain(v) for v in poisson_interval(alarms, years)]
        if years
        else None,
        "false_alarms_by_kind": _null_kinds(results),
        "harmful_promotions_per_year": _plain(parts.harmful),
        "harmful_promotions_beyond_two_errors": sum(h.harmful_sure for h in looks),
        "needless_retrains_per_year": _plain(
            _rate(sum(h.needless for h in looks), sum(h.years for h in looks))
        ),
        "mean_ttd_injected": _plain(parts.wait),
        **_events(results),
        "clean_weeks_called_broken": _plain(_rate(found, asked)),
        "clean_weeks_asked": asked,
        "reference_rows": _references(results),
        "sets": {r.name: _set(r) for r in results},
        "cpu_seconds": _plain(sum(r.cpu_seconds for r in results)),
        "fits": sum(r.fits for r in results),
        "cut": {r.name: list(r.cut) for r in results if r.cut},
    }


def bug_share(trials: Iterable[Trial], which: Iterable[str]) -> float:
    """Return the share of these kinds of bugs that were called bugs."""
    kinds = set(which)
    return _mean(float(t.caught) for t in trials if t.event.kind in kinds)


def _events(results: Sequence[SetResult]) -> dict[str, object]:
    trials = [t for r in results for t in r.trials]
    strong = [
        (t, r.delay) for r in results for t in r.trials
        if t.event.kind == "concept" and t.shift >= _CONCEPT_SDS
    ]  # fmt: skip
    told = [t.found_told for t, _ in strong]
    return {
        "events": len(trials),
        "ttd_label_free": _plain(_mean(t.found_blind for t in trials if _known(t.found_blind))),
        "ttd_label_based": _plain(_mean(t.found_told for t in trials if _known(t.found_told))),
        "missed": _plain(_mean(float(t.found >= 13) for t in trials)),
        "route_accuracy": _plain(_mean(float(t.rightly) for t in trials)),
        "contract_bugs_caught": _plain(bug_share(trials, CONTRACT)),
        "bugs_caught_without_scramble": _plain(bug_share(trials, BUGS - {"scramble"})),
        "scramble_caught": _plain(bug_share(trials, {"scramble"})),
        "gross_bugs_within_2_weeks": _plain(
            _mean(float(t.found <= _GROSS_WEEKS) for t in trials if t.event.kind in GROSS)
        ),
        "concept_3sd_events": len(strong),
        "concept_3sd_median_ttd": _plain(
            float(np.median([t.found for t, _ in strong])) if strong else math.nan
        ),
        "concept_3sd_within_delay_plus_4": _plain(
            _mean(float(t.found <= delay + _AFTER_LABELS) for t, delay in strong)
        ),
        "concept_3sd_told": _plain(_mean(v for v in told if _known(v))),
        "ttr_median_weeks": _plain(
            float(np.median([t.recovered if _known(t.recovered) else 26.0 for t in trials]))
            if trials
            else math.nan
        ),
        "not_recovered": _plain(_mean(float(not _known(t.recovered)) for t in trials)),
        "f1_weeks_lost_mean": _plain(_mean(t.lost for t in trials)),
        "harmful_promotions_after_events": sum(t.harmful for t in trials),
        "by_kind": {
            kind: {
                "n": len(mine),
                "ttd": _plain(_mean(t.found for t in mine)),
                "route_right": _plain(_mean(float(t.rightly) for t in mine)),
                "called_bug": _plain(_mean(float(t.caught) for t in mine)),
            }
            for kind in ROUTES
            if (mine := [t for t in trials if t.event.kind == kind])
        },
    }


def _references(results: Sequence[SetResult]) -> dict[str, object]:
    """Return regret and runs a year of the fixed rows, over the sets where regret is decidable."""
    found: dict[str, object] = {}
    for name in ("never", "1-weekly all", "4-weekly all"):
        rows = [row for r in results for row in r.natural.rows if row.policy == name]
        found[name] = {
            "regret": _plain(clipped(row.regret for row in rows)),
            "retrains_per_year": _plain(_mean(row.retrains for row in rows)),
        }
    ours = [r for r in results if r.forest is not None]
    found["adaptive random forest"] = {
        "sets": len(ours),
        "loss_minus_default": {
            r.name: _plain(float(r.forest or 0.0) - r.natural.default.loss) for r in ours
        },
    }
    return found


def _set(result: SetResult) -> dict[str, object]:
    return {
        "task": result.task,
        "weeks": result.weeks,
        "loss": _plain(result.natural.default.loss),
        "regret": _plain(result.natural.default.regret),
        "retrains_per_year": _plain(result.natural.default.retrains),
        "best_fixed": result.natural.best,
        "above_weekly_all": _plain(result.natural.above_weekly),
        "forest": _plain(result.forest),
        "forest_rows": result.forest_rows,
        "false_alarms": sum(n.alarms for n in result.nulls),
        "null_years": _plain(sum(n.years for n in result.nulls)),
        "false_alarms_by_signal": _signals(result),
        "events": len(result.trials),
    }


def _signals(result: SetResult) -> dict[str, int]:
    found: dict[str, int] = {}
    for null in result.nulls:
        for signal, count in null.by_signal:
            found[signal] = found.get(signal, 0) + count
    return found


def _null_kinds(results: Sequence[SetResult]) -> Mapping[str, float | None]:
    found = {}
    for kind in ("weeks", "rows"):
        nulls = [n for r in results for n in r.nulls if n.name.endswith(f"~{kind}")]
        found[f"{kind}_permuted"] = _plain(
            _rate(sum(n.alarms for n in nulls), sum(n.years for n in nulls))
        )
    return found


def _rate(count: float, years: float) -> float:
    return count / years if years > 0 else 0.0


def _mean(values: Iterable[float]) -> float:
    known = list(values)
    return float(np.mean(known)) if known else math.nan


def _known(value: float) -> bool:
    return math.isfinite(value)


def _plain(value: float | None) -> float | None:
    return round(value, 4) if value is not None and math.isfinite(value) else None


def _at_most(count: int, mean: float) -> float:
    """Return the chance of at most `count` events of a Poisson law."""
    term = total = math.exp(-mean)
    for k in range(1, count + 1):
        term *= mean / k
        total += term
    return total


def _solve(rising: Callable[[float], float], count: int) -> float:
    low, high = 0.0, 10.0 * (count + 2)
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (low, middle) if rising(middle) > 0 else (middle, high)
    return (low + high) / 2
