"""The operations policy as plain numbers, read off the contract."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import timedelta

from tamid.core.contract.metrics import METRIC_FACTS, quality_metric
from tamid.core.contract.model import Contract
from tamid.core.policies.worth import Costs, costs_of
from tamid.core.values import digest_of, jsonable

# A held or undecided candidate may be tried again with fresh labels this often before the matter
# is that of the person who owns the case; the loop then tries only when the evidence has doubled.
ATTEMPTS_PER_ALARM = 3

# A run that died (not: whose code failed) is started again this often.
RESTARTS_PER_RUN = 3

# How long a release is watched for being worse than the version it replaced: what was answered in
# this time counts, whenever its labels come.
WATCH = timedelta(weeks=4)

# How long a version stays in shadow for labels that may decide; then the gates' verdict stands.
SHADOW_WAIT = timedelta(days=3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What `decide` goes by; `sign` is +1 where a larger metric is better, -1 for errors.

    `acceptor`: the role that accepts a hand-over before its release begins, "" if nobody must.
    """

    metric: str
    triggers: frozenset[str]
    max_age: timedelta
    cooldown: timedelta
    runs_per_year: int
    new_rows: int
    path: tuple[str, ...]
    approvers: frozenset[str]
    sinks: tuple[str, ...]
    sign: float = 1.0
    attempts: int = ATTEMPTS_PER_ALARM
    restarts: int = RESTARTS_PER_RUN
    watch: timedelta = WATCH
    shadow_wait: timedelta = SHADOW_WAIT
    costs: Costs | None = None
    acceptor: str = ""
    grown: float = 0.0

    @property
    def digest(self) -> str:
        """Identity of the policy, recorded with each decision.

        What came later counts from where it is not as it always was, so that decisions of before
        can be repeated.
        """
        told = jsonable(self)
        assert isinstance(told, dict)
        usual = {f.name: jsonable(f.default) for f in fields(self) if f.name in _LATER}
        return digest_of({k: v for k, v in told.items() if k not in usual or v != usual[k]})


# Fields that policies recorded before them did not have.
_LATER = frozenset({"shadow_wait", "costs", "acceptor", "grown"})


def policy_of(contract: Contract) -> Policy:
    """Read the policy off a contract."""
    approval = contract.release.approval
    approvers = {
        "auto": frozenset[str](),
        "both": frozenset({"ml_developer", "mlops_engineer"}),
    }.get(approval, frozenset({approval}))
    metric = quality_metric(contract)
    return Policy(
        metric=metric,
        sign=1.0 if METRIC_FACTS[metric].higher_is_better else -1.0,
        triggers=frozenset(contract.retraining.on),
        max_age=contract.retraining.max_age,
        cooldown=contract.retraining.cooldown,
        runs_per_year=contract.retraining.per_year,
        new_rows=contract.retraining.new_data_rows or 0,
        grown=contract.retraining.new_data_grown or 0.0,
        path=contract.release.path,
        approvers=approvers,
        shadow_wait=contract.release.shadow_wait,
        costs=costs_of(contract),
        acceptor=_acceptor(contract),
        sinks=tuple(sink_name(i, s.kind) for i, s in enumerate(contract.delivery.to, 1)),
    )


def _acceptor(contract: Contract) -> str:
    accept = contract.handoff.accept if contract.handoff else "nobody"
    return "" if accept == "nobody" else accept


def sink_name(place: int, kind: str) -> str:
    """Return the stable name of a target: its place in the contract and its kind.

    >>> sink_name(1, "csv")
    '1-csv'
    """
    return f"{place}-{kind}"
