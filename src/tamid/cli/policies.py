"""`tamid replay --compare` and `tamid tune-policy`: policies of retraining on one's own history."""

from __future__ import annotations

import argparse
from argparse import ArgumentParser, Namespace
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from tamid.cli.desk import add_example, add_model, opened, plotted
from tamid.cli.policies_told import Tried, as_json, say
from tamid.core.errors import UsageError
from tamid.core.values import parse_duration

if TYPE_CHECKING:
    from tamid.app import App
    from tamid.cli.output import Output
    from tamid.core.policies.account import Account
    from tamid.core.policies.money import Running, Tariff
    from tamid.core.policies.policy import ReplayPolicy
    from tamid.stages.tensor import Made

TODAY, NEW = "today", "new"
_WEEKS_A_MONTH = 52 / 12


def add_span(parser: ArgumentParser) -> None:
    """Declare what both commands ask of a tensor."""
    parser.add_argument(
        "--every", type=_some_weeks, metavar="SPAN",
        help="fit models so far apart, such as 1w (default: so that there are at most 60)",
    )  # fmt: skip
    parser.add_argument(
        "--lag", type=_weeks, default=1, metavar="SPAN",
        help="from a run to the first week it serves (1w)",
    )  # fmt: skip


def add_tune_policy(parser: ArgumentParser) -> None:
    """Declare the arguments of `tune-policy`."""
    add_span(parser)
    parser.add_argument("--plot", type=Path, metavar="FILE", help="where to write the page")
    add_model(parser)
    add_example(parser, "tamid tune-policy", "tamid tune-policy --model churn --every 2w --json")


def tune_policy(args: Namespace, out: Output) -> int:
    """Find the retraining block that would have cost least, and say how it did afterwards."""
    from tamid.core.policies.money import bill
    from tamid.core.policies.policy import policy_from
    from tamid.core.policies.tune import tune

    with opened(args, out) as app:
        model = app.one(args.model)
        made = _made(app, model, args, None)
        tariff = _tariff(app, model, made)
        found = tune(made.tensor, policy_from(app.contract(model), TODAY), tariff)
        running = _running(app, made, found.told_on.accounts[-1])
    told = Tried(model=model, made=made, accounts=found.told_on, tariff=tariff, running=running)
    block = proposal(found.policy)
    path = _page(args, told, f"tuned on what came before {made.tensor.weeks[found.cut]}")
    early = {a.name: bill(found.chosen_on, a, tariff).total for a in found.chosen_on.accounts}
    out.json(
        {"model": model, "proposal": block, "cut": made.tensor.weeks[found.cut],
         "candidates": found.candidates, "chosen_on": early, "told_on": as_json(told),
         "page": str(path)}
    )  # fmt: skip
    out.text(f"the best of {found.candidates} policies before {made.tensor.weeks[found.cut]}:")
    out.text(f"  {block}")
    say(told, out, f"how it did from {made.tensor.weeks[found.cut]} on, which had no say in it")
    out.text(f"page: {path}")
    return 0


def compare(args: Namespace, out: Output) -> int:
    """Walk several policies over the model's history and print what each would have brought."""
    from tamid.core.policies import account

    with opened(args, out) as app:
        model = app.one(args.model)
        policies = chosen_policies(app, model, args.compare)
        made = _made(app, model, args, args.end)
        try:
            accounts = account.compare(made.tensor, policies)
        except ValueError as error:
            raise UsageError("a policy cannot be tried", why=str(error)) from None
        tariff = _tariff(app, model, made)
        running = _running(app, made, accounts.accounts[-1])
    tried = Tried(model=model, made=made, accounts=accounts, tariff=tariff, running=running)
    path = _page(args, tried, "")
    out.json({**as_json(tried), "page": str(path)})
    say(tried, out, "")
    out.text(f"page: {path}")
    return 0


