"""A contract under judgement: its values, where each stood, and what is wrong so far."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from tamid.core.contract.model import Aggregate, Contract, Data
from tamid.core.contract.node import Node, Scalar
from tamid.core.contract.problems import Report


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What stood in a file: the node of each path that its author wrote, and the report on it.

    `zones` are the known IANA time zones; None when the caller cannot know them. `muted`: blocks
    with a bad value; nothing more is said of them, nor of what names them.
    """

    nodes: Mapping[str, Node]
    report: Report
    zones: AbstractSet[str] | None = None
    muted: frozenset[str] = frozenset()

    def given(self, path: str) -> bool:
        """Say whether the author wrote this key (rather than taking the default)."""
        return path in self.nodes

    def scalar(self, path: str) -> Scalar | None:
        """Return the text that stands at `path`, if one does."""
        node = self.nodes.get(path)
        return node if isinstance(node, Scalar) else None

    def problem(self, path: str, message: str, hint: str = "") -> None:
        """Report a problem at the line of `path`, or of the nearest block around it."""
        if not self._is_muted(path):
            self.report.add(self._line(path), path, message, hint, taint=False)

    def _is_muted(self, path: str) -> bool:
        said = self.scalar(path)
        return any(
            path == block
            or path.startswith((block + ".", block + "["))
            or (said is not None and block.endswith("." + said.text))
            for block in self.muted
        )

    def _line(self, path: str) -> int:
        while path and path not in self.nodes:
            path = path[: max(path.rfind("."), path.rfind("["), 0)]
        return self.nodes[path].line if path in self.nodes else 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Case(Told):
    """What a rule is given: the contract beside what stood in its file."""

    contract: Contract

    def own(self, aggregate: Aggregate) -> bool:
        """Say whether the contract itself declares an aggregate, not a view that it uses."""
        return aggregate.table not in self.contract.views


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule and the paths it reads; it is left out when one of them has a problem already."""

    judge: Callable[[Case], None]
    reads: tuple[str, ...]


def rule(judge: Callable[[Case], None], *reads: str) -> Rule:
    """Return a rule over the paths it reads."""
    return Rule(judge=judge, reads=reads)


def row_columns(data: Data) -> frozenset[str]:
    """Return every column that the contract says the rows have; empty when it has no schema."""
    if not data.schema:
        return frozenset()
    named = (data.entity, data.time, data.label.column, data.source.known_at)
    return frozenset(data.schema) | {n for n in named if n}
