"""An edition as a model of MLflow's: a directory that `mlflow.pyfunc.load_model` opens.

The description is written here, so that showing a model needs neither pandas nor the whole MLflow.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import tamid
from tamid.ports import Edition, Slot

# Who opens a bundle in MLflow; the name stands in every model that was ever published.
LOADER = "tamid.pyfunc"
DATA = "bundle"
_TYPES = {"number": "double", "text": "string", "boolean": "boolean", "moment": "datetime"}


def model_files(edition: Edition, run: str, place: str) -> dict[str, bytes]:
    """Return the files: the description, what it needs installed, and the bundle as its data."""
    python = ".".join(map(str, sys.version_info[:3]))
    flavour = {
        "loader_module": LOADER,
        "data": DATA,
        "env": {"virtualenv": "python_env.yaml"},
        "python_version": python,
    }
    about = {
        "artifact_path": place,
        "run_id": run,
        "utc_time_created": f"{edition.made:%Y-%m-%d %H:%M:%S.%f}",
        "flavors": {"python_function": flavour},
        "signature": {"inputs": _columns(edition.inputs), "outputs": _columns(edition.outputs)},
        "metadata": {"tamid.bundle": edition.bundle, "tamid.overlay": edition.overlay},
    }
    needs = f"tamid[loop,mlflow]=={tamid.__version__}\n"
    environment = {"python": python, "dependencies": ["-r requirements.txt"]}
    # What is JSON is YAML too.
    return {
        "MLmodel": json.dumps(about, indent=1, ensure_ascii=False).encode(),
        "python_env.yaml": json.dumps(environment).encode(),
        "requirements.txt": needs.encode(),
        **{f"{DATA}/{path}": content for path, content in edition.files.items()},
    }


def lay(folder: str, files: Mapping[str, bytes]) -> None:
    """Write files under their paths."""
    for path, content in files.items():
        target = Path(folder) / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)


def _columns(slots: Sequence[Slot]) -> str:
    return json.dumps(
        [{"name": s.name, "type": _TYPES[s.kind], "required": s.required} for s in slots]
    )
