"""What a command says: data on stdout, progress and trouble on stderr, both either text or JSON.

A command says everything twice without an `if`: `text` and `table` print only for people, `json`
prints only with --json.
"""

from __future__ import annotations

import sys
import time
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TextIO

from tamid.core.errors import ContractError, NotFound, TamidError, UsageError
from tamid.core.values import canonical_json
from tamid.ports import Progress

# Seconds between two progress lines where no bar can be drawn (a log file, a pipe).
LINE_EVERY_S = 5.0
# Of these the message alone says why, unless a reason of its own is given.
_SPEAK_FOR_THEMSELVES = (UsageError, NotFound)


class Output:
    """The two streams of one command."""

    def __init__(
        self,
        *,
        as_json: bool = False,
        quiet: bool = False,
        stdout: TextIO | None = None,
        stderr: TextIO | None = None,
    ) -> None:
        self.as_json = as_json
        self.quiet = quiet
        self._stdout = stdout if stdout is not None else sys.stdout
        self._stderr = stderr if stderr is not None else sys.stderr

    def text(self, line: str = "") -> None:
        """Print a line of the answer for a person."""
        if not self.as_json:
            self._stdout.write(line + "\n")

    def table(
        self, columns: Sequence[str], rows: Sequence[Sequence[object]], title: str = ""
    ) -> None:
        """Print an aligned table for a person; numbers stand to the right, None is a dash."""
        if self.as_json:
            return
        if title:
            self.text(title)
        for line in table_lines(columns, rows):
            self.text(line)

    def json(self, value: Any) -> None:
        """Print one line of canonical JSON, with --json only."""
        if self.as_json:
            self._stdout.write(canonical_json(value) + "\n")

    def note(self, line: str) -> None:
        """Say on stderr what is going on; silent with --quiet."""
        if not self.quiet:
            self._stderr.write(line + "\n")
            self._stderr.flush()

    def warn(self, line: str) -> None:
        """Say on stderr what the user must not miss, with --quiet too."""
        self._stderr.write(f"warning: {line}\n")
        self._stderr.flush()

    def error(self, error: TamidError) -> None:
        """Say what happened, why, and what to do; as one JSON object with --json."""
        if self.as_json:
            self._stderr.write(canonical_json({"error": error_body(error)}) + "\n")
            return
        self._stderr.write(f"error {error.code}: {error.what}\n")
        if not (type(error) in _SPEAK_FOR_THEMSELVES and error.why == type(error).__doc__):
            self._stderr.write(f"  why: {error.why}\n")
        self._stderr.write(f"  do:  {error.remedy}\n")

    @contextmanager
    def progress(self) -> Iterator[Progress]:
        """Give a Progress: a bar on a terminal, now and then a line elsewhere."""
        if self.quiet:
            yield _Silent()
        elif self._stderr.isatty():
            bar = _Bar(self._stderr)
            try:
                yield bar
            finally:
                bar.close()
        else:
            yield _Lines(self)


def error_body(error: TamidError) -> dict[str, object]:
    """Return an error as JSON values; `problems` only where the error lists several."""
    body: dict[str, object] = {
        "code": error.code,
        "kind": type(error).__name__,
        "what": error.what,
        "why": error.why,
        "fix": error.remedy,
        "exit_code": error.exit_code,
    }
    if isinstance(error, ContractError) and error.problems:
        body["problems"] = error.problems
    return body


def table_lines(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    """Lay out a table as lines.

    >>> table_lines(["name", "f1"], [["churn", 0.8123], ["a", None]])
    ['name       f1', 'churn  0.8123', 'a           -']
    """
    right = [_is_numeric([row[i] for row in rows]) for i in range(len(columns))]
    cells = [list(columns), *([_cell(value) for value in row] for row in rows)]
    widths = [max(_width(row[i]) for row in cells) for i in range(len(columns))]
    return ["  ".join(map(_pad, row, widths, right)).rstrip() for row in cells]


class _Silent:
    def step(self, text: str, done: int, total: int) -> None:
        """Say nothing."""


class _Lines:
    """Progress as lines: the first, the last, and at most one in LINE_EVERY_S seconds."""

    def __init__(self, out: Output) -> None:
        self._out = out
        self._last = -LINE_EVERY_S

    def step(self, text: str, done: int, total: int) -> None:
        now = time.monotonic()
        if done >= total or now - self._last >= LINE_EVERY_S:
            self._last = now
            self._out.note(f"{text}: {done} of {total}")


class _Bar:
    """Progress as a bar; rich is imported only where there is a terminal to draw on."""

    def __init__(self, stream: TextIO) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress

        self._bars = RichProgress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=Console(file=stream),
            transient=True,
        )
        self._task = self._bars.add_task("", total=None)
        self._bars.start()

    def step(self, text: str, done: int, total: int) -> None:
        self._bars.update(self._task, description=text, completed=done, total=total)

    def close(self) -> None:
        self._bars.stop()


def _is_numeric(values: Sequence[object]) -> bool:
    known = [value for value in values if value is not None]
    return bool(known) and all(
        isinstance(value, (int, float)) and not isinstance(value, bool) for value in known
    )


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _width(text: str) -> int:
    wide = sum(unicodedata.east_asian_width(letter) in "WF" for letter in text)
    marks = sum(unicodedata.combining(letter) > 0 for letter in text)
    return len(text) + wide - marks


def _pad(text: str, width: int, right: bool) -> str:
    space = " " * (width - _width(text))
    return space + text if right else text + space
