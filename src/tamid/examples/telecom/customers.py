"""The customers of the telecom world: who they are, what they do in a week, and why they leave.

Every week draws the same amount of randomness for every place, whatever happened before, so two
worlds of one seed that differ only in their treatments stay as alike as they can be.
All arrays have one entry a place; a place whose customer left is taken over by a new customer.
Days are floats counted from the first Sunday of the world.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tamid.examples.telecom.story import Regime

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

PLANS = ("basic", "plus", "fibre")
REGIONS = ("north", "haifa", "centre", "jerusalem", "south")
GENDERS = ("female", "male")
LIST_PRICE = np.array([60.0, 90.0, 120.0])  # ILS a month, by plan

WEEK = 7.0  # days
MONTH = 30.4  # days
NEVER = np.inf

# Chance a week that the cause appears; 6 to 7 % of all customers leave a week in any regime.
_FALL, _COMPLAINTS, _HEAVY_DATA = 0.098, 0.031, 0.029
# Chance a payment that its direct debit fails again and again (a payment is due every 4 weeks).
_DEBIT = 0.1
_PAYMENT_WEEKS = 4
# So many weeks make a habit.
_HABIT = 4
# Ratio to the past four weeks beyond which a fall or a heavy week counts, and the edge's softness.
_FALL_BELOW, _HEAVY_ABOVE, _EDGE = 0.52, 1.9, 0.015
_CONTRACT = (2.0, 12.0)  # months; many lengths, so that contract ends do not come in waves
_NEAR_END = 6.0  # months of contract left
_DEAR = 1.05  # price over list price

_NONE, _BY_FALL, _BY_COMPLAINTS, _BY_EXPIRY, _BY_DATA, _BY_DEBIT, _UNEXPLAINED = range(7)


@dataclass(slots=True)
class Customers:
    """The living state of all places, and what was seen of each in the last seven days."""

    number: Ints
    plan: Ints
    region: Ints
    gender: Ints
    base_minutes: Floats
    base_data: Floats
    charge: Floats
    tenure: Floats
    contract_left: Floats
    minutes_past: Floats
    data_past: Floats
    minutes: Floats
    data: Floats
    complaints: Ints
    due: Flags
    failed: Ints
    days_late: Ints
    cause: Ints
    leaves_at: Floats
    receptive: Flags
    next_number: int

    @property
    def minutes_prev(self) -> Floats:
        """Mean weekly minutes of four weeks: those before a leaver's trouble could begin."""
        return np.asarray(self.minutes_past[:_HABIT].mean(axis=0))

    @property
    def data_prev(self) -> Floats:
        """Mean weekly gigabytes of the same four weeks."""
        return np.asarray(self.data_past[:_HABIT].mean(axis=0))


def found(count: int, rng: np.random.Generator, visible: int = 1) -> Customers:
    """Return the first customers, long enough with the operator to be a steady population.

    `visible`: weeks that a leaver's trouble can be seen; so much rarer are leavers, and longer is
    everybody's stay. The habit that a week is held against ends before those weeks: it would
    otherwise come to look like the trouble itself.
    """
    past = _HABIT + visible - 1
    zeros, no = np.zeros(count), np.zeros(count, dtype=bool)
    blank = np.zeros(count, dtype=np.int64)
    people = Customers(
        number=blank.copy(), plan=blank.copy(), region=blank.copy(), gender=blank.copy(),
        base_minutes=zeros.copy(), base_data=zeros.copy(), charge=zeros.copy(),
        tenure=zeros.copy(), contract_left=zeros.copy(),
        minutes_past=np.zeros((past, count)), data_past=np.zeros((past, count)),
        minutes=zeros.copy(), data=zeros.copy(), complaints=blank.copy(), due=no.copy(),
        failed=blank.copy(), days_late=blank.copy(), cause=blank.copy(),
        leaves_at=np.full(count, NEVER), receptive=no.copy(), next_number=1,
    )  # fmt: skip
    move_in(people, np.ones(count, dtype=bool), rng)
    people.tenure = rng.exponential(17 * visible * WEEK / MONTH, count)
    people.contract_left *= rng.random(count)
    return people


def move_in(people: Customers, places: Flags, rng: np.random.Generator) -> None:
    """Give the flagged places to new customers."""
    count = len(places)
    plan = rng.choice(3, count, p=[0.4, 0.35, 0.25])
    drawn: dict[str, NDArray[np.generic]] = {
        "plan": plan,
        "region": rng.choice(5, count, p=[0.18, 0.17, 0.35, 0.14, 0.16]),
        "gender": rng.choice(2, count),
        "base_minutes": np.exp(rng.normal(5.6, 0.35, count)),
        "base_data": np.exp(rng.normal(np.log([3.0, 8.0, 20.0])[plan], 0.4)),
        "charge": LIST_PRICE[plan] * rng.uniform(0.8, 1.3, count),
        "tenure": np.zeros(count),
        "contract_left": rng.uniform(*_CONTRACT, count),
        "cause": np.zeros(count, dtype=np.int64),
        "leaves_at": np.full(count, NEVER),
    }
    for name, values in drawn.items():
        getattr(people, name)[places] = values[places]
    usual = np.exp(rng.normal(0.0, 0.12, (2, *people.minutes_past.shape)))
    people.minutes_past[:, places] = (people.base_minutes * usual[0])[:, places]
    people.data_past[:, places] = (people.base_data * usual[1])[:, places]
    people.minutes[places] = people.minutes_past[0, places]
    people.data[places] = people.data_past[0, places]
    taken = int(places.sum())
    people.number[places] = np.arange(people.next_number, people.next_number + taken)
    people.next_number += taken


