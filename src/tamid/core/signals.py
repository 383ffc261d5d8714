"""What a tick saw beyond the ledger: an argument of `decide`, recorded with each decision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

# The rules by which a tick sees and decides, counted: recorded with each decision, so that the
# audit repeats it by those of its time. 1: a period of which no label came, though some always did,
# is not matured. 2: for a week after a rollback nothing is trained. 3: what is refused for one
# cause is one case.
RULES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Signals:
    """Facts of one tick, derived from pinned tables, the contract and the clock.

    `due`: periods that must have scores now, with rows or without (then a lower rung answers).
    `matured`: periods whose labels are all in, oldest first. `trainable`: periods fit to train on.
    `missing`: what a first training still lacks ("" if nothing). `fresh_rows`: matured rows that
    no run has learnt from. `rungs`: measured quality of each rung on the drifted
    periods while an alarm is open, larger is better. `late`: "period/target" of deliveries that are
    past their deadline and not made. `short`: periods that have far fewer rows than usual, with
    what is missing in words. `lost`: periods in which more entities than usual stayed away, and
    more than the contract lets pass, in words. `shadow_until`: when the next labels of what the
    version in shadow answered are due, "" if they come too late to wait for. `cooling`: until when
    nothing is trained after a rollback, "" if it may be.
    """

    due: tuple[str, ...] = ()
    matured: tuple[str, ...] = ()
    trainable: tuple[str, ...] = ()
    missing: str = ""
    fresh_rows: int = 0
    rungs: Mapping[str, float] = field(default_factory=dict)
    rung_error: float = 0.0
    late: tuple[str, ...] = ()
    short: Mapping[str, str] = field(default_factory=dict)
    lost: Mapping[str, str] = field(default_factory=dict)
    shadow_until: str = ""
    cooling: str = ""
