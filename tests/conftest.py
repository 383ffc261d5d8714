"""What all tests share: the folder of real data sets, and one profile of hypothesis."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

import tamid
from tamid.adapters.keys import Keys

if TYPE_CHECKING:
    from servers import Service

# The worlds of the acceptance tests are those of the integration tests, too.
sys.path.append(str(Path(__file__).parent / "acceptance"))

# The same examples on every machine: a red run can be repeated, and time is no reason to fail.
settings.register_profile("tamid", deadline=None, derandomize=True)
settings.load_profile("tamid")


# Whole files go to one worker each. These take longest, the longest first: begun last, one of them
# would keep a worker busy long after the others have nothing left to do.
LONGEST = (
    "test_backtest_real", "test_demo", "test_adopt", "test_crash_in_process",
    "test_register_notebook", "test_bad_code", "test_cli_workspace", "test_serve_trials",
    "test_serve_crew", "test_serve_faults", "test_loopbench_whole", "test_crash_kills",
    "test_developer_desk", "test_serve_fuzz", "test_missing_source", "test_shopping_world",
    "test_serve_answers", "test_serve_drill", "test_pseudonyms_kept", "test_handed_over",
    "test_serve_overload", "test_online_loop", "test_workers", "test_worker_scoring",
    "test_serve_veiled", "test_backup", "test_bad_data", "test_erase", "test_two_controllers",
    "test_feature_views", "test_disk_full",
)  # fmt: skip


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests of the longest files first; the order within a file stays as it was drawn."""
    places = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path.stem, len(places)))


def pytest_report_header() -> str:
    """Say which tamid is under test: the installed wheel or a source tree."""
    return f"tamid {tamid.__version__} from {Path(tamid.__file__).parent}"


@pytest.fixture(scope="session")
def test_data() -> Path:
    """The folder of real data sets; without TAMID_TEST_DATA skip, with a wrong one fail."""
    folder = os.environ.get("TAMID_TEST_DATA")
    if not folder:
        pytest.skip("TAMID_TEST_DATA names no folder of data sets")
    path = Path(folder).resolve()
    if not path.is_dir():
        pytest.fail(f"TAMID_TEST_DATA is {folder}, which is no folder")
    return path


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    """A workspace's keys, to sign and check with; nobody rotates or revokes these."""
    made = Keys(tmp_path_factory.mktemp("keys"))
    made.create()
    return made


@pytest.fixture(scope="session")
def mlflow_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A real tracking server; for integration tests only."""
    from servers import mlflow

    with mlflow(tmp_path_factory.mktemp("mlflow")) as service:
        yield service


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A real S3 server; for integration tests only."""
    from servers import moto

    with moto(tmp_path_factory.mktemp("s3")) as service:
        yield service
