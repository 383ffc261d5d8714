"""`tamid improve --page`: the ranked steps as pictures, with what each of them rests on."""

from __future__ import annotations

import math
from collections.abc import Iterator
from html import escape
from typing import TYPE_CHECKING

from tamid.cli.improve_told import gain_words, missing_words, run_words, span_words
from tamid.cli.pages import cells, document
from tamid.cli.runs_charts import Bar, Dot, bars, scatter

if TYPE_CHECKING:
    from tamid.cli.improve_told import Advice
    from tamid.core.learning.advice import Finding, Study

# What a gain rests on, by its basis.
_RESTS = {
    "measured": "measured against the recipe as it is, on the same judged rows",
    "extrapolated": "read off a curve through smaller samples: right as long as it goes on so",
    "bound": "no more than this: all that the slice lacks to the rest, times its share",
}
_CURVE = "at_"


def whole_page(advice: Advice) -> str:
    """Return the page as HTML."""
    found, study = advice.found, advice.found.study
    return document(
        f"{advice.model}: what to improve next",
        [
            f"<p>{escape(run_words(found))}: {escape(study.metric)} "
            f"{span_words(study.base)} on {study.judged} judged rows; {study.fits} fits in "
            f"{study.seconds:.0f} s. {escape(_how(study))} Nothing of it was recorded.</p>",
            *_left_out(advice),
            *_ranking(advice),
            *_curve(study, advice.steps),
            *(_step(advice, place, step) for place, step in enumerate(advice.steps, 1)),
            *_not_measured(study),
            *_doubted(advice),
        ],
    )


def _how(study: Study) -> str:
    if study.given and not study.fits:
        return f"{study.given} was handed over finished, and is looked into as it is."
    return (
        f"The recipe was fitted on {study.fitted} rows, each time with one thing changed, and "
        "judged on the same rows."
    )


def _left_out(advice: Advice) -> Iterator[str]:
    if advice.found.left_out:
        yield (
            "<p>Left out, known to be wrong by now: "
            f"{escape(', '.join(advice.found.left_out))}.</p>"
        )


def _ranking(advice: Advice) -> Iterator[str]:
    """Yield the picture of the gains, its key, and the same as a table."""
    from tamid.core.learning.advised import title

    if not advice.steps:
        yield "<p>No step could be measured.</p>"
        return
    metric, rows = advice.found.study.metric, []
    for place, step in enumerate(advice.steps, 1):
        point, interval = _numbers(step)
        shown = "yes" if step.shown else "no"
        basis = "-" if step.gain is None else step.basis
        rows.append((str(place), title(step), point, interval, basis, shown, step.evidence))
    steps = [bar for bar, step in _bars(advice) if not step.only_worth]
    worth = [bar for bar, step in _bars(advice) if step.only_worth]
    yield f'<div class="wide">{bars(f"gain in {metric} of each step", steps)}</div>'
    yield (
        f'<p class="soft">Gain in {escape(metric)}, more is better, with its interval. Green: '
        "shown after Holm's correction over all steps; grey: measured and not shown; amber: "
        "extrapolated, or no more than this; red: would lose. Point at a bar to read it.</p>"
    )
    if worth:
        yield "<p>What the best features are worth: fitted without one, on a scale of its own.</p>"
        yield f'<div class="wide">{bars(f"{metric} without a feature", worth)}</div>'
    level = next((f"{s.gain.level:.0%} interval" for s in advice.steps if s.gain), "interval")
    head = ("rank", "step", "gain", level, "basis", "shown", "why")
    yield f'<div class="wide">{cells(head, rows)}</div>'


def _bars(advice: Advice) -> Iterator[tuple[Bar, Finding]]:
    """Yield a bar for each step with a gain."""
    from tamid.core.learning.advised import title

    for place, step in enumerate(advice.steps, 1):
        if step.gain is not None and math.isfinite(step.gain.point):
            bar = Bar(
                name=f"{place}. {title(step)}",
                point=step.gain.point,
                low=_known(step.gain.low),
                high=_known(step.gain.high),
                kind=_kind(step),
                told=step.evidence,
            )
            yield bar, step


def _kind(step: Finding) -> str:
    assert step.gain is not None
    if step.gain.point < 0:
        return "held"
    if step.basis != "measured":
        return "guess"
    return "sure" if step.shown else "unsure"


def _numbers(step: Finding) -> tuple[str, str]:
    if step.gain is None:
        return "-", "not measured"
    low, high = _known(step.gain.low), _known(step.gain.high)
    if low is None or high is None:
        return f"{step.gain.point:+.4f}", "too few weeks or entities"
    return f"{step.gain.point:+.4f}", f"{low:+.4f} to {high:+.4f}"


def _known(bound: float) -> float | None:
    return bound if math.isfinite(bound) else None


def _curve(study: Study, steps: tuple[Finding, ...]) -> Iterator[str]:
    """Yield the learning curve, with the point that is read off it at twice the rows."""
    from tamid.core.stats.metrics import METRICS

    for step in steps:
        sizes = sorted(
            (float(name.removeprefix(_CURVE)), value)
            for name, value in step.numbers.items()
            if name.startswith(_CURVE)
        )
        if step.kind != "more_data" or step.gain is None or not sizes:
            continue
        rows, now = sizes[-1]
        then = now + METRICS[study.metric].sign() * step.gain.point
        dots = [
            Dot(x=x, y=y, kind="won", told=f"{study.metric} {y:.4f} from {x:.0f} rows")
            for x, y in sizes
        ]
        told = f"{study.metric} {then:.4f} expected from {2 * rows:.0f} rows"
        dots.append(Dot(x=2 * rows, y=then, kind="experiment", told=told))
        picture = scatter(dots, x="rows that were learnt from", y=study.metric, line=sizes)
        yield f'<h2>Learning curve</h2><div class="wide">{picture}</div>'
        yield '<p class="soft">Green: fitted and judged; amber: extrapolated.</p>'


def _step(advice: Advice, place: int, step: Finding) -> str:
    from tamid.core.learning.advised import title

    gain = "" if step.gain is None else f": {gain_words(step)}"
    rests = _RESTS[step.basis] if step.gain is not None else "no gain of it could be measured"
    left = ", ".join(step.names) if step.kind == "features" else ""
    about = f"<p>Without {escape(left)}.</p>" if left else ""
    return (
        f"<details{' open' if place == 1 else ''}>"
        f"<summary>{place}. {escape(title(step) + gain)}</summary>"
        f"<p>{escape(step.evidence)}.</p><p>Rests on: {escape(rests)}.</p>{about}"
        f"<pre>{escape(chr(10).join(advice.lines(step)))}</pre></details>"
    )


def _not_measured(study: Study) -> Iterator[str]:
    if study.not_measured:
        rows = [*missing_words(study)]
        yield f'<h2>Not measured</h2><div class="wide">{cells(("step", "why"), rows)}</div>'


def _doubted(advice: Advice) -> Iterator[str]:
    if advice.file:
        yield f"<p>{advice.suspects} labels in doubt: {escape(advice.file)}</p>"
