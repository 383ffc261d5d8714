"""What the original says of rows, on a pandas frame: `answers.py PICKLE ROWS.json`."""

from __future__ import annotations

import json
import pickle
import sys
from pathlib import Path

import pandas as pd

pipeline = pickle.loads(Path(sys.argv[1]).read_bytes())
frame = pd.DataFrame(json.loads(Path(sys.argv[2]).read_text()))
holed = [c for c in frame.columns if frame[c].dtype == object and c.startswith("n")]
frame[holed] = frame[holed].astype("float64")
print(json.dumps(pipeline.predict_proba(frame)[:, 1].tolist()))
