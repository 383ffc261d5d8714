"""Rows from JSON: what is refused, what is taken, and that errors never tell a value."""

from __future__ import annotations

import json
import time
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tamid.core.errors import TamidError
from tamid.core.pseudonym import pseudonym
from tamid.core.values import Task
from tamid.serving.strict import Codec, Malformed, OutsideContract, TooMany, strictly
from tamid.serving.values import Input, Served

SERVED = Served(
    name="churn",
    number=1,
    bundle="b",
    overlay="o",
    task=Task.BINARY,
    entity="customer",
    time="week",
    inputs=(
        Input(name="calls", kind="number", nullable=False, min=-50.0, max=50.0),
        Input(name="גיל", kind="integer"),
        Input(name="plan", kind="category", allowed=frozenset({"basic", "פלוס"})),
        Input(name="vip", kind="boolean"),
        Input(name="week", kind="datetime"),
        Input(name="note", kind="text"),
    ),
)
CODEC = Codec(SERVED, most_rows=3)
BESIDE = replace(
    SERVED,
    beside=(
        Input(name="visits", kind="integer", nullable=False, min=0),
        Input(name="since", kind="datetime"),
    ),
)


@pytest.mark.parametrize(
    "value", ["NaN", "Infinity", "-Infinity", "1e400", "-1e400", '"1.5"', "true", "[1]", "{}", "01"]
)
def test_what_is_no_number_is_refused(value: str) -> None:
    """A text, a boolean, an infinity or a number beyond float64 never becomes a number."""
    with pytest.raises((Malformed, OutsideContract)) as error:
        CODEC.one(f'{{"calls": {value}}}'.encode())
    assert value.strip('"') not in f"{error.value.what} {error.value.why}" or value in "[1]{}"


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"null", b"[]", b"1", b'{"calls": 1} x', b'\xef\xbb\xbf{"calls": 1}',
        b'{"calls": 1, "note": "\xff"}', b'{"calls": 1, "note": "\\ud800"}',
        b'{"calls": 1, "note": "\\udc00"}', b'{"calls": 1, "note": "\xed\xa0\x80"}',
        b'{"calls": 1, "calls": 1}', b'{"calls": 1, "\\u0063alls": 1}', b'{"calls": 1, "other": 1}',
        b'{"calls": 1, "note": {"a": {"b": 1}}}', b"[" * 100_000, b'{"calls":' * 50_000,
    ],
)  # fmt: skip
def test_a_body_that_is_not_one_row_is_refused(body: bytes) -> None:
    """Broken JSON, broken UTF-8, single surrogates, keys twice, unknown keys, deep nests."""
    with pytest.raises((Malformed, OutsideContract)):
        CODEC.one(body)


def test_colons_inside_texts_are_no_keys() -> None:
    """A text with colons is taken as it is."""
    found = CODEC.one(b'{"calls": 1, "note": "a:b::c"}')
    assert found.rows[0].values["note"] == "a:b::c"


def test_a_row_keeps_names_and_values() -> None:
    """Hebrew names and values, ids and entities come through; what is left out is missing."""
    body = {"calls": 1, "גיל": 41, "plan": "פלוס", "vip": True, "_id": "r1", "customer": 7}
    found = CODEC.one(json.dumps(body, ensure_ascii=False).encode())
    values = dict(found.rows[0].values)
    assert values.pop("week") is not None
    assert values == {"calls": 1.0, "גיל": 41, "plan": "פלוס", "vip": True, "note": None}
    assert (found.ids, found.rows[0].entity) == (["r1"], "7")


def test_broken_rules_are_named_without_the_value() -> None:
    """Each broken rule is named with its row and column; the value is nowhere."""
    body = b'[{"calls": 987654.5}, {"plan": "topsecret", "calls": 1}, {}]'
    with pytest.raises(OutsideContract) as error:
        CODEC.many(body)
    assert len(error.value.problems) == 3
    told = f"{error.value.what} {error.value.why} {error.value.problems}"
    assert "'calls' is above" in told
    assert "'calls' is missing" in told
    assert "987654" not in told
    assert "topsecret" not in told


def test_rows_outside_the_contract_may_go_to_a_lower_rung() -> None:
    """With `lower` the row is kept, with the rule that it breaks."""
    found = Codec(SERVED, lower=True).many(b'[{"calls": 99}, {"calls": 1}]')
    assert [bool(row.broken) for row in found.rows] == [True, False]


def test_too_many_rows_are_refused() -> None:
    """The limit of rows holds for every protocol."""
    with pytest.raises(TooMany):
        CODEC.many(b"[" + b",".join([b'{"calls":1}'] * 4) + b"]")
    with pytest.raises(TooMany):
        CODEC.plain([{"calls": 1.0}] * 4)


