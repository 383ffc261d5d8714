"""The bare model call on many rows: `bare.py PICKLE ROWS.json COUNT`, CPU seconds, best of five."""

from __future__ import annotations

import json
import pickle
import sys
import time
from pathlib import Path

import pandas as pd

pipeline = pickle.loads(Path(sys.argv[1]).read_bytes())
rows = json.loads(Path(sys.argv[2]).read_text())
count = int(sys.argv[3])
frame = pd.DataFrame([rows[i % len(rows)] for i in range(count)])
best = float("inf")
for _ in range(5):
    began = time.process_time()
    pipeline.predict_proba(frame)
    best = min(best, time.process_time() - began)
print(best)
