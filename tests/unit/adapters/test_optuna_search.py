"""The search: repeatable, resumable after a death, and kept in a journal."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from tamid.adapters.optuna import OptunaSearcher
from tamid.core.learning.model import Param, Range

SPACE = {
    "leaves": Range(low=4, high=64, log=True, whole=True),
    "rate": Range(low=0.01, high=1.0, log=True),
    "share": Range(low=0.0, high=1.0),
}


def loss(params: Mapping[str, Param]) -> float:
    """A bowl with its bottom at rate 0.1, share 0.3."""
    rate, share = params["rate"], params["share"]
    assert isinstance(rate, float)
    assert isinstance(share, float)
    return abs(rate - 0.1) + (share - 0.3) ** 2


def test_a_search_is_repeatable_and_learns(tmp_path: Path) -> None:
    """The same seed tries the same; another seed tries others; it gets better with trials."""
    one = OptunaSearcher(tmp_path / "a").search("r1", SPACE, loss, 25, 7, None)
    two = OptunaSearcher(tmp_path / "b").search("r1", SPACE, loss, 25, 7, None)
    other = OptunaSearcher(tmp_path / "b").search("r2", SPACE, loss, 3, 8, None)
    assert one == two
    assert one[0].params != other[0].params
    assert [t.number for t in one] == list(range(25))
    assert all(isinstance(t.params["leaves"], int) for t in one)
    assert min(t.loss for t in one[8:]) < min(t.loss for t in one[:8])


def test_a_search_that_died_goes_on_as_if_it_had_not(tmp_path: Path) -> None:
    """Cut off in the middle of a trial, the rest of the trials are those of an unbroken search."""
    whole = OptunaSearcher(tmp_path / "a").search("r1", SPACE, loss, 14, 7, None)
    calls = 0

    def dying(params: Mapping[str, Param]) -> float:
        nonlocal calls
        calls += 1
        if calls == 10:
            raise KeyboardInterrupt
        return loss(params)

    with pytest.raises(KeyboardInterrupt):
        OptunaSearcher(tmp_path / "b").search("r1", SPACE, dying, 14, 7, None)
    rest = 0

    def counting(params: Mapping[str, Param]) -> float:
        nonlocal rest
        rest += 1
        return loss(params)

    assert OptunaSearcher(tmp_path / "b").search("r1", SPACE, counting, 14, 7, None) == whole
    assert rest == 14 - 9


def test_a_finished_search_is_read_and_not_repeated(tmp_path: Path) -> None:
    """Asked again for what is there, nothing is tried."""
    searcher = OptunaSearcher(tmp_path)
    first = searcher.search("r1", SPACE, loss, 5, 7, None)

    def never(params: Mapping[str, Param]) -> float:
        raise AssertionError(params)

    assert searcher.search("r1", SPACE, never, 5, 7, None) == first


def test_a_timeout_stops_after_at_least_one_trial(tmp_path: Path) -> None:
    """However short the time, there is one trial to choose from."""
    assert len(OptunaSearcher(tmp_path).search("r1", SPACE, loss, 50, 7, 0.0)) == 1
