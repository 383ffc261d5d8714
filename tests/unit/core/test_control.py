"""The control group is fair, steady within a rotation, and new in the next."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tamid.core.control import in_control, lots, rotation

NAMES = [f"customer-{n}" for n in range(20_000)]
WEEKS = timedelta(weeks=13)


def test_the_share_is_met() -> None:
    """Of 20,000 entities a tenth is in the group, within four standard errors."""
    share = in_control(NAMES, 0.1, "salt", 7).mean()
    assert abs(share - 0.1) < 4 * np.sqrt(0.1 * 0.9 / len(NAMES))


def test_lots_are_even() -> None:
    """The lots fill [0, 1) evenly: no gap beyond chance (Kolmogorov-Smirnov, p = 0.001)."""
    drawn = np.sort(lots(NAMES, "key"))
    gap = np.abs(drawn - (np.arange(len(drawn)) + 0.5) / len(drawn)).max()
    assert gap < 1.95 / np.sqrt(len(drawn))
    assert drawn[0] >= 0
    assert drawn[-1] < 1


def test_rotations_and_salts_draw_anew() -> None:
    """Two rotations, or two salts, share about as many members as chance lets them."""
    one = in_control(NAMES, 0.1, "salt", 7)
    for other in (in_control(NAMES, 0.1, "salt", 8), in_control(NAMES, 0.1, "pepper", 7)):
        both = int((one & other).sum())
        assert 140 < both < 260  # 200 expected, 4 standard errors either way


@given(
    names=st.lists(st.text(max_size=8), max_size=20),
    small=st.floats(0, 1),
    more=st.floats(0, 1),
    turn=st.integers(-5, 5),
)
def test_a_larger_group_holds_the_smaller_one(
    names: list[str], small: float, more: float, turn: int
) -> None:
    """Raising the share never moves a member out; membership does not depend on the others."""
    low, high = sorted((small, more))
    within = in_control(names, low, "s", turn)
    assert not (within & ~in_control(names, high, "s", turn)).any()
    alone = [bool(in_control([n], low, "s", turn)[0]) for n in names]
    assert within.tolist() == alone


def test_a_rotation_lasts_exactly_its_length() -> None:
    """The number changes once a rotation, also before 1970."""
    start = datetime(2026, 1, 4, tzinfo=UTC)
    turns = [rotation(start + timedelta(days=d), WEEKS) for d in range(91 * 4)]
    assert sorted(turns) == turns
    assert {turns.count(t) for t in sorted(set(turns))[1:-1]} == {91}
    assert rotation(datetime(1969, 12, 31, tzinfo=UTC), WEEKS) == -1
