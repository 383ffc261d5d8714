"""One spawned process from the controller's side: start, ask, wait until the deadline, kill."""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import tamid
from tamid.core import errors
from tamid.core.errors import OutOfTime, TamidError, WorkerDied

ENTRY = "from tamid.workshop import serve; serve()"
REPLY_FD = "TAMID_WORKER_REPLY"
# Format of the models that a worker should be ready for before it is asked anything, or training.
AHEAD = "TAMID_WORKER_AHEAD"
TRAINING = "training"
# Seconds between two looks at the worker's memory.
_LOOK = 0.25
# What a worker may see of the controller's environment: never its secrets.
_PASSED = (
    "PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "PYTHONPATH", "VIRTUAL_ENV",
    "LD_LIBRARY_PATH", "OMP_NUM_THREADS", "POLARS_MAX_THREADS", "COVERAGE_PROCESS_START",
)  # fmt: skip
_NOISE = "noise.txt"
_NOISE_TAIL = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a worker answered, how long it took, and the most memory that it has held (MB)."""

    value: Mapping[str, Any]
    seconds: float
    peak_mb: float


class Worker:
    """A process in a session of its own, with a private folder for handing files over."""

    def __init__(self, command: tuple[str, ...] = (), ahead: str = "") -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="tamid-worker-"))
        read, write = os.pipe()
        self._read, self._buffer, self._peak = read, b"", 0.0
        with (self.folder / _NOISE).open("wb") as noise:
            self._process = subprocess.Popen(
                command or (sys.executable, "-P", "-c", ENTRY),
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=noise,
                pass_fds=(write,),
                env={**_environment(), REPLY_FD: str(write), AHEAD: ahead},
                cwd=self.folder,
                start_new_session=True,
            )
        os.close(write)
        self._end = weakref.finalize(self, _end, self._process, read, self.folder)

    @property
    def alive(self) -> bool:
        """Say whether the process still runs."""
        return self._end.alive and not _ended(self._process)

    @property
    def pid(self) -> int:
        """Return the process id."""
        return self._process.pid

    def close(self) -> None:
        """Kill the process with its whole group, and remove the folder."""
        self._end()

    def ask(
        self,
        request: Mapping[str, Any],
        timeout: float,
        step: Callable[[str, int, int], None] = lambda text, done, total: None,
    ) -> Reply:
        """Send a request and wait for its answer.

        Raises:
            WorkerDied: it exited, was killed, or passed the deadline (then it is killed here).
            TamidError: what the worker raised.
        """
        started = monotonic()
        what = str(request.get("op"))
        try:
            assert self._process.stdin is not None
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()
        except (BrokenPipeError, ValueError):
            raise self._died(what, monotonic() - started) from None
        while True:
            message = self._next(what, started, timeout)
            if message["kind"] == "step":
                step(message["text"], message["done"], message["total"])
            elif message["kind"] == "error":
                raise _error(message)
            else:
                return Reply(
                    value=message["value"],
                    seconds=monotonic() - started,
                    peak_mb=max(self._peak, float(message["peak_mb"])),
                )

    def _next(self, what: str, started: float, timeout: float) -> Mapping[str, Any]:
        """Return the next line of the reply pipe."""
        while b"\n" not in self._buffer:
            left = timeout - (monotonic() - started)
            if left <= 0:
                peak = self._peak
                self.close()
                raise OutOfTime(
                    f"the worker was killed: {what} took longer than {timeout:g} s",
                    why=f"it held {peak:.0f} MB at most; its deadline had passed",
                    fix="Raise `training.timeout`, or find what the code waits for.",
                )
            ready, _, _ = select.select([self._read], [], [], min(left, _LOOK))
            self._peak = max(self._peak, peak_mb(self.pid))
            if not ready:
                continue
            chunk = os.read(self._read, 1 << 16)
            if not chunk:
                raise self._died(what, monotonic() - started)
            self._buffer += chunk
        line, _, self._buffer = self._buffer.partition(b"\n")
        found: Mapping[str, Any] = json.loads(line)
        return found

    def _died(self, what: str, seconds: float) -> WorkerDied:
        """Say how the process ended; what it left running is killed."""
        end = monotonic() + 2.0
        while not (ended := _ended(self._process)) and monotonic() < end:
            sleep(0.01)
        noise = _tail(self.folder / _NOISE)
        self.close()
        code = self._process.returncode if ended else None
        if code is not None and code < 0:
            name = signal.Signals(-code).name
            how = f"was killed by {name}"
            if name == "SIGKILL":
                how += " (often: out of memory)"
        else:
            how = f"exited with code {code}"
        why = f"{how} during {what} after {seconds:.1f} s, holding {self._peak:.0f} MB at most"
        return WorkerDied(f"the worker {how}", why=why + (f"; it said: {noise}" if noise else ""))


def peak_mb(pid: int) -> float:
    """Return the most memory that a process has held, in megabytes; 0 if it cannot be known."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return 0.0
    for line in status.splitlines():
        if line.startswith("VmHWM:"):
            return float(line.split()[1]) / 1024
    return 0.0


def _environment() -> dict[str, str]:
    passed = {name: os.environ[name] for name in _PASSED if name in os.environ}
    home = str(Path(tamid.__file__).parents[1])
    paths = [home, *filter(None, passed.get("PYTHONPATH", "").split(os.pathsep))]
    return {
        **passed,
        "PYTHONPATH": os.pathsep.join(dict.fromkeys(str(Path(p).resolve()) for p in paths)),
        "PYTHONHASHSEED": "0",
        # Threads that spin while they wait slow a shared machine down more than tenfold.
        "OMP_WAIT_POLICY": "PASSIVE",
    }


def _error(message: Mapping[str, Any]) -> TamidError:
    kind = getattr(errors, str(message["error"]), TamidError)
    if not (isinstance(kind, type) and issubclass(kind, TamidError)):
        kind = TamidError
    return kind(message["what"], why=message["why"], fix=message["fix"])


def _tail(path: Path) -> str:
    try:
        text = path.read_bytes()[-_NOISE_TAIL:].decode(errors="replace")
    except OSError:
        return ""
    return " ".join(text.split())


def _ended(process: subprocess.Popen[bytes]) -> bool:
    """Say whether a process has ended; its number stays taken until :func:`_end` waits for it.

    A number that is free may be another process's group a moment later, which must not be killed.
    """
    if not hasattr(os, "waitid"):  # macOS
        return process.poll() is not None
    try:
        return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:
        return True


def _end(process: subprocess.Popen[bytes], read: int, folder: Path) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    if process.stdin is not None:
        with contextlib.suppress(OSError):
            process.stdin.close()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(5.0)
    with contextlib.suppress(OSError):
        os.close(read)
    shutil.rmtree(folder, ignore_errors=True)
