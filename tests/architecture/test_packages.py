"""Each ring uses only the libraries that it may, and no call that belongs to a port."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import grimp
import pytest

import tamid

PACKAGE = Path(tamid.__file__).parent
ROOT = Path(__file__).parents[2]
ALLOWED = {
    "core": {"numpy"},
    "ports": set(),
    "stages": {"numpy", "polars", "dataframely"},
}
BANNED = (
    "import datetime\ndatetime.datetime.now()\n",
    "from datetime import datetime\ndatetime.today()\n",
    "from datetime import datetime\ndatetime.utcnow()\n",
    "import time\ntime.time()\n",
    "import uuid\nuuid.uuid4()\n",
    "import numpy as np\nnp.random.default_rng()\n",
    "import numpy as np\nnp.random.rand(3)\n",
    "import polars as pl\npl.read_csv('a')\n",
    "import polars as pl\npl.scan_parquet('a')\n",
    "import deltalake\n",
)


@pytest.mark.parametrize("ring", sorted(ALLOWED))
def test_a_ring_uses_only_its_libraries(ring: str) -> None:
    """A library outside the ring's white list is named with the module that imports it."""
    graph = grimp.build_graph(
        "tamid", include_external_packages=True, exclude_type_checking_imports=True, cache_dir=None
    )
    top = f"tamid.{ring}"
    inside = {m for m in graph.modules if m == top or m.startswith(f"{top}.")}
    used = {(m, e) for m in inside for e in graph.find_modules_directly_imported_by(m)}
    free = ALLOWED[ring] | set(sys.stdlib_module_names) | {"tamid"}
    assert not sorted(pair for pair in used if pair[1].partition(".")[0] not in free)


@pytest.mark.parametrize("place", ["core/x.py", "stages/x.py"])
@pytest.mark.parametrize("code", BANNED)
def test_a_banned_call_is_noticed(place: str, code: str) -> None:
    """Clock, randomness and storage are refused in core and stages, with the way to do it right."""
    assert "TID251" in _ruff(code, f"src/tamid/{place}")


@pytest.mark.parametrize("code", BANNED)
def test_an_adapter_may_do_what_adapters_are_for(code: str) -> None:
    """At the edges the same calls are allowed."""
    assert "TID251" not in _ruff(code, "src/tamid/adapters/x.py")


def test_no_stage_writes_a_frame_itself() -> None:
    """Frames leave a stage through a port: no call of a frame's own writers in core and stages."""
    writers = []
    for path in [*PACKAGE.glob("core/**/*.py"), *PACKAGE.glob("stages/**/*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and node.attr.startswith(("sink_", "write_")):
                writers.append(f"{path.name}:{node.lineno} {node.attr}")
    assert not writers


def test_printing_is_for_the_command_line() -> None:
    """A print below the command line is refused."""
    assert "T201" in _ruff("print(1)\n", "src/tamid/app.py")
    assert "T201" not in _ruff("print(1)\n", "src/tamid/cli/x.py")


def _ruff(code: str, path: str) -> str:
    ruff = Path(sys.executable).parent / "ruff"
    result = subprocess.run(
        [ruff, "check", "--no-cache", "--output-format", "concise", "--stdin-filename", path, "-"],
        cwd=ROOT,
        input=code,
        capture_output=True,
        text=True,
        check=False,
    )
    assert not result.stderr, result.stderr
    return result.stdout
