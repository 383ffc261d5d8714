"""Each cause of skew is found and named; equal columns differ nowhere."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tamid.core.skew import Column, Kind, Skew, compare

RNG = np.random.default_rng(3)
N = 60
A, B, OLD_A = RNG.normal(size=N), RNG.normal(size=N) * 3, RNG.normal(size=N)
HOURS = RNG.integers(0, 24, size=N).astype(float)
MOMENTS = 1.7e9 + np.arange(N) * 40_000.0
WORDS = np.array([("Fibre", "basic", "סיב")[n % 3] for n in range(N)], dtype=object)


def one(kind: Kind, served: Any, wanted: Any, before: Any = None) -> Skew:
    """Compare one column beside another that agrees."""
    lost: Any = np.full(N, None, dtype=object) if kind == "text" else np.full(N, np.nan)
    column = Column(
        kind=kind, served=served, wanted=wanted, before=lost if before is None else before
    )
    other = Column(kind="number", served=B * 7 + 1e4, wanted=B * 7 + 1e4, before=np.full(N, np.nan))
    found = compare({"it": column, "other": other})
    assert found[1].differing == 0
    return found[0]


@pytest.mark.parametrize(("kind", "values"), [("number", A), ("moment", MOMENTS), ("text", WORDS)])
def test_what_agrees_differs_nowhere(kind: Kind, values: Any) -> None:
    """Also where both are missing, and within the rounding of a sum."""
    served, wanted = values.copy(), values.copy()
    served[3] = wanted[3] = None if kind == "text" else np.nan
    found = one(kind, served, wanted)
    assert (found.differing, found.cause, found.words) == (0, "", "")
    if kind == "number":
        assert one(kind, A * (1 + 1e-12), A).differing == 0


@pytest.mark.parametrize(
    ("kind", "served", "wanted", "cause", "words"),
    [
        ("number", A * 1000, A, "unit", "1000 times"),
        ("number", A / 60, A, "unit", "0.0166667 times"),
        ("number", A * 1.8 + 32, A, "unit", "1.8 times as large, +32"),
        ("number", A + 5, A, "unit", "+5 off"),
        ("number", (HOURS + 2) % 24, HOURS, "time zone", "2 h off"),
        ("moment", MOMENTS + 7200, MOMENTS, "time zone", "+2 h"),
        ("number", MOMENTS - 19_800, MOMENTS, "time zone", "-5.5 h"),
        ("moment", MOMENTS + np.where(np.arange(N) < 30, 7200, 10_800), MOMENTS, "time zone",
         "+2 h or +3 h"),
        ("number", np.full(N, np.nan), A, "missing", "nothing is served"),
        ("number", A, np.full(N, np.nan), "missing", "where there is none"),
        ("text", np.array([w.upper() + " " for w in WORDS], dtype=object), WORDS, "spelling",
         "case"),
        ("number", RNG.normal(size=N), A, "unknown", "no single cause"),
        ("moment", MOMENTS + RNG.normal(size=N) * 1e5, MOMENTS, "unknown", "no single cause"),
        ("text", np.roll(WORDS, 1), WORDS, "unknown", "no single cause"),
    ],
)  # fmt: skip
def test_a_cause_is_named(kind: Kind, served: Any, wanted: Any, cause: str, words: str) -> None:
    """With what it did to the values, never with a value of anybody."""
    found = one(kind, served, wanted)
    assert found.differing > N / 2
    assert found.cause == cause
    assert words in found.words


@pytest.mark.parametrize("part", [1.0, 0.3])
def test_a_stale_look_up_is_named(part: float) -> None:
    """Served is what the entity's row before said, for all or for some."""
    stale = np.arange(N) < part * N
    found = one("number", np.where(stale, OLD_A, A), A, OLD_A)
    assert (found.differing, found.cause) == (int(stale.sum()), "stale")


def test_swapped_columns_are_named_on_both_sides() -> None:
    """Each by the other's name; text and numbers are never taken for each other."""
    lost = np.full(N, np.nan)
    found = compare(
        {
            "a": Column(kind="number", served=B, wanted=A, before=lost),
            "b": Column(kind="number", served=A, wanted=B, before=lost),
        }
    )
    assert [f.cause for f in found] == ["swapped", "swapped"]
    assert found[0].words == "served is b, and b is served as a"


def test_one_odd_row_has_no_cause() -> None:
    """Two rows fit any line."""
    served = A.copy()
    served[:2] *= 7
    found = one("number", served, A)
    assert (found.differing, found.cause) == (2, "unknown")
