"""Rules about calendar, release, service, monitoring, retraining and delivery."""

from __future__ import annotations

import itertools
import re
from datetime import timedelta
from typing import Final

from tamid.core.contract.case import Case, rule
from tamid.core.contract.kinds import parse_moment, parse_stage
from tamid.core.contract.model import Rung, SinkSpec
from tamid.core.contract.problems import did_you_mean, quoted
from tamid.core.contract.running import ROUTINE
from tamid.core.values import Task, format_duration

_WEEK: Final = timedelta(days=7)
_DAY: Final = timedelta(days=1)
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
# Shares written as whole percents may miss 100 % by their rounding.
_SHARES_OFF = 0.005
_BANDS: Final = ("low", "medium", "high")
_RUNG_KEYS: Final = {
    "last_score": "max_age", "rule": "code", "default": "value", "abstain": "unsure",
}  # fmt: skip
_LAST: Final = {"default": "which always answers", "abstain": "which leaves the row to a person"}


def _zone(case: Case) -> None:
    """The time zone exists."""
    zone, zones = case.contract.calendar.timezone, case.zones
    if zones is not None and zone not in zones:
        by_city = [z for z in sorted(zones) if z.rpartition("/")[2].lower() == zone.lower()]
        hint = f"did you mean `{by_city[0]}`?" if by_city else did_you_mean(zone, zones)
        message = f"there is no time zone {quoted(zone)}"
        case.problem("calendar.timezone", message, hint or "name one such as Asia/Jerusalem")


def _release_path(case: Case) -> None:
    """Shadow comes first, canaries grow, live comes last."""
    path, contract = "release.path", case.contract
    stages = [parse_stage(text) for text in contract.release.path]
    if not stages or stages[-1].kind != "live":
        case.problem(path, "the last stage is live", "add live at the end")
    for index, stage in enumerate(stages):
        where = f"{path}[{index}]"
        if stage.kind == "shadow" and index > 0:
            case.problem(where, "shadow answers nobody, so it comes first")
        if stage.kind == "live" and index < len(stages) - 1:
            case.problem(where, "nothing comes after live")
        if stage.kind != "canary":
            continue
        earlier = [s.share for s in stages[:index] if s.kind == "canary"]
        if not 0.0 < stage.share < 1.0:
            case.problem(where, "a canary answers more than 0% and less than 100%")
        elif earlier and stage.share <= max(earlier):
            case.problem(where, f"a canary of {stage.share:.15g} after one of {max(earlier):.15g}",
                         "let the shares grow")  # fmt: skip
        if contract.data.entity is None:
            message = "a canary is cut by entity, and data.entity is missing"
            case.problem(where, message, "set data.entity")


def _fallback(case: Case) -> None:
    """Each rung has what it needs, stands once, and nothing stands below default or abstain."""
    contract, seen = case.contract, set[str]()
    for index, step in enumerate(contract.service.fallback):
        path = f"service.fallback[{index}]"
        if step.kind in seen:
            case.problem(path, f"{step.kind} stands twice in the ladder")
        elif last := next((kind for kind in _LAST if kind in seen), ""):
            case.problem(path, f"{step.kind} stands below {last}, {_LAST[last]}",
                         f"put {last} last")  # fmt: skip
        seen.add(step.kind)
        _rung(case, path, step)


def _rung(case: Case, path: str, step: Rung) -> None:
    contract = case.contract
    own = _RUNG_KEYS.get(step.kind, "")
    for key in _RUNG_KEYS.values():
        if key != own and getattr(step, key) is not None:
            case.problem(f"{path}.{key}", f"{step.kind} takes no {key}")
    if step.kind == "rule" and step.code is None:
        case.problem(path, "a rule needs its code", "write rule: rules.py:score")
    if step.kind == "last_score" and contract.data.entity is None:
        message = "the last score belongs to an entity, and data.entity is missing"
        case.problem(path, message, "set data.entity")
    if step.unsure is not None:
        _unsure(case, f"{path}.unsure", step.unsure)
    if step.kind != "default":
        return
    if step.value is None:
        case.problem(path, "a default needs its score", "write default: 0.27")
    elif contract.task is Task.MULTICLASS:
        message = "one number is no answer to a multiclass task"
        case.problem(path, message, "use rule: rules.py:score")
    elif contract.task is Task.BINARY and not 0.0 <= step.value <= 1.0:
        percent = f"did you mean {step.value:g}%?" if 1.0 < step.value <= 100.0 else ""
        case.problem(path, f"a binary score lies between 0 and 1, not {step.value:g}", percent)


