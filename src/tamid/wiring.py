"""A contract's file, and its sources and code opened: the wiring that follows it."""

from __future__ import annotations

import functools
import os
import re
import secrets
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tamid.core.contract.running import ACTIONS
from tamid.core.errors import ContractError, NotFound
from tamid.core.values import digest_bytes
from tamid.views import known_zones, pinned

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tamid.adapters import keys
    from tamid.adapters.bookmark import Bookmark
    from tamid.adapters.lookup import LookupFile
    from tamid.adapters.own_tests import OwnTests
    from tamid.core.contract import inputs, running
    from tamid.core.contract.model import Contract
    from tamid.ports import Mirror, Signer, Source, Spool
    from tamid.stages.rig import Origin

    KeyFolder = keys.Keys
    _Given = inputs.Source | inputs.EventTable | running.Actions

_NAME = re.compile(r"^name:\s*([A-Za-z0-9][A-Za-z0-9._-]{0,99})\s*$", re.MULTILINE)


def name_in(path: Path) -> str:
    """Return the model's name, if need be from a contract that has problems elsewhere."""
    try:
        return load_contract(path).name
    except ContractError:
        with suppress(OSError):
            if named := _NAME.search(path.read_text("utf-8", errors="replace")):
                return named[1]
        raise


def load_contract(path: Path) -> Contract:
    """Read, parse and check the contract in a file.

    Raises:
        NotFound: there is no such file; ContractError: all its problems, with lines.
    """
    content = _content(path)
    here, cwd = path.absolute(), Path.cwd()
    name = str(here.relative_to(cwd) if here.is_relative_to(cwd) else path)
    return _parsed(content, name, pinned(path, content, name))


def contract_text(path: Path) -> str:
    """Return a contract's text, and behind it what the feature views say that it uses."""
    content = _content(path)
    block = pinned(path, content, path.name)
    text = content.decode("utf-8")
    return _with_block(text, block) if block else text


def _with_block(text: str, block: str) -> str:
    return text.rstrip("\n") + f"\n{block}"


