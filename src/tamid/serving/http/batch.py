"""Many plain rows of one request: rows and answers as values only where somebody asks for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, overload

from tamid.serving.values import Answer, Row


@dataclass(frozen=True, slots=True, eq=False)
class LazyRows(Sequence[Row]):
    """Rows that are made when they are read."""

    make: Callable[[tuple[Any, ...]], Row]
    values: Sequence[tuple[Any, ...]]

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.values)

    def __iter__(self) -> Iterator[Row]:
        """Make each."""
        return map(self.make, self.values)

    @overload
    def __getitem__(self, place: int) -> Row: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Row]: ...
    def __getitem__(self, place: int | slice) -> Row | Sequence[Row]:
        """Make one, or stand for some."""
        if isinstance(place, slice):
            return LazyRows(self.make, self.values[place])
        return self.make(self.values[place])


@dataclass(frozen=True, slots=True, eq=False)
class LazyAnswers(Sequence[Answer]):
    """Answers that are made when they are read: one of a kind, with its own id and score."""

    kinds: Sequence[Answer]
    which: Sequence[int]
    ids: Sequence[str]
    scores: Sequence[float]

    def __len__(self) -> int:
        """Return the number of answers."""
        return len(self.scores)

    def __iter__(self) -> Iterator[Answer]:
        """Make each."""
        return (self[i] for i in range(len(self.scores)))

    @overload
    def __getitem__(self, place: int) -> Answer: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Answer]: ...
    def __getitem__(self, place: int | slice) -> Answer | Sequence[Answer]:
        """Make one, or stand for some."""
        if isinstance(place, slice):
            parts = (self.which[place], self.ids[place], self.scores[place])
            return LazyAnswers(self.kinds, *parts)
        like = self.kinds[self.which[place]]
        return replace(like, id=self.ids[place], score=self.scores[place])
