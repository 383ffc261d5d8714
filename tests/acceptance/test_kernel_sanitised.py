"""The kernel under the compiler's own watch: no byte outside its arrays, whatever the program."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration

LAWS = Path(__file__).resolve().parents[1] / "property"
# Random programs, and programs with one number altered, as in the laws of programs.
RUN = """
import json, struct, sys
from pathlib import Path
import numpy as np
sys.path.insert(0, sys.argv[2])
from test_program_laws import explained, random_program, random_rows
from tamid.adapters.engines.kernel import KernelEngine
from tamid.core.compiled import codec
from tamid.core.compiled.lane import Rule, lane_fields
from tamid.core.errors import IntegrityError, MissingExtra
watch = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-g")


def read_forms(lane, features, rows, rng):
    # Whole, altered and cut bodies, in JSON and packed; how many were plain is returned.
    width, read = len(features), 0
    between = (b"[", *[b","] * (width - 1), b"]")
    json_form = lane.form((between, tuple(range(width)), ()))
    for row in rows:
        words = [f.kind == "category" for f in features]
        values = [str(v)[:3] if word else float(v) for v, word in zip(row, words)]
        body = json.dumps(values, separators=(",", ":")).encode()
        raws = [pack(v) for v in values]
        parts = tuple((2 if w else 0, len(r), 1) for r, w in zip(raws, words))
        packed_form = lane.form(((), tuple(range(width)), parts))
        for form, whole in ((json_form, body), (packed_form, b"".join(raws))):
            for _ in range(8):
                read += form.read(whole, 0)
                form.score()
                altered = bytearray(whole)
                altered[int(rng.integers(0, len(altered)))] = int(rng.integers(0, 256))
                whole = bytes(altered[: int(rng.integers(1, len(altered) + 1))])
    return read


def pack(value):
    if isinstance(value, float):
        return struct.pack("<d", value)
    return struct.pack("<I", len(value)) + value.encode()


rng, ran, explains, forms = np.random.default_rng(11), 0, 0, 0
for seed in range(1500):
    program = random_program(seed)
    program = explained(program) if seed % 2 else program
    content = bytearray(codec.write(program))
    for _ in range(seed % 3):
        content[int(rng.integers(0, len(content)))] = int(rng.integers(0, 256))
    try:
        program = codec.read(bytes(content))
        engine = KernelEngine(program, cache=Path(sys.argv[1]), flags=watch)
    except (IntegrityError, MissingExtra):
        continue
    rows = random_rows(seed, len(program.features))
    packed = b"".join(struct.pack(f"<{len(row)}d", *row) for row in rows)
    engine.many(packed, len(rows))
    rules = [Rule(name=f.name, kind=f.kind) for f in program.features]
    fields = lane_fields(rules, program.features)
    lane = engine.lane(fields, object()) if fields and program.outputs == 1 else None
    if lane is not None:
        lane.scores([tuple(map(float, row)) for row in rows] + [(None,) * len(fields)])
        forms += read_forms(lane, program.features, rows, rng)
    explains += engine.shap(packed, 0) is not None
    ran += 1
print(explains, ran, forms)
"""


def _runtime() -> str:
    """Return the address sanitizer's library, which must be there before Python is."""
    compiler = shutil.which("gcc") or ""
    found = subprocess.run(
        [compiler or "true", "-print-file-name=libasan.so"],
        capture_output=True, text=True, check=False,
    ).stdout.strip()  # fmt: skip
    return found if Path(found).is_absolute() else ""


@pytest.mark.skipif(not _runtime(), reason="gcc's address sanitizer is not installed")
def test_no_program_leads_the_kernel_out_of_its_arrays(tmp_path: Path) -> None:
    """1,500 programs, two thirds of them with altered bytes, run without a finding."""
    cache = tmp_path / "cache"
    environment = {**os.environ, "LD_PRELOAD": _runtime(), "ASAN_OPTIONS": "detect_leaks=0"}
    run = subprocess.run(
        [sys.executable, "-c", RUN, str(cache), str(LAWS)],
        capture_output=True, text=True, env=environment, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr[-3000:]
    explains, ran, forms = map(int, run.stdout.split())
    assert ran > 500
    assert explains > 100
    assert forms > 100
