"""What happens in the telecom world, and when: the acts of one live year as data.

Weeks count from the first live week (week 0). The loop never reads any of this; a report may use it
to caption its picture.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Regime:
    """Chance that a customer leaves for each cause, once the cause is there (shares of 1).

    The causes: minutes collapse near the end of the contract; several complaints while paying more
    than the list price; the contract's last week at a high price; a week of heavy data use near the
    end of the contract; a direct debit that failed repeatedly. `unexplained` holds for everybody.
    """

    fall: float
    complaints: float
    expiry: float
    heavy_data: float
    debit: float
    unexplained: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """The acts of the live year; every default is chosen so that each act can be seen in a week."""

    history_weeks: int = 30
    live_weeks: int = 52
    before: Regime = Regime(
        fall=0.87, complaints=0.87, expiry=0.87, heavy_data=0.0045, debit=0.0045, unexplained=0.0045
    )
    # A competitor offers unlimited data, while our own care team now heals complaints.
    offer_week: int = 2
    offer: Regime = Regime(
        fall=0.87, complaints=0.06, expiry=0.87, heavy_data=0.87, debit=0.0045, unexplained=0.0045
    )
    # Minutes of one weekly file arrive in seconds; the supplier repairs the file some days later.
    bug_week: int = 13
    # Seconds for minutes. A smaller factor gives values that no range can tell from true ones.
    bug_factor: float = 60.0
    bug_repaired_after: timedelta = timedelta(days=3)
    # The scorer is down; the world itself does not change.
    outage_week: int = 20
    # A new billing system: whoever's direct debit fails repeatedly leaves in anger.
    billing_week: int = 30
    billing: Regime = Regime(
        fall=0.87, complaints=0.06, expiry=0.87, heavy_data=0.06, debit=0.87, unexplained=0.0045
    )
    # Chance that the campaign keeps a customer who was about to leave.
    saved_by_offer: float = 0.35

    def regime(self, week: int) -> Regime:
        """Return the laws of leaving in a week (negative weeks are history)."""
        if week >= self.billing_week:
            return self.billing
        return self.offer if week >= self.offer_week else self.before

    def dates(self, first_live: date) -> dict[str, date]:
        """Return the first day of each act, for captions."""
        weeks = {
            "release": 0,
            "competitor offer": self.offer_week,
            "minutes in seconds": self.bug_week,
            "scorer down": self.outage_week,
            "billing change": self.billing_week,
        }
        return {act: first_live + timedelta(weeks=week) for act, week in weeks.items()}
