"""Two thousand requests that nobody would send: no 5xx, no value echoed, no memory that grows."""

from __future__ import annotations

import http.client
import json
from collections import Counter
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from serving_world import MODEL, PATIENCE_S, ROW, Server, World, contract

PREDICT = f"/v1/models/{MODEL}/predict"
PATHS = (
    PREDICT, PREDICT + "?explain=1", "/invocations", f"/v2/models/{MODEL}/infer",
    f"/v1/models/{MODEL}/labels", "/", "/readyz", "/drill", "/openapi.json",
)  # fmt: skip
SECRETIVE = "4580-1111-2222-3333"

numbers = st.one_of(
    st.floats(), st.integers(), st.sampled_from([1e400, -0.0, 10**400, 2**63, True, "1.5", "NaN"])
)
texts = st.one_of(
    st.text(max_size=20),
    st.sampled_from(["fibre", "\u0000", "\u202e", "\ud800", SECRETIVE, "נ" * 500, ""]),
)
values = st.recursive(
    st.one_of(st.none(), st.booleans(), numbers, texts),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(texts, inner, max_size=4)),
    max_leaves=8,
)
rows = st.builds(
    lambda changed, dropped, added: {
        **{k: v for k, v in {**ROW, **changed}.items() if k not in dropped},
        **added,
    },
    st.dictionaries(st.sampled_from(sorted(ROW)), values, max_size=3),
    st.sets(st.sampled_from(sorted(ROW)), max_size=2),
    st.dictionaries(st.one_of(texts, st.sampled_from(["_id", "_entity", "customer"])), values,
                    max_size=2),
)  # fmt: skip
bodies = st.one_of(
    rows,
    st.lists(rows, max_size=5),
    st.builds(lambda r: {"dataframe_records": [r]}, rows),
    st.builds(lambda v: {"instances": v}, values),
    st.builds(lambda v: {"inputs": v}, values),
    st.builds(lambda v, s: {"inputs": [{"name": "calls", "datatype": v, "shape": s, "data": s}]},
              texts, values),
    values,
)  # fmt: skip


def packed(body: Any) -> bytes:
    """Return JSON as careless clients write it, with what JSON does not have."""
    return json.dumps(body, ensure_ascii=False).encode(errors="surrogatepass")


def cut(body: bytes, place: float, more: bytes) -> bytes:
    """Return a body with something in the middle of it."""
    at = int(len(body) * place)
    return body[:at] + more + body[at:]


raw = st.one_of(
    bodies.map(packed),
    bodies.map(packed),
    st.binary(max_size=200),
    st.builds(cut, bodies.map(packed), st.floats(0, 1), st.binary(max_size=4)),
    st.sampled_from([b"[" * 100_000, b'{"a":' * 50_000, b'{"calls":1,"calls":2}', b"\xff\xfe{}"]),
)
kinds = st.sampled_from(["application/json", "text/csv", "text/plain", "", "application/json; a=b"])
request = st.tuples(
    st.sampled_from(["POST", "POST", "POST", "POST", "GET", "PUT", "DELETE", "HEAD"]),
    st.sampled_from(PATHS),
    kinds,
    raw,
)


def memory(pid: int) -> float:
    """Return what a process holds, in megabytes."""
    text = Path(f"/proc/{pid}/status").read_text()
    return int(text.split("VmRSS:")[1].split()[0]) / 1024


def test_two_thousand_requests_that_nobody_would_send(tmp_path: Path) -> None:
    """Each is answered, none by a 5xx; the server does not grow, and answers as before."""
    world = World(tmp_path, contract(fallback="[default: 0.05]"))
    world.release(1, world.pack(tiny=False))
    statuses: Counter[int] = Counter()
    with Server(world.root) as server:
        link = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE_S)
        before = server.predict(ROW)[1]

        def ask(method: str, path: str, kind: str, body: bytes) -> None:
            head = {"content-type": kind} if kind else {}
            content = None if method in ("GET", "HEAD") else body
            try:
                link.request(method, path, content, head)
                answer = link.getresponse()
            except (BrokenPipeError, ConnectionResetError, http.client.RemoteDisconnected):
                # A connection that was idle for seconds is closed, as clients know: asked anew.
                link.close()
                link.request(method, path, content, head)
                answer = link.getresponse()
            told = answer.read()
            statuses[answer.status] += 1
            assert answer.status < 500, (method, path, kind, body[:300], told)
            if answer.status >= 400:
                assert SECRETIVE.encode() not in told
                assert method == "HEAD" or json.loads(told)["error"]["id"]

        @seed(20260104)
        @settings(
            max_examples=110, deadline=None, database=None,
            suppress_health_check=list(HealthCheck),
            phases=(Phase.generate,),  # a failure told as it came: shrinking takes minutes
        )  # fmt: skip
        @given(st.lists(request, min_size=19, max_size=21))
        def play(requests: list[tuple[str, str, str, bytes]]) -> None:
            for one in requests:
                ask(*one)

        for _ in range(300):
            ask("POST", PREDICT, "application/json", packed(ROW))
        started = memory(server.process.pid)
        play()
        grown = memory(server.process.pid) - started
        after = server.predict(ROW)[1]
        link.close()
    assert statuses.total() >= 2300
    assert {200, 400, 404, 405, 415, 422} <= set(statuses)
    assert (after["score"], after["rung"]) == (before["score"], before["rung"])
    # Interned keys, counters and buffers settle within a few megabytes.
    assert grown < 12, (grown, statuses)
