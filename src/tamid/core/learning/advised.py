"""How a step that was measured is taken: the change of the contract, or the command."""

from __future__ import annotations

from collections.abc import Iterator

from tamid.core.contract.model import Contract
from tamid.core.learning.advice import Finding

# Windows that a contract may name; others come and go with a drift, and `auto` takes them then.
_NAMED = ("all", "long", "short", "decay")


def title(found: Finding) -> str:
    """Return what the step is, in a few words.

    >>> title(Finding(kind="slice", name="region=north", evidence=""))
    'help the slice region=north'
    """
    match found.kind:
        case "more_data":
            return "learn from twice the rows"
        case "window":
            return f"learn from the {found.names[0]} window"
        case "labels":
            return f"review {found.numbers['suspects']:.0f} labels in doubt"
        case "threshold":
            return f"move the threshold to {found.numbers['threshold']:.3g}"
        case "slice":
            return f"help the slice {found.name}"
        case "features" if found.name.startswith("drop"):
            word = "harmful" if found.name == "drop harmful" else "idle"
            return f"drop {found.numbers['left_out']:.0f} {word} feature(s)"
        case _:
            return f"do without {found.names[0]}"


def done_by(contract: Contract, found: Finding, suspects: str, given: str = "") -> tuple[str, ...]:
    """Return the lines that say how the step is taken; `suspects` is the file of doubtful labels.

    `contract:` begins a change of the contract, `run:` a command. `given`: the file of a model that
    was handed over, which is fitted where it was made.
    """
    lines = _lines(contract, found, suspects)
    return tuple(_given_lines(found, lines, given) if given else lines)


def _given_lines(found: Finding, lines: Iterator[str], given: str) -> Iterator[str]:
    """Yield the lines for a model that was made elsewhere: it is handed over again."""
    match found.kind:
        case "more_data":
            yield f"fit {given} on more rows where it is made"
        case "window":
            yield f"fit {given} on the rows of the {found.names[0]} window where it is made"
        case "features":
            yield f"fit {given} without {', '.join(found.names)} where it is made"
        case "threshold":
            yield from (line for line in lines if not line.startswith("run:"))
        case _:
            yield from lines
            return
    yield "hand it over again, with what was said of it before (--trained-through, --inputs):"
    yield f"run: tamid register {given}"


def _lines(contract: Contract, found: Finding, suspects: str) -> Iterator[str]:
    match found.kind:
        case "more_data":
            on = ", ".join(dict.fromkeys([*contract.retraining.on, "new_data"]))
            rows = int(found.numbers["rows"])
            yield f"load older history into {contract.data.source.path}, or wait for it:"
            yield f"contract: retraining: {{on: [{on}], new_data_rows: {rows}}}"
        case "window":
            kind = found.names[0].partition(":")[0]
            window = kind if kind in _NAMED else "auto"
            yield f"contract: retraining: {{window: {window}}}"
            yield f'run: tamid train --window {window} --reason "measured by tamid improve"'
        case "labels":
            yield f"review {suspects}, and send what was wrong as corrections with the labels"
            yield "run: tamid tick"
        case "threshold":
            yield f"contract: training: {{threshold: {{fixed: {found.numbers['threshold']:.4g}}}}}"
            yield 'run: tamid train --reason "threshold measured by tamid improve"'
        case "slice":
            by = ", ".join(dict.fromkeys([*contract.gates.slices.by, found.names[0]]))
            yield f"find rows or features that tell more of {found.name}; guard it meanwhile:"
            yield f"contract: gates: {{slices: {{by: [{by}]}}}}"
            yield "run: tamid feedback for-the-team"
        case _:
            yield from _dropped(contract, found.names)
            yield 'run: tamid train --experiment --reason "without what is not shown to help"'


def _dropped(contract: Contract, names: tuple[str, ...]) -> Iterator[str]:
    """Yield how features are taken out, wherever they come from."""
    features, schema = contract.features, contract.data.schema
    columns = [n for n in names if n in schema and n not in features.aggregates]
    aggregates = [n for n in names if n in features.aggregates]
    viewed = [(u.view, n) for u in features.views for n in names if n in u.features]
    known = {*columns, *aggregates, *(n for _, n in viewed)}
    if columns:
        listed = ", ".join(f"{n}: {{feature: false}}" for n in columns)
        yield f"contract: data: {{schema: {{{listed}}}}}"
    if aggregates:
        yield f"contract: take {', '.join(aggregates)} out of features.aggregates"
    yield from (f"contract: take {n} out of features.views, {view}" for view, n in viewed)
    made = [n for n in names if n not in known]
    if made:
        yield f"code: return {', '.join(made)} no more from {features.code or 'the feature code'}"
