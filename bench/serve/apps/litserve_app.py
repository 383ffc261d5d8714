"""LitServe, with batching if BENCH_BATCH is set."""

import os
import sys

import litserve as ls
from common import scorer

BATCH = bool(os.environ.get("BENCH_BATCH"))


class Churn(ls.LitAPI):
    """Scores rows. LitServe reads annotations of these methods, so that there are none."""

    def setup(self, device):
        """Load the model."""
        self.score = scorer()

    def decode_request(self, request):
        """Take the row."""
        return request

    def predict(self, x):
        """Score one row, or a batch."""
        return self.score(x) if BATCH else self.score([x])[0]

    def encode_response(self, output):
        """Tell the score."""
        return {"score": output}


if __name__ == "__main__":
    more = {"max_batch_size": 64, "batch_timeout": 0.005} if BATCH else {}
    server = ls.LitServer(Churn(**more), accelerator="cpu", workers_per_device=1)
    server.run(port=int(sys.argv[1]), generate_client_file=False, num_api_servers=1)
