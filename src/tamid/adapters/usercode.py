"""The user's own code, loaded from the bundle's text and never from the disk.

Only worker processes (and the in-process double of the tests) import this module.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import linecache
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from types import CodeType, ModuleType
from typing import TYPE_CHECKING, Any

from tamid.core.errors import TamidError, UserCodeError

if TYPE_CHECKING:
    import polars as pl

# Frames of the user's own code shown in an error, the innermost last.
_MOST_FRAMES = 5


def feature_code(code: Mapping[str, str], entry: str) -> Callable[[pl.DataFrame], pl.DataFrame]:
    """Return the user's `file.py:function` as frame -> frame, checked for length and type.

    Raises:
        UserCodeError: it cannot be loaded; later, from the function: it raised, gave no frame, or
            another number of rows.
    """
    function = load(code, entry)

    def build(frame: pl.DataFrame) -> pl.DataFrame:
        import polars as pl

        made = guarded(code, entry, lambda: function(frame.clone()))
        if isinstance(made, pl.LazyFrame):
            made = guarded(code, entry, made.collect)
        if not isinstance(made, pl.DataFrame):
            raise UserCodeError(
                f"{entry} returned {type(made).__name__}, not a Polars DataFrame",
                fix="Return the frame, with one row for each row given.",
            )
        if made.height != frame.height:
            raise UserCodeError(
                f"{entry} returned {made.height} rows for {frame.height}",
                why="each row needs its own features, in the order given",
                fix="Do not filter, join one to many, or aggregate rows in feature code.",
            )
        return made

    return build


def load(code: Mapping[str, str], entry: str) -> Callable[..., Any]:
    """Return the function that `file.py:function` names.

    Raises:
        UserCodeError: no such file or function, or the file fails when it is run.
    """
    path, _, name = entry.partition(":")
    if path not in code:
        known = ", ".join(sorted(code)) or "none"
        raise UserCodeError(f"the code has no file {path!r}", why=f"there are: {known}")
    _install(code)
    module = guarded(code, path, lambda: importlib.import_module(_module_name(path)))
    function = getattr(module, name, None)
    if not callable(function):
        raise UserCodeError(
            f"{path} has no function {name!r}", fix=f"Write `def {name}(...)` in {path}."
        )
    return function  # type: ignore[no-any-return]


def guarded(code: Mapping[str, str], entry: str, act: Callable[[], Any]) -> Any:
    """Run the user's code; whatever it raises becomes a UserCodeError with its own lines."""
    try:
        return act()
    except TamidError:
        raise
    except (Exception, SystemExit) as error:
        where = _lines(code, error)
        raise UserCodeError(
            f"{entry} failed: {type(error).__name__}: {error}",
            why="; ".join(where) if where else "it failed outside its own lines",
            fix="Repair the line named, then run `tamid train --dry-run`.",
        ) from error


def _lines(code: Mapping[str, str], error: BaseException) -> list[str]:
    """Return the user's own frames as `file:line in function: text`."""
    if isinstance(error, SyntaxError) and error.filename in code:
        return [f"{error.filename}:{error.lineno}: {(error.text or '').strip()}"]
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if f.filename in code]
    return [f"{f.filename}:{f.lineno} in {f.name}: {f.line}" for f in own[-_MOST_FRAMES:]]


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.InspectLoader):
    """Imports the user's files by module name from their text."""

    def __init__(self, code: Mapping[str, str]) -> None:
        self.modules = {_module_name(path): path for path in code if path.endswith(".py")}
        self._code = code

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname in self.modules:
            return importlib.machinery.ModuleSpec(fullname, self)
        if any(name.startswith(f"{fullname}.") for name in self.modules):
            return importlib.machinery.ModuleSpec(fullname, self, is_package=True)
        return None

    def get_source(self, fullname: str) -> str:
        return self._code[self.modules[fullname]] if fullname in self.modules else ""

    def get_code(self, fullname: str) -> CodeType:
        return compile(self.get_source(fullname), self.modules.get(fullname, fullname), "exec")

    def is_package(self, fullname: str) -> bool:
        return fullname not in self.modules


def _install(code: Mapping[str, str]) -> None:
    """Put this code in place of whatever user code was installed before.

    Raises:
        UserCodeError: a file has the name of a library; the import of either would be a lottery.
    """
    for old in [f for f in sys.meta_path if isinstance(f, _Finder)]:
        sys.meta_path.remove(old)
        for name in old.modules:
            sys.modules.pop(name, None)
    finder = _Finder(code)
    for name, path in finder.modules.items():
        if name in sys.modules or name.partition(".")[0] in sys.stdlib_module_names:
            raise UserCodeError(
                f"the code's file {path} has the name of a library",
                why="`import` could find either",
                fix="Give the file another name.",
            )
    sys.meta_path.insert(0, finder)
    for path, text in code.items():
        # Tracebacks read the lines from here; there is no such file on the disk.
        linecache.cache[path] = (len(text), None, text.splitlines(keepends=True), path)


def _module_name(path: str) -> str:
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
