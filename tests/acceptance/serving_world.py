"""A workspace with released versions and a real server process on a real port, for the tests."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import polars as pl

from tamid.adapters.blobs import FileBlobs
from tamid.adapters.keys import Keys
from tamid.adapters.sqlite import SqliteLedger
from tamid.core import events as ev
from tamid.core.chain import Draft
from tamid.core.spool import ROWS, Segment, read_segment
from tamid.core.values import TablePin, VersionRef, digest_of
from tamid.stages.packaging import Packed, pack
from tamid.testing.candidates import RULES, START, history, job
from tamid.testing.trainer_suite import train
from tamid.workshop import inline_trainer

MODEL = "churn"
ROW = {"calls": 0.5, "minutes": -0.25, "age": None, "plan": "fibre", "גיל": 41.0}
_CONTRACT = """\
tamid: 1
name: churn
task: binary
data:
  source: {{path: rows.parquet}}
  entity: customer
  label: {{column: left, positive: 1}}
  schema:
    customer: {{type: text}}
    left: {{type: integer}}
    calls: {{type: number, min: -50, max: 50}}
    minutes: {{type: number}}
    age: {{type: number, nullable: true}}
    plan: {{type: category, allowed: [basic, plus, fibre]}}
    גיל: {{type: number, nullable: true}}
features: {features}
training: {{model: lightgbm, threads: 1}}
service: {{p99_ms: {deadline}, fallback: {fallback}}}
gates: {{}}
"""
FALLBACK = "[previous, last_score: 14d, rule: rules.py:score, default: 0.05]"
_PLAIN = "def build(frame):\n    return frame\n"
_BURNS = """\
import time

def build(frame):
    end = time.process_time() + {seconds} * len(frame)
    while time.process_time() < end:
        pass
    return frame
"""
_GATED = """\
import time
from pathlib import Path

def build(frame):
    while (frame["minutes"] > 40).any() and not Path({gate!r}).exists():
        time.sleep(0.01)
    return frame
"""
CODE = '{code: "features.py:build"}'
# The row at which code that is gated waits.
HELD = {**ROW, "minutes": 50.0}
# Milliseconds that a busy machine keeps, too: where less is given, a lower rung may answer.
AMPLE_MS = 20_000
# Seconds until a process has surely done what it is waited for, whatever else the machine does.
PATIENCE_S = 240.0


def contract(*, deadline: int = AMPLE_MS, fallback: str = FALLBACK, features: str = "{}") -> str:
    """Return the contract's text."""
    return _CONTRACT.format(deadline=deadline, fallback=fallback, features=features)


class World:
    """A workspace whose ledger the tests write, as the controller would."""

    def __init__(self, root: Path, text: str = "", code: Mapping[str, str] | None = None) -> None:
        self.root, self.store = root, root / ".tamid"
        self.store.mkdir(parents=True, mode=0o700)
        self.text = text or contract()
        (root / "contract.yaml").write_text(self.text, encoding="utf-8")
        self.code = {"rules.py": RULES, "features.py": _PLAIN, **(code or {})}
        self.keys = Keys(self.store / "keys")
        self.keys.create()
        self.blobs = FileBlobs(self.store / "blobs")
        self.ledger = SqliteLedger(self.store / "ledger.sqlite")
        self.say(ev.ContractAdopted(key="adopt", contract=self.blobs.put(self.text.encode())))

    def say(self, *events: ev.Event) -> None:
        """Append events."""
        seq = max((r.seq for r in self.ledger.read(MODEL)), default=0)
        drafts = [Draft(event=e, at=START, reason="test") for e in events]
        self.ledger.append(MODEL, drafts, seq, 0)

    def pack(self, *, seed: int = 0, text: str = "", tiny: bool = True) -> Packed:
        """Train a version and store it signed; one with feature `CODE` needs a worker to answer."""
        frame = history(100, 8, seed=seed).with_columns(pl.lit(40.0).alias("גיל") + pl.col("calls"))
        given = job(frame, contract=text or self.text, code=self.code, holdout=2)
        return pack(train(inline_trainer(tiny=tiny), given), self.blobs, self.keys)

    def register(self, number: int, packed: Packed, text: str = "") -> None:
        """Tell of a version, made under the contract of the world or another one."""
        run, pin = f"run-{number}", TablePin(table="t", version=0, digest="sha256:0")
        digest = self.blobs.put((text or self.text).encode())
        self.say(
            ev.RunStarted(
                key=f"start/{run}", run=run, trigger="first", reason="r", window="auto",
                contract=digest, code={}, pins=(pin,), seed=7, periods=("a",),
            ),
            ev.RunFinished(
                key=f"finish/{run}", run=run, bundle=packed.bundle, overlay=packed.overlay,
                report=self.blobs.put(b"{}"), metrics={}, window="all", rows=1, seconds=1,
                peak_mb=1,
            ),
            ev.VersionRegistered(
                key=f"register/{run}", run=run, contract=digest, reference={}, trained_through="a",
                ref=VersionRef(number=number, bundle=packed.bundle, overlay=packed.overlay),
            ),
        )  # fmt: skip

    def promote(self, number: int, previous: int = 0) -> None:
        """Make a version the champion."""
        key = f"promote/{number}/{previous}"
        digest = digest_of("e")
        self.say(
            ev.Promoted(key=key, number=number, previous=previous, reason="test", evidence=digest)
        )

    def release(self, number: int, packed: Packed, previous: int = 0) -> None:
        """Register and promote."""
        self.register(number, packed)
        self.promote(number, previous)

    @property
    def spool(self) -> Path:
        """Where its servers leave their log."""
        return self.store / "spool" / MODEL

    def logged(self) -> list[dict[str, Any]]:
        """Return the answers that are on the disk."""
        return logged(self.spool)


