"""The cost rule: a fall is answered by a run only if it costs more than the run."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from tamid.core.events import Measured
from tamid.core.paging import realised_of, reference_losses
from tamid.core.policies.board import JUDGED
from tamid.core.policies.worth import Costs, may_save, stake_of
from tamid.core.policy import Policy
from tamid.core.state import State
from tamid.core.windows import MOST_JUDGED

# A 95 % interval is so many standard errors wide.
_WIDTH = 2 * 1.959964


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fall:
    """How far the latest drifted periods lie below the reference, and what hangs on it."""

    value: float
    fall: float
    doubt: float
    answers: float


def not_worth(policy: Policy, state: State, degraded: tuple[str, ...]) -> str:
    """Return why a run costs more than the fall of the drifted periods, "" if it does not.

    Without costs in the contract, below the quality that it demands, or where no fall can be told,
    nothing stands against a run.
    """
    costs = policy.costs
    found = None if costs is None else _fallen(policy, state, degraded)
    if costs is None or found is None:
        return ""
    if costs.owed is not None and policy.sign * found.value < costs.owed:
        return ""
    saved = may_save(found.fall, found.doubt, found.answers, costs.periods)
    return "" if saved > costs.price else _words(policy, costs, found, saved)


def _fallen(policy: Policy, state: State, degraded: tuple[str, ...]) -> _Fall | None:
    """Return the fall over the last matured of the drifted periods, None if it cannot be told."""
    usual = np.array(reference_losses(state, state.champion, policy.sign))
    known = realised_of(state, state.champion)
    seen = [known[p] for p in degraded if p in known]
    seen = [m for m in seen if math.isfinite(m.value) and m.rows > 0][-JUDGED:]
    if len(usual) < 2 or not seen:
        return None
    rows = np.array([m.rows for m in seen], dtype=np.float64)
    share = rows / rows.sum()
    value = float(share @ [m.value for m in seen])
    spread = float(usual.std(ddof=1))
    # Periods differ by more than their own rows explain: the larger of both counts.
    doubt = max(
        math.sqrt(float(share**2 @ [_error(m) ** 2 for m in seen])), spread / len(seen) ** 0.5
    )
    # Quantiles that stand for a reference are no more evidence than the periods behind them.
    doubt = math.hypot(doubt, spread / min(len(usual), MOST_JUDGED) ** 0.5)
    answered = [state.scored[m.period].rows for m in seen if m.period in state.scored]
    stake = float(share @ [stake_of(policy.metric, m.detail) for m in seen])
    return _Fall(
        value=value,
        fall=float(-policy.sign * value - usual.mean()),
        doubt=doubt,
        answers=stake * float(np.mean(answered or rows)),
    )


def _error(seen: Measured) -> float:
    return 0.0 if seen.interval is None else (seen.interval.high - seen.interval.low) / _WIDTH


def _words(policy: Policy, costs: Costs, found: _Fall, saved: float) -> str:
    worth = saved * costs.error
    return (
        f"no run for a fall of {policy.metric} by {max(found.fall, 0.0):.3f} (give or take "
        f"{found.doubt:.3f}): over {costs.periods:.0f} periods a new model is sure to save "
        f"{saved:.0f} wrong answers, {worth:,.0f} {costs.currency}; a run costs "
        f"{costs.run:,.0f} {costs.currency}"
    )
