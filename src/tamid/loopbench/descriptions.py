"""The folder of data sets: one NAME.json of words and one NAME.parquet of rows a set."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tamid.core.errors import DataError
from tamid.core.values import Task

_NEEDED = {"name": str, "task": str, "target": str}
_LISTS = ("drop_for_model", "id_columns", "protected")
_FIX = (
    "Correct the JSON beside the Parquet file: name, task (binary, multiclass or regression), "
    "target, time_column or null, drop_for_model."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """What a set's JSON says that the benchmark goes by; `time` may name no column at all."""

    name: str
    path: Path
    task: Task
    target: str
    positive: Any
    time: str | None
    dropped: frozenset[str]


def read_folder(folder: Path) -> tuple[Description, ...]:
    """Return the descriptions of all sets of a folder, sorted by name.

    Raises:
        DataError: no folder, no set in it, or anything wrong with any description (all at once).
    """
    if not folder.is_dir():
        raise DataError(f"{folder} is no folder", fix="Give a folder: make bench-loop DATA=folder")
    problems: list[str] = []
    found: list[Description] = []
    for path in sorted(folder.glob("*.json")):
        described = _read(path, problems)
        if described is not None:
            found.append(described)
    lonely = {p.stem for p in folder.glob("*.parquet")} - {p.stem for p in folder.glob("*.json")}
    problems += [f"{name}.parquet has no {name}.json beside it" for name in sorted(lonely)]
    if problems:
        raise DataError(
            f"{folder} has {len(problems)} problem(s):\n  " + "\n  ".join(problems), fix=_FIX
        )
    if not found:
        raise DataError(f"{folder} holds no data set (NAME.json with NAME.parquet)", fix=_FIX)
    return tuple(found)


def _read(path: Path, problems: list[str]) -> Description | None:
    before = len(problems)
    try:
        said = json.loads(path.read_text("utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        problems.append(f"{path.name} is not JSON: {error}")
        return None
    if not isinstance(said, Mapping):
        problems.append(f"{path.name} is not a JSON object")
        return None
    for key, kind in _NEEDED.items():
        if not isinstance(said.get(key), kind):
            problems.append(f"{path.name}: {key} is missing or no text")
    if isinstance(said.get("task"), str) and said["task"] not in set(Task):
        problems.append(f"{path.name}: task {said['task']!r} is none of {', '.join(Task)}")
    for key in _LISTS:
        value = said.get(key) or []
        if not isinstance(value, list) or not all(isinstance(x, str) for x in value):
            problems.append(f"{path.name}: {key} is no list of column names")
    if not isinstance(said.get("time_column"), str | None):
        problems.append(f"{path.name}: time_column is neither text nor null")
    rows = path.with_suffix(".parquet")
    if not rows.is_file():
        problems.append(f"{path.name}: {rows.name} is missing")
    return None if len(problems) > before else _described(said, rows)


def _described(said: Mapping[str, Any], rows: Path) -> Description:
    return Description(
        name=said["name"],
        path=rows,
        task=Task(said["task"]),
        target=said["target"],
        positive=said.get("positive"),
        time=said.get("time_column"),
        dropped=frozenset([*(said.get("drop_for_model") or []), *(said.get("id_columns") or [])]),
    )
