"""Sources, targets and code of one contract, opened: the half of the wiring that follows it."""

from __future__ import annotations

import os
import secrets
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from tamid.core.errors import NotFound, SinkDown, TamidError, UsageError
from tamid.core.values import digest_bytes

if TYPE_CHECKING:
    from tamid.adapters import keys
    from tamid.core.contract.model import Contract, SinkSpec
    from tamid.ports import Clock, Parcel, Sink, Source
    from tamid.stages.rig import Origin

    KeyFolder = keys.Keys

# Where the signing secret of a webhook is looked for if the contract names none.
WEBHOOK_SECRET = "env:TAMID_WEBHOOK_SECRET"  # noqa: S105 - a name, no secret


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


def sources_of(contract: Contract, folder: Path) -> dict[str, Source]:
    from tamid.adapters.files import FileSource

    data = contract.data
    hidden = data.forbidden
    rows = FileSource(folder, data.source.path, data.source.format, hidden)
    found: dict[str, Source] = {"rows": rows}
    if data.label.source is not None:
        label = data.label.source
        found["labels"] = FileSource(folder, label.path, label.format, hidden)
    for name, table in data.tables.items():
        found[name] = FileSource(folder, table.path, table.format, hidden)
    return found


def sinks_of(contract: Contract, folder: Path, clock: Clock) -> dict[str, Sink]:
    from tamid.core.policy import sink_name

    specs = enumerate(contract.delivery.to, 1)
    return {sink_name(i, spec.kind): _opened(spec, folder, clock) for i, spec in specs}


class Unreachable:
    """A target that could not be opened: it is down until its setting is mended."""

    def __init__(self, why: TamidError) -> None:
        self._why = why

    def deliver(self, parcel: Parcel) -> str:
        """Raise SinkDown with the reason."""
        raise SinkDown(self._why.what, why=self._why.why, fix=self._why.remedy)


def _opened(spec: SinkSpec, folder: Path, clock: Clock) -> Sink:
    try:
        return _sink(spec, folder, clock)
    except TamidError as error:
        return Unreachable(error)


def _sink(spec: SinkSpec, folder: Path, clock: Clock) -> Sink:
    """Open one target. Secrets and addresses come from the environment, by name."""
    target = _secret(spec.target)
    if spec.kind == "sql":
        from tamid.adapters.sql_sink import SqlSink

        return SqlSink(target, spec.table or "scores")
    if spec.kind == "webhook":
        from tamid.adapters.webhook import WebhookSink

        private = os.environ.get("TAMID_WEBHOOK_PRIVATE") == "1"
        return WebhookSink(
            target, _secret(spec.secret or WEBHOOK_SECRET), clock.now, private=private
        )
    place = str(folder / target)
    if spec.kind == "delta":
        from tamid.adapters.delta_sink import DeltaSink

        return DeltaSink(place)
    from tamid.adapters.file_sinks import CsvSink, ParquetSink

    return CsvSink(place) if spec.kind == "csv" else ParquetSink(place)


def _secret(text: str) -> str:
    """Return the text, or what the environment holds for `env:NAME`."""
    if not text.startswith("env:"):
        return text
    name = text.removeprefix("env:")
    if name not in os.environ:
        raise UsageError(
            f"the environment has no {name}",
            why="the contract takes a target or secret from it",
            fix=f"Set {name} before starting Tamid.",
        )
    return os.environ[name]


def keys_in(store: Path) -> KeyFolder:
    """Return the keys of a workspace, with a first one if it had none."""
    from tamid.adapters.keys import Keys

    found = Keys(store / "keys")
    if not found.known():
        found.create()
    return found


def salt_in(path: Path) -> str:
    """Return the secret that keys hashes of entities, made once per workspace."""
    if not path.exists():
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        with os.fdopen(os.open(path, flags, 0o600), "w") as file:
            file.write(secrets.token_hex(32))
    return path.read_text()


def origin_of(contract: Path) -> Origin:
    """Return commit and uncommitted changes of a contract's folder, and what is installed.

    A contract that no repository knows has neither.
    """
    from tamid.adapters.environment import environment_files
    from tamid.stages.rig import Origin

    packages = digest_bytes(environment_files()["environment.json"])
    folder, files = contract.parent, ("*.py", contract.name)
    if not _git(folder, "ls-files", "--", contract.name):
        return Origin(environment=packages)
    dirty = bool(_git(folder, "status", "--porcelain", "--", *files))
    return Origin(git=_git(folder, "rev-parse", "HEAD"), dirty=dirty, environment=packages)


def _git(folder: Path, *words: str) -> str:
    """Return what git says, "" where there is no git or no repository."""
    try:
        found = subprocess.run(
            ["git", *words], cwd=folder, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return ""
    return found.stdout.strip()
