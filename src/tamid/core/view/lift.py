"""What a campaign's offers brought, as cards and in words."""

from __future__ import annotations

from dataclasses import dataclass

from tamid.core import events as ev
from tamid.core.state import State
from tamid.core.stats.lift import Word, lift_word
from tamid.core.values import Interval

# What the name of the signal begins with; the offer follows.
LIFT = "lift/"
ALL_OFFERS = "*"


@dataclass(frozen=True, slots=True, kw_only=True)
class LiftCard:
    """What an offer brought by the outcomes that are in ("*": all offers together).

    `lift`: how many of 1 it keeps from the outcome (or brings to it); `by_lot`: whether the offer
    was drawn by lot, else it was given by somebody's choice. `reached`: share of those who were to
    get it who did. `effect`: the lift among them. `stray`: acts on those who were held back.
    """

    offer: str
    through: str
    lift: Interval
    word: Word
    offered: int
    offered_share: float
    held: int
    held_share: float
    reached: float
    by_lot: bool
    effect: Interval | None = None
    stray: int = 0


def lift_cards(state: State) -> tuple[LiftCard, ...]:
    """Return what is known of each offer, all together first."""
    known = [p for name, p in state.measured.items() if name.startswith(LIFT)]
    newest = max((period for periods in known for period in periods), default="")
    # An offer that is made no more has no figure for the newest period.
    found = [card_of(periods[newest]) for periods in known if newest in periods]
    return tuple(sorted(found, key=lambda c: (c.offer != ALL_OFFERS, c.offer)))


def card_of(e: ev.Measured) -> LiftCard:
    """Return one measurement as a card."""
    told = e.detail
    lift = e.interval or Interval(point=e.value, low=-1.0, high=1.0)
    effect = None
    if "effect" in told:
        effect = Interval(
            point=told["effect"], low=told["effect_low"], high=told["effect_high"], level=lift.level
        )
    return LiftCard(
        offer=e.signal.removeprefix(LIFT),
        through=e.period,
        lift=lift,
        word=lift_word(lift, bool(told.get("enough"))),
        offered=int(told["offered"]),
        offered_share=told["offered_share"],
        held=int(told["held"]),
        held_share=told["held_share"],
        reached=told["reached"],
        by_lot=bool(told["by_lot"]),
        effect=effect,
        stray=int(told.get("stray", 0)),
    )


def lift_words(e: ev.Measured) -> str:
    """Tell what an offer brought."""
    return f"lift of {card_words(card_of(e))}, by {e.period}"


def card_words(card: LiftCard) -> str:
    """Return what an offer brought in one line."""
    name = "all offers" if card.offer == ALL_OFFERS else card.offer
    sides = (
        f"{card.offered_share:.1%} of {card.offered} against {card.held_share:.1%} of {card.held} "
        "held back"
    )
    if card.word == "too small to judge":
        return f"{name}: too small to judge ({sides})"
    low, high = card.lift.low * 100, card.lift.high * 100
    text = f"{name}: {card.lift.point * 100:+.1f} points ({low:+.1f} to {high:+.1f}), {card.word}"
    chosen = "" if card.by_lot else "; given by choice, not by lot"
    return f"{text}; {sides}; {card.reached:.0%} were reached{chosen}"
