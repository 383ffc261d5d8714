"""The study behind `tamid improve`: learning curve, windows, features, labels, threshold, slices.

What costs no fit comes first, then what is cheap, until the time asked for is over; what was left
out is told with its reason.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from tamid.core.contract.model import Contract
from tamid.core.learning.advice import WITHOUT, Ask, Finding, Study
from tamid.core.learning.benefit import Benefit
from tamid.core.stats.threshold import best_for_f1
from tamid.core.values import Task
from tamid.ports import Progress, TrainingJob
from tamid.stages.benefits import measured as benefits_of
from tamid.stages.curving import curve
from tamid.stages.doubting import labels, labels_as_judged
from tamid.stages.fitting import Tools
from tamid.stages.refitting import Lab, holm
from tamid.stages.slicing import slices

# The features that help most, each left out alone.
_ALONE = 3
# What moves with the threshold, and is not won by calling everybody.
_MOVED = ("f1", "accuracy")
# Why a step is not measured, up to what the model would have to be fitted on.
_FINISHED = "the model was handed over finished, and this takes a fit on"


def study(
    job: TrainingJob, contract: Contract, tools: Tools, ask: Ask, progress: Progress
) -> tuple[Study, pl.DataFrame]:
    """Measure the steps; return what was found, and the rows whose label is in doubt.

    Of a model that was handed over finished only that is told which takes no fit.

    Raises:
        DataError, UserCodeError: as in training.
    """
    lab = Lab(job, contract, tools, ask, progress)
    _threshold(lab)
    known = benefits_of(lab.bench, lab.base.model, lab.base.chosen, lab.fold)
    if lab.finished:
        _takes_a_fit(lab, known)
        suspects, doubted = labels_as_judged(lab)
        return lab.study((*holm(lab), *doubted, *slices(lab))), suspects
    lab.say("windows", 0.2)
    _windows(lab)
    lab.say("features", 0.3)
    _features(lab, known)
    lab.say("suspect labels", 0.5)
    suspects = labels(lab)
    lab.say("learning curve", 0.6)
    curved = curve(lab)
    lab.say("slices", 0.95)
    return lab.study((*holm(lab), *curved, *slices(lab))), suspects


def _takes_a_fit(lab: Lab, known: tuple[Benefit, ...]) -> None:
    """Put down what cannot be told of a model that nobody here can fit, and what can instead."""
    lab.missing["more_data"] = f"{_FINISHED} other numbers of rows"
    lab.missing["window"] = f"{_FINISHED} other weeks"
    told = [(b.feature, b.benefit) for b in known if b.benefit is not None]
    if not told:
        lab.missing["features"] = f"{_FINISHED} fewer features"
        return
    idle = [name for name, gain in told if gain.low <= 0]
    best, most = told[0]
    lab.missing["features"] = (
        f"{_FINISHED} fewer features; with values dealt out at random "
        + (f"{', '.join(idle)} cost nothing that is shown" if idle else "every one is missed")
        + f", and {best} the most, {most.point:.4f} (from {most.low:.4f} to {most.high:.4f})"
    )


def _threshold(lab: Lab) -> None:
    """Choose the threshold on one half of the judged entities, and judge it on the other."""
    spec, task = lab.contract.training.threshold, lab.contract.task
    if task is not Task.BINARY:
        lab.missing["threshold"] = f"a {task} model decides without one"
        return
    if lab.metric not in _MOVED:
        lab.missing["threshold"] = f"{lab.metric} does not depend on it, or is won by it alone"
        return
    if spec.maximise == "value" and spec.fixed is None:
        lab.missing["threshold"] = "it serves money (maximise: value), and the metric is no money"
        return
    score, weight = lab.base.score, lab.bench.weight[lab.fold.seen]
    half = lab.dealt(lab.fold.seen, 2) == 0
    cuts = np.empty(len(score))
    for mine in (half, ~half):
        if len(np.unique(lab.y[~mine])) < 2:
            lab.missing["threshold"] = "too few positives to choose one on half of them"
            return
        cuts[mine] = best_for_f1(lab.y[~mine], score[~mine], weight[~mine]).threshold
    best, now = best_for_f1(lab.y, score, weight).threshold, lab.base.chosen.threshold
    finding = Finding(
        kind="threshold",
        name=f"threshold {best:.3g}",
        evidence=f"decide from {best:.3g} instead of {now:.3g}; chosen on one half of the judged "
        "entities and measured on the other, both ways",
        numbers={"threshold": best, "now": now},
    )
    lab.add(finding, lab.judged(score, cuts))


def _windows(lab: Lab) -> None:
    """Fit the recipe on every other window."""
    plan = lab.bench.plan
    others = [w for w in lab.bench.windows if w != lab.window]
    if not others:
        lab.missing["window"] = "rows without time, or too few weeks: there is one window"
    lab.missing |= {f"window {name}": why for name, why in lab.bench.left_out.items()}
    for window in others:
        name = f"window {window}"
        if not (lab.bench.fittable(window) and lab.bench.differs(window, lab.window)):
            lab.missing[name] = "it holds the same rows, or too few of them"
            continue
        tried = lab.variant(name, window=window)
        if tried is None:
            continue
        rows, now = int(plan.judging(window).fit.sum()), int(lab.fold.fit.sum())
        finding = Finding(
            kind="window",
            name=name,
            evidence=f"learnt from the {window} window, {rows} rows, instead of {lab.window}, "
            f"{now} rows",
            names=(window,),
            numbers={"rows": rows, "now": now},
        )
        lab.add(finding, tried.terms)


def _features(lab: Lab, known: tuple[Benefit, ...]) -> None:
    """Leave out what does harm, then all that is not shown to help, then the best one by one."""
    told = [(b, b.benefit) for b in known if b.benefit is not None]
    if not told:
        lab.missing["features"] = "no feature's benefit could be measured"
        return
    harmful = tuple(b.feature for b, gain in told if gain.high < 0)
    idle = tuple(b.feature for b, gain in told if gain.low <= 0)
    if harmful:
        _left_out(lab, "drop harmful", harmful, known, "the model did better without their values")
    if idle and idle != harmful and len(idle) < len(known):
        _left_out(lab, "drop idle", idle, known, "no one of them is shown to help")
    if not idle:
        lab.missing["drop features"] = "every feature that was measured is shown to help"
    for b, gain in told[:_ALONE]:
        if len(known) > 1 and gain.low > 0:
            _left_out(lab, f"{WITHOUT}{b.feature}", (b.feature,), known, "what helps most")


def _left_out(
    lab: Lab, name: str, names: tuple[str, ...], known: tuple[Benefit, ...], why: str
) -> None:
    tried = lab.variant(name, without=names)
    if tried is None:
        return
    mine = [b for b in known if b.feature in names]
    saved = sum(b.ms or 0.0 for b in mine)
    best = max((b.benefit.point for b in mine if b.benefit is not None), default=0.0)
    what = f"{len(names)} of {len(known)} features" if len(names) > 1 else "one feature"
    finding = Finding(
        kind="features",
        name=name,
        evidence=f"fitted without {what}: {why} (values dealt out at random cost "
        f"{best:+.4f}{' at most' if len(names) > 1 else ''})",
        names=names,
        numbers={"ms_saved": saved, "benefit": best, "left_out": len(names)},
    )
    lab.add(finding, tried.terms)
