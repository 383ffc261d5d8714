"""Lanes: that in C says what that in Python says; neither answers a row that breaks a rule."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tamid.adapters.engines.kernel import KernelEngine
from tamid.core.compiled.lane import PlainLane, Rule, lane_fields
from tamid.core.compiled.program import Linear, Program, plain_slots
from tamid.core.learning.model import Feature
from tamid.core.values import Task

UNSET = object()
WORDS = ("basic", "plus", "fibre", "גיל", "")
NUMBERS = st.one_of(
    st.floats(), st.integers(-(2**70), 2**70), st.booleans(), st.sampled_from([2**63, 2**63 - 1])
)
VALUES = st.one_of(
    NUMBERS, st.none(), st.just(UNSET), st.sampled_from(WORDS), st.text(max_size=3), st.binary()
)
BOUNDS = st.one_of(st.none(), st.floats(-10, 10))


@st.composite
def rules(draw: st.DrawFn) -> list[Rule]:
    """Draw what a contract may say of some inputs."""
    found = []
    for i in range(draw(st.integers(1, 6))):
        kind = draw(st.sampled_from(["number", "integer", "boolean", "category", "text"]))
        word = kind in ("category", "text")
        allowed = (
            draw(st.one_of(st.none(), st.frozensets(st.sampled_from(WORDS)))) if word else None
        )
        found.append(
            Rule(
                name=f"x{i}", kind=kind, nullable=draw(st.booleans()), allowed=allowed,
                low=None if word else draw(BOUNDS), high=None if word else draw(BOUNDS),
            )
        )  # fmt: skip
    return found


def features(given_rules: list[Rule]) -> tuple[Feature, ...]:
    """Return every second input as a feature, in another order."""
    read = given_rules[::2][::-1]
    words = {True: ("category", WORDS[:3]), False: ("number", ())}
    made = [(r.name, *words[r.kind in ("category", "text")]) for r in read]
    return tuple(Feature(name=n, kind=k, categories=c) for n, k, c in made)  # type: ignore[arg-type]


def program(of: tuple[Feature, ...]) -> Program:
    """Return a sum whose weights tell the features apart."""
    weights = np.array([10.0**i for i in range(len(of))])
    model = Linear(weights=weights, bias=np.zeros(1))
    return Program(task=Task.REGRESSION, features=of, slots=plain_slots(len(of)), model=model)


@settings(max_examples=200, deadline=None)
@given(data=st.data(), told=rules())
def test_usual_rows_get_the_same_from_both(data: st.DataObject, told: list[Rule]) -> None:
    """Numbers and words as nearly all requests hold them, now and then another one between."""
    told = [r for r in told if r.kind in ("number", "category", "text")]
    told += [Rule(name=f"y{i}", kind="number", low=low) for i, low in enumerate((-1.0, None))]
    of = features([*told, *(Rule(name="z", kind="number"),)])
    fields = lane_fields([*told, Rule(name="z", kind="number")], of)
    assert fields is not None
    engine = KernelEngine(program(of))
    quick = engine.lane(fields, UNSET)
    if quick is None:
        pytest.skip("the kernel was built without Python's headers")
    plain = PlainLane(fields, len(of), engine.one, UNSET)
    usual = {True: st.sampled_from(WORDS), False: st.floats(-2, 2)}
    for _ in range(5):
        row = [data.draw(usual[f.is_word]) for f in fields]
        if data.draw(st.booleans()):
            row[data.draw(st.integers(0, len(row) - 1))] = data.draw(VALUES)
        assert repr(plain.score(tuple(row))) == repr(quick.score(tuple(row)))


@settings(max_examples=400, deadline=None)
@given(data=st.data(), told=rules())
def test_both_lanes_say_the_same(data: st.DataObject, told: list[Rule]) -> None:
    """Whatever comes: the same score to the bit, or None from both."""
    of = features(told)
    fields = lane_fields(told, of)
    assert fields is not None
    engine = KernelEngine(program(of))
    quick = engine.lane(fields, UNSET)
    if quick is None:
        pytest.skip("the kernel was built without Python's headers")
    plain = PlainLane(fields, len(of), engine.one, UNSET)
    for _ in range(5):
        row = tuple(data.draw(VALUES) for _ in told)
        one, two = plain.score(row), quick.score(row)
        assert repr(one) == repr(two)
        assert list(map(repr, quick.scores([row, row]))) == [repr(one)] * 2
        assert one is None or all(kept(rule, v) for rule, v in zip(told, row, strict=True))


def kept(rule: Rule, value: Any) -> bool:
    """Say, in other words than the lanes, whether a value keeps a rule."""
    if value is None or value is UNSET:
        return rule.nullable
    if rule.kind in ("category", "text"):
        return isinstance(value, str) and (rule.allowed is None or value in rule.allowed)
    if rule.kind == "boolean":
        return isinstance(value, bool)
    if isinstance(value, bool) or not isinstance(value, int if rule.kind == "integer" else float):
        return False
    inside = (rule.low is None or value >= rule.low) and (rule.high is None or value <= rule.high)
    fits = abs(value) < 2**63 if rule.kind == "integer" else math.isfinite(value)
    return inside and fits


def test_what_is_no_row_is_an_error() -> None:
    """Less than a value for each field, and what is no tuple, never reach the kernel."""
    told = [Rule(name="x0", kind="number"), Rule(name="x1", kind="number")]
    fields = lane_fields(told, features(told))
    assert fields is not None
    engine = KernelEngine(program(features(told)))
    for lane in (engine.lane(fields, UNSET), PlainLane(fields, 1, engine.one, UNSET)):
        for wrong in ((1.0,), [1.0, 2.0], None):
            if lane is not None:
                with pytest.raises(TypeError, match="a value for each field"):
                    lane.score(wrong)  # type: ignore[arg-type]


def test_inputs_that_need_more_have_no_lane() -> None:
    """Moments, words for numbers, and a feature that is no input: the ordinary road takes them."""
    number, word = Feature(name="x"), Feature(name="x", kind="category", categories=("a",))
    assert lane_fields([Rule(name="x", kind="datetime")], [number]) is None
    assert lane_fields([Rule(name="x", kind="category")], [number]) is None
    assert lane_fields([Rule(name="x", kind="number")], [word]) is None
    assert lane_fields([Rule(name="y", kind="number")], [number]) is None
