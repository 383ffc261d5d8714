"""Uvicorn as a package whose command line is imported on use: a tenth of what a start costs.

Its own `__init__` imports the command line, and click with it, only to name three things. Who has
imported uvicorn before keeps what there is.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any

_NAME = "uvicorn"
_PLACES = {"Config": "config", "Server": "server", "main": "main", "run": "main"}


def _named(name: str) -> Any:
    """Return what uvicorn's `__init__` would have named."""
    if name not in _PLACES:
        raise AttributeError(name)
    return getattr(import_module(f"{_NAME}.{_PLACES[name]}"), name)


def _install() -> None:
    spec = find_spec(_NAME)
    if _NAME in sys.modules or spec is None or spec.submodule_search_locations is None:
        return
    package = ModuleType(_NAME)
    package.__path__ = list(spec.submodule_search_locations)
    package.__spec__, package.__file__ = spec, spec.origin
    package.__getattr__ = _named  # type: ignore[method-assign]
    sys.modules[_NAME] = package


_install()