def test_a_row_tells_its_moment_wherever_it_stands() -> None:
    """Among the inputs of feature code as well as beside them; what is left out is not told."""
    beside = replace(SERVED, inputs=SERVED.inputs[:1], moment="week")
    among = replace(SERVED, time="week", moment="week")
    for served in (beside, among):
        codec = Codec(served)
        said = codec.one(b'{"calls": 1, "week": "2026-01-04T00:00:00+02:00"}').rows[0]
        assert said.moment == "2026-01-04T00:00:00+02:00"
        assert codec.one(b'{"calls": 1}').rows[0].moment is None


def test_a_moment_needs_a_time_zone() -> None:
    """A moment without a zone could be any."""
    with pytest.raises(OutsideContract):
        CODEC.one(b'{"calls": 1, "week": "2026-01-04T00:00:00"}')
    found = CODEC.one(b'{"calls": 1, "week": "2026-01-04T00:00:00Z"}')
    assert found.rows[0].values["week"] == "2026-01-04T00:00:00+00:00"


@given(st.binary(max_size=200))
def test_any_bytes_are_decoded_or_refused(body: bytes) -> None:
    """Whatever comes, the decoder answers with rows or with a refusal of ours."""
    for decode in (CODEC.one, CODEC.many, strictly):
        try:
            decode(body)
        except TamidError:
            continue


_JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from([*SERVED.names, "_id", "customer", "x"]), _JSON))
def test_any_object_is_decoded_or_refused(row: dict[str, object]) -> None:
    """Any JSON object under our names: rows of the right kinds, or a refusal."""
    try:
        found = CODEC.one(json.dumps(row).encode())
    except TamidError:
        return
    values = found.rows[0].values
    if found.rows[0].sought:  # it names its entity alone: the features are looked up
        assert not set(row) & set(SERVED.names)
        assert found.rows[0].entity is not None
        return
    assert type(values["calls"]) is float
    assert values["calls"] == row["calls"]
    assert type(values["vip"]) in (bool, type(None))


def test_an_entity_is_known_by_pseudonym_where_its_store_says_so() -> None:
    """The name does not get beyond the decoder: number or text, the same pseudonym."""
    key = b"k" * 32
    codec = Codec(replace(SERVED, key=key))
    bodies = (b'{"calls": 1, "customer": 7}', b'{"calls": 1, "customer": "7"}')
    found = {codec.one(body).rows[0].entity for body in bodies}
    assert found == {pseudonym("7", key)}


@pytest.mark.parametrize("body", [b'{"4580-1111": 1}', b'[{"calls": 1, "4580-1111": 1}]'])
def test_an_unknown_key_is_not_repeated(body: bytes) -> None:
    """What came where a name belongs may be anybody's secret, so only its place is told."""
    with pytest.raises(OutsideContract) as error:
        (CODEC.many if body[:1] == b"[" else CODEC.one)(body)
    assert "a key that no column has" in error.value.why
    assert "4580" not in f"{error.value.what} {error.value.why}"


def test_a_key_of_megabytes_keeps_nobody_waiting() -> None:
    """Its like is not looked for: that would take seconds of the thread that answers all."""
    body = b'{"%b": 1}' % (b"calls" * 1_500_000)
    started = time.process_time()
    with pytest.raises(OutsideContract) as error:
        CODEC.one(body)
    assert error.value.why == "there is a key that no column has"
    assert time.process_time() - started < 0.5


def test_a_column_that_is_not_read_may_come_and_keeps_the_contract() -> None:
    """It is told with the row where it came; missing it breaks nothing, a wrong value does."""
    codec = Codec(BESIDE, most_rows=3)
    (row,) = codec.one(b'{"calls": 1, "visits": 3, "since": "2025-01-01T00:00:00Z"}').rows
    assert row.values["visits"] == 3
    assert row.values["since"] == "2025-01-01T00:00:00+00:00"
    assert row.values.keys() >= {i.name for i in SERVED.inputs}
    (row,) = codec.one(b'{"calls": 1}').rows
    assert row.values.keys() == {i.name for i in SERVED.inputs}
    for wrong in (b"-1", b"1.5", b'"3"'):
        with pytest.raises(OutsideContract):
            codec.one(b'{"calls": 1, "visits": %b}' % wrong)


def test_rows_with_columns_that_are_not_read_take_the_ordinary_road() -> None:
    """The quick roads write down the bytes that came: such a column may be personal."""
    codec = Codec(BESIDE, most_rows=3)
    plain, more = b'{"calls": 1}', b'{"calls": 1, "visits": 3}'
    assert codec.quick(plain) is not None
    assert codec.quick(more) is None
    assert codec.quick_many(b"[%b,%b]" % (plain, plain)) is not None
    assert codec.quick_many(b"[%b,%b]" % (plain, more)) is None
    (row,) = codec.one(b'{"_entity": "c1", "visits": 3}').rows
    assert row.sought
