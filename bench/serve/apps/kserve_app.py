"""KServe's model server, V1."""

from __future__ import annotations

import sys
from typing import Any

import kserve
from common import scorer


class Churn(kserve.Model):  # type: ignore[misc]
    """Scores rows."""

    def __init__(self) -> None:
        super().__init__("churn")
        self.score = scorer()
        self.ready = True

    def predict(self, payload: Any, headers: Any = None, response_headers: Any = None) -> Any:
        """Return the scores."""
        return {"predictions": self.score(payload["instances"])}


if __name__ == "__main__":
    server = kserve.ModelServer(http_port=int(sys.argv[1]), workers=1, enable_grpc=False)
    server.start([Churn()])
