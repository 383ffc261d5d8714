"""A Trainer that makes each candidate in a spawned process."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tamid.adapters.spawn.handover import read_result, read_study, write_job
from tamid.adapters.spawn.worker import TRAINING, Worker
from tamid.core.errors import TamidError
from tamid.ports import Progress, TrainingJob, TrainingResult

if TYPE_CHECKING:
    import polars as pl

    from tamid.core.learning.advice import Ask, Study
    from tamid.ports import Studier, Trainer


class SpawnTrainer:
    """One process a run; with `warm` it waits for the next run, which then starts at once.

    `studies` is the folder of the search's journals, which outlive a worker. `ahead`: a first run
    is near, and its process begins to import what it takes.
    """

    def __init__(self, studies: Path, *, warm: bool = False, ahead: bool = False) -> None:
        self._studies, self._warm = studies, warm
        self._worker = Worker(ahead=TRAINING) if ahead else None

    def train(self, job: TrainingJob, timeout: timedelta, progress: Progress) -> TrainingResult:
        """Make a candidate; see the port for laws and errors."""
        worker, self._worker = self._worker or Worker(), None
        try:
            with tempfile.TemporaryDirectory(dir=worker.folder) as name:
                folder = Path(name)
                write_job(folder, job)
                request: Mapping[str, str] = {
                    "op": "train",
                    "folder": str(folder),
                    "studies": str(self._studies.resolve()),
                }
                reply = worker.ask(request, timeout.total_seconds(), progress.step)
                result = read_result(folder)
        except TamidError:
            worker.close()
            raise
        except BaseException:
            worker.close()
            raise
        if self._warm:
            self._worker = worker
        else:
            worker.close()
        return dataclasses.replace(result, seconds=reply.seconds, peak_mb=reply.peak_mb)

    def try_out(self, job: TrainingJob, timeout: timedelta) -> Mapping[str, object]:
        """Dry run: load the code, try features on a sample and the pipeline's types; fit nothing.

        Raises:
            UserCodeError, DataError: as training would.
        """
        return self._asked("dry_run", job, timeout)

    def test(self, job: TrainingJob, timeout: timedelta) -> Sequence[Mapping[str, Any]]:
        """Run the generated tests of the code; see the port."""
        found: Sequence[Mapping[str, Any]] = self._asked("test", job, timeout)["results"]
        return found

    def study(
        self, job: TrainingJob, ask: Ask, timeout: timedelta, progress: Progress
    ) -> tuple[Study, pl.DataFrame]:
        """Fit variants of a job's recipe in a process of its own; see the port."""
        worker = Worker()
        try:
            with tempfile.TemporaryDirectory(dir=worker.folder) as name:
                write_job(Path(name), job)
                request = {"op": "study", "folder": name, **dataclasses.asdict(ask)}
                worker.ask(request, timeout.total_seconds(), progress.step)
                return read_study(Path(name))
        finally:
            worker.close()

    def _asked(self, op: str, job: TrainingJob, timeout: timedelta) -> Mapping[str, Any]:
        worker = Worker()
        try:
            with tempfile.TemporaryDirectory(dir=worker.folder) as name:
                write_job(Path(name), job)
                request = {"op": op, "folder": name}
                return dict(worker.ask(request, timeout.total_seconds()).value)
        finally:
            worker.close()

    def close(self) -> None:
        """End the waiting process, if there is one."""
        if self._worker is not None:
            self._worker.close()
            self._worker = None


if TYPE_CHECKING:
    _trainer: Trainer = SpawnTrainer(Path())
    _studier: Studier = SpawnTrainer(Path())
