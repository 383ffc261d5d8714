"""What a cleaning step means for a column of some type, wherever it is applied."""

from __future__ import annotations

from tamid.core.contract.inputs import CleanStep

_TYPES = {"text": str, "category": str, "boolean": bool}


def blanks(step: CleanStep, kind: str) -> tuple[str | int | float | bool, ...]:
    """Return which of the step's values may stand in a column: texts, truths or numbers.

    >>> step = CleanStep(step="blank", values=(-999, "n/a", True))
    >>> blanks(step, "number"), blanks(step, "category"), blanks(step, "boolean")
    ((-999,), ('n/a',), (True,))
    """
    wanted = _TYPES.get(kind)
    if wanted is not None:
        return tuple(v for v in step.values if isinstance(v, wanted))
    return tuple(v for v in step.values if not isinstance(v, (str, bool)))


def blanked(step: CleanStep, kind: str) -> bool:
    """Say whether the step can blank anything in a column of a type."""
    bounded = not (step.low is None and step.high is None)
    return bool(blanks(step, kind)) or (bounded and kind in ("number", "integer"))
