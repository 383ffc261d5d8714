"""The gRPC door of a real server: who is let in, several processes, and who cannot open it."""

from __future__ import annotations

import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from serving_world import MODEL, PATIENCE_S, ROW, free_port, one_version, until

from tamid.serving.rpc import wire

grpc = pytest.importorskip("grpc")
pytestmark = pytest.mark.integration
TOKEN = {"CALLERS": "a token for callers only"}


def call(port: int, method: str, message: bytes = b"", token: str = "") -> bytes:
    """Ask once with the bytes of a message."""
    shown = (("authorization", f"Bearer {token}"),) if token else ()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        ask = channel.unary_unary(f"/inference.GRPCInferenceService/{method}")
        return bytes(ask(message, metadata=shown, timeout=PATIENCE_S, wait_for_ready=True))


def code(port: int, method: str, message: bytes = b"", token: str = "") -> Any:
    """Return the code of a refusal."""
    with pytest.raises(grpc.RpcError) as caught:
        call(port, method, message, token)
    return caught.value.code()


def request() -> bytes:
    """Return a request of one row."""
    found = wire.text(1, MODEL)
    for name, value in ROW.items():
        text = isinstance(value, str)
        raw = wire.part(8, str(value).encode()) if text else b""
        if not text:
            number = float("nan") if value is None else value
            raw = wire.part(7, struct.pack("<d", number))
        about = wire.text(1, name) + wire.text(2, "BYTES" if text else "FP64")
        found += wire.part(5, about + wire.shape(3, [1]) + wire.part(5, raw))
    return found


def test_the_token_is_wanted_here_too(tmp_path: Path) -> None:
    """Without it only yes or no is told; with it a row is answered as over HTTP."""
    port = free_port()
    words = ("--grpc-port", str(port), "--token", "env:CALLERS")
    with one_version(tmp_path / "w", *words, env=TOKEN) as server:
        assert call(port, "ServerLive") == b"\x08\x01"
        assert call(port, "ServerReady") == b"\x08\x01"
        for shown in ("", "another token, as long as that"):
            assert code(port, "ModelInfer", request(), shown) is grpc.StatusCode.UNAUTHENTICATED
            assert code(port, "ServerMetadata", b"", shown) is grpc.StatusCode.UNAUTHENTICATED
        token = TOKEN["CALLERS"]
        reply = call(port, "ModelInfer", request(), token)
        raw = [bytes(c) for n, _, _, c in wire.fields(memoryview(reply)) if n == 6]
        plain = server.predict(ROW, authorization=f"Bearer {token}")[1]
        assert struct.unpack("<d", raw[0]) == (plain["score"],)
        assert raw[3] == b"\x08\x00\x00\x00champion"
        wrong = grpc.StatusCode.INVALID_ARGUMENT
        assert code(port, "ModelInfer", b"\x0a\x05ab", token) is wrong
        assert code(port, "ModelStreamInfer", b"", token) is grpc.StatusCode.UNIMPLEMENTED


def test_several_processes_open_one_door(tmp_path: Path) -> None:
    """With --workers each listens there, and a row is answered."""
    port = free_port()
    with one_version(tmp_path / "w", "--grpc-port", str(port), "--workers", "2") as server:
        log = Path(server.log.name)
        until(lambda: log.read_text().count("grpc://") == 2)
        assert b"champion" in call(port, "ModelInfer", request())


def test_a_port_that_is_taken_is_told_at_once(tmp_path: Path) -> None:
    """Before anything is loaded: that of HTTP, and one that another server has."""
    with one_version(tmp_path / "w") as server:
        root = str(tmp_path / "w")
        for port in (server.port, 8620):
            words = ["-C", root, "serve", "--grpc-port", str(port)]
            command = [sys.executable, "-m", "tamid", *words]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            assert done.returncode == 2
            assert "Traceback" not in done.stderr
            assert "--grpc-port" in done.stderr or "cannot listen" in done.stderr
