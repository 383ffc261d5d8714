"""Reports of server processes as files: one a process, with a checksum, replaced whole."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tamid.core.trial import ArmCounts
from tamid.core.values import canonical_json
from tamid.ports import ServerReport, TrialReport

if TYPE_CHECKING:
    from tamid.ports import Reports

# Days after which what an ended process told is removed: the controller has long heard it.
_KEEP = 90
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}\Z")


class FileReports:
    """A folder a model, a file a process: a line with the checksum, then JSON."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._swept = folder, False

    def tell(self, model: str, report: ServerReport) -> None:
        """Replace the file of the process. Raises OSError."""
        place = self._place(model)
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not self._swept:
            self._swept = True
            _sweep(place)
        body = canonical_json(report).encode()
        part = place / f".{report.process}.part"
        try:
            with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as f:
                f.write(_sum(body) + b"\n" + body)
            part.replace(place / f"{report.process}.json")
        except OSError:
            with contextlib.suppress(OSError):
                part.unlink()
            raise

    def heard(self, model: str) -> Sequence[ServerReport]:
        """Return what is whole."""
        try:
            paths = sorted(p for p in self._place(model).iterdir() if p.suffix == ".json")
        except OSError:
            return ()
        found = (_read(path) for path in paths if not path.name.startswith("."))
        return tuple(report for report in found if report is not None)

    def _place(self, model: str) -> Path:
        # A name of the contract's grammar: it can lead nowhere else.
        if not _NAME.match(model):
            raise ValueError(f"{model!r} is no name of a model")
        return self._folder / model


def _sum(body: bytes) -> bytes:
    return hashlib.sha256(body).hexdigest().encode()


def _sweep(place: Path) -> None:
    long_ago = time.time() - _KEEP * 86400
    for path in place.iterdir():
        with contextlib.suppress(OSError):
            if path.stat().st_mtime < long_ago:
                path.unlink()


def _read(path: Path) -> ServerReport | None:
    try:
        head, _, body = path.read_bytes().partition(b"\n")
        if head != _sum(body):
            return None
        return _report(json.loads(body))
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def _report(found: Mapping[str, Any]) -> ServerReport:
    trial = found["trial"]
    made = {**found, "changes": tuple(found["changes"]), "trial": None}
    if trial is not None:
        arms = {name: _counts(counts) for name, counts in trial["arms"].items()}
        made["trial"] = TrialReport(**{**trial, "arms": arms})
    return ServerReport(**made)


def _counts(found: Mapping[str, Any]) -> ArmCounts:
    bins = {name: {int(k): v for k, v in found[name].items()} for name in ("scores", "times")}
    return ArmCounts(**{**found, **bins})


if TYPE_CHECKING:
    _reports: Reports = FileReports(Path())
