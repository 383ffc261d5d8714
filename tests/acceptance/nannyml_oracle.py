"""Run in an environment of its own: NannyML's estimates of the chunks of a file, as JSON.

`python nannyml_oracle.py cbpe|dle REFERENCE.csv ANALYSIS.csv OUT.json`. Columns: `chunk`, `y_true`,
`y_pred`; cbpe: `y_pred_proba`; dle: the features, whose names begin with `x`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

METRICS = {"cbpe": ["roc_auc", "f1", "precision", "recall", "accuracy"], "dle": ["mae", "rmse"]}


def main(kind: str, reference: str, analysis: str, out: str) -> None:
    """Fit on the reference, estimate the chunks, write metric -> values by chunk."""
    # On use: whoever collects doctests imports this file, in an environment without NannyML.
    import nannyml as nml
    import pandas as pd

    past, now = pd.read_csv(reference), pd.read_csv(analysis)
    common: dict[str, Any] = {"y_true": "y_true", "y_pred": "y_pred", "metrics": METRICS[kind]}
    chunker = nml.chunk.SizeBasedChunker(chunk_size=int((now["chunk"] == now["chunk"][0]).sum()))
    if kind == "cbpe":
        estimator = nml.CBPE(
            problem_type="classification_binary",
            y_pred_proba="y_pred_proba",
            chunker=chunker,
            **common,
        )
    else:
        names = [c for c in past.columns if c.startswith("x")]
        estimator = nml.DLE(feature_column_names=names, chunker=chunker, **common)
    estimator.fit(past)
    found = estimator.estimate(now.drop(columns="y_true")).filter(period="analysis").to_df()
    values = {m: found[(m, "value")].astype(float).tolist() for m in METRICS[kind]}
    Path(out).write_text(json.dumps(values), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
