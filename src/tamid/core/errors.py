"""The exception tree: every error says what is wrong, why it matters and what to do.

TamidError
├── UsageError            the command line or a call is wrong                    exit 2
│   ├── NotFound          a name, version, case or period that does not exist    exit 2
│   └── ModelRetired      the model answers no more; its record can be read      exit 2
├── ContractError         the contract has problems (all of them, with lines)    exit 1
├── DataError             data that breaks the contract or cannot be read        exit 1
│   ├── BatchRefused      a batch above the quarantine limit or outside the schema
│   └── BatchNotReady     a batch that is still being written, empty or vanished
├── UserCodeError         the user's feature, model or rule code failed          exit 1
├── SystemFailure         no answer: a worker, disk or sink failed               exit 1
│   ├── WorkerDied        a spawned worker was killed or exited
│   │   └── OutOfTime     it passed its deadline: more likely its code than the machine
│   ├── SinkDown          a delivery target did not take the parcel
│   └── MirrorDown        a tracking server did not take what it was shown
├── Held                  a gate stopped a candidate: a valid failure            exit 3
├── Waiting               a person or more labels are awaited                    exit 4
├── Conflict              somebody else acts on this model or wrote first        exit 5
│   └── LeaseLost         the lease expired: this controller must stop acting
├── IntegrityError        a digest, signature or chain does not match            exit 6
├── MissingExtra          an optional dependency is not installed                exit 2
└── Uncompilable          a model that only a worker process can answer with     exit 2
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


class TamidError(Exception):
    """Something went wrong in Tamid."""

    code: ClassVar[str] = "T000"
    exit_code: ClassVar[int] = 1
    fix: ClassVar[str] = "Run the command again with --debug and read the traceback."

    def __init__(self, what: str, *, why: str = "", fix: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.why = why or (self.__doc__ or "").strip().splitlines()[0]
        self.remedy = fix or self.fix

    @property
    def told(self) -> str:
        """Say in one line what happened, and why where this error has a reason of its own.

        >>> TamidError("the disk is full", why="no space left").told, TamidError("it broke").told
        ('the disk is full: no space left', 'it broke')
        """
        return self.what if self.why == type(self)(self.what).why else f"{self.what}: {self.why}"

    def __reduce__(self) -> tuple[object, ...]:
        """Survive the way back from a worker process."""
        return (_rebuild, (type(self), self.what, self.why, self.remedy))


def _rebuild(kind: type[TamidError], what: str, why: str, fix: str) -> TamidError:
    return kind(what, why=why, fix=fix)


class UsageError(TamidError):
    """The command or call cannot be understood."""

    code = "T100"
    exit_code = 2
    fix = "See `tamid --help`, or `tamid COMMAND --help`."


class NotFound(UsageError):
    """The named thing does not exist in this workspace."""

    code = "T101"
    fix = "List what exists: `tamid models`, `tamid cases`, `tamid runs`."


class ModelRetired(UsageError):
    """The model was retired: it is neither scored nor trained, and its record stays."""

    code = "T104"
    fix = "`tamid status`, `why`, `log` and `which` still tell all of it; `tamid retire --undo`."


class MissingExtra(TamidError):
    """An optional dependency is not installed."""

    code = "T102"
    exit_code = 2
    fix = "Install the extra that the message names."


class Uncompilable(TamidError):
    """This model cannot be turned into a program that answers row by row."""

    code = "T103"
    exit_code = 2
    fix = "Nothing needs to be done: a worker process answers with it, more slowly."


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong in a contract: where, what, and what to write instead."""

    line: int
    path: str
    message: str
    hint: str = ""

    def __str__(self) -> str:
        where = f"line {self.line}: " + (f"{self.path}: " if self.path else "")
        return where + self.message + (f"; {self.hint}" if self.hint else "")


class ContractError(TamidError):
    """The contract cannot be accepted as it stands."""

    code = "T200"
    fix = "Correct the lines named above, then run `tamid contract check`."

    def __init__(
        self, what: str, *, why: str = "", fix: str = "", problems: tuple[Problem, ...] = ()
    ) -> None:
        super().__init__(what, why=why, fix=fix)
        self.problems = problems

    def __reduce__(self) -> tuple[object, ...]:
        """Survive the way back from a worker process, with all problems."""
        return (_rebuild_contract, (self.what, self.why, self.remedy, self.problems))


def _rebuild_contract(
    what: str, why: str, fix: str, problems: tuple[Problem, ...]
) -> ContractError:
    return ContractError(what, why=why, fix=fix, problems=problems)


class DataError(TamidError):
    """The data does not keep the contract."""

    code = "T300"
    fix = "Repair the source, or change the contract if the data is right."


class BatchRefused(DataError):
    """A batch breaks the contract so badly that none of it may be used."""

    code = "T301"


class BatchNotReady(DataError):
    """A batch is empty, half-written or vanished while it was read."""

    code = "T302"
    fix = "Let the producer finish (write elsewhere, then rename); the next tick reads it."


class UserCodeError(TamidError):
    """The user's own code failed."""

    code = "T400"
    fix = "Run `tamid train --dry-run` to try the code on a sample."


class SystemFailure(TamidError):
    """A part of the system gave no answer."""

    code = "T500"
    fix = "Run `tamid doctor`; the next tick tries again by itself."


class WorkerDied(SystemFailure):
    """A worker process died or passed its deadline."""

    code = "T501"


class OutOfTime(WorkerDied):
    """A worker passed its deadline and was killed."""

    code = "T503"
    fix = "Find what the code waits for, or raise `training.timeout`."


class SinkDown(SystemFailure):
    """A delivery target did not take the parcel; it stays in the outbox."""

    code = "T502"


class MirrorDown(SystemFailure):
    """A tracking server did not take what it was shown; it is shown again later."""

    code = "T504"
    fix = "Look after the tracking server; the next tick, or `tamid mirror`, goes on from there."


class Held(TamidError):
    """A gate stopped the candidate; the champion stays."""

    code = "T600"
    exit_code = 3
    fix = "Read the case: `tamid cases`."


class Waiting(TamidError):
    """Something must arrive before this can go on."""

    code = "T601"
    exit_code = 4
    fix = "See `tamid status` for what is awaited and until when."


class Conflict(TamidError):
    """Somebody else changed or holds this model."""

    code = "T700"
    exit_code = 5
    fix = "Run the command again; if it persists see `tamid status` for the lease holder."


class LeaseLost(Conflict):
    """This controller's lease is over; another one may act now."""

    code = "T701"


class IntegrityError(TamidError):
    """Stored content does not match its digest, signature or chain."""

    code = "T800"
    exit_code = 6
    fix = "Run `tamid verify` to list every mismatch; restore the named file from a backup."
