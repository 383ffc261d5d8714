"""The model card: who it is for, what it rests on, what it reached, where it ends."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from tamid.core.contract.model import Contract
from tamid.core.learning.given import NOTHING
from tamid.core.stats.intervals import metric_interval
from tamid.core.stats.metrics import terms
from tamid.core.values import LABEL, PERIOD, WEIGHT
from tamid.ports import GivenModel, TrainingJob
from tamid.stages.filing import numbered
from tamid.stages.profiling import shares_of
from tamid.stages.training import Learnt


def card_of(learnt: Learnt, job: TrainingJob, contract: Contract) -> str:
    """Write the model card: who it is for, what it rests on, what it reached, where it ends."""
    span = job.frame.get_column(PERIOD).cast(pl.String).unique().sort().to_list()
    top = list(shares_of(learnt))[:10]
    lines = [
        f"# {contract.name}",
        "",
        f"Task: {contract.task.value}. Answers for: {contract.data.entity or 'each row'}.",
        f"Quality: {contract.owners.ml_developer}. Service: {contract.owners.mlops_engineer}.",
        f"Used by: {', '.join(contract.consumers) or 'not declared'}.",
        "",
        "## Data",
        f"{job.frame.height} labelled rows from {span[0]} to {span[-1]}.",
        *(_fitted(learnt) if job.given is None else _given(learnt, job.given)),
        "",
        "## Quality on the judged rows",
        *(f"- {name}: {value:.4f}" for name, value in sorted(learnt.metrics.items())),
        "",
        f"Decision threshold: {learnt.threshold:.6f}."
        f" Calibration: {learnt.predictor.calibration.kind}.",
        *([] if learnt.reduced is None else _reduced(learnt.reduced)),
        "",
        "## What moves it most",
        *([f"- {name}: {share:.1%}" for name, share in top] or ["- not measured for this model"]),
        "",
        "## Limits",
        "It answers for rows like those of its data. Words that it never saw count as missing."
        " Quality holds until the monitor says otherwise; see `tamid status`.",
    ]
    if contract.gates.fairness.protected:
        lines += ["", f"Protected: {', '.join(contract.gates.fairness.protected)}."]
    return "\n".join(lines) + "\n"


def _reduced(learnt: Learnt) -> list[str]:
    """Say what the second model reaches, on the same rows."""
    names = ", ".join(f"`{name}`" for name in learnt.predictor.without)
    return [
        "",
        f"## Without {names}",
        *(f"- {name}: {value:.4f}" for name, value in sorted(learnt.metrics.items())),
    ]


def _fitted(learnt: Learnt) -> list[str]:
    return [
        f"Window `{learnt.window}`, {learnt.rows} rows fitted.",
        f"Judged on {learnt.judged.height} rows that neither fit nor choices had seen.",
    ]


def _given(learnt: Learnt, given: GivenModel) -> list[str]:
    """Say where a model comes from that was not fitted here, and what its judges rest on."""
    told = learnt.report["given"]
    assert isinstance(told, Mapping)
    notes = told["notes"]
    assert isinstance(notes, tuple)
    through = {
        "": "It was not said what it has learnt from.",
        NOTHING: "It has learnt from none of these rows.",
    }.get(given.through, f"It has learnt from rows up to the period {given.through}.")
    return [
        f"Handed over as {given.name}, made with {told['made_with']}; nothing was fitted here.",
        through,
        f"Judged on {learnt.judged.height} rows {told['judged']}.",
        *(f"Note: {note}." for note in notes),
    ]


def figures_of(learnt: Learnt, contract: Contract) -> Mapping[str, object]:
    """Return each metric on the judged rows with its 95 % interval, entities kept together."""
    judged, classes = learnt.judged, learnt.predictor.schema.classes
    scores = judged.select([f"class_{name}" for name in classes] or ["score"]).to_numpy()
    given = scores if classes else scores[:, 0]
    found = {}
    for name in sorted(learnt.metrics):
        parts = terms(
            name,
            contract.task,
            judged.get_column(LABEL).to_numpy(),
            given,
            threshold=learnt.threshold,
            weights=judged.get_column(WEIGHT).to_numpy(),
        )
        found[name] = metric_interval(parts, clusters=numbered(judged))
    return {"metrics": found, "rows": judged.height, "threshold": learnt.threshold}
