"""Deaths at chosen moments: every write of a rig's ports is a point at which the process may die.

    points = Points(dies=at_number(12, AFTER))
    rig = dying(rig, points)             # of `testing.dying`: the 12th write happens, then Crash

Once it has died nothing is written any more, whatever `finally` blocks still try: as after SIGKILL.
`killed_by` reads `TAMID_CRASH_AT=<n>:<before|after>` and dies of a real SIGKILL to the whole group.
"""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NoReturn, TypeVar

from tamid.core.errors import UsageError

if TYPE_CHECKING:
    pass

_T = TypeVar("_T")

Phase = Literal["before", "after"]
BEFORE: Phase = "before"
AFTER: Phase = "after"
Dies = Callable[[int, str, Phase], bool]
VARIABLE = "TAMID_CRASH_AT"


# A run that is started again is started under the number of its attempt.
_ATTEMPT = re.compile(r"(train/run-\d+)/\d+")


class Crash(BaseException):
    """The process died here: no handler of errors may catch it."""


def at_number(number: int, phase: Phase) -> Dies:
    """Die before or after the write with this number, from 1."""
    return lambda n, name, when: (n, when) == (number, phase)


def never(number: int, name: str, phase: Phase) -> bool:
    """Live on."""
    return False


def _raise(name: str) -> NoReturn:
    raise Crash(name)


@dataclass(kw_only=True)
class Points:
    """The writes of one process: their names in order, and at which of them it dies.

    A name says the same write in every process that does it: writes without a key of their own
    (contents, signatures, leases) are counted from the last one that has a key. `die` is how it
    dies; `death`: before or after which write it did.
    """

    dies: Dies = never
    die: Callable[[str], NoReturn] = _raise
    names: list[str] = field(default_factory=list)
    death: tuple[str, Phase] | None = None
    _place: str = "the start"
    _since: int = 0

    def write(self, name: str, act: Callable[[], _T], *, key: str = "") -> _T:
        """Do one write, or die before or after it."""
        if self.death is not None:
            raise Crash(f"{name}: the process is dead")
        if key:
            self._place = name = _ATTEMPT.sub(r"\1", f"{name} {key}")
            self._since = 0
        else:
            self._since += 1
            name = f"{name}, {self._since} after {self._place}"
        self.names.append(name)
        self._reach(BEFORE, name)
        done = act()
        self._reach(AFTER, name)
        return done

    def _reach(self, phase: Phase, name: str) -> None:
        if self.dies(len(self.names), name, phase):
            self.death = (name, phase)
            self.die(f"{phase} {name}")


def killed_by(environment: Mapping[str, str]) -> Points:
    """Return points that die of SIGKILL where the variable says.

    Raises:
        UsageError: the variable is not `<n>:<before|after>`.
    """
    text = environment.get(VARIABLE, "")
    if not text:
        return Points()
    number, _, phase = text.partition(":")
    if not number.isdigit() or phase not in (BEFORE, AFTER):
        raise UsageError(
            f"{VARIABLE} is {text!r}",
            why="it says at which write the process is to die",
            fix=f"Write a number and a phase, such as {VARIABLE}=12:after.",
        )
    return Points(dies=at_number(int(number), BEFORE if phase == BEFORE else AFTER), die=_kill)


def _kill(name: str) -> NoReturn:
    os.killpg(os.getpgrp(), signal.SIGKILL)
    raise Crash(name)  # not reached: the signal ends the process
