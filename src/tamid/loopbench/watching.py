"""One check a week: what the product's detectors make of the champion's week, and of the labels."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, field

import numpy as np
from numpy.random import Generator

from tamid.core.alarms import CALM, FEWEST_ROWS, tie_break
from tamid.core.learning.model import Ints
from tamid.core.stats.drift import number_counts, psi, weighted_psi
from tamid.core.stats.edetector import EDetector, observe
from tamid.loopbench.checks import Rows, label_share, label_shares, labels_broken, late
from tamid.loopbench.fits import Fits, Fitted, losses
from tamid.loopbench.usual import (
    ESTIMATE,
    INPUTS,
    LOSS,
    SCORES,
    Usual,
    estimated_loss,
    score_columns,
    usual,
)
from tamid.loopbench.world import World
from tamid.stages.centring import MOST_CENTRE

# Signals that are over by themselves when they are as the reference again.
SILENT = (SCORES, INPUTS)
# What pages before any label; why is asked again when the labels are in.
UNLABELLED = (ESTIMATE, *SILENT)
ROWS, LATE, LABELS = "rows", "late_labels", "label_rate"
# What needs labels; everything else can be seen in the week itself.
LABEL_BASED = frozenset({LOSS, LATE, LABELS})


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """An alarm: at the check of which week, on what signal, about which week, and why."""

    check: int
    signal: str
    week: int
    why: str = ""
    gross: bool = False


@dataclass(slots=True, kw_only=True, eq=False)
class Served:
    """A champion under watch: its reference and its running detectors.

    `open`: matters that have paged and are not over; `held_back`: signals whose detector alarmed
    while a louder matter was open; `calm`: for how many weeks an open one was as the reference.
    """

    fitted: Fitted
    usual: Usual
    detectors: dict[str, EDetector]
    since: int
    label_share: float
    label_shares: tuple[float, ...]
    open: set[str] = field(default_factory=set)
    held_back: set[str] = field(default_factory=set)
    calm: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True, eq=False)
class Watch:
    """The watch over a world; references of one champion are built once, whatever the world."""

    fits: Fits
    seed: int
    _usual: dict[bytes, Usual] = field(default_factory=dict)

    def begin(self, rows: Rows, fitted: Fitted, known: Ints, since: int) -> Served:
        """Put a champion under watch from the first week that it serves."""
        world = rows.world
        between = range(int(known[-1]) + 1, since)
        centre = [w for w in between if w not in rows.suspected][-MOST_CENTRE:]
        # The same champion may be centred on other weeks in a history with an event.
        seen = b"".join(world.values[world.rows(w)].tobytes() for w in centre)
        key = fitted.key + hashlib.blake2b(seen, digest_size=16).digest()
        if key not in self._usual:
            rng = _generator(self.seed, fitted.key)
            self._usual[key] = usual(world, self.fits, fitted, known, centre, rng)
        built = self._usual[key]
        return Served(
            fitted=fitted,
            usual=built,
            detectors=dict(built.detectors),
            since=since,
            label_share=label_share(world, built.weeks),
            label_shares=label_shares(world, built.weeks),
        )

    def check(self, champion: Served, rows: Rows, now: int) -> tuple[Page, ...]:
        """Return the pages of the check at the start of week `now`, which the champion served.

        Seen are the rows of the week before, and the labels that have come by now. Odd rows,
        broken labels and late ones page once until they end. One matter pages once: a lost quality
        keeps all that needs no label silent, and of the rest the first that pages the others.
        """
        world, week = rows.world, now - 1
        pages = self._feeds(champion, rows, now)
        answers = self.fits.answers(world, champion.fitted, week)
        seen = {}
        if len(answers) >= FEWEST_ROWS * champion.usual.fewest:
            seen[SCORES] = _score_psi(champion.usual, answers)
            seen[INPUTS] = _input_psi(world, champion.usual, week)
        if champion.usual.curves:
            seen[ESTIMATE] = estimated_loss(world, answers, champion.usual.curves)
        pages += self._lost(champion, rows, now)
        for name in (ESTIMATE, SCORES, INPUTS):
            if name in seen:
                page = _asked(world, champion, name, seen[name], week, now)
                pages += _let_through(champion, name, page, seen[name], week, now)
        return tuple(pages)

    def _lost(self, champion: Served, rows: Rows, now: int) -> list[Page]:
        """Return the page of realised loss; it stays open for as long as this champion serves."""
        pages, world = [], rows.world
        for matured in newly_matured(world, now):
            # What it had not learnt from tells of it, too, though another model answered then.
            odd = matured < champion.since and matured in rows.suspected
            if matured <= champion.usual.weeks[-1] or odd:
                continue
            answers = self.fits.answers(world, champion.fitted, matured)
            loss = float(losses(world, answers, matured, told=True).mean())
            page = _asked(world, champion, LOSS, loss, matured, now)
            if page is not None and LOSS not in champion.open:
                champion.open.add(LOSS)
                pages.append(page)
        return pages

    def _feeds(self, champion: Served, rows: Rows, now: int) -> list[Page]:
        found, world = [], rows.world
        odd = rows.check(now - 1, champion.fitted.importance)
        if _newly(champion, ROWS, odd is not None):
            found.append(Page(check=now, signal=ROWS, week=now - 1, why=odd.reason if odd else ""))
        if _newly(champion, LATE, late(world, now)):
            found.append(Page(check=now, signal=LATE, week=now - world.delay - 1))
        fresh = newly_matured(world, now)
        share, shares = champion.label_share, champion.label_shares
        broken = bool(fresh) and labels_broken(world, world.matured(now), share, shares)
        if fresh and _newly(champion, LABELS, broken):
            found.append(Page(check=now, signal=LABELS, week=fresh[-1]))
        return found


def newly_matured(world: World, now: int) -> list[int]:
    """Return the weeks whose labels came in at this check."""
    before = set(world.matured(now - 1).tolist()) if now > 0 else set()
    return [int(w) for w in world.matured(now) if int(w) not in before]


def _newly(champion: Served, name: str, there: bool) -> bool:
    new = there and name not in champion.open
    (champion.open.add if there else champion.open.discard)(name)
    return new


def _let_through(
    champion: Served, name: str, page: Page | None, value: float, week: int, now: int
) -> list[Page]:
    """Return the page unless a matter is open that speaks for it; end one that is over.

    What was held back is said when nothing louder is open any more.
    """
    if name in champion.open:
        usual = name in SILENT and value <= champion.usual.most.get(name, -math.inf)
        champion.calm[name] = champion.calm.get(name, 0) + 1 if usual else 0
        if champion.calm[name] >= CALM:
            champion.open.discard(name)
            champion.detectors[name] = champion.usual.detectors[name]
        return []
    louder = {LOSS} if name == ESTIMATE else {LOSS, ESTIMATE, *SILENT}
    alarmed = page is not None or name in champion.held_back
    if not alarmed:
        return []
    if champion.open & louder:
        champion.held_back.add(name)
        return []
    champion.held_back.discard(name)
    champion.open.add(name)
    champion.calm[name] = 0
    return [page or Page(check=now, signal=name, week=week)]


def _asked(
    world: World, champion: Served, signal: str, value: float, week: int, now: int
) -> Page | None:
    state = champion.detectors.get(signal)
    if state is None or not math.isfinite(value):
        return None
    tie = tie_break(world.name.partition("!")[0], f"{week:04d}", signal)
    champion.detectors[signal], check = observe(state, value, tie)
    if not check.alarm:
        return None
    return Page(check=now, signal=signal, week=week, gross=check.gross)


def _score_psi(reference: Usual, answers: object) -> float:
    columns = score_columns(np.asarray(answers))
    values = [
        psi(total, number_counts(profile, columns[:, k]))
        for k, (profile, total) in enumerate(
            zip(reference.score_profiles, reference.score_totals, strict=True)
        )
    ]
    return float(np.mean(values))


def _input_psi(world: World, reference: Usual, week: int) -> float:
    values = world.values[world.rows(week)]
    found = {
        profile.column: psi(total, number_counts(profile, values[:, j]))
        for j, profile, total in zip(
            reference.columns, reference.profiles, reference.totals, strict=True
        )
    }
    weights = {
        profile.column: float(reference.importance[j])
        for j, profile in zip(reference.columns, reference.profiles, strict=True)
    }
    return weighted_psi(found, weights)


def _generator(seed: int, key: bytes) -> Generator:
    return np.random.default_rng([seed, int.from_bytes(key[:4], "big")])
