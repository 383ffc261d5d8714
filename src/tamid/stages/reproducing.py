"""A run made again from what the ledger pinned: equal to the byte, or said where it is not.

Nothing is written. The parameters are the recorded ones, so a search is not repeated.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import polars as pl

from tamid.core import events as ev
from tamid.core.chain import Recorded, verify_chain
from tamid.core.errors import IntegrityError, NotFound, TamidError, UsageError
from tamid.core.fold import fold
from tamid.core.learning.bundle import Manifest, read_manifest
from tamid.core.learning.environment import changed, decisive, in_short
from tamid.core.learning.model import Param
from tamid.core.state import Run
from tamid.core.stats.calibration import calibration_from
from tamid.core.values import ENTITY, TIME, canonical_json, digest_bytes
from tamid.ports import TrainingJob, TrainingResult
from tamid.stages.jobs import job_of
from tamid.stages.naming import cleared
from tamid.stages.registry import judged_frame, overlay_of
from tamid.stages.rig import Rig
from tamid.stages.runbook import read_report

_ENVIRONMENT = ("environment.json", "sbom.cdx.json")
# The folders and files of a bundle, by what they are called in the answer.
_PARTS = {
    "model": "model", "program": "program", "code": "code", "contract.yaml": "contract",
    "environment.json": "environment", "sbom.cdx.json": "environment", "golden.json": "golden rows",
    "profile.json": "profile", "schema.json": "schema", "card.md": "card", "parity.json": "parity",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Reproduction:
    """A run and what came of it when it was made again.

    `equal`: the same bundle, thresholds and scores. `parts`: by what it is, whether it is the same.
    `differs`: where the cause lies (environment, code, data), with `why`; "" if equal.
    """

    run: str
    equal: bool
    model_equal: bool
    recorded: str
    again: str
    parts: Mapping[str, bool]
    differs: str
    why: str
    environment: tuple[str, ...]
    rows: int
    seconds: float


def reproduce(rig: Rig, records: Sequence[Recorded], name: str) -> Reproduction:
    """Train again what a run trained, and compare what comes of it.

    Raises:
        UsageError: the run gave no candidate.
        NotFound: data of the run was cleared away on purpose.
        IntegrityError: what the run rests on is missing or altered, or the ledger's chain broken.
    """
    verify_chain(records)
    whole = fold(records)
    run = whole.every_run[name]
    finished = finished_of(run)
    _refuse_expired(rig, records, run.started, finished)
    manifest = _whole(rig, run.started, finished)
    report = read_report(rig.blobs, finished.report)
    job = job_again(rig, records, run)
    result = rig.trainer.train(
        job, rig.contract(run.started.contract).training.timeout, rig.progress
    )
    parts = {
        **_files(manifest, result),
        "thresholds": _overlay(rig, finished, result),
        "scores": _scores(judged_frame(rig, whole, name), result.judged),
    }
    environment = _environment(rig, manifest, result)
    given = report.get("rows", {}).get("given", 0)
    differs, why = _cause(rig, job, result, parts, environment, given)
    return Reproduction(
        run=name,
        equal=all(parts.values()),
        model_equal=all(parts[p] for p in ("model", "thresholds", "scores")),
        recorded=finished.bundle,
        again=_address(manifest, result),
        parts=parts,
        differs=differs,
        why=why,
        environment=environment,
        rows=job.frame.height,
        seconds=result.seconds,
    )


def finished_of(run: Run) -> ev.RunFinished:
    """Return how a run yielded its candidate. Raises UsageError if it gave none."""
    if run.finished is None:
        raise UsageError(
            f"{run.started.run} gave no candidate to be made again",
            why=run.failed.message if run.failed else "it did not come to its end",
            fix="Name a run with metrics: `tamid runs`.",
        )
    return run.finished


def job_again(rig: Rig, records: Sequence[Recorded], run: Run) -> TrainingJob:
    """Return the job of a run as it was, with the parameters that it found.

    Raises:
        UsageError: the run gave no candidate; NotFound, IntegrityError: what it rests on is gone.
    """
    finished = finished_of(run)
    begun = _beginning(records, run.started.run, finished)
    before = fold(r for r in records if r.seq < begun.seq)
    params: Mapping[str, Param] = read_report(rig.blobs, finished.report).get("params", {})
    return dataclasses.replace(job_of(rig, before, run.started, begun.at), params=params)


def _refuse_expired(
    rig: Rig, records: Sequence[Recorded], started: ev.RunStarted, finished: ev.RunFinished
) -> None:
    """Raise NotFound, with when and by whom, where data of a run was cleared away."""
    pins = [*started.pins, *([finished.judged] if finished.judged else [])]
    gone: dict[str, str] = {}
    for record in records:
        for table, version in cleared([record], rig.blobs):
            if any((pin.table, pin.version) == (table, version) for pin in pins):
                why = f": {record.reason}" if record.reason else ""
                gone[table] = f"on {record.at.date()} by {record.actor} ({record.role.value}){why}"
    if gone:
        raise NotFound(
            f"{started.run} cannot be made again: its data expired ({', '.join(sorted(gone))})",
            why=f"cleared away {'; '.join(sorted(set(gone.values())))}",
            fix="Restore a backup from before, or look at what is recorded: `tamid runs show "
            f"{started.run}`.",
        )


def _whole(rig: Rig, started: ev.RunStarted, finished: ev.RunFinished) -> Manifest:
    """Check all that a run rests on, and return its bundle's manifest. Raises IntegrityError."""
    broken: list[str] = []
    for what, digest in (("contract", started.contract), *sorted(started.code.items())):
        _tried(broken, what, partial(rig.blobs.get, digest))
    pins = [*started.pins, *([finished.judged] if finished.judged else [])]
    for pin in pins:
        _tried(broken, f"table {pin.table}", partial(rig.tables.verify, pin))
    for what, digest in (("bundle", finished.bundle), ("report", finished.report)):
        _tried(broken, what, partial(rig.blobs.get, digest))
    if broken:
        raise IntegrityError(
            f"the record of {started.run} is broken: {'; '.join(broken)}",
            why="a run can be made again only from exactly what it was made from",
        )
    return read_manifest(rig.blobs.get(finished.bundle))


