"""The tools of a training run: learners, feature code and search, by the contract's words."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

import numpy as np

from tamid.core.compiled.xgboost_file import compile_json
from tamid.core.errors import MissingExtra, Uncompilable
from tamid.core.values import LABEL, Task
from tamid.workshop.given import Handed, xgboost_model
from tamid.workshop.stores import sklearn_store

if TYPE_CHECKING:
    import polars as pl

    from tamid.adapters.inline import InlineTrainer
    from tamid.core.compiled.program import Program
    from tamid.core.contract.model import Contract
    from tamid.core.learning.advice import Ask, Study
    from tamid.core.learning.model import Learner, Model, Schema, StoredModel
    from tamid.ports import Progress, TrainingJob, TrainingResult
    from tamid.stages.answering import FeatureCode
    from tamid.stages.fitting import Tools

_TINY = "tiny"
# Rows on which a model that is handed over is asked before anything is recorded.
_TRIED = 2_000


def inline_trainer(*, tiny: bool = False, studies: Path | None = None) -> InlineTrainer:
    """Return a Trainer that runs here; `tiny` takes the learner that needs only numpy."""
    from tamid.adapters.inline import InlineTrainer

    def train(job: TrainingJob, progress: Progress) -> TrainingResult:
        return candidate(job, studies, progress, tiny=tiny)

    def study(job: TrainingJob, ask: Ask, progress: Progress) -> tuple[Study, pl.DataFrame]:
        return studied(job, ask, progress, tiny=tiny)

    return InlineTrainer(train, study)


def bare_learner(task: Task, classes: int, threads: int = 1) -> Learner:
    """Return gradient boosted trees without a contract, for benchmarks on arrays."""
    from tamid.adapters.lightgbm import LightGBMLearner

    return LightGBMLearner(task, classes, threads)


def learner_of(contract: Contract, code: Mapping[str, str], classes: int) -> Learner:
    """Return the learner that a contract names, with the user's code where it is that."""
    return _learner(contract.training.model, contract, code, classes)


def dry_run(job: TrainingJob, *, tiny: bool = False) -> Mapping[str, object]:
    """Load the code, try the features on a sample and the pipeline's types; fit nothing.

    A model that was handed over is matched with the columns and asked for some rows.

    Raises:
        UserCodeError, DataError: as training would.
    """
    from tamid.stages.answering import (
        emptied,
        encode,
        learn_features,
        model_frame,
        try_feature_code,
    )
    from tamid.stages.training import check_pipeline

    contract = parse(job.contract)
    tools = _tools(job, contract, None, tiny=tiny)
    check_pipeline(tools.learner)
    if tools.code is not None:
        try_feature_code(job.frame, contract, tools.code)
    if contract.training.reduced:
        model_frame(emptied(job.frame, contract.training.reduced), contract, tools.code)
    made = model_frame(job.frame, contract, tools.code)
    if tools.features is None:
        features = learn_features(made)
    else:
        features = tools.features(made)
        some = encode(made.head(_TRIED).select(f.name for f in features), features)
        zeros = np.zeros(len(some))
        tools.learner.fit(some, zeros, zeros, {}, job.seed)
    return {"features": [f.name for f in features], "rows": job.frame.height}


def code_tests(job: TrainingJob, *, tiny: bool = False) -> list[dict[str, Any]]:
    """Run the generated tests of a job's code; return what came of each as JSON values.

    Raises:
        UserCodeError: the code cannot be loaded.
    """
    from tamid.core.values import jsonable
    from tamid.stages.selftests import run_tests

    contract = parse(job.contract)
    results = run_tests(job, contract, _tools(job, contract, None, tiny=tiny))
    return [jsonable(result) for result in results]


def studied(
    job: TrainingJob, ask: Ask, progress: Progress, *, tiny: bool = False
) -> tuple[Study, pl.DataFrame]:
    """Fit variants of a job's recipe; return what each would bring, and labels in doubt."""
    from tamid.stages.studying import study

    contract = parse(job.contract)
    return study(job, contract, _tools(job, contract, None, tiny=tiny), ask, progress)


@functools.lru_cache(maxsize=32)
def parse(text: str) -> Contract:
    """Return a contract that was accepted before, from its text."""
    from tamid.adapters import yaml
    from tamid.core.contract.parse import restore

    return restore(yaml.read(text.encode(), "contract"))


def candidate(
    job: TrainingJob, studies: Path | None, progress: Progress, *, tiny: bool = False
) -> TrainingResult:
    from tamid.stages.bundling import wrap
    from tamid.stages.handed import learn_given
    from tamid.stages.reducing import with_reduced
    from tamid.stages.training import learn

    contract = parse(job.contract)
    tools = _tools(job, contract, studies, tiny=tiny)
    make = learn if job.given is None else learn_given
    learnt = make(job, contract, tools, progress)
    learnt = with_reduced(learnt, job, contract, tools, progress)
    return wrap(learnt, job, contract, tools)


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
    handed = Handed(job.given, contract) if job.given is not None else None
    return Tools(
        learner=handed or _learner(kind, contract, job.code, classes),
        baselines={n: _learner(_TINY if tiny else n, contract, {}, classes) for n in names},
        load=load_model,
        compiler=compile_model,
        generator=np.random.default_rng,
        seconds=monotonic,
        code=load_features(job.code, entry) if entry else None,
        searcher=searcher,
        environment=environment,
        features=handed.features if handed else None,
        recipe=handed.recipe() if handed else None,
        told=handed.told if handed else {},
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
        return LinearLearner(kind, task, sklearn_store(), classes)
    from tamid.adapters import usercode

    build = usercode.load(code, kind)
    guarded: Callable[[], Any] = lambda: usercode.guarded(code, kind, build)  # noqa: E731
    return PipelineLearner(guarded, task, sklearn_store(), classes)


def load_model(stored: StoredModel, schema: Schema) -> Model:
    if stored.format == _TINY:
        from tamid.adapters import inline

        return inline.load(stored)
    if stored.format == "lightgbm-text":
        from tamid.adapters import lightgbm

        return lightgbm.load(stored)
    if stored.format == "skops":
        from tamid.adapters import sklearn

        return sklearn.load(stored, schema.task, sklearn_store())
    if stored.format == "xgboost-json":
        return xgboost_model(stored, schema)
    if stored.format == "onnx":
        from tamid.adapters import onnx

        return onnx.load(stored, schema.task)
    raise MissingExtra(
        f"this version cannot load models of the format {stored.format!r}",
        why="the bundle was made by a newer version",
        fix="pip install --upgrade 'tamid[loop]'",
    )


def compile_model(stored: StoredModel, schema: Schema) -> Program:
    """Return a stored model as a program.

    Raises:
        Uncompilable: it uses what a program does not know; the message says what.
    """
    from tamid.core.compiled.bundled import TEXT_FORMAT, compile_text

    if stored.format == _TINY:
        from tamid.adapters import inline

        return inline.compiled(stored, schema)
    if stored.format == TEXT_FORMAT:
        return compile_text(stored.files["model.txt"].decode(), schema)
    if stored.format == "skops":
        from tamid.adapters import sklearn

        return sklearn.compiled(sklearn.load(stored, schema.task, sklearn_store()), schema)
    if stored.format == "xgboost-json":
        return compile_json(json.loads(stored.files["model.json"]), schema)
    raise Uncompilable(f"models of the format {stored.format!r} have no program")


def load_features(code: Mapping[str, str], entry: str) -> FeatureCode:
    from tamid.adapters.usercode import feature_code

    return feature_code(code, entry)
