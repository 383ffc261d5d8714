"""Rules about `goal`, `training` and `gates`: what fits the task, and which metrics exist."""

from __future__ import annotations

from typing import Final

from tamid.core.contract.case import Case, rule
from tamid.core.contract.kinds import BUILT_IN_MODELS
from tamid.core.contract.metrics import METRIC_FACTS, SYNONYMS, MetricFacts, quality_metric
from tamid.core.contract.params import KNOWN, RANGES
from tamid.core.contract.problems import did_you_mean, listed, quoted
from tamid.core.values import Task

_MODELS: Final = {"logistic": (Task.BINARY, Task.MULTICLASS), "ridge": (Task.REGRESSION,)}
_BASELINES: Final = {
    "majority": (Task.BINARY, Task.MULTICLASS),
    "logistic": (Task.BINARY, Task.MULTICLASS),
    "mean": (Task.REGRESSION,),
    "ridge": (Task.REGRESSION,),
}


def _goal(case: Case) -> None:
    """A goal can be measured, and its money adds up."""
    contract, goal = case.contract, case.contract.goal
    if goal.by is not None and goal.reduce is None:
        case.problem("goal.by", "says by how much, but not what", "add reduce: NAME")
    measured = goal.by is not None and goal.against == "control"
    if measured and contract.delivery.control_group == 0:
        case.problem(
            "goal", "a reduction against control needs a control group",
            "set delivery.control_group: 10%, or goal.against: before",
        )  # fmt: skip
    value, cost = goal.value_per_saved, goal.offer_cost
    if value and cost and value.currency != cost.currency:
        message = f"{cost.currency} and {value.currency} cannot be weighed against each other"
        case.problem("goal.offer_cost", message, "use one currency")
    elif value and cost and cost.amount >= value.amount:
        case.problem("goal.offer_cost", "the offer costs as much as it can ever save")


def _threshold(case: Case) -> None:
    """A threshold belongs to a binary score, and value needs prices."""
    contract, goal = case.contract, case.contract.goal
    path = "training.threshold"
    if contract.task is not Task.BINARY:
        if case.given(path):
            case.problem(path, f"a {contract.task} task has no threshold", "remove the key")
        return
    both = case.given(f"{path}.maximise") and contract.training.threshold.maximise is not None
    if contract.training.threshold.fixed is not None:
        if both:
            case.problem(path, "is fixed and searched for at once", "keep fixed or maximise")
    elif contract.training.threshold.maximise == "value":
        missing = [k for k in ("value_per_saved", "offer_cost") if getattr(goal, k) is None]
        if missing:
            keys = " and ".join(f"goal.{k}" for k in missing)
            hint = "such as goal: {value_per_saved: 400 ILS, offer_cost: 30 ILS}"
            case.problem(f"{path}.maximise", f"value cannot be computed without {keys}", hint)
    elif contract.training.threshold.maximise is None:
        message = "there is neither a fixed threshold nor a rule for one"
        case.problem(path, message, "write fixed: 0.5")


def _model(case: Case) -> None:
    """The model fits the task, and its parameters have a taker."""
    contract, training = case.contract, case.contract.training
    tasks = _MODELS.get(training.model)
    if tasks and contract.task not in tasks:
        fitting = [m for m in BUILT_IN_MODELS if contract.task in _MODELS.get(m, tuple(Task))]
        message = f"{training.model} does not fit a {contract.task} task"
        case.problem("training.model", message, f"use {listed(fitting)}")
    if training.params and training.model not in BUILT_IN_MODELS:
        message = f"params are for built-in models, and the model is {quoted(training.model)}"
        case.problem("training.params", message, "set them in the code")
    for name, value in training.params.items():
        _param(case, training.model, name, value)
    calibrated = case.given("training.calibrate") and training.calibrate != "none"
    if contract.task is Task.REGRESSION and calibrated:
        message = "calibration is for probabilities, and a regression has none"
        case.problem("training.calibrate", message, "write calibrate: none")


def _param(case: Case, model: str, name: str, value: object) -> None:
    known, path = KNOWN.get(model), f"training.params.{name}"
    if known is None:
        return
    if name not in known:
        takers = [m for m in BUILT_IN_MODELS if name in KNOWN[m]]
        hint = did_you_mean(name, known) or (f"{listed(takers)} has it" if takers else "remove it")
        case.problem(path, f"{model} has no parameter {quoted(name)} that a contract may set", hint)
    elif (span := RANGES.get((model, name))) and (fault := span.fault(value)):
        case.problem(path, fault)


def _metrics(case: Case) -> None:
    """Every metric exists, fits the task, and its bound lies in its range and direction."""
    contract = case.contract
    for name, bound in contract.gates.minimum.items():
        path = f"gates.minimum.{name}"
        if facts := _metric(case, path, name):
            _in_range(case, path, facts, bound)
    for path, given in (
        ("gates.champion.metric", contract.gates.champion.metric),
        ("monitoring.quality.metric", contract.monitoring.quality.metric),
    ):
        if given is not None:
            _metric(case, path, given)


