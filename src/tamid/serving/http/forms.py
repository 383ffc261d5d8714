"""Forms of requests: what one client's requests have in common, found in one that was read.

Two requests with the same bytes between their values differ in these values alone. So a request of
a known form needs no parser: each value is read where it must stand. A form is only a short cut:
what does not fit one to the letter is parsed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence

from tamid.core.compiled.lane import Laid
from tamid.ports import RowForm
from tamid.serving.http.v2_words import Asked
from tamid.serving.strict import UNSET

# A value without anything that would have to be taken apart.
_VALUE = rb'(?:"[^"\\\x00-\x1f]*"|-?[0-9][0-9.eE+-]*|true|false|null)'
_PAIR = re.compile(rb'\s*("(?:[^"\\\x00-\x1f]|\\.)*")\s*:\s*(%b)\s*' % _VALUE)
_DATA = re.compile(rb'"data"\s*:\s*\[')
_ITEM = re.compile(rb"\s*(%b)\s*" % _VALUE)
_PACKED = {"FP64": 0, "INT64": 1, "BYTES": 2}
# Forms that are tried one after the other, and how many are looked for while a turn lasts: a client
# that never sends the same form twice shall not cost a search each time.
_TRIED, _SOUGHT = 4, 256


class Forms:
    """The forms in which rows came; `make` returns a lane's form, None where it has none."""

    def __init__(
        self,
        make: Callable[[Laid], RowForm | None],
    ) -> None:
        self._make, self._left = make, _SOUGHT
        # The newest first; whoever asks many times keeps this very list.
        self.tried: list[RowForm] = []

    def learn(
        self, find: Callable[[], tuple[Laid, float] | None], body: bytes, at: int
    ) -> RowForm | None:
        """Return the form of a request that was answered by other means, None if it has none.

        `find`: how it is laid out, and its score; a form that does not come to it is none.
        """
        if self._left <= 0:
            return None
        self._left -= 1
        found = find()
        if found is None:
            return None
        laid, score = found
        form = self._make(laid)
        known = form is not None and form.read(body, at) and form.score() == score
        return form if known else None

    def learn_row(self, body: bytes, places: Mapping[str, int], score: float) -> None:
        """Learn and keep the form of an object of one row, which has a value for each place."""

        def find() -> tuple[Laid, float] | None:
            laid = laid_row(body, places)
            return None if laid is None else (laid, score)

        form = self.learn(find, body, 0)
        if form is not None:
            self.keep(form)

    def keep(self, form: RowForm) -> None:
        """Try a form first from now on."""
        self.tried.insert(0, form)
        del self.tried[_TRIED:]


def laid_row(body: bytes, places: Mapping[str, int]) -> Laid | None:
    """Return how an object of one row is laid out, with a value for each of the places.

    >>> laid_row(b'{"b": 1.5, "a":"x"}', {"a": 0, "b": 1})
    Laid(between=(b'{"b": ', b', "a":', b'}'), places=(1, 0), parts=())
    """
    begin = len(body) - len(body.lstrip())
    if body[begin : begin + 1] != b"{":
        return None
    at, found, spans = begin + 1, list[int](), list[tuple[int, int]]()
    while (pair := _PAIR.match(body, at)) is not None:
        place = places.get(json.loads(pair[1]))
        if place is None:
            return None
        found.append(place)
        spans.append(pair.span(2))
        at = pair.end() + 1
        if body[at - 1 : at] != b",":
            break
    plain = body[at - 1 : at] == b"}" and not body[at:].strip()
    return _laid(body, spans, found) if plain and len(set(found)) == len(places) else None


def laid_tensors(asked: Asked, head: bytes, places: Sequence[int]) -> Laid | None:
    """Return how tensors of one row are laid out, all in JSON or all behind it."""
    if all(t.data is UNSET for t in asked.inputs):
        parts = []
        for tensor in asked.inputs:
            size = tensor.parameters["binary_data_size"]  # type: ignore[index]
            count = tensor.shape[-1] if len(tensor.shape) == 2 else 1
            if tensor.datatype not in _PACKED:
                return None
            parts.append((_PACKED[tensor.datatype], size, count))
        return Laid((), tuple(places), tuple(parts))
    spans: list[tuple[int, int]] = []
    for data in _DATA.finditer(head):
        at = data.end()
        while (item := _ITEM.match(head, at)) is not None:
            spans.append(item.span(1))
            at = item.end() + 1
            if head[at - 1 : at] != b",":
                break
    if len(spans) != len(places):
        return None
    return _laid(head, spans, places)


def _laid(body: bytes, spans: Sequence[tuple[int, int]], found: Sequence[int]) -> Laid:
    ends = [0, *(end for _, end in spans)]
    begins = [*(begin for begin, _ in spans), len(body)]
    between = tuple(body[end:begin] for end, begin in zip(ends, begins, strict=True))
    return Laid(between, tuple(found))
