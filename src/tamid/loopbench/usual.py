"""What is usual for a champion: its reference weeks as counts and losses, and its detectors.

The champion has learnt from its reference weeks, so its own answers there would flatter it: each
third of the weeks is answered by a model that learnt from the other two thirds. Where its scores
lie is told, as in the loop, by the weeks since that it has scored before it is live.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from tamid.core.learning.model import Floats, Ints
from tamid.core.stats.calibration import Calibration, apply_calibration, fit_platt
from tamid.core.stats.drift import Profile, number_counts, profile_numbers
from tamid.core.stats.edetector import EDetector, detector, family_run_length
from tamid.core.stats.estimate import class_chances, expected_metric, fit_classes
from tamid.core.stats.reference import psi_reference
from tamid.core.stats.seasons import counts_the_calendar
from tamid.core.usual import Weeks, recentred, with_a_usual_week
from tamid.core.values import Task
from tamid.loopbench.fits import Fits, Fitted, losses
from tamid.loopbench.world import WEEKS_A_YEAR, World

# A year of weeks is what a later one is ranked among; older ones tell of another time.
MOST_WEEKS = 52
_FOLDS = 3
# Only so many columns are watched and compared with each other, the most important first.
MOST_COLUMNS = 50
# Fewer scores than this make no reference (the detector's own floor).
_FEWEST = 10
SCORES, INPUTS, ESTIMATE, LOSS = "score_psi", "input_psi", "estimated_loss", "realised_loss"
PAGING = (SCORES, INPUTS, ESTIMATE, LOSS)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Usual:
    """A champion's reference: which weeks, what they counted, and a detector at rest a signal.

    `answers` are out-of-fold, one array a week. `columns` are the watched ones, by importance,
    `profiles` and `totals` (bins,) belong to them; `score_profiles` and `score_totals` to the
    scores. `gap`: mean and spread, over weeks, of labels above the chances. `most`: the largest
    reference value of a signal. `fewest`: rows of the smallest reference week.
    """

    weeks: Ints
    answers: tuple[Floats, ...]
    importance: Floats
    columns: tuple[int, ...]
    profiles: tuple[Profile, ...]
    totals: tuple[Floats, ...]
    score_profiles: tuple[Profile, ...]
    score_totals: tuple[Floats, ...]
    curves: tuple[Calibration, ...]
    gap: tuple[float, float]
    detectors: dict[str, EDetector]
    most: dict[str, float]
    fewest: int


def usual(
    world: World, fits: Fits, champion: Fitted, known: Ints, since: Sequence[int], rng: Generator
) -> Usual:
    """Build the reference of a champion from the weeks whose labels were known at its origin.

    `since`: the weeks after them and before it is live, on which its scores are centred; without
    any its scores have no reference.
    """
    weeks = known[-MOST_WEEKS:]
    answers = _out_of_fold(world, fits, weeks)
    scores = [_scores(a) for a in answers]
    columns, profiles, counts = _watched(world, champion, weeks)
    importance = {
        p.column: float(champion.importance[j]) for j, p in zip(columns, profiles, strict=True)
    }
    score_profiles = tuple(
        profile_numbers(f"score{k}", np.concatenate([s[:, k] for s in scores]))
        for k in range(scores[0].shape[1])
    )
    own = _score_weeks(world, fits, champion, weeks, since, score_profiles)
    curves = _curves(world, weeks, answers)
    series = {
        SCORES: psi_reference(
            own, weeks, dict.fromkeys(own, 1.0), rng, against=len(since)
        ).scores if len(since) else (),
        INPUTS: psi_reference(
            {p.column: c for p, c in zip(profiles, counts, strict=True)}, weeks, importance, rng
        ).scores,
        ESTIMATE: tuple(estimated_loss(world, a, curves) for a in answers) if curves else (),
        LOSS: tuple(
            float(losses(world, a, int(w), told=True).mean())
            for w, a in zip(weeks, answers, strict=True)
        ),
    }  # fmt: skip
    run_length = family_run_length(WEEKS_A_YEAR, signals=len(PAGING))
    return Usual(
        weeks=weeks, answers=answers, importance=champion.importance,
        columns=columns, profiles=profiles, totals=tuple(c.sum(axis=0) for c in counts),
        score_profiles=score_profiles,
        score_totals=tuple(own[p.column].sum(axis=0) for p in score_profiles),
        curves=curves, gap=_gap(world, weeks, answers, curves),
        detectors={
            name: detector(values, run_length, len(weeks), graded=name == LOSS)
            for name, values in series.items() if len(values) >= _FEWEST
        },
        most={name: max(values) for name, values in series.items() if values},
        fewest=int(np.diff(world.start)[weeks].min()),
    )  # fmt: skip


def score_columns(answers: Floats) -> Floats:
    """Return the answers as columns: (n, 1) chances or numbers, (n, k) chances of classes."""
    return _scores(answers)


def estimated_loss(world: World, answers: Floats, curves: Sequence[Calibration]) -> float:
    """Return the share of errors that the calibrated chances promise."""
    chance = chances(world, answers, curves)
    return 1.0 - expected_metric("accuracy", world.task, chance, answers).value


def chances(world: World, answers: Floats, curves: Sequence[Calibration]) -> Floats:
    """Return calibrated chances: (n,) of the positive class, (n, k) of all classes."""
    if world.task is Task.MULTICLASS:
        return class_chances(curves, answers)
    return apply_calibration(curves[0], answers)


def _out_of_fold(world: World, fits: Fits, weeks: Ints) -> tuple[Floats, ...]:
    found: dict[int, Floats] = {}
    for fold in range(_FOLDS):
        held = np.arange(len(weeks)) % _FOLDS == fold
        model = fits.fitted(world, weeks[~held].tolist())
        for week in weeks[held]:
            found[int(week)] = fits.answers(world, model, int(week))
    return tuple(found[int(w)] for w in weeks)


def _score_weeks(
    world: World,
    fits: Fits,
    champion: Fitted,
    weeks: Ints,
    since: Sequence[int],
    profiles: Sequence[Profile],
) -> dict[str, Floats]:
    """Count the champion's own scores of its reference weeks, moved to where newer ones lie.

    It has learnt from most of them: they tell how weeks differ, the newer ones where they lie.
    """
    fits.prepare(world, champion, [*weeks.tolist(), *since])
    then = [_scores(fits.answers(world, champion, int(w))) for w in weeks]
    now = [_scores(fits.answers(world, champion, w)) for w in since]
    counts = {
        p.column: np.stack([number_counts(p, s[:, k]) for s in then])
        for k, p in enumerate(profiles)
    }
    if not now:
        return counts
    centre = {
        p.column: np.sum([number_counts(p, s[:, k]) for s in now], axis=0)
        for k, p in enumerate(profiles)
    }
    names = tuple(f"{w:05d}" for w in weeks)
    usual_weeks = Weeks(names=names, counts=counts)
    return dict(recentred(usual_weeks, with_a_usual_week(usual_weeks, centre, len(since))).counts)


def _scores(answers: Floats) -> Floats:
    return answers if answers.ndim == 2 else answers[:, None]


def _watched(
    world: World, champion: Fitted, weeks: Ints
) -> tuple[tuple[int, ...], tuple[Profile, ...], list[Floats]]:
    """Profile the most important columns that do not merely count the calendar."""
    ranked = np.argsort(-champion.importance, kind="stable")[:MOST_COLUMNS]
    columns, profiles, counts = [], [], []
    rows = np.concatenate([np.arange(world.start[w], world.start[w + 1]) for w in weeks])
    for j in ranked:
        if champion.importance[j] <= 0:
            continue
        bins = MOST_COLUMNS if world.features[j].kind == "category" else 10
        profile = profile_numbers(world.features[j].name, world.values[rows, j], bins=bins)
        table = np.stack(
            [number_counts(profile, world.values[world.rows(int(w)), j]) for w in weeks]
        )
        if not counts_the_calendar(table):
            columns.append(int(j))
            profiles.append(profile)
            counts.append(table)
    return tuple(columns), tuple(profiles), counts


def _curves(world: World, weeks: Ints, answers: Sequence[Floats]) -> tuple[Calibration, ...]:
    if world.task is Task.REGRESSION:
        return ()
    y = np.concatenate([world.told[world.rows(int(w))] for w in weeks])
    score = np.concatenate(list(answers))
    return fit_classes(y, score) if world.task is Task.MULTICLASS else (fit_platt(y, score),)


def _gap(
    world: World, weeks: Ints, answers: Sequence[Floats], curves: Sequence[Calibration]
) -> tuple[float, float]:
    if world.task is not Task.BINARY:
        return 0.0, 0.0
    gaps = [
        float((world.told[world.rows(int(w))] - chances(world, a, curves)).mean())
        for w, a in zip(weeks, answers, strict=True)
    ]
    return float(np.mean(gaps)), float(np.std(gaps, ddof=1)) if len(gaps) > 1 else 0.0
