"""Who is measured: how each is installed, started and asked, and where its answer stands."""

from __future__ import annotations

import json
import struct
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from serve.load import Asked
from serve.world import LEVELS, MODEL, NUMBERS, World

Row = Mapping[str, Any]
APPS = Path(__file__).parent / "apps"
# What every environment of a peer holds beside the peer.
MODEL_PACKAGES = ("lightgbm==4.7.0", "scikit-learn==1.9.1", "pandas", "numpy>=2.0")


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """One way to serve. `packages`: of its environment, none: this one's. `batching`: with a timer.

    `ours`: it runs our compiled model. `command`: from the port and python; `score`: the first
    score in an answer.
    """

    name: str
    packages: tuple[str, ...] = ()
    command: Callable[[str, int, World], Sequence[str]]
    asked: Callable[[Row], Asked]
    score: Callable[[Any], float]
    env: Mapping[str, str] = field(default_factory=dict)
    batching: bool = False
    ours: bool = False
    checked: bool = True


def _json(path: str, wrap: Callable[[Row], Any]) -> Callable[[Row], Asked]:
    return lambda row: Asked(path=path, body=json.dumps(wrap(row)).encode())


def _script(name: str) -> Callable[[str, int, World], Sequence[str]]:
    return lambda python, port, world: [python, str(APPS / name), str(port)]


def _uncompiled(python: str, port: int, world: World) -> Sequence[str]:
    # As much time as peers take: a lower rung's answer would be another score.
    where = str(world.uncompiled)
    words = [sys.executable, "-m", "tamid", "-C", where, "serve", "--port", str(port)]
    return [*words, "--deadline", "30s"]


def _tamid(python: str, port: int, world: World) -> Sequence[str]:
    where = str(world.workspace)
    return [sys.executable, "-m", "tamid", "-C", where, "serve", "--port", str(port)]


def _uvicorn(python: str, port: int, world: World) -> Sequence[str]:
    more = ["--port", str(port), "--log-level", "warning", "--no-access-log"]
    return [python, "-m", "uvicorn", "fastapi_app:app", *more]


def _bento(python: str, port: int, world: World) -> Sequence[str]:
    bento = str(Path(python).with_name("bentoml"))
    return [bento, "serve", "bentoml_app:Churn", "--port", str(port)]


def _mlserver(python: str, port: int, world: World) -> Sequence[str]:
    folder = world.folder / "mlserver"
    folder.mkdir(exist_ok=True)
    settings = {
        "host": "127.0.0.1", "http_port": port, "grpc_port": port + 1, "metrics_port": port + 2,
        "parallel_workers": 0, "debug": False,
    }  # fmt: skip
    model = {"name": MODEL, "implementation": "mlserver_app.Churn"}
    (folder / "settings.json").write_text(json.dumps(settings))
    (folder / "model-settings.json").write_text(json.dumps(model))
    return [str(Path(python).with_name("mlserver")), "start", str(folder)]


def _mlflow(python: str, port: int, world: World) -> Sequence[str]:
    more = ["--env-manager", "local", "-w", "1", "-h", "127.0.0.1", "-p", str(port)]
    mlflow = str(Path(python).with_name("mlflow"))
    return [mlflow, "models", "serve", "-m", str(world.folder / "mlflow-model"), *more]


def columns(row: Row) -> list[dict[str, Any]]:
    """Return a tensor of V2 for each column."""
    return [
        {"name": n, "shape": [1], "datatype": "FP64" if n in NUMBERS else "BYTES", "data": [v]}
        for n, v in row.items()
    ]


def _typed_columns(row: Row) -> dict[str, Any]:
    found = columns(row)
    for tensor in found:
        if tensor["datatype"] == "BYTES":
            tensor["parameters"] = {"content_type": "str"}
    return {"inputs": found, "parameters": {"content_type": "pd"}}


def packed(row: Row) -> Asked:
    """Return all numbers and all texts as two packed tensors, the answer packed too."""
    numbers = struct.pack(f"<{len(NUMBERS)}d", *(row[n] for n in NUMBERS))
    texts = [row[n].encode() for n in sorted(LEVELS)]
    raw = b"".join(struct.pack("<I", len(t)) + t for t in texts)
    inputs = [
        {"name": "numbers", "datatype": "FP64", "shape": [1, len(NUMBERS)],
         "parameters": {"binary_data_size": len(numbers)}},
        {"name": "texts", "datatype": "BYTES", "shape": [1, len(texts)],
         "parameters": {"binary_data_size": len(raw)}},
    ]  # fmt: skip
    head = json.dumps({"inputs": inputs, "parameters": {"binary_data_output": True}}).encode()
    return Asked(
        path=f"/v2/models/{MODEL}/infer",
        body=head + numbers + raw,
        kind="application/octet-stream",
        headers=(f"Inference-Header-Content-Length: {len(head)}",),
    )


