"""Problems of a contract: collected all at once and told in the order of the file."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from tamid.core.errors import ContractError, Problem

# So many problems may carry hints; nobody reads further ones, and to find them takes time.
_HINTED = 100
# Beyond this the file is not a contract at all, and collecting more helps nobody.
_KEPT = 1000
_QUOTED = 60


class Report:
    """Collects problems, and which paths can no longer be trusted because of them."""

    __slots__ = ("_problems", "_tainted")

    def __init__(self) -> None:
        self._problems: list[Problem] = []
        self._tainted: set[str] = set()

    def add(
        self, line: int, path: str, message: str, hint: str = "", *, taint: bool = True
    ) -> None:
        """Note a problem; with `taint`, what stands at `path` is no longer believed."""
        if taint:
            self.taint(path)
        if len(self._problems) < _KEPT:
            self._problems.append(Problem(line=line, path=path, message=message, hint=hint))

    def taint(self, path: str) -> None:
        """Note that the value at `path` is not what the author meant."""
        if len(self._tainted) < _KEPT:
            self._tainted.add(path)

    def trusts(self, path: str) -> bool:
        """Say whether neither `path`, nor anything in it, nor what holds it, has a problem."""
        return not any(_within(path, bad) or _within(bad, path) for bad in self._tainted)

    def doubts(self, path: str) -> frozenset[str]:
        """Return what holds a bad value deep within `path`: the rest of `path` can be judged."""
        inner = (bad for bad in self._tainted if _within(bad, path))
        return frozenset(_holder(bad) for bad in inner if _depth(bad) > _depth(path) + 1)

    def judgeable(self, path: str) -> bool:
        """Say whether `path` was read but for values deep within it."""
        return not any(
            _within(path, bad) or (_within(bad, path) and _depth(bad) <= _depth(path) + 1)
            for bad in self._tainted
        )

    def trusts_exactly(self, path: str) -> bool:
        """Say whether nothing was said against this very path."""
        return path not in self._tainted

    def is_long(self) -> bool:
        """Say whether there are so many problems that nobody will read further hints."""
        return len(self._problems) > _HINTED

    def problems(self) -> tuple[Problem, ...]:
        """Return all problems in the order of the file, each once."""
        unique = dict.fromkeys(self._problems)
        return tuple(sorted(unique, key=lambda p: (p.line, p.path)))


def contract_error(name: str, problems: tuple[Problem, ...]) -> ContractError:
    """Return the error that tells all problems of the contract `name`."""
    count = f"{len(problems)} problems" if len(problems) != 1 else "a problem"
    lines = [f"{name} has {count}:"] + [f"  {p}" for p in problems]
    return ContractError("\n".join(lines), problems=problems)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return a hint that names the nearest known word, or the few there are, or nothing.

    >>> did_you_mean("lable", ["label", "source"])
    'did you mean `label`?'
    """
    near = nearest(word, known)
    return f"did you mean `{near}`?" if near else ""


def nearest(word: str, known: Iterable[str]) -> str:
    """Return the known word that `word` was probably meant to be, or an empty text.

    >>> nearest("Maximize", ["maximise", "fixed"])
    'maximise'
    """
    by_folded = {_fold(k): k for k in known}
    close = difflib.get_close_matches(_fold(word[:_QUOTED]), by_folded, n=1, cutoff=0.7)
    return by_folded[close[0]] if close else ""


def quoted(text: str) -> str:
    """Return a text for a message: short, on one line, with nothing invisible in it.

    >>> quoted("a" * 100)[-4:]
    'a..`'
    """
    short = text if len(text) <= _QUOTED else text[:_QUOTED] + ".."
    return "`" + "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in short) + "`"


def listed(words: Iterable[str]) -> str:
    """Return words as a list for a message.

    >>> listed(["a", "b", "c"])
    'a, b or c'
    """
    every = list(words)
    return " or ".join(part for part in (", ".join(every[:-1]), every[-1]) if part) if every else ""


def _fold(word: str) -> str:
    return word.lower().replace("-", "_").replace(" ", "_")


def _depth(path: str) -> int:
    return path.count(".") + path.count("[")


def _holder(path: str) -> str:
    return path[: max(path.rfind("."), path.rfind("["))]


def _within(path: str, outer: str) -> bool:
    return path == outer or outer == "" or path.startswith((outer + ".", outer + "["))
