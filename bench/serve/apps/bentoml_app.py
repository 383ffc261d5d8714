"""BentoML, with batching if BENCH_BATCH is set."""

from __future__ import annotations

import os
from typing import Any

import bentoml
from common import scorer

if os.environ.get("BENCH_BATCH"):

    @bentoml.service(workers=1, traffic={"timeout": 60})
    class Churn:
        """Scores batches."""

        def __init__(self) -> None:
            self.score = scorer()

        @bentoml.api(batchable=True, max_batch_size=64, max_latency_ms=1000)
        def predict(self, rows: list[dict[str, Any]]) -> list[float]:
            """Return the scores."""
            return self.score(rows)

else:

    @bentoml.service(workers=1, traffic={"timeout": 60})
    class Churn:  # type: ignore[no-redef]
        """Scores rows."""

        def __init__(self) -> None:
            self.score = scorer()

        @bentoml.api
        def predict(self, row: dict[str, Any]) -> dict[str, float]:
            """Return the score."""
            return {"score": self.score([row])[0]}
