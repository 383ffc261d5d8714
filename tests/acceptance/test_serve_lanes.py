"""The hot lane and the ordinary road answer alike: rows, many rows, tensors of V2."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from serving_world import MODEL, ROW, Server, one_version, segments, until

from tamid.core import spool

INFER = f"/v2/models/{MODEL}/infer"
ROWS = [
    ROW,
    {**ROW, "age": 33.5, "plan": "basic"},
    {**ROW, "calls": -1.5, "גיל": None, "_id": "mine-1"},
    {**ROW, "plan": "plus", "customer": "c0001"},
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of one compiled version."""
    with one_version(tmp_path_factory.mktemp("lanes")) as running:
        yield running


def slowly(server: Server, rows: Any) -> Any:
    """Ask on the ordinary road: a query is never plain."""
    status, answer = server.predict(rows, "?road=ordinary")
    assert status == 200
    return answer


def nameless(answer: Mapping[str, Any]) -> dict[str, Any]:
    """Return an answer without the id that was made for it."""
    return {k: v for k, v in answer.items() if k != "id"}


def test_a_row_gets_the_same_answer_on_both_roads(server: Server) -> None:
    """Every field but a made id; an id of one's own comes back from both."""
    for row in ROWS:
        status, quick = server.predict(row)
        assert status == 200
        assert nameless(quick) == nameless(slowly(server, row))
        assert quick["id"] == row.get("_id", quick["id"])
    assert server.predict({**ROW, "_id": 'a"\\ש'})[1]["id"] == 'a"\\ש'


def test_many_rows_get_the_same_answers_on_both_roads(server: Server) -> None:
    """In order, with their own ids, also beyond the rows that are answered at a stretch."""
    many = [ROWS[i % len(ROWS)] for i in range(1201)]
    status, quick = server.predict(many)
    assert status == 200
    ordinary = slowly(server, many)["answers"]
    assert list(map(nameless, quick["answers"])) == list(map(nameless, ordinary))
    ids = [a["id"] for a in quick["answers"]]
    assert ids[2] == "mine-1"
    assert len(set(ids)) == 1201 - 299
    assert server.predict([])[0] == 200
    assert server.predict([ROW] * 10_001)[0] == 413


def test_one_odd_row_among_many_is_named(server: Server) -> None:
    """What is not plain takes the ordinary road, with its errors."""
    status, answer = server.predict([*ROWS, {**ROW, "plan": "other"}])
    assert status == 422
    assert "row 4" in answer["error"]["message"]
    twice = json.dumps(ROWS).replace('"age": 33.5', '"age": 33.5, "age": 1.0')
    assert server.predict(twice.encode())[0] == 400


