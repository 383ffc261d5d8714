"""What a draft may demand: a baseline is trained as a first run would be, own code is tried."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from tamid.core.adoption.draft import Draft, Proposal, contract_text
from tamid.core.contract.model import Contract
from tamid.core.errors import ContractError, DataError
from tamid.core.values import Interval, Task
from tamid.core.view.scene import count

if TYPE_CHECKING:
    from tamid.ports import GivenModel, TrainingJob
    from tamid.stages.baseline import Measured

_FILE = "contract.yaml"
# The user's code is imported and its pipeline looked at; nothing is fitted.
_TRY_OUT = timedelta(minutes=5)
_SIMPLE = {Task.REGRESSION: ("mean", "ridge")}


def with_proposal(
    draft: Draft,
    folder: Path,
    now: datetime,
    code: Mapping[str, str],
    handed: Callable[[Contract], GivenModel] | None = None,
) -> tuple[Draft, str]:
    """Train a baseline as a first run would, and let the draft demand what it is sure to reach.

    Returns the draft and a sentence on it; the contract will lie in the folder. The user's code, or
    the model that `handed` returns for the drafted contract, is tried in a process of its own.

    Raises:
        DataError: the loop would refuse the data under this draft; it says why.
        UserCodeError: their pipeline or model cannot be used; it names the step or inputs.
        UsageError: nobody said what the model has learnt from.
    """
    from tamid.stages.baseline import first_job, measured
    from tamid.whatif import taken_in

    simple = _SIMPLE.get(draft.roles.task, ("majority", "logistic"))
    text = contract_text(replace(draft, model="lightgbm", baselines=simple))
    contract = parsed(text)
    floor = replace(draft, baselines=simple[:1])
    given = handed(contract) if handed is not None else None
    with taken_in(contract, folder / _FILE, now) as (rig, state):
        try:
            job = first_job(rig, contract, text, state, now)
            if code or given is not None:
                text = contract_text(floor) if code else text
                _try_out(replace(job, contract=text, code=code, given=given))
            found = measured(rig, contract, job, simple[1])
        except DataError as error:
            return floor, f"no baseline could be trained yet: {error.what}"
    settled, told = _settled(draft, found, simple, own=bool(code))
    parsed(contract_text(settled))
    return settled, told


def _try_out(job: TrainingJob) -> None:
    from tamid.adapters.spawn import SpawnTrainer

    with TemporaryDirectory(prefix="tamid-adopt-") as studies:
        trainer = SpawnTrainer(Path(studies))
        try:
            trainer.try_out(job, _TRY_OUT)
        finally:
            trainer.close()


def _settled(
    draft: Draft, found: Measured, simple: tuple[str, ...], *, own: bool
) -> tuple[Draft, str]:
    """Choose between the two built-in models, and what the contract demands."""
    better = found.model_is_better()
    model = draft.model if own else "lightgbm" if better else simple[1]
    kept = simple if better and not own else simple[:1]
    settled = replace(draft, model=model, baselines=kept)
    told = f"{found.metric} of {simple[1]} {_span(found.simple)}, of lightgbm {_span(found.model)}"
    told += f", on {count(found.rows, 'row')} that neither learnt from"
    told += f" (mean of {found.draws} draws)" if found.draws > 1 else ""
    level = found.level()
    if level is None:
        return settled, f"{told}; {found.mass} positives are too few to demand anything"
    why = f"what {simple[1]} is sure to reach on other rows (95 %)"
    proposal = Proposal(metric=found.metric, level=level, why=why)
    return replace(settled, proposal=proposal), told


def parsed(text: str) -> Contract:
    """Return a drafted contract, checked as any other."""
    from tamid.adapters import yaml
    from tamid.core.contract.parse import parse

    try:
        return parse(yaml.read(text.encode(), _FILE), name=_FILE)
    except ContractError as error:
        told = "; ".join(str(p) for p in error.problems)
        raise DataError(f"no contract can be drafted: {error.what}", why=told) from error


def _span(interval: Interval) -> str:
    return f"{interval.point:.3f} ({interval.low:.3f} to {interval.high:.3f})"
