"""The environment's files: the same on every call, a valid bill of materials, nothing local."""

from __future__ import annotations

import json
import os
import platform
import socket

from tamid.adapters.environment import environment_files


def test_environment_names_python_and_packages() -> None:
    """Python and the libraries that decide over a model stand there with their versions."""
    about = json.loads(environment_files()["environment.json"])
    assert about["python"] == platform.python_version()
    assert {"numpy", "polars", "lightgbm", "scikit-learn"} <= set(about["packages"])


def test_the_bill_of_materials_is_cyclonedx() -> None:
    """Each component has name, version and package URL; none is listed twice."""
    bill = json.loads(environment_files()["sbom.cdx.json"])
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    urls = [c["purl"] for c in bill["components"]]
    assert len(urls) == len(set(urls)) > 10
    assert all(c["version"] and c["type"] == "library" for c in bill["components"])


def test_nothing_of_this_machine_is_told() -> None:
    """Neither host name nor home folder nor a moment."""
    for content in environment_files().values():
        text = content.decode()
        assert os.path.expanduser("~") + "/" not in text  # noqa: PTH111
        assert socket.gethostname() not in text
    assert environment_files() == environment_files()
