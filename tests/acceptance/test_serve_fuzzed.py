"""Two thousand requests made from the OpenAPI document: no answer is the server's fault.

Schemathesis is installed nowhere by this project. `TAMID_CLIENTS` names a python beside which it
lies; without it, this one is tried.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from serving_world import ROW, Server, one_version

pytestmark = pytest.mark.integration

TOOL = Path(os.environ.get("TAMID_CLIENTS", sys.executable)).with_name("schemathesis")
# Kilobytes: more than that is growth, less is what an allocator keeps.
_MOST_GROWTH = 40_000


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of one compiled version."""
    with one_version(tmp_path_factory.mktemp("fuzzed")) as running:
        yield running


def resident(server: Server) -> int:
    """Return the kilobytes that the server holds."""
    text = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(next(x.split()[1] for x in text.splitlines() if x.startswith("VmRSS")))


@pytest.mark.skipif(
    not TOOL.exists(), reason=f"{TOOL} is not installed (TAMID_CLIENTS names another)"
)
def test_no_request_of_the_document_is_a_fault_of_the_server(
    server: Server, tmp_path: Path
) -> None:
    """No 5xx, no growth beyond what the first requests need, and rows are answered afterwards."""
    assert server.predict(ROW)[0] == 200
    before = resident(server)
    done = subprocess.run(
        [str(TOOL), "run", f"http://127.0.0.1:{server.port}/openapi.json",
         "--checks", "not_a_server_error", "--phases", "fuzzing", "--max-examples", "520",
         "--seed", "7", "--no-color", "--suppress-health-check", "all"],
        capture_output=True, text=True, check=False, cwd=tmp_path, timeout=900,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-1000:]
    counted = server.raw("GET", "/metrics")[2].decode()
    asked = sum(
        float(line.rpartition(" ")[2])
        for line in counted.splitlines()
        if line.startswith("tamid_requests_total")
    )
    assert asked > 2000
    # Before there is a version, who asks for it is told 503.
    faults = [x for x in counted.splitlines() if 'status="5' in x and 'route="ready"' not in x]
    assert faults == []
    assert resident(server) - before < _MOST_GROWTH
    assert server.predict(ROW)[0] == 200
