"""A server process answers over real sockets: every protocol, strictly, with version and rung."""

from __future__ import annotations

import json
import math
import re
import socket
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from serving_world import MODEL, PATIENCE_S, ROW, Server, World, contract, until

from tamid.adapters.keys import Keys
from tamid.workshop import open_row_model

TOKEN = "0123456789abcdef-token"
PREDICT = f"/v1/models/{MODEL}/predict"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A workspace with one released version that is compiled."""
    made = World(tmp_path_factory.mktemp("served"), contract(fallback="[default: 0.05]"))
    made.release(1, made.pack(tiny=False))
    return made


@pytest.fixture(scope="module")
def server(world: World) -> Iterator[Server]:
    """Its server."""
    with Server(world.root) as running:
        yield running


@pytest.fixture(scope="module")
def score(world: World) -> float:
    """What the version says of the row, asked without a server."""
    state = world.ledger.read(MODEL)
    ref = next(r.event.ref for r in state if hasattr(r.event, "ref"))
    from tamid.stages.packaging import unpack

    opened = unpack(ref.bundle, ref.overlay, world.blobs, Keys(world.store / "keys"))
    return open_row_model(opened.files, opened.overlay).score(ROW)


def test_one_row_is_answered(server: Server, score: float) -> None:
    """Score, decision, band, version, rung and an id come back."""
    status, answer = server.predict(ROW)
    assert status == 200
    assert answer["score"] == pytest.approx(score, abs=1e-12)
    assert (answer["version"], answer["rung"], answer["reason"]) == (1, "champion", "")
    assert answer["band"] in ("high", "medium", "low")
    assert answer["id"]


def test_many_rows_keep_their_order_and_ids(server: Server) -> None:
    """An array gives an array; given ids come back, others are made and differ."""
    rows = [{**ROW, "calls": c, "_id": f"r{c}"} for c in (-2.0, 0.0, 2.0)]
    status, found = server.predict([*rows, ROW, ROW])
    answers = found["answers"]
    assert status == 200
    assert [a["id"] for a in answers[:3]] == ["r-2.0", "r0.0", "r2.0"]
    assert answers[3]["id"] != answers[4]["id"]
    assert answers[0]["score"] < answers[2]["score"]
    assert answers[3]["score"] == server.predict(ROW)[1]["score"]


def test_reasons_come_when_asked_for(server: Server) -> None:
    """`?explain=1` gives what each column contributed; what is neither yes nor no is refused."""
    assert "explanation" not in server.predict(ROW)[1]
    assert "explanation" not in server.predict(ROW, "?explain=0")[1]
    for yes in ("1", "True"):
        assert set(server.predict(ROW, f"?explain={yes}")[1]["explanation"]) == set(ROW)
    assert server.predict(ROW, "?explain=yes")[0] == 400


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"calls": NaN, "minutes": 0, "plan": "plus"}', 400),
        (b'{"calls": 1e400, "minutes": 0, "plan": "plus"}', 422),
        (b'{"calls": "31337.5", "minutes": 0, "plan": "plus"}', 422),
        (b'{"calls": true, "minutes": 0, "plan": "plus"}', 422),
        (b'{"calls": 1, "calls": 1, "minutes": 0, "plan": "plus"}', 400),
        (b'{"calls": 1, "minutes": 0, "plan": "\xff"}', 400),
        (b'{"calls": 1, "minutes": 0, "plan": "\\ud800"}', 400),
        (b'{"calls": 1, "minutes": 0, "plan": "secretword"}', 422),
        (b'{"calls": 31337.5, "minutes": 0, "plan": "plus"}', 422),
        (b'{"minutes": 0, "plan": "plus"}', 422),
        (b'{"calls": 1, "minutes": 0, "plan": "plus", "other": 1}', 422),
        (b"[" * 200_000, 422),
        (b"", 400),
    ],
)
def test_what_is_not_right_is_refused(server: Server, body: bytes, status: int) -> None:
    """Each error has an id and a reason, and never the value."""
    found, told = server.predict(body)
    assert found == status
    assert told["error"]["id"]
    assert "31337" not in json.dumps(told)
    assert "secretword" not in json.dumps(told)


def test_limits_of_size_and_rows(server: Server) -> None:
    """A body or a request that is too large is refused, and the next one is answered."""
    assert server.predict([ROW] * 10_001)[0] == 413
    assert server.predict(b" " * 8_000_001)[0] == 413
    assert server.predict([ROW] * 10_000)[0] == 200


def test_hosts_methods_and_paths(server: Server) -> None:
    """A foreign Host, a wrong method, path or kind of body has a status of its own."""
    assert server.predict(ROW, Host="evil.example")[0] == 421
    assert server.predict(ROW, Host="localhost:1")[0] == 200
    assert server.call("GET", PREDICT)[0] == 405
    assert server.call("POST", "/v1/models/other/predict", ROW)[0] == 404
    assert server.call("GET", "/../../etc/passwd")[0] == 404
    assert server.predict(ROW, content_type="text/plain")[0] == 415


def test_v2_json(server: Server, score: float) -> None:
    """The Open Inference Protocol as JSON, an input a column, without an id."""
    inputs = [
        {"name": n, "datatype": "BYTES" if n == "plan" else "FP64", "shape": [2], "data": [v, v]}
        for n, v in ROW.items()
    ]
    status, found = server.call("POST", f"/v2/models/{MODEL}/infer", {"inputs": inputs})
    assert status == 200
    outputs = {o["name"]: o["data"] for o in found["outputs"]}
    assert outputs["score"] == pytest.approx([score, score], abs=1e-12)
    assert outputs["rung"] == ["champion", "champion"]
    assert (found["model_name"], found["model_version"]) == (MODEL, "1")
    path = f"/v2/models/{MODEL}/versions"
    assert server.call("POST", f"{path}/1/infer", {"inputs": inputs})[0] == 200
    assert server.call("POST", f"{path}/9/infer", {"inputs": inputs})[0] == 404


def test_v2_packed(server: Server, score: float) -> None:
    """Numbers and texts in one packed tensor each; the answer packed, too."""
    names = [i["name"] for i in server.get(f"/v2/models/{MODEL}")[1]["inputs"]]
    values = [ROW[n] for n in names if n != "plan"]
    numbers = struct.pack("<4d", *(math.nan if v is None else v for v in values))
    texts = struct.pack("<I", 5) + b"fibre"
    inputs = [
        {"name": "numbers", "datatype": "FP64", "shape": [1, 4],
         "parameters": {"binary_data_size": len(numbers)}},
        {"name": "texts", "datatype": "BYTES", "shape": [1, 1],
         "parameters": {"binary_data_size": len(texts)}},
    ]  # fmt: skip
    wanted = [{"name": "score", "parameters": {"binary_data": True}}]
    head = json.dumps({"id": "q", "inputs": inputs, "outputs": wanted}).encode()
    status, headers, raw = server.raw(
        "POST", f"/v2/models/{MODEL}/infer", head + numbers + texts,
        Inference_Header_Content_Length=str(len(head)), content_type="application/octet-stream",
    )  # fmt: skip
    assert status == 200, raw
    cut = int(headers["inference-header-content-length"])
    assert json.loads(raw[:cut])["id"] == "q"
    assert struct.unpack("<d", raw[cut:])[0] == pytest.approx(score, abs=1e-12)
    short = head + numbers + texts[:-1]
    size = {"Inference_Header_Content_Length": str(len(head))}
    assert server.call("POST", f"/v2/models/{MODEL}/infer", short, **size)[0] == 400


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"dataframe_records": [ROW]}, "application/json"),
        ({"dataframe_split": {"columns": list(ROW), "data": [list(ROW.values())]}}, ""),
        ({"instances": [ROW]}, ""),
        ({"inputs": {name: [value] for name, value in ROW.items()}}, ""),
        ("calls,minutes,age,plan,גיל\n0.5,-0.25,,fibre,41\n".encode(), "text/csv"),
    ],
)
def test_invocations(server: Server, score: float, body: Any, kind: str) -> None:
    """Each form of rows that SageMaker's and MLflow's clients send gives the same score."""
    given = {"content_type": kind} if kind else {}
    status, found = server.call("POST", "/invocations", body, **given)
    assert status == 200, found
    assert found["predictions"] == pytest.approx([score], abs=1e-12)
    assert server.get("/ping")[0] == 200


def test_metrics_health_and_pages(server: Server) -> None:
    """Metrics count what was answered; the document and the page name the columns."""
    server.predict(ROW)
    text = server.raw("GET", "/metrics")[2].decode()
    assert 'tamid_rows_total{rung="champion",version="1"}' in text
    assert 'tamid_request_seconds_count{route="predict"}' in text
    assert server.get("/healthz") == (200, {"alive": True})
    document = server.get("/openapi.json")[1]
    assert set(document["components"]["schemas"]["Row"]["properties"]) >= set(ROW)
    status, headers, page = server.raw("GET", "/")
    assert (status, "default-src 'none'" in headers["content-security-policy"]) == (200, True)
    assert "גיל" in page.decode()
    assert server.raw("HEAD", "/healthz")[2] == b""


def test_the_server_is_light(server: Server) -> None:
    """No library that trains or reads tables is loaded, and little memory is held."""
    pid = server.process.pid
    maps = Path(f"/proc/{pid}/maps").read_text()
    assert not [n for n in ("polars", "pandas", "sklearn", "deltalake", "lightgbm") if n in maps]
    status = Path(f"/proc/{pid}/status").read_text()
    held = next(int(line.split()[1]) for line in status.splitlines() if "VmRSS" in line)
    assert held / 1024 < 100


def test_split_pipelined_and_closed(server: Server) -> None:
    """A request in pieces, two at once, and Connection: close work on a bare socket."""
    body = json.dumps(ROW, ensure_ascii=False).encode()
    head = f"POST {PREDICT} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n"
    one = head.encode() + b"\r\n" + body
    with socket.create_connection(("127.0.0.1", server.port), PATIENCE_S) as link:
        for part in (one[:10], one[10:70], one[70:-5], one[-5:]):
            link.sendall(part)
            time.sleep(0.02)
        assert _answers(link, 1) == [200]
        link.sendall(one + one)
        assert _answers(link, 2) == [200, 200]
        chunked = head.encode().replace(b"Content-Length", b"X-Length")
        chunked += b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % len(body) + body + b"\r\n0\r\n\r\n"
        link.sendall(chunked)
        assert _answers(link, 1) == [200]
        link.sendall(head.encode() + b"Connection: close\r\n\r\n" + body)
        assert _answers(link, 1) == [200]
        assert link.recv(10) == b""


def test_two_lengths_are_refused(server: Server) -> None:
    """What could be read in two ways is not read: the roots of request smuggling."""
    for extra in (b"Content-Length: 3\r\n", b"Transfer-Encoding: chunked\r\n"):
        with socket.create_connection(("127.0.0.1", server.port), PATIENCE_S) as link:
            start = f"POST {PREDICT} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n"
            link.sendall(start.encode() + extra + b"\r\n{}")
            assert link.recv(100).startswith(b"HTTP/1.1 400")


_VALUES = st.none() | st.booleans() | st.floats() | st.integers() | st.text() | st.just([1])
_ROWS = st.dictionaries(st.sampled_from([*ROW, "_id", "customer", "x"]), _VALUES)
_BODIES = st.one_of(
    st.binary(max_size=80),
    (_ROWS | st.lists(_ROWS)).map(lambda value: json.dumps(value).encode()),
    st.sampled_from(["inputs", "instances", "dataframe_split", "dataframe_records", "outputs"])
    .flatmap(lambda key: st.tuples(st.just(key), _VALUES | _ROWS | st.lists(_VALUES | _ROWS)))
    .map(lambda pair: json.dumps(dict([pair])).encode()),
)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    body=_BODIES,
    path=st.sampled_from([PREDICT, "/invocations", f"/v2/models/{MODEL}/infer"]),
    kind=st.sampled_from(["application/json", "text/csv", "application/octet-stream"]),
)
def test_no_request_breaks_the_server(server: Server, body: bytes, path: str, kind: str) -> None:
    """Whatever comes is answered or refused; nothing is a failure of the server."""
    status, told = server.call("POST", path, body, content_type=kind)
    assert status < 500, told


def test_a_long_header_ends_the_connection(server: Server) -> None:
    """A header without an end is cut off."""
    with socket.create_connection(("127.0.0.1", server.port), PATIENCE_S) as link:
        link.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n")
        link.sendall(b"X-Long: " + b"a" * 40_000)
        head, _, body = link.recv(4096).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 431")
    assert json.loads(body)["error"]["id"]


def test_what_is_no_http_gets_an_error_like_any_other(server: Server) -> None:
    """With an id, counted, and without its words; the connection is closed."""
    with socket.create_connection(("127.0.0.1", server.port), PATIENCE_S) as link:
        link.sendall(b"4580-1111 / HTTP/1.1\r\n\r\n")
        said = b"".join(iter(lambda: link.recv(4096), b""))
    assert said.startswith(b"HTTP/1.1 400")
    error = json.loads(said.partition(b"\r\n\r\n")[2])["error"]
    assert (error["code"], "4580" in error["message"]) == ("no_http", False)
    assert server.metric('tamid_requests_total{route="other",status="400"}') >= 1


def test_a_token_guards_all_but_health(world: World) -> None:
    """Without the token there is 401 everywhere but on the yes-or-no routes."""
    with Server(world.root, "--token", "env:SERVE_TOKEN", env={"SERVE_TOKEN": TOKEN}) as server:
        assert server.predict(ROW)[0] == 401
        assert server.predict(ROW, Authorization=f"Bearer {TOKEN}x")[0] == 401
        assert server.predict(ROW, Authorization=f"Bearer {TOKEN}")[0] == 200
        assert server.get("/metrics")[0] == 401
        assert server.get("/healthz")[0] == 200
        command = Path(f"/proc/{server.process.pid}/cmdline").read_bytes()
        assert TOKEN.encode() not in command


def test_tokens_in_a_file_change_while_the_server_runs(world: World, tmp_path: Path) -> None:
    """Old and new are valid together, then the new one alone, also on a head that was seen."""
    file = tmp_path / "tokens"
    file.write_text(TOKEN)
    other = "of-the-coming-month"

    def valid(server: Server) -> list[bool]:
        shown = [server.predict(ROW, Authorization=f"Bearer {t}")[0] for t in (TOKEN, other)]
        assert set(shown) <= {200, 401}
        return [status == 200 for status in shown]

    with Server(world.root, "--token", f"file:{file}") as server:
        assert server.predict(ROW)[0] == 401
        assert valid(server) == [True, False]
        file.write_text(f"{TOKEN}\n{other}\n")
        until(lambda: valid(server) == [True, True])
        file.write_text(other)
        until(lambda: valid(server) == [False, True])


def test_an_altered_bundle_never_answers(tmp_path: Path) -> None:
    """A changed byte in a stored file: the server says why and is never ready."""
    world = World(tmp_path, contract(fallback="[default: 0.05]"))
    packed = world.pack()
    world.release(1, packed)
    largest = max((world.store / "blobs").rglob("*"), key=lambda p: p.stat().st_size)
    largest.chmod(0o600)
    content = bytearray(largest.read_bytes())
    content[len(content) // 2] ^= 1
    largest.write_bytes(bytes(content))
    server = Server(world.root)
    try:
        said = world.root / "serve.log"
        until(lambda: re.search(r"was altered|does not fit|damaged", said.read_text()))
        until(server.listens)
        assert server.predict(ROW)[0] == 503
        assert server.get("/readyz")[0] == 503
    finally:
        server.__exit__()


def _answers(link: socket.socket, count: int) -> list[int]:
    """Read so many answers with a length from a socket."""
    found: list[int] = []
    held = b""
    while len(found) < count:
        held += link.recv(65536)
        while b"\r\n\r\n" in held:
            head, _, rest = held.partition(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
            if len(rest) < length:
                break
            found.append(int(head.split()[1]))
            held = rest[length:]
    return found
