"""Optional libraries are imported on use; a missing one is answered with its install line."""

from __future__ import annotations

import importlib
from types import ModuleType

from tamid.core.errors import MissingExtra


def need(module: str, extra: str) -> ModuleType:
    """Import `module`, which the extra `extra` installs.

    Raises:
        MissingExtra: the library is not installed; the fix is the exact install line.
        ModuleNotFoundError: the library is there, but another one that it needs is not.

    >>> need("json", "loop").__name__
    'json'
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        library = module.partition(".")[0]
        if (error.name or "").partition(".")[0] != library:
            raise
        raise MissingExtra(
            f"{library} is not installed",
            why=f"this needs the extra `{extra}`, which is not part of plain `tamid`",
            fix=f"pip install 'tamid[{extra}]'",
        ) from error
