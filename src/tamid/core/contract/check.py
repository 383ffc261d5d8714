"""Judge a contract as a whole: what fits its type key by key and still cannot be true together."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Final

from tamid.core.contract import rules_data, rules_label, rules_making, rules_running, viewed

if TYPE_CHECKING:
    from tamid.core.contract.case import Case, Rule
    from tamid.core.contract.model import Contract

RULES: Final[tuple[Rule, ...]] = (
    *rules_data.RULES,
    *rules_label.RULES,
    *rules_making.RULES,
    *rules_running.RULES,
)


def check(case: Case) -> Contract:
    """Put every impossible combination into the case's report and return the settled contract.

    A rule that reads a key which has a problem already is left out: it would only guess. Where the
    problem lies deep in a block, such as in one column of a schema, the rule judges the rest.
    """
    _judge(case, viewed.RULES)
    case = dataclasses.replace(case, contract=viewed.viewed(case.contract))
    _judge(case, RULES)
    return settle(case)


def settle(case: Case) -> Contract:
    """Return the contract with `label.positive` in the type of its column."""
    needed = ("data.label", "data.schema")
    if all(case.report.trusts(path) for path in needed):
        return rules_label.positive_as_column(case)
    return case.contract


def _judge(case: Case, rules: tuple[Rule, ...]) -> None:
    for rule in rules:
        if all(case.report.judgeable(path) for path in rule.reads):
            doubted = frozenset[str]().union(*(case.report.doubts(path) for path in rule.reads))
            rule.judge(dataclasses.replace(case, muted=doubted) if doubted else case)
