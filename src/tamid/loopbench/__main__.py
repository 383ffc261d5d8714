"""`python -m tamid.loopbench FOLDER`: a table, then one JSON object as the last line."""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

# Sets are measured side by side, each on one thread: threads within a fit would only wait.
os.environ.setdefault("OMP_NUM_THREADS", "1")


def main(words: Sequence[str] | None = None) -> int:
    """Measure the folder and print what was found; return the exit status."""
    from tamid.core.errors import TamidError
    from tamid.loopbench.bench import measure_all
    from tamid.loopbench.descriptions import read_folder
    from tamid.loopbench.oneset import SEEDS
    from tamid.loopbench.score import parts_of, report
    from tamid.loopbench.table import table

    parser = argparse.ArgumentParser(prog="tamid.loopbench", description=__doc__)
    parser.add_argument("folder", type=Path, help="NAME.parquet and NAME.json of each set")
    parser.add_argument("--minutes", type=_some, default=60.0, help="time for all sets")
    parser.add_argument(
        "--jobs", type=_many, default=min(2, os.cpu_count() or 1), help="sets measured at once"
    )
    parser.add_argument("--seeds", type=_many, default=SEEDS, help="seeds of each kind of event")
    given = parser.parse_args(words)
    try:
        sets = read_folder(given.folder)
        results, failed = measure_all(
            sets, minutes=given.minutes, jobs=given.jobs, seeds=given.seeds
        )
    except TamidError as error:
        sys.stderr.write(f"{error.what}\n  why: {error.why}\n  fix: {error.remedy}\n")
        return error.exit_code
    if not results:
        reasons = "\n  ".join(f"{name}: {why}" for name, why in failed.items())
        sys.stderr.write(f"no set could be measured:\n  {reasons}\n")
        sys.stdout.write(json.dumps({"score": None, "failed": failed}) + "\n")
        return 1
    found = report(results, parts_of(results)) | {"failed": failed}
    sys.stdout.write(f"{table(results)}\n{json.dumps(found, allow_nan=False)}\n")
    return 0


def _some(text: str) -> float:
    with suppress(ValueError):
        if 0 < (number := float(text)) < math.inf:
            return number
    raise argparse.ArgumentTypeError(f"{text!r} is no number above 0")


def _many(text: str) -> int:
    with suppress(ValueError):
        if (number := int(text)) > 0:
            return number
    raise argparse.ArgumentTypeError(f"{text!r} is no whole number above 0")


if __name__ == "__main__":
    sys.exit(main())
