"""When a version on trial is stopped, when it may go on, and when nothing is known."""

from __future__ import annotations

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
    both = WELL + arm(skipped=3)
    assert (both.rows, both.failed, both.skipped, both.scores) == (800, 1, 3, {3: 400, 12: 399})
    assert (both - WELL).scores == {3: 200, 12: 200}
    assert 0.0009 < WELL.p99() < 0.0015
