"""Run in an environment of its own: Evidently's default drift report of a table, timed.

`python evidently_report.py REFERENCE.npy CURRENT.npy OUT.json`. Tables: (columns, rows).
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from pathlib import Path


def main(reference: str, current: str, out: str) -> None:
    """Write the processor time of the report alone, and each column's distance."""
    # On use: whoever collects doctests imports this file, in an environment without Evidently.
    import numpy as np
    import pandas as pd
    from evidently import Report
    from evidently.presets import DataDriftPreset

    warnings.simplefilter("ignore")
    then, now = (
        pd.DataFrame({f"x{k}": column for k, column in enumerate(np.load(path))})
        for path in (reference, current)
    )
    began = time.process_time()
    report = Report([DataDriftPreset()]).run(now, then)
    seconds = time.process_time() - began
    found = {
        metric["config"]["column"]: float(metric["value"])
        for metric in report.dict()["metrics"]
        if "column" in metric["config"]
    }
    told = {"seconds": seconds, "distances": found}
    Path(out).write_text(json.dumps(told), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
