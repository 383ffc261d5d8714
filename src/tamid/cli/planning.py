"""`tamid plan`: what a model's truth can show, said before anything is trained."""

from __future__ import annotations

import math
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING

from tamid.cli.desk import add_example, add_model, opened

if TYPE_CHECKING:
    from tamid.cli.output import Output
    from tamid.core.contract.model import Contract
    from tamid.core.foresight import Foresight
    from tamid.stages.supply import Supply


def add_plan(parser: ArgumentParser) -> None:
    """Declare the arguments of `plan`."""
    add_model(parser)
    parser.add_argument(
        "--level", type=float, metavar="VALUE",
        help="the metric's level to reckon with (default: what the contract demands)",
    )  # fmt: skip
    parser.add_argument(
        "--fall", type=_positive, metavar="VALUE",
        help="how large a change for the worse is to be noticed in good time (0.1; of an error "
        "without an upper end a tenth of the level, or what is visible)",
    )  # fmt: skip
    add_example(parser, "tamid plan", "tamid plan --fall 0.05", "tamid plan --level 0.7 --json")


def plan(args: Namespace, out: Output) -> int:
    """Say how much truth there is, how small a fall it shows, and how long a repair takes."""
    from tamid.core.foresight import foresee
    from tamid.core.values import jsonable
    from tamid.whatif import supplied

    with opened(args, out) as app:
        model = app.one(args.model)
        contract = app.folder_contract(model)
        supply = supplied(contract, app.models()[model], app.clock.now())
    truth = supply.usual(contract.delivery.control_group or 1.0)
    seen = foresee(contract, truth, supply.mass(), supply.matured, level=args.level, fall=args.fall)
    said = _said(contract, supply, seen)
    out.json({"model": model, "supply": jsonable(supply), "foresight": jsonable(seen),
              "said": said})  # fmt: skip
    out.text(f"{model}: what its truth can show, before anything is trained")
    for head, text in said.items():
        out.text(f"  {head:<9} {text}")
    return 0


def _said(contract: Contract, supply: Supply, seen: Foresight) -> dict[str, str]:
    return {
        "history": _history(contract, supply),
        "measure": _measure(contract, seen),
        "visible": _visible(contract, seen),
        "gate": _gate(contract, supply, seen),
        "repair": _repair(contract, seen),
    }


def _history(contract: Contract, supply: Supply) -> str:
    from tamid.core.view.scene import count

    rows, whole = sum(supply.rows), supply.whole()
    text = count(rows, "good row")
    if supply.matured is not None or len(supply.periods) > 1:
        text += f" in {len(supply.periods)} periods, {len(whole)} with all their labels"
    known, positives = sum(supply.known), sum(supply.positives)
    if contract.task.value == "binary" and known:
        text += f"; {count(positives, 'positive')} ({positives / known:.1%} of those known)"
    if supply.matured is not None:
        text += f"; a period's labels are in {_days(supply.matured)} after it begins"
    return text + "."


def _measure(contract: Contract, seen: Foresight) -> str:
    if not math.isfinite(seen.error):
        return (
            f"how well {seen.metric} will be known cannot be said yet: "
            + ("no level is demanded; name one with --level." if math.isnan(seen.level)
               else "it depends on the model.")
        )  # fmt: skip
    half = 1.96 * seen.error
    at = "" if seen.metric == "mae" else f" of {seen.level:g}"
    what = "one period shows" if contract.data.time else "all rows together would show"
    text = f"{what} {seen.metric}{at} to +/- {half:.3g} (95 %)"
    if contract.delivery.control_group:
        text += f", with {contract.delivery.control_group:.0%} of those to act on held back"
    return text + "."


def _visible(contract: Contract, seen: Foresight) -> str:
    from tamid.core.foresight import LOOKED_AT, POWER
    from tamid.core.view.scene import count

    if contract.data.time is None:
        return "without a time column nothing is watched."
    if not math.isfinite(seen.visible):
        return "not known beforehand."
    weeks = f"{LOOKED_AT / timedelta(weeks=1):g} weeks"
    if contract.delivery.every > LOOKED_AT:
        weeks = "the span of one period"
    return (
        f"{_worse(seen)} of {seen.visible:.3g} is found within {weeks} "
        f"({count(seen.month, 'period')}) with a chance of {POWER:.0%} (one-sided 5 %); "
        "a smaller one needs more."
    )


def _gate(contract: Contract, supply: Supply, seen: Foresight) -> str:
    from tamid.core.view.scene import count
    from tamid.core.windows import FEWEST_COMPARED, FEWEST_POSITIVES, FEWEST_TO_START

    if supply.matured is None and len(supply.periods) == 1:
        return "a share of the rows is judged at once."
    what = "positive" if contract.task.value == "binary" else "row"
    if seen.missing:
        return (
            f"a first run needs about {count(seen.missing, 'more period')}: {FEWEST_TO_START} with "
            f"all labels, and {FEWEST_POSITIVES} {what}s in those it is judged on (now "
            f"{seen.mass})."
        )
    return (
        f"a first run can be decided now: {len(seen.judged)} periods with "
        f"{count(seen.mass, what)} judge it; two versions are told apart on {FEWEST_COMPARED} "
        "periods or more."
    )


def _repair(contract: Contract, seen: Foresight) -> str:
    if seen.confirm is None or seen.periods is None:
        return f"how soon {_worse(seen)} would be noticed cannot be said beforehand."
    path = " then ".join(str(step) for step in contract.release.path)
    many = "the first period" if seen.periods == 1 else f"{seen.periods} periods"
    return (
        f"{_worse(seen)} of {seen.fall:.3g} is confirmed on {many}, {_days(seen.confirm)} after it "
        f"begins; a new version is trained and judged in the same turn and goes {path}"
        + ("." if contract.release.approval == "auto" else ", once a person approves.")
    )


def _worse(seen: Foresight) -> str:
    from tamid.core.contract.metrics import METRIC_FACTS

    return "a fall" if METRIC_FACTS[seen.metric].higher_is_better else "a rise"


def _days(span: timedelta) -> str:
    days = span / timedelta(days=1)
    return f"{days:.3g} days" if days != 1 else "1 day"


def _positive(text: str) -> float:
    with suppress(ValueError):
        if (number := float(text)) > 0:
            return number
    raise ArgumentTypeError(f"{text!r} is no number above 0")