def live_a_week(people: Customers, week: int, often: float, rng: np.random.Generator) -> None:
    """Let seven days pass: contracts run down, usage, complaints and payments happen.

    `often` scales how often causes appear. Who is already about to leave keeps showing why.
    """
    count = len(people.number)
    staying = people.cause == _NONE
    people.tenure += WEEK / MONTH
    people.contract_left[staying] -= WEEK / MONTH
    renewed = rng.uniform(*_CONTRACT, count)
    over = people.contract_left <= 0
    people.contract_left[over] = renewed[over]
    _use(people, often, rng)
    trouble = (rng.random(count) < _COMPLAINTS * often) | (people.cause == _BY_COMPLAINTS)
    burst = 2 + rng.binomial(2, 0.3, count)
    single = (rng.random(count) < 0.04).astype(np.int64)
    people.complaints = np.where(trouble, burst, single)
    _pay(people, week, often, rng)


def decide(
    people: Customers, law: Regime, until: float, saved: float, rng: np.random.Generator
) -> None:
    """Let customers make up their minds: who leaves, why, and when in the six days before `until`.

    Nobody leaves sooner, so that a row of the week before is not yet followed by an outcome that
    nothing in it could foretell.
    """
    chances = np.zeros((7, len(people.number)))
    near_end = people.contract_left <= _NEAR_END
    dear = people.charge >= _DEAR * LIST_PRICE[people.plan]
    fall = _below(people.minutes / people.minutes_prev, _FALL_BELOW)
    heavy = _below(_HEAVY_ABOVE / (people.data / people.data_prev), 1.0)
    chances[_BY_FALL] = law.fall * fall * near_end
    chances[_BY_COMPLAINTS] = law.complaints * ((people.complaints >= 2) & dear)
    chances[_BY_EXPIRY] = law.expiry * ((people.contract_left <= WEEK / MONTH) & dear)
    chances[_BY_DATA] = law.heavy_data * heavy * near_end
    chances[_BY_DEBIT] = law.debit * (people.failed >= 2)
    chances[_UNEXPLAINED] = law.unexplained
    any_cause = 1.0 - np.prod(1.0 - chances, axis=0)
    draw = rng.random((3, len(people.number)))
    leaving = (people.cause == _NONE) & (draw[0] < any_cause)
    people.cause[leaving] = chances.argmax(axis=0)[leaving]
    people.leaves_at[leaving] = (until - 6.0 + 6.0 * draw[1])[leaving]
    people.receptive[leaving] = (draw[2] < saved)[leaving]


def persuade(people: Customers, numbers: Ints, after: float) -> int:
    """Make a campaign's offer; return how many customers stay who would have left later."""
    asked = np.isin(people.number, numbers)
    kept = asked & people.receptive & np.isfinite(people.leaves_at) & (people.leaves_at >= after)
    people.leaves_at[kept] = NEVER
    people.cause[kept] = _NONE
    return int(kept.sum())


def _use(people: Customers, often: float, rng: np.random.Generator) -> None:
    """Draw the last seven days' minutes and gigabytes around each customer's habit."""
    count = len(people.number)
    people.minutes_past = np.vstack([people.minutes_past[1:], people.minutes])
    people.data_past = np.vstack([people.data_past[1:], people.data])
    noise = np.exp(rng.normal(0.0, 0.12, (2, count)))
    fading = (rng.random(count) < _FALL * often) | (people.cause == _BY_FALL)
    heavy = (rng.random(count) < _HEAVY_DATA * often) | (people.cause == _BY_DATA)
    shrink, grow = rng.uniform(0.1, 0.55, count), rng.uniform(1.9, 4.0, count)
    people.minutes = people.base_minutes * noise[0] * np.where(fading, shrink, 1.0)
    people.data = people.base_data * noise[1] * np.where(heavy, grow, 1.0)


def _pay(people: Customers, week: int, often: float, rng: np.random.Generator) -> None:
    """Collect what is due in the last seven days; some debits fail, few fail repeatedly."""
    count = len(people.number)
    angry = people.cause == _BY_DEBIT
    people.due = (people.number % _PAYMENT_WEEKS == week % _PAYMENT_WEEKS) | angry
    repeated = (rng.random(count) < _DEBIT * often) | angry
    once = rng.random(count) < 0.04
    tries = 2 + rng.binomial(1, 0.4, count)
    people.failed = np.where(repeated, tries, once.astype(np.int64)) * people.due
    people.days_late = np.where(rng.random(count) < 0.2, rng.geometric(0.35, count), 0)


def _below(values: Floats, bound: float) -> Floats:
    """Return 1 well below the bound and 0 well above, with a soft edge."""
    return np.asarray(1.0 / (1.0 + np.exp(np.clip((values - bound) / _EDGE, -50, 50))))
