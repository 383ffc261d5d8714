"""How long what is in each table stays: the rule in force, and what cannot be meant."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING

from tamid.core.contract.running import ACTIONS
from tamid.core.errors import UsageError
from tamid.core.fold import LOGS, OF_RUNS, ROWS
from tamid.core.values import format_duration
from tamid.stages.feeds import LABELS, VIEWS
from tamid.stages.named import PREDICTIONS

if TYPE_CHECKING:
    from tamid.app import App

AUDIT = "audit"
# In the order in which a period leaves them.
ORDER = (ROWS, PREDICTIONS, LABELS, ACTIONS)
_FOR_EVER = "rows for ever (no [keep])"


def span_of(asked: Mapping[str, timedelta], table: str) -> timedelta | None:
    """Return what a section says of a table, by its whole name or by the part after the model's."""
    return asked.get(table, asked.get(table.rpartition(".")[2]))


def rules_of(app: App, model: str) -> Mapping[str, str]:
    """Return, for each table that a model has, how long its rows and its replaced versions stay."""
    from tamid.adapters.rewriting import tables_below

    contract = app.contract(model)
    by = "when they came" if contract.data.time is None else "their own moment"
    found = {}
    for table in tables_below(app.config.store / "tables"):
        model_of, _, name = table.partition(".")
        if model_of != model:
            continue
        kept = span_of(app.config.keep, table)
        old = span_of(app.config.retention, table)
        if name in LOGS:
            span = old or contract.service.log.keep
            where = "[retention]" if old else "the contract's service.log.keep"
            found[table] = f"rows {format_duration(span)} by when they were asked ({where})"
        elif name in OF_RUNS:
            found[table] = _rule(kept, old, "the age of their run")
        else:
            found[table] = _rule(kept, old, by if name in ORDER else "their own moment")
    return found


def view_rule(kept: timedelta | None, old: timedelta | None) -> str:
    """Return how long the events of a feature view stay, and what is computed of them."""
    return _rule(kept, old, "their own moment")


def refuse_unknown(app: App) -> None:
    """Refuse a section that names what there is not.

    Raises:
        UsageError: `[retention]` or `[keep]` names a table that no model has, or `[keep]` one that
            goes by another rule.
    """
    from tamid.adapters.rewriting import tables_below

    tables = {t for t in tables_below(app.config.store / "tables") if _is_source(t)}
    usual = {*ORDER, *OF_RUNS}
    known = {AUDIT, *usual, *LOGS, *tables, *(t.partition(".")[2] for t in tables)}
    logs = {*LOGS, *(t for t in tables if t.partition(".")[2] in LOGS)}
    ours = {*known, *(f"{m}.{name}" for m in app.models() for name in usual)} - logs - {AUDIT}
    for section, named, there in (
        ("retention", app.config.retention, known),
        ("keep", app.config.keep, ours),
    ):
        for name in sorted(set(named) - there):
            if section == "keep" and name in logs:
                raise UsageError(
                    f"[keep] names {name!r}, which goes by another rule",
                    why="what servers answered goes by the contract's `service.log.keep`",
                    fix=f"Change that, or give {name} a time in [retention]; take it out of "
                    "[keep].",
                )
            near = difflib.get_close_matches(name, sorted(there), n=1)
            raise UsageError(
                f"[{section}] names {name!r}, which is no table of this kind"
                + (f"; did you mean {near[0]!r}?" if near else ""),
                why=f"there are {', '.join(sorted(there))}",
                fix="Correct tamid.toml.",
            )


def _is_source(table: str) -> bool:
    """Say whether a table is named in a rule: what is computed of a view goes with its events."""
    return not table.startswith(VIEWS) or "." not in table.removeprefix(VIEWS)


def _rule(kept: timedelta | None, old: timedelta | None, by: str) -> str:
    rows = _FOR_EVER if kept is None else f"rows {format_duration(kept)} by {by}"
    if old is not None:
        return f"{rows}, replaced versions {format_duration(old)} ([retention])"
    if kept is not None:
        return f"{rows}, replaced versions while somebody needs them"
    return f"{rows}, replaced versions for ever (no [retention])"


def _told(span: timedelta) -> str:
    hours = span.total_seconds() / 3600
    return f"{hours / 24:g}d" if hours >= 24 else f"{hours:g}h"
