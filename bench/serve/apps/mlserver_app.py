"""MLServer: a runtime of one's own over V2, a tensor for each column."""

from __future__ import annotations

import numpy as np
from common import scorer
from mlserver import MLModel
from mlserver.codecs import NumpyCodec, PandasCodec
from mlserver.types import InferenceRequest, InferenceResponse


class Churn(MLModel):  # type: ignore[misc]
    """Scores rows."""

    async def load(self) -> bool:
        """Load the model."""
        self.score = scorer()
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Return the scores."""
        frame = PandasCodec.decode_request(payload)
        scores = np.array(self.score(frame.to_dict("records")))
        return InferenceResponse(
            model_name=self.name, outputs=[NumpyCodec.encode_output("score", scores)]
        )
