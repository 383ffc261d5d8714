"""Forms: bytes that are read have the score of their values; what is not plain is not read."""

from __future__ import annotations

import json
import math
import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_lane_laws import BOUNDS, WORDS, features, program, rules

from tamid.adapters.engines.kernel import KernelEngine
from tamid.core.compiled.lane import Laid, Rule, lane_fields
from tamid.ports import RowForm, RowLane
from tamid.serving.http.forms import laid_row

# Numbers as people write them: a few digits, at times too many, and a power.
_DIGITS = st.integers(0, 10**22).flatmap(lambda most: st.integers(0, most)).map(str)
_POWERS = st.sampled_from(["", "e0", "e5", "E-7", "e+22", "e-22", "e23", "e-23", "e308", "e-99999"])
DECIMALS = st.builds(
    "{}{}{}{}{}".format, st.sampled_from(["", "-"]), _DIGITS, st.sampled_from([".", ".000", ".5"]),
    _DIGITS, _POWERS,
)  # fmt: skip
TOKENS = st.one_of(
    st.floats().map(repr), DECIMALS, st.integers(-(2**70), 2**70).map(str),
    st.sampled_from([*WORDS, 'a"b', "\\", "\n"]).map(json.dumps),
    st.sampled_from(WORDS).map(lambda w: json.dumps(w, ensure_ascii=False)),
    st.sampled_from(["null", "true", "false", "-0", "-0.0", "01", "1.", ".5", "1e", "1e400", "+1",
                     "1e-400", "nul", "[1]", "{}", "Infinity", "NaN", "0x1", "1_0", '"', '"\x01"']),
)  # fmt: skip
PLAIN: dict[str, Any] = {
    "number": st.floats(-10, 10), "integer": st.integers(-(10**17), 10**17),
    "boolean": st.booleans(), "category": st.sampled_from(WORDS), "text": st.sampled_from(WORDS),
}  # fmt: skip


def lane_of(told: list[Rule]) -> RowLane:
    """Return the lane in C under some rules."""
    of = features(told)
    fields = lane_fields(told, of)
    assert fields is not None
    lane = KernelEngine(program(of)).lane(fields, None)
    if lane is None:
        pytest.skip("the kernel was built without Python's headers")
    return lane


def body_of(told: list[Rule], tokens: list[str], space: str = "") -> bytes:
    """Return the object of one row."""
    pairs = (f'"{r.name}":{space}{t}' for r, t in zip(told, tokens, strict=True))
    return f"{{{space}{f',{space}'.join(pairs)}}}".encode("utf-8", "surrogatepass")


def form_of(lane: RowLane, told: list[Rule], space: str) -> RowForm:
    """Return the form of a row of these inputs."""
    like = ['"x"' if r.kind in ("category", "text") else "1" for r in told]
    laid = laid_row(body_of(told, like, space), {r.name: i for i, r in enumerate(told)})
    assert laid is not None
    form = lane.form(laid)
    assert form is not None
    return form


def wanted(lane: RowLane, told: list[Rule], body: bytes) -> float | None:
    """Return what a strict parser and the lane say of a body."""
    try:
        given_row = json.loads(body.decode(), parse_constant=lambda _: {})
    except (ValueError, RecursionError):
        return None
    if not isinstance(given_row, dict) or set(given_row) != {r.name for r in told}:
        return None
    values = [given_row[r.name] for r in told]
    for i, rule in enumerate(told):
        if rule.kind == "number" and type(values[i]) is int:
            try:
                values[i] = float(values[i])
            except OverflowError:
                return None
    return lane.score(tuple(values))


@settings(max_examples=300, deadline=None)
@given(data=st.data(), told=rules(), space=st.sampled_from(["", " ", "\n\t"]))
def test_what_is_read_has_the_score_of_its_values(
    data: st.DataObject, told: list[Rule], space: str
) -> None:
    """Whatever stands where a value must: the lane's score to the bit, or nothing."""
    lane = lane_of(told)
    form = form_of(lane, told, space)
    for _ in range(5):
        tokens = [data.draw(st.one_of(TOKENS, PLAIN[r.kind].map(json.dumps))) for r in told]
        body = body_of(told, tokens, space)
        by_values = wanted(lane, told, body)
        if form.read(body, 0):
            assert repr(form.score()) == repr(by_values)
        elif by_values is not None:
            # Read exactly, elsewhere: words with escapes, and whole numbers of many digits.
            assert b"\\" in body or any(len(t) > 18 for t in tokens)


