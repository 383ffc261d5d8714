"""The policy that would have paid best: chosen on the first part of history, told on the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from tamid.core.policies.account import Accounts, compare
from tamid.core.policies.board import board
from tamid.core.policies.money import Tariff, bill
from tamid.core.policies.policy import AGE, AUTO, NEW_DATA, QUALITY, ReplayPolicy, never, standard
from tamid.core.policies.tensor import Tensor

# What is chosen on the first three fifths is told on the last two, which had no say in it.
SHARE = 0.6
_AGES = (4, 8, 13, 26, 52)
_COOLDOWNS = (1, 2, 4)
TUNED, TODAY = "tuned", "today"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tuned:
    """The policy chosen, on how many candidates, and how it and others did in both parts.

    `cut`: the first week of the part that is told, as index. `chosen_on`, `told_on`: the accounts
    of the tuned policy, today's, the default, never and the calendar's, before and after the cut.
    """

    policy: ReplayPolicy
    candidates: int
    cut: int
    chosen_on: Accounts
    told_on: Accounts


def candidates(today: ReplayPolicy, windows: Sequence[str]) -> tuple[ReplayPolicy, ...]:
    """Return what triggers, age, window and cooldown can be, all else as in today's policy.

    >>> len(candidates(ReplayPolicy(name="today"), ("all",)))
    66
    """
    found = []
    for window in (AUTO, *windows):
        for cooldown in _COOLDOWNS:
            base = replace(today, window=window, cooldown=cooldown)
            kept = today.on & {NEW_DATA}
            found.append(replace(base, on=frozenset({QUALITY}) | kept))
            for age in _AGES:
                for on in ({AGE}, {AGE, QUALITY}):
                    found.append(replace(base, on=frozenset(on) | kept, max_age=age))
    return tuple(replace(p, name=f"candidate {i}") for i, p in enumerate(found))


def tune(tensor: Tensor, today: ReplayPolicy, by: Tariff, share: float = SHARE) -> Tuned:
    """Choose the cheapest policy on the first `share` of the weeks served, and tell the rest.

    The candidates see the first part only; what they decided there is where they stand at the cut.

    Raises:
        ValueError: today's policy names a window that the tensor lacks.
    """
    weeks = len(tensor.weeks) - tensor.first
    cut = tensor.first + max(1, int(weeks * share))
    tried = (replace(today, name=TODAY), never(), *candidates(today, tensor.windows))
    early = compare(board(tensor.until(cut)), tried)
    costs = {a.name: bill(early, a, by).total for a in early.accounts}
    best = min(tried, key=lambda policy: costs[policy.name])
    named = [replace(best, name=TUNED), replace(today, name=TODAY), *standard().values()]
    return Tuned(
        policy=named[0],
        candidates=len(tried),
        cut=cut,
        chosen_on=compare(board(tensor.until(cut)), named),
        told_on=compare(board(tensor), named, since=cut),
    )
