"""The time of a call: its own waiting counts, the waiting for a busy processor does not."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from tamid.workshop import stopwatch
from tamid.workshop.stopwatch import milliseconds

# Two loops on one core: each gets about half of it.
CROWDED = """\
import os, subprocess, sys, time
from tamid.workshop.stopwatch import milliseconds

core = {min(os.sched_getaffinity(0))}
os.sched_setaffinity(0, core)
other = subprocess.Popen([sys.executable, "-c", "print('on', flush=True)\\nwhile True: pass"],
                         stdout=subprocess.PIPE)
other.stdout.readline()

def work():
    end = time.thread_time() + 0.5
    while time.thread_time() < end:
        pass

try:
    started = time.perf_counter()
    own = milliseconds(work)
    print(own / 1000, time.perf_counter() - started)
finally:
    other.kill()
"""


def test_what_the_call_itself_waits_for_counts() -> None:
    """A sleep is part of the time of an answer."""
    assert milliseconds(lambda: time.sleep(0.05)) > 45


@pytest.mark.skipif(
    not Path("/proc/thread-self/schedstat").exists(),
    reason="this system does not tell how long threads wait for a processor",
)
def test_a_processor_that_others_keep_busy_does_not_count() -> None:
    """Beside a loop on the same core a call takes about twice as long, and is said not to."""
    ran = subprocess.run(
        [sys.executable, "-c", CROWDED], capture_output=True, text=True, timeout=60, check=True
    )
    own, passed = map(float, ran.stdout.split())
    assert passed > 0.7
    assert own < 0.5 + 0.6 * (passed - 0.5)


def test_where_nothing_is_told_all_that_passes_counts(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Without the file, or with one that says something else, it is a plain clock."""
    for text in (None, "no numbers here"):
        place = tmp_path / "schedstat"
        if text is not None:
            place.write_text(text)
        monkeypatch.setattr(stopwatch, "_SCHEDULER", place)
        assert milliseconds(lambda: time.sleep(0.02)) > 15
