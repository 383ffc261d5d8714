"""When a version on trial is stopped, when it may go on, and when nothing is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tamid.core.trial import LEAST_ROWS, ArmCounts, rule, score_bin, time_bin
from tamid.core.values import Task

WELL = ArmCounts(rows=400, failed=1, slow=2, same=5, scores={3: 200, 12: 199}, times={40: 399})


def arm(**values: object) -> ArmCounts:
    """Return a sound arm with some counts changed."""
    given_ = {"rows": 400, "same": 4, "scores": {3: 200, 12: 200}, **values}
    return ArmCounts(**given_)  # type: ignore[arg-type]


def test_what_does_as_well_passes() -> None:
    """The same counts in both arms."""
    assert rule(WELL, WELL).verdict == "pass"


def test_too_little_never_passes() -> None:
    """However well it looks; and nothing at all neither."""
    few = arm(rows=LEAST_ROWS - 1, scores={3: 100, 12: 99})
    for one, other in ((few, WELL), (WELL, few), (ArmCounts(), ArmCounts()), (ArmCounts(), WELL)):
        assert rule(one, other).verdict == "nodata"
    assert "200 are needed" in rule(few, WELL).reasons[0]


def test_errors_stop_soon() -> None:
    """Ten failures of ten are enough; one of ten is not."""
    assert rule(ArmCounts(rows=10, failed=10), WELL).verdict == "fail"
    assert rule(ArmCounts(rows=10, failed=1), WELL).verdict == "nodata"
    assert rule(ArmCounts(rows=10, failed=10), ArmCounts()).verdict == "fail"


def test_what_the_champion_suffers_too_stops_nobody() -> None:
    """A machine that is slow, or rows that nobody can answer, are no fault of the version."""
    bad = arm(failed=100, slow=200)
    assert rule(bad, bad).verdict == "pass"
    assert rule(bad, WELL).verdict == "fail"


def test_late_answers_stop() -> None:
    """Five in a hundred past the contract's time, against half of one."""
    reasons = rule(arm(rows=2000, slow=100), arm(rows=2000, slow=10)).reasons
    assert reasons == ("100 of 2000 rows were answered late (champion: 10 of 2000)",)


def test_a_constant_score_stops() -> None:
    """All the same, while the champion tells people apart; not where it does not either."""
    constant = arm(same=400, scores={3: 200, 12: 200})
    assert "are the same score" in rule(constant, WELL).reasons[0]
    assert rule(constant, constant).verdict == "pass"


def test_another_share_of_calls_stops_unless_it_was_expected() -> None:
    """A threshold that went astray moves no score; too few calls, or a part more, stop nobody."""
    usual = replace(WELL, called=120)
    assert rule(replace(WELL, called=130), usual).verdict == "pass"
    assert rule(replace(WELL, called=170), usual).verdict == "pass"
    for odd in (replace(WELL, called=300), replace(WELL, called=30), replace(WELL, called=0)):
        assert rule(odd, usual).verdict == "fail"
    assert "it calls 300 of 399" in rule(replace(WELL, called=300), usual).reasons[0]
    assert rule(replace(WELL, called=300), usual, calls=2.5).verdict == "pass"
    assert rule(replace(WELL, called=9), replace(WELL, called=1)).verdict == "pass"


def test_shares_of_calls_that_are_alike_hardly_ever_stop() -> None:
    """Type I, looked at after every 50 rows of 5,000: both arms call alike, or a tenth apart."""
    rng = np.random.default_rng(0)
    for share, times in ((0.02, 1.0), (0.1, 1.1), (0.3, 0.9)):
        stopped = 0
        for _ in range(150):
            a = (rng.random(5000) < share * times).cumsum()[49::50]
            b = (rng.random(5000) < share).cumsum()[49::50]
            rows = range(50, 5001, 50)
            pairs = zip(a.tolist(), b.tolist(), rows, strict=True)
            stopped += any(
                rule(ArmCounts(rows=n, called=x), ArmCounts(rows=n, called=y)).verdict == "fail"
                for x, y, n in pairs
            )
        assert stopped == 0


def test_a_shift_stops_unless_it_was_expected() -> None:
    """Scores that lie elsewhere than the champion's over the same people."""
    moved = arm(scores={18: 400})
    assert "its scores lie 1.00 from the champion's (0.30 is allowed)" in rule(moved, WELL).reasons
    assert rule(moved, WELL, expected=0.6).verdict == "pass"
    slightly = arm(scores={3: 170, 12: 230})
    assert rule(slightly, WELL).verdict == "pass"


@given(
    st.integers(0, 500), st.integers(0, 500), st.integers(0, 500), st.floats(0, 1),
    st.dictionaries(st.integers(0, 19), st.integers(1, 200), max_size=5),
)  # fmt: skip
def test_whatever_is_counted_there_is_a_ruling(
    rows: int, failed: int, others: int, expected: float, scores: dict[int, int]
) -> None:
    """Laws: too few answers never pass; a failing ruling names what speaks against it."""
    one = ArmCounts(rows=max(rows, failed), failed=failed, scores=scores)
    two = ArmCounts(rows=others, scores=scores)
    found = rule(one, two, expected)
    assert found.verdict != "pass" or min(one.answered, two.answered) >= LEAST_ROWS
    assert bool(found.reasons) == (found.verdict != "pass")


@given(st.floats(0, 1), st.floats(allow_nan=False, allow_infinity=False), st.floats(0, 1e6))
def test_bins(chance: float, number: float, seconds: float) -> None:
    """Every score and time has a bin, and bins keep the order."""
    assert 0 <= score_bin(chance, Task.BINARY) <= 19
    assert -100 <= score_bin(number, Task.REGRESSION) <= 100
    assert time_bin(seconds) <= time_bin(seconds * 2 + 1e-6)


def test_sums_and_differences() -> None:
    """Counts of two processes add up; an earlier look is taken away again."""
    both = replace(WELL, called=9) + arm(skipped=3, called=7)
    assert (both.rows, both.failed, both.skipped, both.scores) == (800, 1, 3, {3: 400, 12: 399})
    assert (both.called, (both - WELL).called, (WELL - both).called) == (16, 16, 0)
    assert (both - WELL).scores == {3: 200, 12: 200}
    assert 0.0009 < WELL.p99() < 0.0015
