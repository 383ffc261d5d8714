"""What the labels of an alarm's periods say of themselves: can they be right, and did they move?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from tamid.core.events import Measured
from tamid.core.stats.labelrate import (
    join_fell,
    label_rate,
    moved_by_inputs,
    rate_moved,
    rates_together,
    within_spread,
)

# Fewer positives than this share of the usual is a broken label feed, not a change of the world.
LABEL_RATE_COLLAPSE = 0.25
# One batch has a label bug when it holds so many times its share of the wrong answers.
FEED_SHARE = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """The batch of labels that most of the wrong answers sit in.

    `share`: its share of the wrong answers over its share of the rows; `without`: the metric on the
    rows whose labels came otherwise.
    """

    name: str
    share: float
    without: float


def label_bug(facts: list[Measured], rates: tuple[float, ...]) -> list[str]:
    """Tell of periods, one by one and together, with so few or many positives as never before."""
    known = [f for f in facts if "positive_rate" in f.detail]
    expected = fmean(rates) if rates else 0.0
    if not known or expected <= 0:
        return []
    for together in [[f] for f in known] + [known] * (len(known) > 1):
        rows = sum(f.rows for f in together)
        rate = sum(f.detail["positive_rate"] * f.rows for f in together) / max(rows, 1)
        seen = rates_together(rates, len(together))
        jumped = label_rate(rate * rows, rows, expected, seen).kind == "jump"
        fell = rate < LABEL_RATE_COLLAPSE * expected and not rate >= min(seen, default=1.0)
        if jumped or (fell and not within_spread(rate, expected, seen)):
            named = ", ".join(f.period for f in together)
            return [f"positives in {named} are {rate:.2%}, usually {expected:.2%}"]
    return []


def unjoined(facts: list[Measured], seen: Mapping[str, Measured]) -> list[str]:
    """Return the first period of which far fewer rows found their label than ever before."""
    for fact in facts:
        before = [m.matured for p, m in seen.items() if p < fact.period and m not in facts]
        if join_fell(before, fact.matured):
            return [
                f"only {fact.matured:.0%} of the rows of {fact.period} have a label, "
                f"never below {min(before):.0%} before"
            ]
    return []


def one_feed(feed: Feed | None, worst: float, sign: float) -> list[str]:
    """Wrong answers that sit in one batch of labels, without which the quality is as usual."""
    if feed is None or feed.share < FEED_SHARE or not -sign * feed.without <= worst:
        return []
    return [
        f"the wrong answers sit in the labels of {feed.name}, {feed.share:.1f} times its share of "
        f"the rows; without them the metric is {feed.without:.3f}, as usual"
    ]


def moved_rate(
    facts: list[Measured], seen: Mapping[str, Measured], rates: tuple[float, ...]
) -> list[str]:
    """Tell of periods whose positives together are another share than usual, and not by inputs."""
    known = [f for f in facts if "positive_rate" in f.detail]
    rows = sum(f.rows for f in known)
    usual = fmean(rates) if rates else 0.0
    rate = sum(f.detail["positive_rate"] * f.rows for f in known) / max(rows, 1)
    if not rate_moved(rate * rows, rows, usual, rates_together(rates, len(known))):
        return []
    before = [m for m in seen.values() if m not in facts]
    announced = _mean(known, "mean_score") - usual
    # What the scores announce too much or too little at all times is no news.
    announced -= _mean(before, "mean_score") - _mean(before, "positive_rate")
    if moved_by_inputs(rate - usual, announced, _mean(known, "discrimination")):
        return []
    said = usual + announced
    return [f"positives are {rate:.2%}, usually {usual:.2%}; the scores announced {said:.2%}"]


def _mean(facts: Sequence[Measured], name: str) -> float:
    told = [f.detail[name] for f in facts if name in f.detail]
    return fmean(told) if told else 0.0
