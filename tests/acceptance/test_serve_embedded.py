"""The server inside other applications: mounted as ASGI, and as a callable for Flask."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fastapi
import flask
import pytest
import uvicorn
from serving_world import MODEL, PATIENCE_S, ROW, World, contract, free_port, segments, until

from tamid.core.errors import UsageError
from tamid.serving.embed import Predictor, asgi
from tamid.serving.http.app import Application
from tamid.serving.http.protocol import guarded
from tamid.serving.strict import OutsideContract


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with one compiled version."""
    made = World(tmp_path_factory.mktemp("embedded"), contract(fallback="[default: 0.05]"))
    made.release(1, made.pack())
    return made.root


@pytest.fixture(scope="module")
def predictor(root: Path) -> Iterator[Predictor]:
    """A callable."""
    made = Predictor(root)
    made.wait()
    yield made
    made.close()


@pytest.mark.parametrize("taken", [True, False])
def test_a_port_that_cannot_be_had_is_told_at_once(root: Path, taken: bool) -> None:
    """A port that another listens on, or that does not exist, ends the command with words."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1] if taken else 70_000
        words = [sys.executable, "-m", "tamid", "-C", str(root), "serve", "--port", str(port)]
        done = subprocess.run(
            words, capture_output=True, text=True, timeout=PATIENCE_S, check=False
        )
    assert done.returncode == 2
    assert f"port {port}" in done.stderr


def test_a_callable_answers_from_any_thread(predictor: Predictor) -> None:
    """Threads ask at once; each gets its own rows' answers; refusals are raised."""
    found: dict[int, Any] = {}

    def ask(place: int) -> None:
        found[place] = predictor.predict([{**ROW, "calls": float(place)}] * 2)

    threads = [threading.Thread(target=ask, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    scores = [found[i][0]["score"] for i in range(8)]
    assert scores == sorted(scores)
    assert len(set(scores)) == 8
    with pytest.raises(OutsideContract):
        predictor.predict([{**ROW, "calls": "1.5"}])


def test_a_callable_says_that_it_does_not_survive_a_fork(predictor: Predictor) -> None:
    """In a child process it is refused: the thread that would answer is not there."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # that there are threads is the point
        child = os.fork()
    if not child:
        try:
            predictor.predict([ROW])
        except UsageError:
            os._exit(7)
        os._exit(8)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7


def test_mounted_under_a_path(root: Path) -> None:
    """As FastAPI's `mount` calls it: a root path, no lifespan; it begins with a request."""

    async def play() -> tuple[int, Any]:
        application = asgi(root)
        # The first caller waits for the first version.
        status, answer = await _asked(application, "/models", f"/v1/models/{MODEL}/predict")
        refused, _ = await _asked(application, "/models", "/invocations")
        assert application.counts.requests["invocations", refused] == 1
        await application.brain.close()
        return status, answer

    status, answer = asyncio.run(play())
    assert (status, answer["rung"]) == (200, "champion")


def test_the_log_of_a_mounted_one_ends_with_its_host(tmp_path: Path) -> None:
    """Uvicorn ends the process by the signal that it got: nothing is lost all the same."""
    world = World(tmp_path, contract(fallback="[default: 0.05]"))
    world.release(1, world.pack())
    port = free_port()
    code = (
        "import fastapi, uvicorn; from tamid.serving.embed import asgi;"
        f"made = asgi({str(tmp_path)!r}); app = fastapi.FastAPI(lifespan=made.lifespan);"
        f"app.mount('/m', made); uvicorn.run(app, port={port})"
    )
    with (tmp_path / "host.log").open("wb") as log:
        host = subprocess.Popen([sys.executable, "-c", code], stdout=log, stderr=log)
        until(lambda: _listens(port))
        body = json.dumps(ROW).encode()
        head = (
            f"POST /m/v1/models/{MODEL}/predict HTTP/1.1\r\nHost: localhost\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        status, _, _ = _sent(port, head, body)
        host.terminate()
        host.wait(PATIENCE_S)
    assert status == 200
    assert len(world.logged()) == 1
    assert [s.sealed for s in segments(world.spool)] == [True]


def _listens(port: int) -> bool:
    with contextlib.suppress(ConnectionError):
        socket.create_connection(("127.0.0.1", port), PATIENCE_S).close()
        return True
    return False


def test_in_fastapi(root: Path) -> None:
    """The example of the documentation, with FastAPI itself."""
    app = fastapi.FastAPI()
    served = asgi(root)
    app.mount("/models", served)

    async def play() -> tuple[int, Any]:
        status, answer = await _answered(app, f"/models/v1/models/{MODEL}/predict")
        await served.brain.close()
        return status, answer

    assert asyncio.run(play())[0] == 200


def test_in_flask(predictor: Predictor) -> None:
    """The example of the documentation, with Flask itself."""
    app = flask.Flask("shop")

    @app.post("/score")
    def score() -> Any:
        return flask.jsonify(predictor.predict([flask.request.get_json()])[0])

    answer = app.test_client().post("/score", json=ROW)
    assert answer.get_json()["rung"] == "champion"


def test_slow_headers_and_bodies_are_cut_off(root: Path) -> None:
    """Who sends no header or no body within its time is told so, and others are answered."""
    application = asgi(root, header_time=0.5, body_time=0.5)
    port = free_port()
    server = _run(application, port)
    try:
        whole = f"POST /v1/models/{MODEL}/predict HTTP/1.1\r\nHost: localhost\r\n"
        for start in ("", "POST /v1", whole, whole + "Content-Length: 9\r\n\r\n{"):
            with socket.create_connection(("127.0.0.1", port), PATIENCE_S) as link:
                link.sendall(start.encode())
                said = b""
                while more := link.recv(4096):
                    said += more
            assert said.startswith(b"HTTP/1.1 408")
        body = json.dumps(ROW).encode()
        head = whole + f"Content-Length: {len(body)}\r\n\r\n"
        assert _sent(port, head, body)[0] == 200
    finally:
        server.should_exit = True


def test_who_does_not_take_an_answer_is_cut_off(root: Path) -> None:
    """A caller that reads nothing keeps neither its connection nor what waits for it."""
    application = asgi(root, taking_time=0.5)
    port = free_port()
    server = _run(application, port)
    body = json.dumps([{**ROW, "_id": "x" * 200}] * 10_000).encode()
    head = f"POST /v1/models/{MODEL}/predict HTTP/1.1\r\nHost: localhost\r\n"
    try:
        with socket.socket() as link:
            link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            link.connect(("127.0.0.1", port))
            link.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
            until(lambda: application.counts.requests.get(("predict", 200)))
            until(lambda: not server.server_state.connections)
            taken = b""
            with contextlib.suppress(ConnectionResetError):
                while some := link.recv(65_536):
                    taken += some
            top, _, rest = taken.partition(b"\r\n\r\n")
            assert len(rest) < int(top.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
    finally:
        server.should_exit = True


def test_the_lane_and_the_road_say_the_same(root: Path) -> None:
    """Whatever is odd about a request takes the ordinary road, and the answer is the same."""
    application = asgi(root)
    port = free_port()
    server = _run(application, port)
    body = json.dumps({**ROW, "_id": "x"}, ensure_ascii=False).encode()
    path = f"/v1/models/{MODEL}/predict"
    length = f"Content-Length: {len(body)}\r\n"
    try:
        plain = _sent(port, f"POST {path} HTTP/1.1\r\nHost: localhost\r\n{length}\r\n", body)
        assert plain[0] == 200
        assert b"x-request-id" not in plain[1]
        for odd in (
            f"POST {path}?a=1 HTTP/1.1\r\nHost: localhost\r\n{length}\r\n",
            f"POST {path} HTTP/1.1\r\nHost: localhost\r\nX-Any: 1\r\n{length}\r\n",
            f"POST {path} HTTP/1.1\r\nHost: localhost\r\nCookie: a=b\r\n{length}\r\n",
        ):
            status, head, answer = _sent(port, odd, body)
            assert (status, answer) == (200, plain[2])
            assert b"x-request-id" in head
        for refused, status in (
            (f"POST {path} HTTP/1.1\r\nHost: evil.example\r\n{length}\r\n", 421),
            (f"POST {path} HTTP/1.1\r\n{length}\r\n", 421),
            (f"POST {path} HTTP/1.1\r\nHost: localhost\r\n{length}{length}\r\n", 400),
            (f"POST {path} HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n{length}\r\n", 400),
            (f"POST {path} HTTP/1.1\r\nHost: localhost\r\n : x\r\n{length}\r\n", 400),
        ):
            assert _sent(port, refused, body)[0] == status, refused
    finally:
        server.should_exit = True


def _run(application: Application, port: int) -> uvicorn.Server:
    config = uvicorn.Config(
        application, port=port, http=guarded(application), loop="uvloop", ws="none",
        log_level="critical", lifespan="on",
    )  # fmt: skip
    server = uvicorn.Server(config)
    threading.Thread(target=server.run, daemon=True).start()
    until(application.brain.ready)
    return server


def _sent(port: int, head: str, body: bytes) -> tuple[int, bytes, bytes]:
    with socket.create_connection(("127.0.0.1", port), PATIENCE_S) as link:
        link.sendall(head.encode() + body)
        raw = b""
        while b"\r\n\r\n" not in raw:
            raw += link.recv(65536)
        top, _, rest = raw.partition(b"\r\n\r\n")
        length = int(top.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
        while len(rest) < length:
            rest += link.recv(65536)
    return int(top.split()[1]), top, rest


async def _answered(app: Any, path: str, root_path: str = "") -> tuple[int, Any]:
    """Ask until the version is loaded."""
    end = time.monotonic() + PATIENCE_S
    while (answer := await _asked(app, root_path, path))[0] == 503 and time.monotonic() < end:
        await asyncio.sleep(0.05)
    return answer


async def _asked(app: Any, root_path: str, path: str) -> tuple[int, Any]:
    """Call an ASGI application as a server would."""
    sent: list[dict[str, Any]] = []
    body = json.dumps(ROW).encode()

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST",
        "path": root_path + path, "raw_path": (root_path + path).encode(), "query_string": b"",
        "root_path": root_path, "scheme": "http", "server": ("localhost", 1), "client": None,
        "headers": [(b"host", b"localhost"), (b"content-type", b"application/json")],
    }  # fmt: skip
    await app(scope, receive, send)
    return sent[0]["status"], json.loads(sent[1]["body"])