def _content(path: Path) -> bytes:
    from tamid.adapters import yaml

    try:
        with path.open("rb") as file:
            return file.read(yaml.MAX_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        raise NotFound(
            f"there is no contract at {path}", fix="Name a contract, or begin with `tamid init`."
        ) from None
    except OSError as error:
        why = error.strerror or str(error)
        raise ContractError(
            f"{path} cannot be read", why=why, fix="Name a readable file."
        ) from None


@functools.lru_cache(maxsize=32)
def _parsed(content: bytes, name: str, block: str) -> Contract:
    # A turn reads the same text several times, and parsing it takes longer than most acts.
    from tamid.adapters import yaml
    from tamid.core.contract.parse import parse

    if block:
        content = _with_block(content.decode("utf-8"), block).encode()
    # Without time zone data on the machine the zone cannot be checked here.
    return parse(yaml.read(content, name), name=name, zones=known_zones() or None)


def user_code(contract: Contract, folder: Path) -> dict[str, str]:
    """Return the user's code: every .py beside the files that the contract names."""
    named = [contract.features.code, contract.training.model]
    named += [rung.code for rung in contract.service.fallback]
    files = sorted({name.split(":")[0] for name in named if name and ".py:" in name})
    found: dict[str, str] = {}
    for name in files:
        path = folder / name
        if not path.is_file():
            raise NotFound(f"the contract names {name}, which does not exist", fix="Add the file.")
        for beside in sorted(path.parent.glob("*.py")):
            found[str(beside.relative_to(folder))] = beside.read_text("utf-8")
    return found


def written_in(contract: Path) -> tuple[str, dict[str, str]]:
    """Return a contract's text and the user's code as they stand. Raises ContractError."""
    return contract_text(contract), user_code(load_contract(contract), contract.parent)


def sources_of(contract: Contract, folder: Path, place: Path | None = None) -> dict[str, Source]:
    """Return the sources of a contract, by name; `place`: where the rows are instead."""
    from tamid.core.contract.column_types import label_kinds, row_kinds, table_kinds

    data = contract.data
    hidden = data.forbidden
    given = data.source if place is None else replace(data.source, path=place.name)
    found = {"rows": _source(place.parent if place else folder, given, hidden, row_kinds(contract))}
    if data.label.source is not None:
        found["labels"] = _source(folder, data.label.source, hidden, label_kinds(contract))
    if contract.delivery.actions is not None:
        found[ACTIONS] = opened_actions(contract.delivery.actions, contract, folder)
    for name, table in data.tables.items():
        unread = contract.views[name].forbidden if name in contract.views else hidden
        found[name] = _source(folder, table, unread, table_kinds(table))
    return found


def opened_actions(actions: running.Actions, contract: Contract, folder: Path) -> Source:
    """Return the source of what campaigns did."""
    from tamid.core.contract.column_types import action_kinds

    return _source(folder, actions, contract.data.forbidden, action_kinds(actions))


def _source(
    folder: Path, spec: _Given, hidden: tuple[str, ...], kinds: Mapping[str, str]
) -> Source:
    """Open one source: a URL names objects in a store, `.dvc` pointers of DVC, all else files."""
    from tamid.adapters.dvc import POINTER, DvcSource
    from tamid.adapters.files import FileSource
    from tamid.adapters.objects import ObjectSource, is_url

    if is_url(spec.path):
        return ObjectSource(spec.path, spec.format, hidden, csv=spec.csv, kinds=kinds)
    kind = DvcSource if spec.path.endswith(POINTER) else FileSource
    return kind(folder, spec.path, spec.format, hidden, csv=spec.csv, kinds=kinds)


def lookup_in(store: Path, model: str) -> LookupFile:
    """Return what servers of a model look up by entity."""
    from tamid.adapters.lookup import LookupFile

    return LookupFile(store / "online" / f"{model}.sqlite")


def spool_in(store: Path, model: str) -> Spool:
    """Return where servers of a model leave what they have to tell."""
    from tamid.adapters.spool import FileSpool

    return FileSpool(store / "spool" / model)


def mirror_of(uri: str, model: str) -> Mirror:
    """Return what shows a model on a tracking server. Raises MissingExtra."""
    from tamid.adapters.mlflow import MlflowMirror

    return MlflowMirror(uri, model)


def bookmark_in(store: Path, model: str, uri: str) -> Bookmark:
    """Return how far a model is shown on a tracking server."""
    from tamid.adapters.bookmark import Bookmark

    return Bookmark(store / "mirror", f"{model}@{digest_bytes(uri.encode())[7:19]}")


def keys_in(store: Path) -> KeyFolder:
    """Return the keys of a workspace, with a first one if it had none."""
    from tamid.adapters.keys import Keys

    found = Keys(store / "keys")
    if not found.known():
        found.create()
    return found


def trust_of(folder: Path) -> Signer:
    """Return what verifies by the public keys below a folder laid out as `.tamid/keys`."""
    from tamid.adapters.keys import Keys

    return Keys(folder)


def salt_in(path: Path) -> str:
    """Return the secret that keys hashes of entities, made once per workspace."""
    if not path.exists():
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        with os.fdopen(os.open(path, flags, 0o600), "w") as file:
            file.write(secrets.token_hex(32))
    return path.read_text()


def environment_here() -> bytes:
    """Return the `environment.json` of this installation."""
    from tamid.adapters.environment import environment_files

    return environment_files()["environment.json"]


def own_tests_of(folder: Path, timeout_s: float) -> OwnTests | None:
    """Run the user's own tests in a contract's folder; None where there are none."""
    from tamid.adapters.own_tests import own_tests

    return own_tests(folder, timeout_s)


def origin_of(contract: Path) -> Origin:
    """Return commit, branch and uncommitted changes of a contract's folder, and what is installed.

    A contract that no repository knows has neither.
    """
    from tamid.adapters.git import GitRepository
    from tamid.stages.rig import Origin

    packages = digest_bytes(environment_here())
    found = GitRepository(contract.parent).standing(("*.py", contract.name), contract.name)
    if found is None:
        return Origin(environment=packages)
    return Origin(
        git=found.commit,
        dirty=bool(found.changed),
        environment=packages,
        branch=found.branch,
        changed=found.changed,
        diff=found.diff,
    )
