"""What a model was made with: Python, platform, installed packages, and a bill of materials."""

from __future__ import annotations

import platform
import sys
from collections.abc import Mapping
from functools import lru_cache
from importlib import metadata

from tamid.core.values import canonical_json


@lru_cache(maxsize=1)
def environment_files() -> Mapping[str, bytes]:
    """Return `environment.json` and `sbom.cdx.json` (CycloneDX 1.6), the same on every call.

    Neither holds a moment, a path, a host name or a number of threads.
    """
    packages = _packages()
    about = {
        "python": platform.python_version(),
        "implementation": sys.implementation.name,
        "system": platform.system(),
        "machine": platform.machine(),
        "packages": {name: version for name, version, _ in packages},
    }
    return {
        "environment.json": canonical_json(about).encode(),
        "sbom.cdx.json": canonical_json(_bill(packages)).encode(),
    }


def _packages() -> list[tuple[str, str, str]]:
    """Return name, version and licence of each installed distribution, sorted."""
    found: dict[str, tuple[str, str, str]] = {}
    for distribution in metadata.distributions():
        about = distribution.metadata  # read and parsed anew whenever it is asked for
        name = _said(about, "Name").lower().replace("_", "-")
        if name and name not in found:
            licence = _said(about, "License-Expression") or _said(about, "License")
            version = _said(about, "Version")
            found[name] = (name, version, licence.splitlines()[0] if licence else "")
    return sorted(found.values())


def _said(about: metadata.PackageMetadata, key: str) -> str:
    """Return what a distribution says, "" if nothing: some finders raise for that, some do not."""
    return (about[key] or "") if key in about else ""


def _bill(packages: list[tuple[str, str, str]]) -> Mapping[str, object]:
    components = []
    for name, version, licence in packages:
        part: dict[str, object] = {
            "type": "library",
            "name": name,
            "version": version,
            "purl": f"pkg:pypi/{name}@{version}",
        }
        if licence:
            part["licenses"] = [{"license": {"name": licence[:100]}}]
        components.append(part)
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "components": components,
    }