@settings(max_examples=200, deadline=None)
@given(data=st.data(), told=rules())
def test_altered_bytes_are_read_as_a_parser_would_or_not_at_all(
    data: st.DataObject, told: list[Rule]
) -> None:
    """One byte changed, left out or put in, anywhere; and a beginning that is not the first."""
    lane = lane_of(told)
    form = form_of(lane, told, "")
    body = body_of(told, [json.dumps(data.draw(PLAIN[r.kind])) for r in told])
    for _ in range(10):
        at = data.draw(st.integers(0, len(body) - 1))
        new = data.draw(st.one_of(st.just(b""), st.binary(min_size=1, max_size=2)))
        changed = body[:at] + new + body[at + data.draw(st.integers(0, 1)) :]
        if form.read(changed, 0):
            assert repr(form.score()) == repr(wanted(lane, told, changed))
    if form.read(body, 0):
        score = repr(form.score())
        assert form.read(b"xy" + body, 2)
        assert repr(form.score()) == score
        assert not form.read(b"xy" + body, 1)
    assert not form.read(body, len(body) + 1)
    assert not form.read(body, -1)


def packed(values: list[Any], kind: str) -> bytes:
    """Return values as a packed tensor."""
    if kind == "BYTES":
        return b"".join(struct.pack("<I", len(v)) + v for v in values)
    return struct.pack(f"<{len(values)}{'d' if kind == 'FP64' else 'q'}", *values)


@settings(max_examples=200, deadline=None)
@given(
    data=st.data(), low=BOUNDS, nullable=st.booleans(),
    numbers=st.lists(st.floats(), min_size=1, max_size=4),
    whole=st.lists(st.integers(-(2**63), 2**63 - 1), max_size=3),
    words=st.lists(st.one_of(st.sampled_from(WORDS).map(str.encode), st.binary(max_size=3)),
                   max_size=3),
)  # fmt: skip
def test_packed_values_are_read_alike(
    data: st.DataObject, low: float | None, nullable: bool,
    numbers: list[float], whole: list[int], words: list[bytes],
) -> None:  # fmt: skip
    """Numbers, whole numbers and texts behind one another; a cut or longer body is not read."""
    given_values: dict[str, list[Any]] = {"FP64": numbers, "INT64": whole, "BYTES": words}
    kinds = {"FP64": "number", "INT64": "integer", "BYTES": "category"}
    told = [
        Rule(name=f"x{kind}{i}", kind=kinds[kind], nullable=nullable, low=low)
        for kind, values in given_values.items()
        for i in range(len(values))
    ]
    lane = lane_of(told)
    raws = [packed(values, kind) for kind, values in given_values.items()]
    parts = tuple(
        (i, len(raw), len(values))
        for i, (raw, values) in enumerate(zip(raws, given_values.values(), strict=True))
    )
    form = lane.form(Laid((), tuple(range(len(told))), parts))
    assert form is not None
    body = b"".join(raws)
    try:
        texts = [word.decode() for word in words]
        by_values = lane.score((*(None if math.isnan(n) else n for n in numbers), *whole, *texts))
    except UnicodeDecodeError:
        by_values = None
    read = form.read(body, 0)
    assert read == (by_values is not None)
    if read:
        assert repr(form.score()) == repr(by_values)
    assert not form.read(body[:-1], 0)
    assert not form.read(body + b"\0", 0)
    at = data.draw(st.integers(0, len(body) - 1))
    form.read(body[:at] + bytes([body[at] ^ data.draw(st.integers(1, 255))]) + body[at + 1 :], 0)


@pytest.mark.parametrize(
    "wrong",
    [
        ((b"", b""), (0,), ()),  # a value too few
        ((b"", b"", b""), (0, 0), ()),  # one place twice
        ((b"", b"", b""), (0, 2), ()),
        ((b"", b"", b""), (0, -1), ()),
        ((), (0, 1), ((0, 8, 2),)),  # bytes that two numbers do not have
        ((), (0, 1), ((3, 16, 2),)),
        ((), (0, 1), ((0, -8, -1),)),
    ],
)
def test_a_form_that_fits_no_lane_is_refused(wrong: tuple[Any, ...]) -> None:
    """Whoever makes one is told so, before any bytes come."""
    lane = lane_of([Rule(name="a", kind="number"), Rule(name="b", kind="number")])
    with pytest.raises(ValueError, match="form"):
        lane.form(Laid(*wrong))


@pytest.mark.parametrize("wrong", [("x", 0), (b"1",), (b"1", "0"), (bytearray(b"1"), 0)])
def test_only_bytes_are_read(wrong: tuple[Any, ...]) -> None:
    """Everything else is an error of the program."""
    lane = lane_of([Rule(name="a", kind="number")])
    form = lane.form(Laid((b"", b""), (0,)))
    assert form is not None
    with pytest.raises(TypeError):
        form.read(*wrong)
