"""A contract together with the feature views that it uses: their tables and features as its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from tamid.core.contract.case import Case, row_columns, rule
from tamid.core.contract.inputs import Aggregate, EventTable, ViewUse
from tamid.core.contract.model import Contract
from tamid.core.contract.problems import did_you_mean, listed, quoted


def viewed(contract: Contract) -> Contract:
    """Return the contract with the tables and features of its views among its own.

    Only the views that it uses are kept. Law: `viewed(viewed(c)) == viewed(c)`.
    """
    if not contract.features.views:
        return contract if not contract.views else replace(contract, views={})
    data, features = contract.data, contract.features
    used = {u.view: contract.views[u.view] for u in features.views if u.view in contract.views}
    tables: dict[str, EventTable] = {n: t for n, t in data.tables.items() if n not in used}
    tables |= {name: view.table for name, view in used.items()}
    own = {n: a for n, a in features.aggregates.items() if a.table not in used}
    given = {name: a for use in features.views for name, a in _features(contract, use)}
    return replace(
        contract,
        data=replace(data, tables=tables),
        features=replace(features, aggregates=own | given),
        views=used,
    )


def _features(contract: Contract, use: ViewUse) -> Iterator[tuple[str, Aggregate]]:
    view = contract.views.get(use.view)
    for name in () if view is None else use.features or view.features:
        if view is not None and name in view.features:
            yield name, view.aggregate(name, use.view)


def _uses(case: Case) -> None:
    """A view that is used exists, once, and so do the features that are taken of it."""
    contract, seen = case.contract, set[str]()
    for index, use in enumerate(contract.features.views):
        path = f"features.views[{index}]"
        if use.view in seen:
            case.problem(path, f"the view {quoted(use.view)} is used twice", "write it once")
        seen.add(use.view)
        view = contract.views.get(use.view)
        if view is None:
            near = did_you_mean(use.view, contract.views)
            hint = near or "declare it in a file that tamid.toml lists under `features`"
            case.problem(path, f"there is no feature view {quoted(use.view)}", hint)
            continue
        for place, name in enumerate(use.features):
            if name not in view.features:
                hint = did_you_mean(name, view.features) or f"it has {listed(view.features)}"
                what = f"the view {quoted(use.view)} has no feature {quoted(name)}"
                case.problem(f"{path}.features[{place}]", what, hint)


def _names(case: Case) -> None:
    """What views give has names of its own, and rows that it can be joined to."""
    contract, data = case.contract, case.contract.data
    taken: dict[str, str] = dict.fromkeys(row_columns(data), "the rows have")
    taken |= dict.fromkeys(contract.features.aggregates, "features.aggregates has")
    missing = [f"data.{k}" for k in ("entity", "time") if getattr(data, k) is None]
    for index, use in enumerate(contract.features.views):
        path = f"features.views[{index}]"
        if use.view in data.tables:
            hint = "rename the table, or drop it if it is the same"
            case.problem(path, f"data.tables has a table {quoted(use.view)} already", hint)
        if missing:
            keys = listed(missing).replace(" or ", " and ")
            case.problem(path, f"a view can be joined only to rows that name {keys}", f"set {keys}")
            return
        for name, _ in _features(contract, use):
            if name in taken:
                what = f"{taken[name]} {quoted(name)} already, which the view gives too"
                case.problem(path, what, f"take others: {{view: {use.view}, features: [...]}}")
            taken[name] = f"the view {quoted(use.view)} gives"


RULES = (
    rule(_uses, "features.views", "views"),
    rule(_names, "features.views", "views", "features.aggregates", "data.schema", "data.tables",
         "data.entity", "data.time"),
)  # fmt: skip
