"""A worker process: what it answers to."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tamid.adapters.spawn.worker import AHEAD, TRAINING
from tamid.core.errors import TamidError
from tamid.workshop import tools
from tamid.workshop.answers import golden_off, measure, ready, refuse_unlike, run_rule, timed
from tamid.workshop.online import online_handlers
from tamid.workshop.tools import candidate

if TYPE_CHECKING:
    from tamid.adapters.spawn.child import Channel, Handler
    from tamid.stages.answering import Predictor

# What most contracts need for a run: their learner, and the baselines of their gates.
_TO_TRAIN = (
    "tamid.adapters.spawn.handover", "tamid.stages.bundling", "lightgbm", "sklearn.linear_model",
    "sklearn.compose", "sklearn.impute", "sklearn.pipeline", "sklearn.preprocessing",
)  # fmt: skip


def serve() -> None:
    """Run as a worker process: answer what is asked until the end."""
    from tamid.adapters.spawn.child import serve

    _import_ahead(os.environ.pop(AHEAD, ""))
    opened: dict[str, Predictor] = {}
    golden: dict[str, bytes] = {}
    # The user's code may change the working folder.
    here = Path.cwd()

    def open_bundle(request: Mapping[str, Any], channel: Channel) -> Mapping[str, Any]:
        from tamid.adapters import lightgbm
        from tamid.adapters.spawn.handover import read_bundle
        from tamid.stages.golden import GOLDEN

        bundle = read_bundle(here / "bundle")
        if bundle.manifest.schema.format == lightgbm.FORMAT:
            lightgbm.begin_to_predict()
        opened["bundle"] = predictor = ready(bundle)
        golden["rows"] = bundle.files[GOLDEN]
        difference = golden_off(predictor, bundle)
        if request["strict"]:
            refuse_unlike(difference)
        return {"golden_difference": difference}

    def score(request: Mapping[str, Any], channel: Channel) -> Mapping[str, Any]:
        from tamid.adapters.spawn.handover import read_frame
        from tamid.core.stats.calibration import calibration_from

        calibration = calibration_from(request["calibration"])
        predictor = dataclasses.replace(opened["bundle"], calibration=calibration)
        found = predictor.answer(read_frame(here / "rows.arrow"), int(request["reasons"]))
        found.write_ipc(here / "scores.arrow", compression="uncompressed")
        return {"rows": found.height}

    def rule(request: Mapping[str, Any], channel: Channel) -> Mapping[str, Any]:
        from tamid.adapters.spawn.handover import read_files, read_frame

        rows = read_frame(here / "rows.arrow")
        found = run_rule(read_files(here / "rule"), request["code"], rows)
        found.write_ipc(here / "scores.arrow", compression="uncompressed")
        return {"rows": found.height}

    measuring = _measuring(opened, here)
    handlers = {"open": open_bundle, "score": score, "rule": rule, **measuring, **_MAKING}
    serve(handlers | online_handlers(opened, golden, here))


def _measuring(opened: Mapping[str, Predictor], here: Path) -> Mapping[str, Handler]:
    """Return what measures the open bundle: alone, and in turns with another one."""

    def probe(request: Mapping[str, Any], channel: Channel) -> Mapping[str, Any]:
        from tamid.adapters.spawn.handover import read_frame

        rows = read_frame(here / "rows.arrow")
        return measure(opened["bundle"], rows, int(request["repeats"]))

    def turns(request: Mapping[str, Any], channel: Channel) -> Mapping[str, Any]:
        from tamid.adapters.spawn.handover import read_bundle, read_frame
        from tamid.core.latency import TURNS, times_as_long

        mine = timed(opened["bundle"], read_frame(here / "rows.arrow"))
        other = timed(ready(read_bundle(here / "beside")), read_frame(here / "beside.arrow"))
        other(0)  # what is only made when first asked for
        times = times_as_long(mine, other, min(int(request["repeats"]), TURNS))
        return {"times_as_long": times}

    return {"probe": probe, "turns": turns}


def _import_ahead(model_format: str) -> None:
    """Import what it takes to open a bundle of this format, or to train, before anybody asks."""
    if not model_format:
        return
    if model_format == TRAINING:
        with suppress(ImportError):  # told when a contract needs it
            for name in _TO_TRAIN:
                import_module(name)
        return
    from tamid.adapters import lightgbm
    from tamid.adapters.spawn import handover  # noqa: F401
    from tamid.stages import golden, packaging  # noqa: F401

    if model_format == lightgbm.FORMAT:
        with suppress(TamidError):  # told when a bundle needs it
            lightgbm.begin_to_predict()


def _train(request: Mapping[str, Any], channel: Channel) -> Mapping[str, Any]:
    from tamid.adapters.spawn.handover import read_job, write_result

    folder = Path(request["folder"])
    result = candidate(read_job(folder), Path(request["studies"]), channel)
    write_result(folder, result)
    return {"rows": result.rows}


def _dry_run(request: Mapping[str, Any], channel: Channel) -> Mapping[str, Any]:
    from tamid.adapters.spawn.handover import read_job

    return tools.dry_run(read_job(Path(request["folder"])))


def _test(request: Mapping[str, Any], channel: Channel) -> Mapping[str, Any]:
    from tamid.adapters.spawn.handover import read_job

    return {"results": tools.code_tests(read_job(Path(request["folder"])))}


def _study(request: Mapping[str, Any], channel: Channel) -> Mapping[str, Any]:
    from tamid.adapters.spawn.handover import read_job, write_study
    from tamid.core.learning.advice import Ask

    folder = Path(request["folder"])
    ask = Ask(seconds=request["seconds"], seeds=request["seeds"], window=request["window"])
    found, suspects = tools.studied(read_job(folder), ask, channel)
    write_study(folder, found, suspects)
    return {"fits": found.fits}


_MAKING = {"train": _train, "dry_run": _dry_run, "test": _test, "study": _study}