def columns(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return a tensor for each column."""
    kinds = {"plan": "BYTES"}
    return [
        {"name": n, "shape": [len(rows)], "datatype": kinds.get(n, "FP64"),
         "data": [row[n] for row in rows]}
        for n in ROW
    ]  # fmt: skip


def numbers(server: Server) -> list[str]:
    """Return the columns of `numbers`, in the order of the metadata."""
    about = server.get(f"/v2/models/{MODEL}")[1]["inputs"]
    return [i["name"] for i in about if i["datatype"] == "FP64"]


def two(server: Server, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return all numbers in one tensor and all texts in another."""
    names = numbers(server)
    data = [row[n] for row in rows for n in names]
    return [
        {"name": "numbers", "shape": [len(rows), len(names)], "datatype": "FP64", "data": data},
        {"name": "texts", "shape": [len(rows), 1], "datatype": "BYTES",
         "data": [row["plan"] for row in rows]},
    ]  # fmt: skip


def packed(server: Server, rows: list[dict[str, Any]], **more: Any) -> tuple[bytes, int]:
    """Return a body whose two tensors are packed, and the length of its JSON."""
    inputs = two(server, rows)
    values = [math.nan if v is None else v for v in inputs[0].pop("data")]
    texts = [text.encode() for text in inputs[1].pop("data")]
    raws = [
        struct.pack(f"<{len(values)}d", *values),
        b"".join(struct.pack("<I", len(t)) + t for t in texts),
    ]
    for given, raw in zip(inputs, raws, strict=True):
        given["parameters"] = {"binary_data_size": len(raw)}
    head = json.dumps({"inputs": inputs, **more}).encode()
    return head + b"".join(raws), len(head)


@pytest.mark.parametrize("count", [1, 3])
def test_tensors_get_what_rows_get(server: Server, count: int) -> None:
    """A tensor a column, two tensors, two packed ones: the scores of the plain rows."""
    rows = [{n: row[n] for n in ROW} for row in ROWS[:count]]
    wanted = [server.predict(row)[1] for row in rows]
    body, length = packed(server, rows)
    headers = {"inference_header_content_length": str(length)}
    answers = [
        server.call("POST", INFER, {"inputs": columns(rows), "id": "q"}),
        server.call("POST", INFER, {"inputs": two(server, rows)}),
        server.call("POST", INFER, body, content_type="application/octet-stream", **headers),
        # An output that is asked for by name takes the ordinary road.
        server.call("POST", INFER, {"inputs": columns(rows), "outputs": [{"name": "score"}]}),
    ]
    for status, answer in answers:
        assert status == 200
        found = {o["name"]: o["data"] for o in answer["outputs"]}
        assert found["score"] == [w["score"] for w in wanted]
        if len(found) > 1:
            assert found["decision"] == [w["decision"] for w in wanted]
            assert found["rung"] == ["champion"] * count
    assert answers[0][1]["id"] == "q"
    assert answers[1][1]["id"] != answers[2][1]["id"]


def test_requests_of_a_known_form_get_what_others_get(server: Server) -> None:
    """One client's requests, again and again: other values, missing ones, and what is refused."""
    values: list[dict[str, Any]] = [
        {}, {"calls": 7}, {"calls": -1e-9, "minutes": 12345678901234567890.5}, {"age": 61.5},
        {"גיל": None}, {"plan": "basic"}, {"plan": "plus", "age": 0},
    ]  # fmt: skip
    broken: list[dict[str, Any]] = [
        {"calls": -50.5},
        {"plan": "other"},
        {"calls": "1"},
        {"calls": None},
    ]
    for change in [*values, *broken, *values]:
        row = {**ROW, **change}
        wanted, told = server.predict(row, "?road=ordinary")
        status, answer = server.predict(row)
        assert status == wanted == (422 if change in broken else 200), change
        body, length = packed(server, [row]) if wanted == 200 else (b"", 0)
        headers = {"inference_header_content_length": str(length)}
        tensors = [
            server.call("POST", INFER, {"inputs": columns([row])}),
            server.call("POST", INFER, {"inputs": two(server, [row])}),
        ]
        if status == 200:
            assert nameless(answer) == nameless(told)
            octets = "application/octet-stream"
            tensors.append(server.call("POST", INFER, body, content_type=octets, **headers))
        for code, found in tensors:
            assert code == status
            if code == 200:
                assert found["outputs"][0]["data"] == [told["score"]]


def test_a_row_is_logged_alike_however_it_was_asked(server: Server) -> None:
    """Plain, a tensor a column, two tensors, two packed ones, twice in an array: one row always."""
    row = {**ROW, "calls": 7.25, "minutes": 1e-7}
    body, length = packed(server, [row], parameters={"binary_data_output": True})
    headers = {"inference_header_content_length": str(length)}
    assert server.predict(row)[0] == 200
    assert server.call("POST", INFER, {"inputs": columns([row]), "id": "mine"})[0] == 200
    assert server.call("POST", INFER, {"inputs": two(server, [row])})[0] == 200
    binary = server.raw("POST", INFER, body, content_type="application/octet-stream", **headers)
    assert binary[0] == 200
    assert server.predict([row, row])[0] == 200
    assert server.predict([row, {**row, "customer": "c0001"}])[0] == 200
    found = until(lambda: _logged(server, 7.25, 8))
    assert [{n: asked[n] for n in row} for asked in found] == [row] * 8
    named = [asked.get("_entity") or asked.get("customer") for asked in found]
    assert sorted(filter(None, named)) == ["c0001"]


def _logged(server: Server, calls: float, count: int) -> list[dict[str, Any]] | None:
    """Return what was asked with so many calls; None while there are fewer such rows."""
    found = segments(server.root / ".tamid" / "spool" / MODEL)
    rows = [row for s in found for block in s.of(spool.ROWS) for _, row, _ in block["rows"]]
    asked = [row for row in rows if row["calls"] == calls]
    return asked if len(asked) == count else None


@pytest.mark.parametrize("count", [1, 3])
def test_packed_answers_hold_the_same(server: Server, count: int) -> None:
    """Scores, decisions and texts behind the JSON are those of the JSON form."""
    rows = [{n: row[n] for n in ROW} for row in ROWS[:count]]
    body, length = packed(server, rows, parameters={"binary_data_output": True})
    headers = {"inference_header_content_length": str(length)}
    status, given, raw = server.raw(
        "POST", INFER, body, content_type="application/octet-stream", **headers
    )
    assert status == 200
    cut = int(given["inference-header-content-length"])
    outputs = json.loads(raw[:cut])["outputs"]
    sizes = [o["parameters"]["binary_data_size"] for o in outputs]
    assert cut + sum(sizes) == len(raw)
    scores = list(struct.unpack(f"<{count}d", raw[cut : cut + sizes[0]]))
    assert scores == [server.predict(row)[1]["score"] for row in rows]
    assert raw.endswith(b"\0" * 4 * count)


def test_odd_tensors_are_refused_as_ever(server: Server) -> None:
    """Wrong types, shapes, names and bytes are errors of the caller, never of the server."""
    good = columns([{n: ROW[n] for n in ROW}])
    changes: list[dict[str, Any]] = [
        {"data": ["x"]}, {"data": [True]}, {"data": [1e300, 2.0]}, {"data": []}, {"shape": [2]},
        {"shape": []}, {"shape": [1, 2]}, {"shape": [-1]}, {"name": "else"}, {"datatype": "BOOL"},
        {"datatype": "XX"}, {"data": None}, {"parameters": {"binary_data_size": 8}}, {"data": 5},
    ]  # fmt: skip
    for change in changes:
        status, answer = server.call("POST", INFER, {"inputs": [{**good[0], **change}, *good[1:]]})
        assert status in (400, 422), (change, answer)
    body, length = packed(server, [dict(ROW)])
    headers = {"content_type": "application/octet-stream"}
    for wrong in (body[:-1], body + b"x", body.replace(b"fibre", b"\xff\xfe\xfd\xfc\xfb")):
        told = {"inference_header_content_length": str(length), **headers}
        assert server.call("POST", INFER, wrong, **told)[0] == 400
    # Whole numbers are numbers, on whichever road.
    whole = [{**good[0], "data": [1]}, *good[1:]]
    assert server.call("POST", INFER, {"inputs": whole})[0] == 200