def two_tensors(row: Row) -> dict[str, Any]:
    """Return all numbers and all texts as two tensors in JSON."""
    numbers, texts = [row[n] for n in NUMBERS], [row[n] for n in sorted(LEVELS)]
    return {
        "inputs": [
            {"name": "numbers", "datatype": "FP64", "shape": [1, len(numbers)], "data": numbers},
            {"name": "texts", "datatype": "BYTES", "shape": [1, len(texts)], "data": texts},
        ]
    }


def _score(answer: Any) -> float:
    return float(answer["score"])


def _first(answer: Any) -> float:
    return float(answer["predictions"][0])


def _v2_score(answer: Any) -> float:
    return float(next(o for o in answer["outputs"] if o["name"] == "score")["data"][0])


_PREDICT, _INFER = f"/v1/models/{MODEL}/predict", f"/v2/models/{MODEL}/infer"
_plain = _json("/predict", dict)
_instances = _json(f"/v1/models/{MODEL}:predict", lambda row: {"instances": [row]})
_kserve = Server(name="kserve", packages=("kserve",), command=_script("kserve_app.py"),
                 asked=_instances, score=_first)  # fmt: skip

SERVERS = (
    Server(name="echo", command=lambda _, port, world: [
        sys.executable, str(Path(__file__).with_name("echo.py")), str(port)],
        asked=_json(_PREDICT, dict), score=_score, checked=False, ours=True),
    Server(name="echo-layer", command=lambda _, port, world: [
        sys.executable, str(Path(__file__).with_name("layer.py")), str(port), MODEL],
        asked=_json(_PREDICT, dict), score=_score, checked=False, ours=True),
    Server(name="tamid", command=_tamid, asked=_json(_PREDICT, dict), score=_score, ours=True),
    Server(name="tamid-v2-packed", command=_tamid, asked=packed, score=_score, checked=False,
           ours=True),
    Server(name="tamid-v2-two-json", command=_tamid, asked=_json(_INFER, two_tensors),
           score=_v2_score, ours=True),
    Server(name="tamid-v2-columns", command=_tamid, score=_v2_score, ours=True,
           asked=_json(_INFER, lambda row: {"inputs": columns(row)})),
    Server(name="tamid-no-compiler", command=_tamid, asked=_json(_PREDICT, dict), score=_score,
           env={"TAMID_KERNEL_CACHE": "off"}, ours=True),
    Server(name="tamid-uncompiled", command=_uncompiled, asked=_json(_PREDICT, dict), score=_score,
           ours=True),
    Server(name="fastapi", packages=("fastapi", "uvicorn"), command=_uvicorn, asked=_plain,
           score=_score),
    _kserve,
    Server(name="mlserver", packages=("mlserver", "uvloop<0.22"), command=_mlserver,
           asked=_json(_INFER, _typed_columns), score=_v2_score),
    Server(name="bentoml", packages=("bentoml",), command=_bento,
           asked=_json("/predict", lambda row: {"row": row}), score=_score),
    Server(name="bentoml-batch", packages=("bentoml",), command=_bento, batching=True,
           asked=_json("/predict", lambda row: {"rows": [row]}),
           score=lambda answer: float(answer[0]), env={"BENCH_BATCH": "1"}),
    Server(name="litserve", packages=("litserve",), command=_script("litserve_app.py"),
           asked=_plain, score=_score),
    Server(name="litserve-batch", packages=("litserve",), command=_script("litserve_app.py"),
           asked=_plain, score=_score, env={"BENCH_BATCH": "1"}, batching=True),
    Server(name="mlflow", packages=("mlflow",), command=_mlflow,
           asked=_json("/invocations", lambda row: {"dataframe_records": [row]}),
           score=lambda answer: float(answer["predictions"][0][1])),
    Server(name="fastapi+ours", packages=("fastapi", "uvicorn"), command=_uvicorn, asked=_plain,
           score=_score, env={"BENCH_COMPILED": "1"}, ours=True),
    replace(_kserve, name="kserve+ours", env={"BENCH_COMPILED": "1"}, ours=True),
)  # fmt: skip


def environment(server: Server) -> str:
    """Return the name of a server's environment: "" is this one."""
    return server.packages[0] if server.packages else ""