def segments(spool: Path) -> list[Segment]:
    """Return what servers have put down so far, also of a segment that is being written."""
    paths = sorted(p for p in spool.glob("*") if p.is_file())
    return [read_segment(p.read_bytes()) for p in paths]


def logged(spool: Path) -> list[dict[str, Any]]:
    """Return the answers that servers have put down so far, in order, with what was asked."""
    return [
        {**answer, **asked}
        for segment in segments(spool)
        for body in segment.of(ROWS)
        for _, asked, answer in body["rows"]
    ]


@contextmanager
def one_version(root: Path, *words: str, env: Mapping[str, str] | None = None) -> Iterator[Server]:
    """Serve one compiled version, below it the default."""
    world = World(root, contract(fallback="[default: 0.05]"))
    world.release(1, world.pack(tiny=False))
    with Server(world.root, *words, env=env) as running:
        yield running


def until(fits: Callable[[], Any]) -> Any:
    """Wait for something true and return it."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        if found := fits():
            return found
        time.sleep(0.05)
    raise AssertionError("it did not come")


def burning(seconds: float) -> str:
    """Return feature code that works for so many seconds of processor time a row."""
    return _BURNS.format(seconds=seconds)


def gated(gate: Path) -> str:
    """Return feature code that waits at the row `HELD` until there is a file."""
    return _GATED.format(gate=str(gate))


def children(pid: int) -> list[int]:
    """Return the children of a process."""
    found = Path(f"/proc/{pid}/task").glob("*/children")
    return sorted(int(p) for text in found for p in text.read_text().split())


def ended(*pids: int) -> bool:
    """Say whether processes are gone."""
    return not any(Path(f"/proc/{pid}").exists() for pid in pids)


class Server:
    """`tamid serve` in a process of its own."""

    def __init__(self, root: Path, *words: str, env: Mapping[str, str] | None = None) -> None:
        self.root, self.port = root, free_port()
        command = [sys.executable, "-m", "tamid", "-C", str(root), "serve", *words]
        self.log = (root / "serve.log").open("wb")
        self.process = subprocess.Popen(
            [*command, "--port", str(self.port)],
            stderr=self.log,
            stdout=self.log,
            env={**os.environ, "OMP_NUM_THREADS": "1", **(env or {})},
        )

    def __enter__(self) -> Self:
        """Wait until it is ready."""
        self.wait()
        return self

    def __exit__(self, *_: object) -> None:
        """End it; whatever happens, nothing is left behind."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.log.close()

    def wait(self, version: int = 0) -> None:
        """Wait until it answers (with a version); fail with its own words."""
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end and self.process.poll() is None:
            try:
                status, body = self.get("/readyz")
                if status == 200 and (not version or body["version"] == version):
                    return
            except OSError:
                pass
            time.sleep(0.05)
        said = Path(self.log.name).read_text(errors="replace")
        raise AssertionError(f"the server is not ready: {said[-3000:]}")

    def end(self, how: int = signal.SIGTERM) -> int:
        """Send a signal and wait for the end; return the status."""
        self.process.send_signal(how)
        return self.process.wait(PATIENCE_S)

    def until(self, fits: Callable[[Any], Any]) -> Any:
        """Ask for the row until an answer fits, and return it."""
        answer: Any = None
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            status, answer = self.predict(ROW)
            assert status == 200, answer
            if fits(answer):
                return answer
            time.sleep(0.005)
        raise AssertionError(f"the last answer was {answer}")

    def well(self) -> None:
        """Wait until ten answers in a row came from the champion."""
        until(lambda: {self.predict(ROW)[1]["rung"] for _ in range(10)} == {"champion"})

    def metric(self, pattern: str) -> float:
        """Return the sum of the samples whose line begins like the pattern."""
        text = self.raw("GET", "/metrics")[2].decode()
        return sum(float(line.split()[-1]) for line in text.splitlines() if re.match(pattern, line))

    def listens(self) -> bool:
        """Say whether it takes connections."""
        try:
            socket.create_connection(("127.0.0.1", self.port), PATIENCE_S).close()
        except ConnectionError:
            return False
        return True

    def get(self, path: str, **headers: str) -> tuple[int, Any]:
        """Get JSON."""
        return self.call("GET", path, None, **headers)

    def predict(self, body: Any, query: str = "", **headers: str) -> tuple[int, Any]:
        """Post a value (bytes: as they are)."""
        return self.call("POST", f"/v1/models/{MODEL}/predict{query}", body, **headers)

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        """Ask once on a connection of its own."""
        status, _, raw = self.raw(method, path, body, **headers)
        return status, json.loads(raw)

    def raw(
        self, method: str, path: str, body: Any = None, **headers: str
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Ask once; return status, headers and bytes."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        content = body
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        if body is not None and not isinstance(body, bytes):
            content = json.dumps(body).encode()
        if content is not None:
            given.setdefault("content-type", "application/json")
        try:
            connection.request(method, path, content, given)
            answer = connection.getresponse()
            return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
        finally:
            connection.close()


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
