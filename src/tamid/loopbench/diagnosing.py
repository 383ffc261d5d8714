"""Why a page was raised: the product's statistics, asked in the product's order of causes.

Bugs first, for a bug that is trained on does most harm: the contract, then what is odd in one
column or breaks its ties to the others, then labels that cannot be right. Only then the world.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tamid.core.learning.model import Floats, Ints
from tamid.core.stats.concept import concept_change
from tamid.core.stats.labelrate import moved_by_inputs, rate_moved, rates_together
from tamid.core.values import Task
from tamid.loopbench.checks import Rows, late
from tamid.loopbench.fits import Fits
from tamid.loopbench.usual import INPUTS, LOSS, chances
from tamid.loopbench.watching import LABELS, Page, Served
from tamid.loopbench.world import World

# Gravest first; a finding further up is not taken back by one further down.
GRAVITY = ("bug", "label_bug", "late_labels", "concept", "prevalence", "covariate", "none")
_BLOCKING = frozenset({"bug", "label_bug"})
# Labels are looked at together over so many matured weeks.
_RECENT = 4


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
    """Diagnoses pages."""

    fits: Fits

    def diagnose(
        self, world: World, champion: Served, rows: Rows, pages: Sequence[Page], now: int
    ) -> Finding:
        """Return the finding on what can be seen at the check of week `now`."""
        if (odd := rows.suspected.get(now - 1)) is not None:
            return Finding(check=now, route="bug", confirmed=odd.confirmed, reasons=(odd.reason,))
        if any(page.signal == LABELS for page in pages):
            return Finding(check=now, route="label_bug", confirmed=False)
        if late(world, now):
            return Finding(check=now, route="late_labels", confirmed=True)
        weeks = world.matured(now)
        weeks = weeks[weeks > champion.usual.weeks[-1]][-_RECENT:]
        route = self._of_the_world(world, champion, pages, weeks)
        return Finding(check=now, route=route, confirmed=False)

    def with_labels(self, world: World, champion: Served, page: Page, now: int) -> Finding:
        """Return the finding on a page before any label, once the labels of its week are in."""
        route = self._of_the_world(world, champion, [page], np.array([page.week]))
        return Finding(check=now, route=route, confirmed=False)

    def _of_the_world(
        self, world: World, champion: Served, pages: Sequence[Page], weeks: Ints
    ) -> str:
        signals = {page.signal for page in pages}
        if len(weeks):
            told = np.concatenate([world.told[world.rows(int(w))] for w in weeks])
            answers = np.concatenate(
                [self.fits.answers(world, champion.fitted, int(w)) for w in weeks]
            )
            moved = _moved_rate(world, champion, told, answers, len(weeks))
            if moved and LOSS not in champion.open:
                return "prevalence"
            if _concept(world, champion, told, answers):
                return "concept"
            if world.task is Task.REGRESSION and LOSS in signals and INPUTS not in signals:
                return "concept"
            if moved:
                return "prevalence"
        return "none" if signals <= {LOSS} else "covariate"


def gravest(findings: Sequence[Finding]) -> str:
    """Return the gravest route among findings, "none" without any.

    >>> gravest([Finding(check=1, route="covariate", confirmed=False),
    ...          Finding(check=5, route="concept", confirmed=True)])
    'concept'
    """
    return min((f.route for f in findings), key=GRAVITY.index, default="none")


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


def _moved_rate(world: World, champion: Served, told: Floats, answers: Floats, weeks: int) -> bool:
    if world.task is not Task.BINARY or not champion.usual.curves:
        return False
    usual = champion.label_share
    seen = rates_together(champion.label_shares, weeks)
    if not rate_moved(float(told.sum()), float(len(told)), usual, seen):
        return False
    chance = chances(world, answers, champion.usual.curves)
    usual_gap, _ = champion.usual.gap
    announced = float(chance.mean()) + usual_gap - usual
    both = 0 < told.mean() < 1
    discrimination = float(chance[told == 1].mean() - chance[told != 1].mean()) if both else 0.0
    return not moved_by_inputs(float(told.mean()) - usual, announced, discrimination)