def chosen_policies(app: App, model: str, names: str) -> list[ReplayPolicy]:
    """Return the policies of a list: known names, `today`, `new`, and files."""
    from tamid.core.policies.policy import policy_from, standard
    from tamid.whatif import policy_at

    known = dict(standard())
    found: dict[str, ReplayPolicy] = {}
    for name in [n.strip() for n in names.split(",") if n.strip()]:
        word = name.lower()
        if word == TODAY:
            found[word] = policy_from(app.contract(model), TODAY)
        elif word == NEW and not Path(name).exists():
            found[word] = policy_from(app.folder_contract(model), NEW)
        elif word in known:
            found[word] = known[word]
        else:
            place = args_path(app, name)
            found[place.name] = replace(policy_at(place, app.models()[model]), name=place.stem)
    if not found:
        raise UsageError(
            "which policies?", fix="Name some, such as `--compare never,weekly,default`."
        )
    return list(found.values())


def args_path(app: App, name: str) -> Path:
    """Return where a named file lies: here, or in the workspace's folder."""
    here = Path(name)
    return here if here.exists() else app.config.root / name


def proposal(policy: ReplayPolicy) -> str:
    """Return a policy as the contract's block, ready to be pasted.

    >>> from tamid.core.policies.policy import ReplayPolicy
    >>> proposal(ReplayPolicy(name="x"))
    'retraining: {on: [age, quality, code], max_age: 13w, window: auto, cooldown: 2w, per_year: 26}'
    """
    told = {"new_data": f"new_data: {{grown: {policy.grown:.0%}}}"} if policy.grown else {}
    told = {"new_data": f"new_data: {policy.new_rows}"} if policy.new_rows else told
    on = ", ".join([*(told.get(trigger, trigger) for trigger in sorted(policy.on)), "code"])
    # A contract refuses a setting whose trigger is not among `on`.
    age = f"max_age: {policy.max_age}w, " if "age" in policy.on else ""
    equal = ", equal: release" if policy.equal_taken and {"age", "new_data"} & policy.on else ""
    return (
        f"retraining: {{on: [{on}], {age}window: {policy.window}, "
        f"cooldown: {policy.cooldown}w, per_year: {policy.per_year}{equal}}}"
    )


def _made(app: App, model: str, args: Namespace, until: datetime | None) -> Made:
    from tamid.rehearsal import reality_of
    from tamid.whatif import Asked, performance, shelf

    asked = Asked(until=until or app.clock.now(), step=args.every, lag=args.lag)
    store = shelf(app.config.store)
    contract, path = app.folder_contract(model), app.models()[model]
    return performance(contract, path, asked, app.progress, store, reality_of(app, model))


def _tariff(app: App, model: str, made: Made) -> Tariff:
    from tamid.core.policies.money import tariff
    from tamid.whatif import prices_in

    return tariff(app.folder_contract(model), prices_in(app.config), made.fit_seconds)


def _running(app: App, made: Made, one: Account) -> Running:
    from tamid.core.policies.money import running
    from tamid.whatif import prices_in

    sums = made.tensor.sums[0, 0, made.tensor.first :, :, made.tensor.terms.index("rows")]
    return running(
        prices_in(app.config),
        fit_seconds=made.fit_seconds,
        score_seconds=made.score_seconds,
        stored_bytes=made.stored_bytes,
        runs_a_year=one.a_year(one.runs),
        scores_a_month=float(sums.sum(axis=1).mean()) * _WEEKS_A_MONTH,
    )


def _page(args: Namespace, tried: Tried, title: str) -> Path:
    from tamid.cli.policies_page import page

    path: Path = args.plot or Path(f"policies-{tried.model}.html")
    return plotted(path, page(tried, title))


def _some_weeks(text: str) -> int:
    if weeks := _weeks(text):
        return weeks
    raise argparse.ArgumentTypeError("models are fitted at least a week apart, such as 1w")


def _weeks(text: str) -> int:
    from tamid.core.policies.policy import weeks_of

    try:
        return weeks_of(parse_duration(text))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