def _tried(broken: list[str], what: str, check: Callable[[], object]) -> None:
    try:
        check()
    except TamidError as error:
        broken.append(f"{what}: {error.what}")


def _beginning(records: Sequence[Recorded], name: str, finished: ev.RunFinished) -> Recorded:
    """Return the start of the attempt that yielded the candidate."""
    end = next(r.seq for r in records if r.event == finished)
    starts = (
        r
        for r in records
        if isinstance(r.event, ev.RunStarted) and r.event.run == name and r.seq < end
    )
    return list(starts)[-1]


def _files(manifest: Manifest, result: TrainingResult) -> dict[str, bool]:
    """Say of each part of the bundle whether its files are the same."""
    again = {path: digest_bytes(content) for path, content in result.files.items()}
    parts: dict[str, bool] = {}
    for path in sorted({*manifest.files, *again}):
        part = _PARTS.get(path.partition("/")[0], path.partition("/")[0])
        parts[part] = parts.get(part, True) and manifest.files.get(path) == again.get(path)
    return parts


def _address(manifest: Manifest, result: TrainingResult) -> str:
    """Return the address that the new files would have as a bundle of the recorded schema."""
    again = {path: digest_bytes(content) for path, content in sorted(result.files.items())}
    return dataclasses.replace(manifest, files=again).digest


def _overlay(rig: Rig, finished: ev.RunFinished, result: TrainingResult) -> bool:
    kept, calibration = overlay_of(rig, finished.overlay), result.overlay["calibration"]
    assert isinstance(calibration, Mapping)
    one = [kept.threshold, kept.calibration, kept.reference]
    two = [result.overlay["threshold"], calibration_from(calibration), result.overlay["reference"]]
    return canonical_json(one) == canonical_json(two)


def _scores(before: pl.DataFrame, after: pl.DataFrame) -> bool:
    """Say whether the judged rows are the same, with the same scores."""
    columns = sorted(set(after.columns))
    if sorted(before.columns) != columns or before.height != after.height:
        return False
    order = [ENTITY, TIME]
    one, two = (frame.select(columns).sort(order, nulls_last=True) for frame in (before, after))
    return all(
        a.to_list() == b.cast(a.dtype).to_list()
        for a, b in zip(one.get_columns(), two.get_columns(), strict=True)
    )


def _environment(rig: Rig, manifest: Manifest, result: TrainingResult) -> tuple[str, ...]:
    name = _ENVIRONMENT[0]
    if name not in manifest.files or name not in result.files:
        return ()
    try:
        return changed(rig.blobs.get(manifest.files[name]), result.files[name])
    except NotFound as error:
        raise IntegrityError(f"{name} of the bundle is missing", why=error.what) from error


def _cause(
    rig: Rig,
    job: TrainingJob,
    result: TrainingResult,
    parts: Mapping[str, bool],
    environment: tuple[str, ...],
    given: int,
) -> tuple[str, str]:
    """Return where the difference lies and why. Only what is left unexplained is tried twice."""
    wrong = [part for part, same in parts.items() if not same]
    if not wrong:
        return "", ""
    if given and given != job.frame.height:
        return "data", f"{given} rows were learnt from then, {job.frame.height} come out now"
    if set(wrong) == {"environment"}:
        return "environment", f"{in_short(environment)}; model, thresholds and scores are the same"
    if decisive(environment):
        return "environment", in_short(decisive(environment))
    third = rig.trainer.train(
        job, rig.contract(digest_bytes(job.contract.encode())).training.timeout, rig.progress
    )
    if third.files != result.files or not third.judged.equals(result.judged):
        return "code", "each time another model: it draws, or reads a clock, without a seed"
    if environment:
        return "environment", in_short(environment)
    return "code", "twice the same now, and not as it was: Tamid or the machine is another one"
