"""The real clients of Triton and KServe ask a running server: what they send is understood.

They are installed nowhere by this project. `TAMID_CLIENTS` names a python that has them; without
it, this one is tried.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from serving_world import MODEL, ROW, Server, free_port, one_version

pytestmark = pytest.mark.integration

PYTHON = os.environ.get("TAMID_CLIENTS", sys.executable)
TRITON = """
import json, sys
import numpy as np
import tritonclient.http as http

client = http.InferenceServerClient(sys.argv[1])
assert client.is_server_live() and client.is_server_ready() and client.is_model_ready(sys.argv[2])
about = client.get_model_metadata(sys.argv[2])
rows = json.loads(sys.argv[3])
packed, told = sys.argv[4] == "packed", sys.argv[5]
inputs = []
for column in about["inputs"]:
    values = [row[column["name"]] for row in rows]
    if column["datatype"] == "BYTES":
        data = np.array(values, dtype=object)
    else:
        data = np.array([np.nan if v is None else v for v in values], dtype=np.float64)
    given = http.InferInput(column["name"], [len(rows)], column["datatype"])
    given.set_data_from_numpy(data, binary_data=packed)
    inputs.append(given)
outputs = None
if told == "named":
    outputs = [http.InferRequestedOutput(n, binary_data=packed) for n in ("score", "rung")]
result = client.infer(sys.argv[2], inputs, outputs=outputs)
rungs = [r.decode() if isinstance(r, bytes) else r for r in result.as_numpy("rung").tolist()]
print(json.dumps([result.as_numpy("score").tolist(), rungs]))
"""
KSERVE = """
import asyncio, json, sys
from kserve import InferInput, InferRequest, InferenceRESTClient, RESTConfig

async def main():
    client = InferenceRESTClient(RESTConfig(protocol="v2"))
    base = f"http://{sys.argv[1]}"
    assert await client.is_server_live(base) and await client.is_server_ready(base)
    assert await client.is_model_ready(base, sys.argv[2])
    rows = json.loads(sys.argv[3])
    kinds = {"plan": "BYTES"}
    inputs = [
        InferInput(n, [len(rows)], kinds.get(n, "FP64"), data=[row[n] for row in rows])
        for n in rows[0]
    ]
    request = InferRequest(model_name=sys.argv[2], infer_inputs=inputs)
    found = await client.infer(base, request, model_name=sys.argv[2])
    told = {o.name: list(o.data) for o in found.outputs}
    print(json.dumps([told["score"], told["rung"]]))

asyncio.run(main())
"""


TRITON_GRPC = """
import json, sys
import numpy as np
import tritonclient.grpc as grpc
from tritonclient.utils import InferenceServerException

client = grpc.InferenceServerClient(sys.argv[1])
assert client.is_server_live() and client.is_server_ready() and client.is_model_ready(sys.argv[2])
about = client.get_model_metadata(sys.argv[2])
rows = json.loads(sys.argv[3])
inputs = []
for column in about.inputs:
    values = [row[column.name] for row in rows]
    if column.datatype == "BYTES":
        data = np.array(values, dtype=object)
    else:
        data = np.array([np.nan if v is None else v for v in values], dtype=np.float64)
    given = grpc.InferInput(column.name, [len(rows)], column.datatype)
    given.set_data_from_numpy(data)
    inputs.append(given)
outputs = None
if sys.argv[4] == "named":
    outputs = [grpc.InferRequestedOutput(n) for n in ("score", "rung")]
result = client.infer(sys.argv[2], inputs, outputs=outputs, request_id="mine")
assert result.get_response().id == "mine"
assert (result.as_numpy("reason") is None) == (sys.argv[4] == "named")
refused = []
for model, version, some in (("other", "", inputs), (sys.argv[2], "9", inputs),
                             (sys.argv[2], "", inputs[:1])):
    try:
        client.infer(model, some, model_version=version)
    except InferenceServerException as error:
        refused.append(error.status())
rungs = [r.decode() for r in result.as_numpy("rung").tolist()]
print(json.dumps([result.as_numpy("score").tolist(), rungs, refused]))
"""
KSERVE_GRPC = """
import asyncio, json, sys
from kserve import InferInput, InferRequest
from kserve.inference_client import InferenceGRPCClient

