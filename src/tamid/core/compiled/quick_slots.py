"""The slots of one row in plain Python, several times as fast as step by step.

Most slots are a number that is filled, moved and scaled, or one of many made of a word. The first
are taken together, the others are looked up by the code of their word.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from tamid.core.compiled.program import Indices, Op, Program, indices
from tamid.core.compiled.slots import RowSteps, prepare_row, row_steps

# Codes of words that are remembered, over all features.
_MOST_KNOWN = 65_536
_CHAIN = (Op.FILL, Op.SUBTRACT, Op.DIVIDE)


class QuickSlots:
    """Prepares rows as :func:`tamid.core.compiled.slots.prepare_row` does, in another order.

    `order` holds the slot of each number that is made.
    """

    def __init__(self, program: Program) -> None:
        steps = row_steps(program.slots)
        chains = {j: chain for j, step in enumerate(steps) if (chain := _chain(step)) is not None}
        self._chains = [chains[j] for j in chains]
        words: dict[int, list[int]] = {}
        others = list[int]()
        for j, (source, _) in enumerate(steps):
            if j not in chains:
                word = program.features[source].kind == "category"
                (words.setdefault(source, []) if word else others).append(j)
        self._words = [(s, [steps[j] for j in slots], _Known()) for s, slots in words.items()]
        self._others = [steps[j] for j in others]
        self._room = _MOST_KNOWN
        self.order: Indices = indices(
            [*chains, *(j for own in words.values() for j in own), *others]
        )

    def row(self, values: Sequence[float]) -> list[float]:
        """Return one row's numbers, in the order of `order`."""
        made = [
            ((v if (v := values[s]) - v == 0.0 else fill) - less) / by
            for s, fill, less, by in self._chains
        ]
        for source, steps, known in self._words:
            v = values[source]
            # Missing is no key: it differs from itself.
            found = known.get(v if v == v else None)
            made += self._learned(steps, known, values, v) if found is None else found
        if self._others:
            made += prepare_row(self._others, values)
        return made

    def _learned(
        self, steps: RowSteps, known: _Known, values: Sequence[float], v: float
    ) -> list[float]:
        found = prepare_row(steps, values)
        if self._room > 0:
            self._room -= 1
            known[v if v == v else None] = found
        return found


_Known = dict[float | None, list[float]]


def _chain(
    step: tuple[int, list[tuple[int, float, list[float]]]],
) -> tuple[int, float, float, float] | None:
    """Return source, filling, subtrahend and divisor; None where a slot is made otherwise."""
    source, ops = step
    places = [_CHAIN.index(Op(op)) if op in _CHAIN else -1 for op, _, _ in ops]
    if -1 in places or places != sorted(set(places)):
        return None
    # Taking nothing away and dividing by one changes no bit.
    found = [math.nan, 0.0, 1.0]
    for place, (_, argument, _) in zip(places, ops, strict=True):
        found[place] = argument
    return source, found[0], found[1], found[2]
