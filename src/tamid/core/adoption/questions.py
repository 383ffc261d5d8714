"""What data cannot tell: each question with the option that answers it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One answer: what to write behind the option, and what it means here."""

    value: str
    meaning: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One thing that is undecided; `choices` empty: any text that fits.

    `about`: a column; then the choices are options that take its name.
    """

    option: str
    what: str
    choices: tuple[Choice, ...] = ()
    about: str = ""

    def answers(self) -> str:
        """Return what may be typed to answer it.

        >>> Question(option="--dates", what="which comes first?", choices=(
        ...     Choice(value="dmy", meaning="3 April"), Choice(value="mdy"))).answers()
        '--dates dmy (3 April) | mdy'
        """
        if self.about:
            return " | ".join(f"--{c.value} {shell(self.about)}" for c in self.choices)
        said = (shell(c.value) + (f" ({c.meaning})" if c.meaning else "") for c in self.choices)
        return f"{self.option} {' | '.join(said) or 'VALUE'}"


def shell(text: str) -> str:
    """Return a text as it must be typed in a shell.

    >>> shell("plan"), shell(";"), shell("מספר לקוח")
    ('plan', "';'", "'מספר לקוח'")
    """
    safe = text and all(c.isalnum() or c in "_-./," for c in text)
    return text if safe else "'" + text.replace("'", "'\"'\"'") + "'"


def few(names: Sequence[str], most: int = 5) -> str:
    """Return some names of a list, and how many more there are.

    >>> few(["a", "b", "c"], 2)
    'a, b and 1 more'
    """
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