def _metric(case: Case, path: str, name: str) -> MetricFacts | None:
    task, facts = case.contract.task, METRIC_FACTS.get(name)
    known = [m.name for m in METRIC_FACTS.values() if task in m.tasks]
    if facts is None:
        synonym = SYNONYMS.get(name.lower(), "")
        near = f"did you mean `{synonym}`?" if synonym in known else did_you_mean(name, known)
        hint = near or f"a {task} task has {listed(known)}"
        case.problem(path, f"there is no metric {quoted(name)}", hint)
        return None
    if task not in facts.tasks:
        case.problem(path, f"{name} is not for a {task} task", f"use {listed(known)}")
        return None
    return facts


def _in_range(case: Case, path: str, facts: MetricFacts, bound: float) -> None:
    if facts.low <= bound <= facts.high:
        return
    percent = f"did you mean {bound:g}%?" if facts.high == 1.0 and 1.0 < bound <= 100.0 else ""
    message = f"{facts.name} lies between {facts.low:g} and {facts.high:g}, not at {bound:g}"
    case.problem(path, message, percent)


def _quality(case: Case) -> None:
    """The service level has a bound on the right side, and in the metric's range."""
    quality = case.contract.monitoring.quality
    facts = METRIC_FACTS.get(quality_metric(case.contract))
    if facts is None or case.contract.task not in facts.tasks:
        return
    wrong, right = ("at_most", "at_least") if facts.higher_is_better else ("at_least", "at_most")
    direction = "better the higher" if facts.higher_is_better else "better the lower"
    if getattr(quality, wrong) is not None:
        message = f"{facts.name} is {direction} it is"
        case.problem(f"monitoring.quality.{wrong}", message, f"write {right}")
    bound = getattr(quality, right)
    if bound is not None:
        _in_range(case, f"monitoring.quality.{right}", facts, bound)


def _gates(case: Case) -> None:
    """Baselines, fairness and calibration fit the task and the columns' types."""
    contract, gates = case.contract, case.contract.gates
    for index, name in enumerate(gates.baselines):
        if contract.task not in _BASELINES[name]:
            fitting = [b for b, tasks in _BASELINES.items() if contract.task in tasks]
            message = f"{name} is no baseline of a {contract.task} task"
            case.problem(f"gates.baselines[{index}]", message, f"use {listed(fitting)}")
    if gates.fairness.protected and contract.task is not Task.BINARY:
        message = f"these measures compare decisions; a {contract.task} task has none"
        case.problem("gates.fairness", message, "use gates.slices")
    elif case.given("gates.fairness") and not gates.fairness.protected:
        case.problem("gates.fairness", "no protected column is named", "add protected: [COLUMN]")
    if case.given("gates.slices") and not gates.slices.by:
        case.problem("gates.slices", "no column is named", "add by: [COLUMN]")
    if case.given("gates.calibration") and contract.task is not Task.BINARY:
        message = f"calibration is judged on probabilities of a binary task, not {contract.task}"
        case.problem("gates.calibration", message, "remove the key")


def _group_columns(case: Case) -> None:
    """Groups are cut by columns with few values."""
    contract = case.contract
    for path, columns in (
        ("gates.slices.by", contract.gates.slices.by),
        ("gates.fairness.protected", contract.gates.fairness.protected),
    ):
        refused = ("text", "datetime") if "slices" in path else ("text", "datetime", "number")
        for index, name in enumerate(columns):
            column = contract.data.schema.get(name)
            if name == contract.data.label.column:
                case.problem(f"{path}[{index}]", "the label cannot cut groups of itself")
            elif column and column.type in refused:
                message = f"a column of type {column.type} cuts no groups"
                case.problem(f"{path}[{index}]", message, "name a category, boolean or integer")


def _reduced(case: Case) -> None:
    """A second model does without some columns, never without all, and somebody asks it."""
    contract, path = case.contract, "training.reduced"
    data, without = contract.data, contract.training.reduced
    asked = any(step.kind == "reduced" for step in contract.service.fallback)
    if asked and not without:
        message = "there is no second model to ask"
        hint = "say what it does without: training: {reduced: [COLUMN]}"
        case.problem("service.fallback", message, hint)
    if not without:
        return
    if not asked:
        hint = "write such as service: {fallback: [previous, reduced]}"
        case.problem(path, "the ladder does not ask the second model", hint)
    keys = {data.entity: "the entity", data.time: "the time", data.label.column: "the label"}
    for index, name in enumerate(without):
        if name in keys:
            case.problem(f"{path}[{index}]", f"no row can come without {keys[name]}")
    used = {n for n, column in data.schema.items() if column.feature and n not in keys}
    used |= set(contract.features.aggregates)
    if used and used <= set(without):
        case.problem(path, "nothing is left to learn from", "leave a column for the second model")


RULES = (
    rule(_goal, "goal", "delivery.control_group"),
    rule(_threshold, "task", "training.threshold", "goal"),
    rule(_model, "task", "training.model", "training.params", "training.calibrate"),
    rule(_metrics, "task", "gates.minimum", "gates.champion", "monitoring.quality.metric"),
    rule(_quality, "task", "monitoring.quality"),
    rule(_gates, "task", "gates"),
    rule(_reduced, "training.reduced", "service.fallback", "data.schema", "features.aggregates",
         "data.entity", "data.time", "data.label.column"),
    rule(_group_columns, "gates.slices", "gates.fairness", "data.schema", "data.label.column"),
)  # fmt: skip
