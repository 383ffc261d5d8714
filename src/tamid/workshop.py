"""The wiring of worker processes, and of their in-process double: it names adapters as app.py does.

A worker runs what the controller never runs: user code, fits, models.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from time import monotonic, perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from tamid.core.errors import MissingExtra, UserCodeError
from tamid.core.values import LABEL, Task

if TYPE_CHECKING:
    import polars as pl

    from tamid.adapters.inline import InlineScorer, InlineTrainer
    from tamid.adapters.sklearn import Store
    from tamid.adapters.spawn import SpawnScorer
    from tamid.adapters.spawn.child import Channel
    from tamid.core.contract.model import Contract
    from tamid.core.learning.bundle import Opened
    from tamid.core.learning.model import Learner, Model, Schema, StoredModel
    from tamid.ports import Blobs, Progress, Signer, TrainingJob, TrainingResult
    from tamid.stages.answering import FeatureCode, Predictor
    from tamid.stages.fitting import Tools

_TINY = "tiny"


def serve() -> None:
    """Run as a worker process: answer train, dry_run, open, score and probe until the end."""
    from tamid.adapters.spawn.child import serve

    opened: dict[str, Predictor] = {}

    def open_bundle(request: Mapping[str, Any], channel: Channel) -> Mapping[str, Any]:
        from tamid.adapters.spawn.handover import read_bundle

        opened["bundle"] = _predictor(read_bundle(Path("bundle")))
        return {}

    def score(request: Mapping[str, Any], channel: Channel) -> Mapping[str, Any]:
        from tamid.adapters.spawn.handover import read_frame
        from tamid.core.stats.calibration import calibration_from

        calibration = calibration_from(request["calibration"])
        predictor = dataclasses.replace(opened["bundle"], calibration=calibration)
        found = predictor.answer(read_frame(Path("rows.arrow")), int(request["reasons"]))
        found.write_ipc("scores.arrow", compression="uncompressed")
        return {"rows": found.height}

    def probe(request: Mapping[str, Any], channel: Channel) -> Mapping[str, Any]:
        from tamid.adapters.spawn.handover import read_frame

        rows = read_frame(Path("rows.arrow"))
        return _probe(opened["bundle"], rows, int(request["repeats"]))

    serve(
        {"train": _train, "dry_run": _dry_run, "open": open_bundle, "score": score, "probe": probe}
    )


def spawn_scorer(blobs: Blobs, signer: Signer) -> SpawnScorer:
    """Return a Scorer whose workers run verified bundles only."""
    from tamid.adapters.spawn import SpawnScorer
    from tamid.stages.packaging import unpack

    return SpawnScorer(lambda bundle, overlay: unpack(bundle, overlay, blobs, signer))


def inline_trainer(*, tiny: bool = False, studies: Path | None = None) -> InlineTrainer:
    """Return a Trainer that runs here; `tiny` takes the learner that needs only numpy."""
    from tamid.adapters.inline import InlineTrainer

    def train(job: TrainingJob, progress: Progress) -> TrainingResult:
        return _candidate(job, studies, progress, tiny=tiny)

    return InlineTrainer(train)


def inline_scorer(blobs: Blobs, signer: Signer) -> InlineScorer:
    """Return a Scorer that verifies bundles and answers here."""
    from tamid.adapters.inline import InlineScorer
    from tamid.stages.packaging import unpack

    ready: dict[tuple[str, str], Predictor] = {}

    def answer(bundle: str, overlay: str, frame: pl.DataFrame, reasons: int) -> pl.DataFrame:
        if (bundle, overlay) not in ready:
            ready[bundle, overlay] = _predictor(unpack(bundle, overlay, blobs, signer))
        return ready[bundle, overlay].answer(frame, reasons)

    return InlineScorer(answer)


def dry_run(job: TrainingJob, *, tiny: bool = False) -> Mapping[str, object]:
    """Load the code, try the features on a sample and the pipeline's types; fit nothing.

    Raises:
        UserCodeError, DataError: as training would.
    """
    from tamid.stages.answering import learn_features, model_frame, try_feature_code
    from tamid.stages.training import check_pipeline

    contract = parse(job.contract)
    tools = _tools(job, contract, None, tiny=tiny)
    check_pipeline(tools.learner)
    if tools.code is not None:
        try_feature_code(job.frame, contract, tools.code)
    features = learn_features(model_frame(job.frame, contract, tools.code))
    return {"features": [f.name for f in features], "rows": job.frame.height}


def parse(text: str) -> Contract:
    """Return a contract that was accepted before, from its text."""
    from tamid.adapters import yaml
    from tamid.core.contract.parse import restore

    return restore(yaml.read(text.encode(), "contract"))


def _train(request: Mapping[str, Any], channel: Channel) -> Mapping[str, Any]:
    from tamid.adapters.spawn.handover import read_job, write_result

    folder = Path(request["folder"])
    result = _candidate(read_job(folder), Path(request["studies"]), channel)
    write_result(folder, result)
    return {"rows": result.rows}


def _dry_run(request: Mapping[str, Any], channel: Channel) -> Mapping[str, Any]:
    from tamid.adapters.spawn.handover import read_job

    return dry_run(read_job(Path(request["folder"])))


def _candidate(
    job: TrainingJob, studies: Path | None, progress: Progress, *, tiny: bool = False
) -> TrainingResult:
    from tamid.stages.bundling import wrap
    from tamid.stages.training import learn

    contract = parse(job.contract)
    tools = _tools(job, contract, studies, tiny=tiny)
    return wrap(learn(job, contract, tools, progress), job, contract, tools)


def _tools(job: TrainingJob, contract: Contract, studies: Path | None, *, tiny: bool) -> Tools:
    from tamid.stages.fitting import Tools

    classes = _classes(job, contract)
    names = [n for n in contract.gates.baselines if n in ("logistic", "ridge")]
    kind = _TINY if tiny else contract.training.model
    entry = contract.features.code
    environment: Mapping[str, bytes] = {}
    if not tiny:
        from tamid.adapters.environment import environment_files

        environment = environment_files()
    searcher = None
    if contract.training.search.trials and studies is not None:
        from tamid.adapters.optuna import OptunaSearcher

        searcher = OptunaSearcher(studies)
    return Tools(
        learner=_learner(kind, contract, job.code, classes),
        baselines={n: _learner(_TINY if tiny else n, contract, {}, classes) for n in names},
        load=_load,
        generator=np.random.default_rng,
        seconds=monotonic,
        code=_feature_code(job.code, entry) if entry else None,
        searcher=searcher,
        environment=environment,
    )


def _classes(job: TrainingJob, contract: Contract) -> int:
    if contract.task is not Task.MULTICLASS:
        return 2
    column = contract.data.schema.get(contract.data.label.column)
    if column is not None and column.allowed:
        return len(column.allowed)
    largest = job.frame.get_column(LABEL).max()
    return int(str(largest).partition(".")[0]) + 1 if largest is not None else 2


def _learner(kind: str, contract: Contract, code: Mapping[str, str], classes: int) -> Learner:
    task, threads = contract.task, contract.training.threads
    if kind == _TINY:
        from tamid.adapters.inline import TinyLearner

        return TinyLearner(task)
    if kind == "lightgbm":
        from tamid.adapters.lightgbm import LightGBMLearner

        return LightGBMLearner(task, classes, threads)
    from tamid.adapters.sklearn import LinearLearner, PipelineLearner

    if kind in ("logistic", "ridge"):
        return LinearLearner(kind, task, _store(), classes)
    from tamid.adapters import usercode

    build = usercode.load(code, kind)
    guarded: Callable[[], Any] = lambda: usercode.guarded(code, kind, build)  # noqa: E731
    return PipelineLearner(guarded, task, _store(), classes)


def _load(stored: StoredModel, schema: Schema) -> Model:
    if stored.format == _TINY:
        from tamid.adapters import inline

        return inline.load(stored)
    if stored.format == "lightgbm-text":
        from tamid.adapters import lightgbm

        return lightgbm.load(stored)
    if stored.format == "skops":
        from tamid.adapters import sklearn

        return sklearn.load(stored, schema.task, _store())
    raise MissingExtra(
        f"this version cannot load models of the format {stored.format!r}",
        why="the bundle was made by a newer version",
        fix="pip install --upgrade 'tamid[loop]'",
    )


def _store() -> Store:
    from tamid.adapters import skops
    from tamid.adapters.sklearn import Store

    return Store(dump=skops.dump, load=skops.load, untrusted=skops.untrusted)


def _feature_code(code: Mapping[str, str], entry: str) -> FeatureCode:
    from tamid.adapters.usercode import feature_code

    return feature_code(code, entry)


def _predictor(opened: Opened) -> Predictor:
    """Make a bundle answer, and refuse one that does not reproduce its golden scores."""
    from tamid.stages.bundling import GOLDEN, golden_difference
    from tamid.stages.packaging import predictor

    ready = predictor(opened, parse, _load, _feature_code)
    difference = golden_difference(ready, json.loads(opened.files[GOLDEN]))
    # Vectorised sums may round differently on another processor; decisions do not live there.
    if difference > 1e-6:
        raise UserCodeError(
            f"the bundle does not reproduce its golden scores (off by {difference:.2g})",
            why="its code or libraries answer otherwise here than where it was trained",
            fix="Install the versions in the bundle's environment.json, or train again here.",
        )
    return ready


def _probe(predictor: Predictor, rows: pl.DataFrame, repeats: int) -> Mapping[str, float]:
    times = []
    for i in range(max(1, repeats)):
        row = rows.slice(i % max(rows.height, 1), 1)
        started = perf_counter()
        predictor.answer(row, 0)
        times.append((perf_counter() - started) * 1000)
    return {
        "p50_ms": float(np.percentile(times, 50)),
        "p99_ms": float(np.percentile(times, 99)),
    }