def _unsure(case: Case, path: str, unsure: tuple[float, ...]) -> None:
    """Only a chance can be too near to a coin's."""
    if case.contract.task is not Task.BINARY:
        message = "only a binary score can say by itself that the model is unsure"
        case.problem(path, message, "write abstain alone: rows that no other rung answers")
    elif len(unsure) != 2 or not unsure[0] < unsure[1]:
        case.problem(path, "two scores are needed, the lower one first", "write [0.45, 0.55]")


def _intervals(case: Case) -> None:
    """A tick comes at least once in every period of delivery."""
    every, period = case.contract.monitoring.every, case.contract.delivery.every
    if every > period:
        case.problem(
            "monitoring.every" if case.given("monitoring.every") else "delivery.every",
            f"a tick every {format_duration(every)} cannot deliver every {format_duration(period)}",
            f"write monitoring.every: {format_duration(period)} or less",
        )


def _retraining(case: Case) -> None:
    """Each trigger has its setting, each setting its trigger."""
    path, retraining = "retraining", case.contract.retraining
    spans = {"rows": retraining.new_data_rows, "grown": retraining.new_data_grown}
    told = [name for name, value in spans.items() if value is not None]
    if "new_data" in retraining.on and not told:
        message = "new_data does not say how many rows"
        fix = "write new_data: {matured_rows: 50000} or new_data: {grown: 15%}"
        case.problem(f"{path}.on", message, fix)
    if told and "new_data" not in retraining.on:
        case.problem(f"{path}.new_data_{told[0]}", "new_data is not among the triggers in `on`")
    if case.given(f"{path}.max_age") and "age" not in retraining.on:
        message = "age is not among the triggers in `on`"
        case.problem(f"{path}.max_age", message, "add age to `on`, or remove max_age")
    if retraining.equal == "release" and not ROUTINE & set(retraining.on):
        message = "nothing but age and new_data asks for a candidate that may be equal"
        case.problem(f"{path}.equal", message, "add one of them to `on`, or remove equal")
    if "age" in retraining.on and retraining.cooldown > retraining.max_age:
        case.problem(
            f"{path}.cooldown" if case.given(f"{path}.cooldown") else f"{path}.max_age",
            f"the cooldown of {format_duration(retraining.cooldown)} is longer than max_age "
            f"{format_duration(retraining.max_age)}",
        )


def _costs(case: Case) -> None:
    """The two costs stand together, in one currency, with a trigger that they decide about."""
    path, costs = "retraining.costs", case.contract.retraining.costs
    if not case.given(path):
        return
    if costs.run is None or costs.error is None:
        missing = "run" if costs.run is None else "error"
        hint = "such as costs: {run: 400 ILS, error: 5 ILS}"
        case.problem(path, f"one cost says nothing without the other: {missing} is missing", hint)
        return
    money = (
        costs.run,
        costs.error,
        case.contract.goal.value_per_saved,
        case.contract.goal.offer_cost,
    )
    currencies = sorted({m.currency for m in money if m is not None})
    if len(currencies) > 1:
        message = f"{' and '.join(currencies)} cannot be weighed against each other"
        case.problem(path, message, "use one currency, also in `goal`")
    if costs.error.amount <= 0:
        message = "a wrong answer that costs nothing is worth no run"
        case.problem(f"{path}.error", message, "write what it costs, above 0")
    if costs.over < case.contract.delivery.every:
        case.problem(f"{path}.over", "a repair counts for one period at least")
    if "quality" not in case.contract.retraining.on:
        message = "quality is not among the triggers in `on`"
        case.problem(path, message, "add quality to `on`, or remove the costs")


def _delivery_time(case: Case) -> None:
    """The deadline lies in the period, and periods are days or weeks where it names one."""
    delivery = case.contract.delivery
    if delivery.every % _DAY:
        message = f"{format_duration(delivery.every)} is not a number of whole days"
        case.problem("delivery.every", message, "write such as 1d or 7d")
    if delivery.by is None:
        return
    weekday = parse_moment(delivery.by).weekday
    if weekday and delivery.every % _WEEK:
        message = f"a weekday means nothing every {format_duration(delivery.every)}"
        case.problem("delivery.by", message, 'write the hour alone, such as "06:00"')
    elif not weekday and delivery.every == _WEEK:
        case.problem("delivery.by", "does not say on which day", f'write "Sunday {delivery.by}"')


def _targets(case: Case) -> None:
    """Each target has what its kind needs, and none is written twice."""
    seen = set[tuple[str, str, str | None]]()
    for index, sink in enumerate(case.contract.delivery.to):
        path = f"delivery.to[{index}]"
        if (sink.kind, sink.target, sink.table) in seen:
            case.problem(path, "is the same target as one above")
        seen.add((sink.kind, sink.target, sink.table))
        _target(case, path, sink)