async def main():
    client = InferenceGRPCClient(sys.argv[1], use_ssl=False)
    assert await client.is_server_live() and await client.is_server_ready()
    assert await client.is_model_ready(sys.argv[2])
    rows = json.loads(sys.argv[3])
    kinds = {"plan": "BYTES"}
    inputs = [
        InferInput(n, [len(rows)], kinds.get(n, "FP64"), data=[row[n] for row in rows])
        for n in rows[0]
    ]
    found = await client.infer(InferRequest(model_name=sys.argv[2], infer_inputs=inputs))
    told = {o.name: o.as_numpy().tolist() for o in found.outputs}
    rungs = [r.decode() if isinstance(r, bytes) else r for r in told["rung"]]
    print(json.dumps([told["score"], rungs]))
    await client.close()

asyncio.run(main())
"""
GRPC_PORT = free_port()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of one compiled version."""
    more = ("--grpc-port", str(GRPC_PORT)) if find_spec("grpc") else ()
    with one_version(tmp_path_factory.mktemp("clients"), *more) as running:
        yield running


def ask(server: Server, module: str, script: str, *words: str, port: int = 0) -> Any:
    """Run a client; skip where it is not installed."""
    there = [PYTHON, "-c", f"import {module}"]
    if subprocess.run(there, capture_output=True, check=False).returncode:
        pytest.skip(f"{module} is not installed for {Path(PYTHON)} (TAMID_CLIENTS names another)")
    where = f"127.0.0.1:{port or server.port}"
    command = [PYTHON, "-c", script, where, MODEL, *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def rows(whole: bool) -> list[dict[str, Any]]:
    """Return three rows, with a missing number unless they must be whole."""
    base = {**ROW, "age": 40.0} if whole else ROW
    return [{**base, "calls": c} for c in (-1.0, 0.5, 2.0)]


@pytest.mark.parametrize("told", ["all", "named"])
@pytest.mark.parametrize("form", ["packed", "json"])
def test_the_client_of_triton(server: Server, form: str, told: str) -> None:
    """Packed or JSON, all outputs or some: scores and rungs as for plain rows."""
    asked = rows(whole=form == "json")
    found = ask(server, "tritonclient.http", TRITON, json.dumps(asked), form, told)
    wanted = [server.predict(row)[1]["score"] for row in asked]
    assert found == [wanted, ["champion"] * 3]


@pytest.mark.parametrize("count", [1, 3])
def test_the_client_of_kserve(server: Server, count: int) -> None:
    """Its REST client over V2 gets scores and rungs as plain rows do."""
    asked = rows(whole=True)[:count]
    found = ask(server, "kserve", KSERVE, json.dumps(asked))
    wanted = [server.predict(row)[1]["score"] for row in asked]
    assert found == [wanted, ["champion"] * count]


@pytest.mark.skipif(find_spec("grpc") is None, reason="the extra `grpc` is not installed")
@pytest.mark.parametrize("told", ["all", "named"])
def test_the_client_of_triton_over_grpc(server: Server, told: str) -> None:
    """Scores and rungs as for plain rows, also with missing numbers; what is wrong has a code."""
    asked = rows(whole=False)
    script = ("tritonclient.grpc", TRITON_GRPC)
    scores, rungs, refused = ask(server, *script, json.dumps(asked), told, port=GRPC_PORT)
    assert scores == [server.predict(row)[1]["score"] for row in asked]
    assert rungs == ["champion"] * 3
    assert refused == [
        "StatusCode.NOT_FOUND", "StatusCode.NOT_FOUND", "StatusCode.INVALID_ARGUMENT",
    ]  # fmt: skip
    # They are counted like any others, each row and each request.
    metrics = server.raw("GET", "/metrics")[2].decode()
    assert 'route="v2_grpc"' in metrics


@pytest.mark.skipif(find_spec("grpc") is None, reason="the extra `grpc` is not installed")
def test_the_client_of_kserve_over_grpc(server: Server) -> None:
    """Its values stand in the typed lists of the message, not packed: the same answers."""
    asked = rows(whole=True)
    found = ask(server, "kserve", KSERVE_GRPC, json.dumps(asked), port=GRPC_PORT)
    assert found == [[server.predict(row)[1]["score"] for row in asked], ["champion"] * 3]
