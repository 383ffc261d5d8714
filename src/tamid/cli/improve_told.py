"""What `tamid improve` found, as a value and in words, for the terminal, JSON and the page."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tamid.core.contract.model import Contract
    from tamid.core.learning.advice import Finding, Study
    from tamid.core.values import Interval
    from tamid.stages.improving import Improvement


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Advice:
    """All that is told of a study: ranked steps, the list of doubtful labels, the page ("": none).

    `file` is "" where no label is in doubt; `suspects`: how many are.
    """

    model: str
    found: Improvement
    contract: Contract
    steps: tuple[Finding, ...]
    file: str
    suspects: int
    page: str = ""

    def taken(self, step: Finding) -> tuple[str, ...]:
        """Return the lines that say how a step is taken, whether or not it should be."""
        from tamid.core.learning.advised import done_by

        given = self.found.study.given
        return done_by(self.contract, step, self.file or "the list", given)

    def lines(self, step: Finding) -> tuple[str, ...]:
        """Return what to do about a step; one that loses is left alone."""
        losing = step.gain is not None and step.gain.point < 0
        return ("leave it as it is",) if losing else self.taken(step)


def told(advice: Advice) -> dict[str, Any]:
    """Return the whole answer as JSON values."""
    from tamid.core.learning.advised import title
    from tamid.core.values import jsonable

    found = advice.found
    study = jsonable(found.study)
    del study["findings"]
    return {
        "model": advice.model,
        "run": found.run,
        "version": found.version,
        "left_out": found.left_out,
        "study": study,
        "steps": [
            {"rank": place, "title": title(step), "do": advice.taken(step), **jsonable(step)}
            for place, step in enumerate(advice.steps, 1)
        ],
        "suspects": {"file": advice.file, "rows": advice.suspects},
        "page": advice.page,
    }


def gain_words(step: Finding) -> str:
    """Return a measured gain with its interval, what it is, and whether it is shown."""
    assert step.gain is not None
    gain, words = (
        step.gain,
        {"extrapolated": ", extrapolated", "bound": ", at most", "measured": ""},
    )
    text = f"{gain.point:+.4f} ({gain.low:+.4f} to {gain.high:+.4f}{words[step.basis]})"
    if not (math.isfinite(gain.low) or math.isfinite(gain.high)):
        text = f"{gain.point:+.4f} (too few weeks or entities for an interval)"
    return f"{text}, shown" if step.shown else text


def run_words(found: Improvement) -> str:
    """Return the run that was looked into, with the version that it became."""
    return found.run + (f" (version {found.version})" if found.version else "")


def span_words(one: Interval) -> str:
    """Return a value with its interval."""
    return f"{one.point:.4f} ({one.low:.4f} to {one.high:.4f})"


def missing_words(study: Study) -> Iterator[tuple[str, str]]:
    """Yield what was not measured, and why; names of features stay as they are."""
    from tamid.core.learning.advice import KINDS

    for what, why in study.not_measured.items():
        yield what.replace("_", " ") if what in KINDS else what, why