def _target(case: Case, path: str, sink: SinkSpec) -> None:
    is_url, from_env = "://" in sink.target, sink.target.startswith("env:")
    if sink.kind == "sql" and sink.table is None:
        case.problem(path, "an SQL target needs its table", "add table: scores")
    if sink.kind != "sql" and sink.table is not None:
        case.problem(f"{path}.table", f"{sink.kind} takes no table")
    if sink.kind != "webhook" and sink.secret is not None:
        case.problem(f"{path}.secret", f"{sink.kind} takes no secret")
    if sink.kind == "webhook" and not (from_env or sink.target.startswith(("http://", "https://"))):
        case.problem(f"{path}.target", "is neither an http(s) address nor env:NAME")
    if sink.kind == "sql" and not (is_url or from_env):
        hint = "write such as sqlite:///scores.db, or env:NAME"
        case.problem(f"{path}.target", "is no database address", hint)
    if from_env and not re.match(r"env:[A-Za-z_][A-Za-z0-9_]*\Z", sink.target):
        case.problem(f"{path}.target", "is not env:NAME", "name an environment variable")
    if sink.kind in ("csv", "parquet", "delta"):
        for name in _PLACEHOLDER.findall(sink.target):
            if name != "period":
                message = f"{quoted('{' + name + '}')} is not replaced"
                case.problem(f"{path}.target", message, "only {period} is")


def _groups(case: Case) -> None:
    """A control group is cut by entity and leaves somebody to treat; bands can be told apart."""
    contract, delivery = case.contract, case.contract.delivery
    if delivery.control_group >= 1.0:
        case.problem("delivery.control_group", "nobody is left to treat", "write such as 10%")
    if delivery.control_group > 0 and contract.data.entity is None:
        message = "a control group is cut by entity, and data.entity is missing"
        case.problem("delivery.control_group", message, "set data.entity")
    if delivery.bands and contract.task is Task.MULTICLASS:
        case.problem("delivery.bands", "bands need one score, and a multiclass task has several")
    least = dict[float, str]()
    for name, score in delivery.bands.items():
        path = f"delivery.bands.{name}"
        if score in least:
            message = f"begins where {quoted(least[score])} begins"
            case.problem(path, message, "give each band its own least score")
        least[score] = name
        if contract.task is Task.BINARY and not 0.0 <= score <= 1.0:
            percent = f"did you mean {score:g}%?" if 1.0 < score <= 100.0 else ""
            case.problem(path, f"a binary score lies between 0 and 1, not {score:g}", percent)
    ordered = [name for name in _BANDS if name in delivery.bands]
    for lower, higher in itertools.pairwise(ordered):
        if delivery.bands[lower] > delivery.bands[higher]:
            message = f"begins above {quoted(higher)} ({delivery.bands[higher]:g})"
            case.problem(f"delivery.bands.{lower}", message, "a higher band needs a higher score")


def _actions(case: Case) -> None:
    """What comes back is held against a control group, by entity, on an outcome of yes or no."""
    contract, actions = case.contract, case.contract.delivery.actions
    if actions is None:
        return
    path = "delivery.actions"
    if contract.delivery.control_group == 0:
        message = "without a control group nothing says what an offer brings"
        case.problem(path, message, "set delivery.control_group: 10%")
    if contract.task is not Task.BINARY:
        message = f"offers follow a yes or no, and the task is {contract.task}"
        case.problem(path, message, "leave delivery.actions out")
    if contract.data.entity in (actions.offer, actions.time):
        case.problem(path, f"{quoted(str(contract.data.entity))} already names the entity")
    total = sum(actions.offers.values())
    if actions.offers and abs(total - 1.0) > _SHARES_OFF:
        message = f"the shares add up to {total:.0%}"
        case.problem(f"{path}.offers", message, "let them add up to 100%")


RULES = (
    rule(_zone, "calendar.timezone"),
    rule(_release_path, "release.path", "data.entity"),
    rule(_fallback, "service.fallback", "task", "data.entity"),
    rule(_intervals, "monitoring.every", "delivery.every"),
    rule(_retraining, "retraining"),
    rule(_costs, "retraining"),
    rule(_delivery_time, "delivery.every", "delivery.by"),
    rule(_targets, "delivery.to"),
    rule(_groups, "delivery.control_group", "delivery.bands", "data.entity", "task"),
    rule(_actions, "delivery.actions", "delivery.control_group", "data.entity", "task"),
)
