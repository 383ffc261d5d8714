"""What the tests against real systems share: each server is started once."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

# The worlds of the acceptance tests are used here, too.
sys.path.append(str(Path(__file__).parents[1] / "acceptance"))

from servers import BIN, Service, free_port, running


@pytest.fixture(scope="session")
def mlflow_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A real tracking server with a registry, on SQLite and a folder."""
    needs("mlflow")
    folder, port = tmp_path_factory.mktemp("mlflow"), free_port()
    command = [
        str(BIN / "mlflow"), "server", "--host", "127.0.0.1", "--port", str(port),
        "--workers", "1",
        "--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}",
        "--artifacts-destination", str(folder / "artifacts"),
    ]  # fmt: skip
    with running(command, port, "/health", folder / "server.log") as service:
        yield service


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A real S3 server, in memory."""
    needs("moto")
    folder, port = tmp_path_factory.mktemp("s3"), free_port()
    command = [str(BIN / "moto_server"), "-H", "127.0.0.1", "-p", str(port)]
    with running(command, port, "/moto-api/", folder / "server.log") as service:
        yield service


def needs(library: str) -> None:
    """Fail where a library of the group `integration` is missing: here nothing is skipped."""
    if importlib.util.find_spec(library) is None:
        pytest.fail(f"{library} is not installed: run these tests with `make test-integration`")
