"""Tamid keeps a model right in production: one contract, one ledger, one loop.

Public names are resolved on first use, so that `import tamid` stays cheap.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tamid.core.contract.model import Contract
    from tamid.core.errors import TamidError

__version__ = "0.1.0"
__all__ = ["Contract", "Project", "TamidError", "__version__"]

_HOMES = {
    "Contract": "tamid.core.contract.model",
    "Project": "tamid.project",
    "TamidError": "tamid.core.errors",
}


def __getattr__(name: str) -> Any:
    """Import a public name from its home (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module 'tamid' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
