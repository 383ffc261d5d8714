"""Values handed over as files in a private folder: frames as Arrow IPC, the rest as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tamid.core.learning.advice import Study, study_from
from tamid.core.learning.bundle import Opened, read_manifest, unsealed
from tamid.core.values import jsonable
from tamid.ports import GivenModel, TrainingJob, TrainingResult

if TYPE_CHECKING:
    import polars as pl

_JOB, _FRAME, _RESULT, _JUDGED, _FILES = (
    "job.json", "frame.arrow", "result.json", "judged.arrow", "files",
)  # fmt: skip
_PATHS = "paths.json"
_GIVEN, _MODEL = "given", "model"


def write_job(folder: Path, job: TrainingJob) -> None:
    """Write a job where :func:`read_job` finds it."""
    job.frame.write_ipc(folder / _FRAME, compression="uncompressed")
    rest = {name: getattr(job, name) for name in _JOB_FIELDS}
    if job.given is not None:
        about = {name: getattr(job.given, name) for name in _GIVEN_FIELDS}
        rest["given"] = about
        write_files(folder / _GIVEN, {_MODEL: job.given.content, **job.given.papers})
    (folder / _JOB).write_text(json.dumps(jsonable(rest)), encoding="utf-8")


def read_job(folder: Path) -> TrainingJob:
    """Read what :func:`write_job` wrote."""
    data = json.loads((folder / _JOB).read_text(encoding="utf-8"))
    data["windows"] = {name: tuple(span) for name, span in data["windows"].items()}
    data["holdout"] = tuple(data["holdout"])
    data["out_of_season"] = tuple(data["out_of_season"])
    if "given" in data:
        papers = dict(read_files(folder / _GIVEN))
        content = papers.pop(_MODEL)
        told = {**data["given"], "inputs": tuple(data["given"]["inputs"])}
        data["given"] = GivenModel(content=content, papers=papers, **told)
    return TrainingJob(frame=read_frame(folder / _FRAME), **data)


def write_result(folder: Path, result: TrainingResult) -> None:
    """Write a result where :func:`read_result` finds it."""
    write_files(folder / _FILES, result.files)
    result.judged.write_ipc(folder / _JUDGED, compression="uncompressed")
    rest = {name: getattr(result, name) for name in _RESULT_FIELDS}
    text = json.dumps(jsonable(rest))
    (folder / _RESULT).write_text(text, encoding="utf-8")


def read_result(folder: Path) -> TrainingResult:
    """Read what :func:`write_result` wrote."""
    data: dict[str, Any] = json.loads((folder / _RESULT).read_text(encoding="utf-8"))
    files = read_files(folder / _FILES)
    return TrainingResult(files=files, judged=read_frame(folder / _JUDGED), **data)


def write_study(folder: Path, study: Study, suspects: pl.DataFrame) -> None:
    """Write a study where :func:`read_study` finds it."""
    suspects.write_ipc(folder / _JUDGED, compression="uncompressed")
    (folder / _RESULT).write_text(json.dumps(jsonable(study)), encoding="utf-8")


def read_study(folder: Path) -> tuple[Study, pl.DataFrame]:
    """Read what :func:`write_study` wrote."""
    told = json.loads((folder / _RESULT).read_text(encoding="utf-8"))
    return study_from(told), read_frame(folder / _JUDGED)


def read_frame(path: Path) -> pl.DataFrame:
    """Read a frame into memory, so that its file may go."""
    import polars as pl

    return pl.read_ipc(path.read_bytes())


def write_files(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write files where :func:`read_files` finds them; their paths never become paths here."""
    folder.mkdir()
    paths = sorted(files)
    for number, path in enumerate(paths):
        (folder / str(number)).write_bytes(files[path])
    (folder / _PATHS).write_text(json.dumps(paths), encoding="utf-8")


def read_files(folder: Path) -> Mapping[str, bytes]:
    """Read what :func:`write_files` wrote."""
    paths = json.loads((folder / _PATHS).read_text(encoding="utf-8"))
    return {path: (folder / str(number)).read_bytes() for number, path in enumerate(paths)}


def write_bundle(folder: Path, opened: Opened, sealed_overlay: bytes) -> None:
    """Write a verified bundle."""
    write_files(folder, opened.files)
    (folder / "manifest.json").write_bytes(opened.manifest.content)
    (folder / "overlay.json").write_bytes(sealed_overlay)


def read_bundle(folder: Path) -> Opened:
    """Read what :func:`write_bundle` wrote; the controller has verified it."""
    overlay, _ = unsealed((folder / "overlay.json").read_bytes())
    return Opened(
        manifest=read_manifest((folder / "manifest.json").read_bytes()),
        overlay=overlay,
        files=read_files(folder),
    )


_JOB_FIELDS = (
    "run", "contract", "code", "windows", "holdout", "seed", "degraded", "judge_salt", "resume",
    "params", "held", "out_of_season", "by_weeks",
)  # fmt: skip
_GIVEN_FIELDS = ("name", "kind", "inputs", "through")
_RESULT_FIELDS = (
    "overlay", "window", "report", "metrics", "rows", "seconds", "peak_mb",
)  # fmt: skip
