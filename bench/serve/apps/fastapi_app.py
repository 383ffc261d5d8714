"""Plain FastAPI: a typed row, a frame, the pipeline."""

from __future__ import annotations

from typing import Any

from common import scorer
from fastapi import FastAPI
from pydantic import create_model

NUMBERS = [f"n{i:02d}" for i in range(20)]
WORDS = ["plan", "contract", "payment", "region", "device"]
fields: dict[str, Any] = dict.fromkeys(NUMBERS, (float | None, None))
fields |= dict.fromkeys(WORDS, (str, ...))
Row = create_model("Row", **fields)
score = scorer()
app = FastAPI()


def predict(row: Any) -> dict[str, float]:
    """Return the score."""
    return {"score": score([row.model_dump()])[0]}


predict.__annotations__["row"] = Row
app.post("/predict")(predict)
