"""The campaign's own account: whom marketing called, handed over at the end of the year.

The operator's campaign system is a source like any other: its list is put into the folder, the
contract says where it lies, and the loop's next turn measures what the calls brought.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from tamid.core.view.lift import ALL_OFFERS, LiftCard, card_words, lift_cards
from tamid.examples.telecom.demo_year import MODEL, OFFER, Year
from tamid.examples.telecom.report_bars import Bar, bars
from tamid.examples.telecom.report_words import count

_FILE = "calls/year.csv"
# Where the contract tells of it, right below the control group that the calls are held against.
_ABOVE = "  control_group: 30%\n"
_DECLARED = f"  actions: {{path: data/calls/*.csv, offers: {{{OFFER}: 100%}}}}\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Campaign:
    """How many calls were made, and what they brought; None where it cannot be told."""

    calls: int
    lift: LiftCard | None


def hand_over_calls(year: Year) -> Campaign:
    """Put the list of calls down, declare it in the contract, and turn the loop once."""
    if not year.calls:
        return Campaign(calls=0, lift=None)
    calls = pl.concat(year.calls)
    path = year.data / _FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    calls.write_csv(path)
    contract = year.options.folder / "contract.yaml"
    text = contract.read_text("utf-8")
    contract.write_text(text.replace(_ABOVE, _ABOVE + _DECLARED), encoding="utf-8")
    year.app.tick(MODEL)
    cards = {card.offer: card for card in lift_cards(year.app.state(MODEL))}
    return Campaign(calls=calls.height, lift=cards.get(ALL_OFFERS))


def campaign_words(campaign: Campaign) -> str:
    """Return what marketing told, and what it brought, in one line.

    >>> campaign_words(Campaign(calls=2, lift=None))
    'tells of 2 calls; no outcome of them is in yet'
    """
    told = f"tells of {count(campaign.calls, 'call')}"
    if campaign.lift is None:
        return f"{told}; no outcome of them is in yet"
    return f"{told}; {card_words(campaign.lift)}"


def campaign_part(campaign: Campaign | None) -> str:
    """Return the section of the report, empty where nothing can be told."""
    if campaign is None or campaign.lift is None:
        return ""
    card = campaign.lift
    if card.word == "too small to judge":
        return f'<h2>What the calls brought</h2><p class="lead">{card_words(card)}</p>'
    shown = [Bar(name="to be called", interval=card.lift.scaled(100), style="ours")]
    reached = ""
    if card.effect is not None and card.reached < 1:  # else it is the same
        shown.append(Bar(name="reached", interval=card.effect.scaled(100), style="manual"))
        low, high = 100 * card.effect.low, 100 * card.effect.high
        reached = f" Among those it reached: {low:.1f} to {high:.1f} points."
    return (
        "<h2>What the calls brought</h2>"
        f"{bars(shown, unit='points')}"
        f'<p class="lead">Of {count(card.offered, "row")} that were to be called '
        f"{card.offered_share:.1%} left, of {card.held:,} held back by lot {card.held_share:.1%}: "
        f"{card.lift.point * 100:+.1f} points kept, {card.lift.low * 100:+.1f} to "
        f"{card.lift.high * 100:+.1f} at {card.lift.level:.0%}, {card.word}.{reached} Marketing "
        f"told of {count(campaign.calls, 'call')} when the year was over; <code>tamid actions"
        "</code> in the folder of the demo tells the same.</p>"
    )
