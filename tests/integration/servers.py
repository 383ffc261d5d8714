"""What the tests against real systems share: servers here, and the commands of the how-tos."""

from __future__ import annotations

import importlib.util
import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

# Seconds that a server may take to start; the machine may be busy.
PATIENCE_S = 300.0
ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent


class Service:
    """A server in a process of its own, at one address for good; it may be stopped and started."""

    def __init__(self, command: list[str], port: int, ready: str, log: Path) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._command, self._ready, self._log = command, ready, log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        environment = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, stdout=log, stderr=log, env=environment, start_new_session=True
            )
        end = time.monotonic() + PATIENCE_S
        while not answers(self.url + self._ready):
            said = self._log.read_text(errors="replace")[-3000:]
            assert self._process.poll() is None, f"it ended: {said}"
            assert time.monotonic() < end, f"no answer: {said}"
            time.sleep(0.2)

    def stop(self) -> None:
        """End it with all that it started."""
        if self._process is not None:
            os.killpg(self._process.pid, 15)
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, 9)
                self._process.wait()
            self._process = None


@contextmanager
def running(command: list[str], port: int, ready: str, log: Path) -> Iterator[Service]:
    """Run a server as long as it is needed."""
    service = Service(command, port, ready, log)
    try:
        service.start()
        yield service
    finally:
        service.stop()


@contextmanager
def mlflow(folder: Path) -> Iterator[Service]:
    """Run a real tracking server with a registry, on SQLite and a folder."""
    needs("mlflow")
    port = free_port()
    command = [
        str(BIN / "mlflow"), "server", "--host", "127.0.0.1", "--port", str(port),
        "--workers", "1",
        "--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}",
        "--artifacts-destination", str(folder / "artifacts"),
    ]  # fmt: skip
    with running(command, port, "/health", folder / "server.log") as service:
        yield service


@contextmanager
def moto(folder: Path) -> Iterator[Service]:
    """Run a real S3 server, in memory."""
    needs("moto")
    port = free_port()
    command = [str(BIN / "moto_server"), "-H", "127.0.0.1", "-p", str(port)]
    with running(command, port, "/moto-api/", folder / "server.log") as service:
        yield service


def needs(library: str) -> None:
    """Skip where a library of the group `integration` is missing, and say which."""
    if importlib.util.find_spec(library) is None:
        pytest.skip(f"{library} is not installed: `make test-integration` does it, with a network")


def answers(url: str) -> bool:
    """Say whether somebody answers there, whatever it is."""
    try:
        with urllib.request.urlopen(url, timeout=5):
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def commands(page: str) -> list[str]:
    """Return the commands of a how-to: the lines of its text blocks that begin with `$ `."""
    text = (ROOT / "docs" / "how-to" / page).read_text("utf-8")
    blocks = re.findall(r"^```text\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return [line[2:] for block in blocks for line in block.splitlines() if line.startswith("$ ")]


def run(
    lines: list[str], folder: Path, told: Mapping[str, str], env: Mapping[str, str]
) -> dict[str, str]:
    """Run commands one after the other in one shell; return what each printed.

    `told`: what stands in the page and is something else here, such as a port.
    """
    mark = "=====8<====="
    script = ["set -eu -o pipefail"]
    for line in lines:
        script += [_here(line, told), f"echo; echo '{mark}'"]
    done = subprocess.run(
        ["bash", "-c", "\n".join(script)],
        cwd=folder,
        env={**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", **env},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-6000:]}"
    return dict(zip(lines, done.stdout.split(mark), strict=False))


def _here(line: str, told: Mapping[str, str]) -> str:
    for written, here in told.items():
        line = line.replace(written, here)
    return line
