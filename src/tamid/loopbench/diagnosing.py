"""Why a page was raised: the product's statistics, asked in the product's order of causes.

Bugs first, for a bug that is trained on does most harm: the contract, then what is odd in one
column or breaks its ties to the others, then labels that cannot be right. Only then the world.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from tamid.core.learning.model import Floats
from tamid.core.stats.bugcheck import BugCheck, check_week
from tamid.core.stats.concentration import concentrated
from tamid.core.stats.concept import concept_change
from tamid.core.stats.dependence import bins_of, codes_in
from tamid.core.stats.family import Oddest
from tamid.core.stats.labelrate import label_rate
from tamid.core.values import Task
from tamid.loopbench.checks import broken, label_share, late
from tamid.loopbench.fits import Fits
from tamid.loopbench.usual import INPUTS, LOSS, chances
from tamid.loopbench.watching import LABELS, Page, Served
from tamid.loopbench.world import World

# Gravest first; a finding further up is not taken back by one further down.
GRAVITY = ("bug", "label_bug", "late_labels", "concept", "prevalence", "covariate", "none")
_BLOCKING = frozenset({"bug", "label_bug"})
# What a column's own values prove; the others are suspicions.
_PROOF = frozenset({"missing", "unseen", "outside"})
_STUCK = 0.98
# A bug moves the columns of one source; where more have moved, the world has.
_FEW = 2
# Rows of a reference week that a check looks at, and weeks: enough for its level, and quick.
_ROWS, _WEEKS = 400, 26
# Labels are looked at together over so many matured weeks.
_RECENT = 4
# A share of positives this many errors and this far from the usual has moved.
_ERRORS, _MOVED = 5.0, 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """The route of a page: what it is taken for, whether proven, and why."""

    check: int
    route: str
    confirmed: bool
    reasons: tuple[str, ...] = ()

    @property
    def blocks(self) -> bool:
        """Say whether training is blocked and the weeks are kept from it."""
        return self.route in _BLOCKING


@dataclass(slots=True, kw_only=True, eq=False)
class Doctor:
    """Diagnoses pages; `seed` draws the rows that a check looks at where there are many."""

    fits: Fits
    seed: int = 0
    _reference: dict[bytes, list[Floats]] = field(default_factory=dict)

    def diagnose(self, world: World, champion: Served, pages: Sequence[Page], now: int) -> Finding:
        """Return the finding on what can be seen at the check of week `now`."""
        if reasons := broken(world, now - 1, champion.promised):
            return Finding(check=now, route="bug", confirmed=True, reasons=reasons)
        if any(page.signal == LABELS for page in pages):
            return Finding(check=now, route="label_bug", confirmed=False)
        if late(world, now):
            return Finding(check=now, route="late_labels", confirmed=True)
        if not pages or any(page.signal != LOSS for page in pages):
            found = self.suspicion(world, champion, now - 1)
            if found is not None:
                return Finding(check=now, route="bug", confirmed=False, reasons=(found,))
        return Finding(check=now, route=self._of_the_world(world, champion, pages, now),
                       confirmed=False)  # fmt: skip

    def suspicion(self, world: World, champion: Served, week: int) -> str | None:
        """Return what makes a week's rows look broken, None if nothing does."""
        columns = list(champion.usual.columns)
        if not columns:
            return None
        reference = self._weeks(world, champion, columns)
        rows = _some(world.values[world.rows(week)][:, columns], self.seed + week)
        category = [world.features[j].kind == "category" for j in columns]
        checked = check_week(reference, rows, category)
        return _bug(checked, reference, rows, category, [world.features[j].name for j in columns])

    def _weeks(self, world: World, champion: Served, columns: list[int]) -> list[Floats]:
        key = champion.fitted.key
        if key not in self._reference:
            self._reference[key] = [
                _some(world.values[world.rows(int(w))][:, columns], self.seed + int(w))
                for w in champion.usual.weeks[-_WEEKS:]
            ]
        return self._reference[key]

    def _of_the_world(self, world: World, champion: Served, pages: Sequence[Page], now: int) -> str:
        weeks = world.matured(now)
        weeks = weeks[weeks >= champion.since][-_RECENT:]
        signals = {page.signal for page in pages}
        if len(weeks):
            told = np.concatenate([world.told[world.rows(int(w))] for w in weeks])
            answers = np.concatenate(
                [self.fits.answers(world, champion.fitted, int(w)) for w in weeks]
            )
            if _concept(world, champion, told, answers):
                return "concept"
            if world.task is Task.REGRESSION and LOSS in signals and INPUTS not in signals:
                return "concept"
            if _moved_rate(world, champion, told):
                return "prevalence"
        return "none" if signals <= {LOSS} else "covariate"


def gravest(findings: Sequence[Finding]) -> str:
    """Return the gravest route among findings, "none" without any.

    >>> gravest([Finding(check=1, route="covariate", confirmed=False),
    ...          Finding(check=5, route="concept", confirmed=True)])
    'concept'
    """
    return min((f.route for f in findings), key=GRAVITY.index, default="none")


def _bug(
    checked: BugCheck, reference: list[Floats], rows: Floats, category: list[bool], names: list[str]
) -> str | None:
    """Tell a bug from a moved world.

    A bug is what a column's own values prove, or a column that no longer goes with the others
    while few have moved, or a difference that sits in one or two columns.
    """
    if not checked.found:
        return None
    for odd in checked.found:
        if odd.statistic in _PROOF or (odd.statistic == "commonest" and odd.value >= _STUCK):
            return _said(odd, names)
    moved = [odd for odd in checked.found if odd.statistic in ("moved", "commonest")]
    past = np.concatenate(reference)
    bins = bins_of(past, category)
    alone, _, _ = concentrated(
        codes_in(bins, past), codes_in(bins, rows), bins.offsets[-1],
        [odd.column for odd in checked.found],
    )  # fmt: skip
    broken_ties = [odd for odd in checked.found if odd.statistic == "unexplained"]
    if broken_ties and (alone or len(moved) <= _FEW):
        return _said(broken_ties[0], names)
    return _said(checked.found[0], names) if alone else None


def _said(odd: Oddest, names: list[str]) -> str:
    return f"{names[odd.column]}: {odd.statistic} {odd.value:.3g}, usually {odd.usual:.3g}"


def _concept(world: World, champion: Served, told: Floats, answers: Floats) -> bool:
    if not champion.usual.curves:
        return False
    chance = chances(world, answers, champion.usual.curves)
    usual_gap, spread = champion.usual.gap
    if world.task is Task.MULTICLASS:
        # Is the answer right? Chance and label of that, for every row.
        right = (answers.argmax(axis=1) == told).astype(np.float64)
        return concept_change(right, chance.max(axis=1), np.ones(len(right))).drifted
    called = (answers >= 0.5).astype(np.float64)
    return concept_change(told, chance, called, usual_gap=usual_gap, gap_spread=spread).drifted


def _moved_rate(world: World, champion: Served, told: Floats) -> bool:
    if world.task is not Task.BINARY:
        return False
    found = label_rate(
        float(told.sum()), float(len(told)), label_share(world, champion.usual.weeks)
    )
    return abs(found.errors) > _ERRORS and abs(found.rate - found.usual) > _MOVED * found.usual


def _some(rows: Floats, seed: int) -> Floats:
    if len(rows) <= _ROWS:
        return rows
    picked = np.random.default_rng(seed).choice(len(rows), size=_ROWS, replace=False)
    return rows[np.sort(picked)]
