"""The only wiring: it alone names adapters, and imports each on use."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tamid.core.errors import ContractError, NotFound

if TYPE_CHECKING:
    from tamid.core.contract.model import Contract


def load_contract(path: Path) -> Contract:
    """Read, parse and check the contract in a file.

    Raises:
        NotFound: there is no such file; ContractError: all its problems, with lines.
    """
    from zoneinfo import available_timezones

    from tamid.adapters import yaml
    from tamid.core.contract.parse import parse

    try:
        with path.open("rb") as file:
            content = file.read(yaml.MAX_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        raise NotFound(
            f"there is no contract at {path}", fix="Name a contract, or write one: `tamid adopt`."
        ) from None
    except OSError as error:
        why = error.strerror or str(error)
        raise ContractError(
            f"{path} cannot be read", why=why, fix="Name a readable file."
        ) from None
    # Without time zone data on the machine the zone cannot be checked here.
    return parse(yaml.read(content, path.name), name=path.name, zones=available_timezones() or None)
