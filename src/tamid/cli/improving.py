"""`tamid improve`: which next step would make the model better, by how much, and how to take it."""

from __future__ import annotations

import argparse
import math
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tamid.cli.desk import add_example, add_model, add_words, opened
from tamid.core.errors import UsageError

if TYPE_CHECKING:
    import polars as pl

    from tamid.app import App
    from tamid.cli.output import Output
    from tamid.core.contract.model import Contract
    from tamid.core.learning.advice import Finding
    from tamid.core.values import Interval
    from tamid.stages.improving import Improvement

_MINUTES, _MOST_MINUTES = 5.0, 24 * 60.0
_MOST_SEEDS = 50


def add_improve(parser: ArgumentParser) -> None:
    """Declare the arguments of `improve`."""
    parser.add_argument(
        "run", nargs="?", default="", metavar="RUN",
        help="run-0003, 3, exp-2 or last (default: the run that made the champion)",
    )  # fmt: skip
    parser.add_argument(
        "--minutes", type=_minutes, default=_MINUTES, metavar="N",
        help="what it may take; what is left out is told (5)",
    )  # fmt: skip
    parser.add_argument(
        "--seeds", type=_seeds, default=3, metavar="N",
        help="samples of each size of the learning curve (3)",
    )  # fmt: skip
    parser.add_argument(
        "--suspects", type=Path, metavar="FILE",
        help="where to list labels in doubt, as CSV (suspects-RUN.csv)",
    )  # fmt: skip
    add_model(parser)
    add_words(
        parser,
        "The run's recipe is fitted again on its own pinned rows, each time with one thing",
        "changed, and judged on the rows that the gates judged it by. Gains come with 90 %",
        "intervals, drawn as the gates do; 'shown' survives Holm's correction over all steps. Rows",
        "that are known by now to be wrong take no part. Nothing is recorded or released.",
    )
    add_example(parser, "tamid improve", "tamid improve exp-2 --minutes 20 --seeds 5 --json")


def improve(args: Namespace, out: Output) -> int:
    """Measure possible next steps, and print them with gain, evidence and how to take them."""
    from tamid.core.learning.advice import ranked
    from tamid.core.view.runs import run_named
    from tamid.stages.improving import improve as measure
    from tamid.stages.improving import subject

    with opened(args, out) as app:
        model = app.one(args.model)
        state = app.state(model)
        name = run_named(state, args.run) if args.run else subject(state)
        path = args.suspects or Path(f"suspects-{name}.csv")
        _refuse_there(path)
        rig = app.rig(model)
        found = measure(rig, state, app.records(model), name, args.minutes * 60, args.seeds)
        contract = rig.contract(found.contract)
        count = _write(path, _reviewed(app, contract, found.suspects))
    steps = ranked(found.study.findings)
    file = str(path) if count else ""
    out.json(_told(model, found, contract, steps, file, count))
    _say(out, model, found, contract, steps, file, count)
    return 0


def _say(
    out: Output,
    model: str,
    found: Improvement,
    contract: Contract,
    steps: tuple[Finding, ...],
    file: str,
    count: int,
) -> None:
    from tamid.core.learning.advised import done_by, title

    study = found.study
    version = f" (version {found.version})" if found.version else ""
    out.text(
        f"{model}, {found.run}{version}: {study.metric} {_span(study.base)} on {study.judged} "
        f"judged rows; {study.fits} fits in {study.seconds:.0f} s"
    )
    if found.left_out:
        out.text(f"left out, known to be wrong by now: {', '.join(found.left_out)}")
    for place, step in enumerate(steps, 1):
        out.text()
        gain = "" if step.gain is None else f": {_gain(step)}"
        out.text(f"{place}. {title(step)}{gain}")
        out.text(f"   {step.evidence}")
        losing = step.gain is not None and step.gain.point < 0
        for line in () if losing else done_by(contract, step, file or "the list"):
            out.text(f"   {line}")
        if losing:
            out.text("   leave it as it is")
    if not steps:
        out.text("no step could be measured")
    if study.not_measured:
        out.text()
        out.text("not measured:")
        for what, why in study.not_measured.items():
            out.text(f"  {what.replace('_', ' ')}: {why}")
    if count:
        out.text()
        out.text(f"{count} labels in doubt: {file}")


def _told(
    model: str,
    found: Improvement,
    contract: Contract,
    steps: tuple[Finding, ...],
    file: str,
    count: int,
) -> dict[str, Any]:
    from tamid.core.learning.advised import done_by, title
    from tamid.core.values import jsonable

    study = jsonable(found.study)
    del study["findings"]
    return {
        "model": model,
        "run": found.run,
        "version": found.version,
        "left_out": found.left_out,
        "study": study,
        "steps": [
            {
                "rank": place,
                "title": title(step),
                "do": done_by(contract, step, file or "the list"),
                **jsonable(step),
            }
            for place, step in enumerate(steps, 1)
        ],
        "suspects": {"file": file, "rows": count},
    }


def _reviewed(app: App, contract: Contract, suspects: pl.DataFrame) -> pl.DataFrame:
    """Return the doubtful rows as a person knows them: names of entities and of classes."""
    import polars as pl

    from tamid.core.values import ENTITY, LABEL, PERIOD, TIME, Task

    entities = suspects.get_column(ENTITY).cast(pl.String)
    if app.edges.vault is not None:
        names = app.edges.vault.names(entities.unique().to_list())
        entities = pl.Series([names.get(e) for e in entities.to_list()], dtype=pl.String)
    column = contract.data.schema.get(contract.data.label.column)
    classes = (column.allowed if column else None) or ()
    if contract.task is Task.BINARY:
        classes = ("negative", "positive")
    told = dict(enumerate(classes))

    def named(name: str) -> pl.Series:
        codes = suspects.get_column(name).cast(pl.Int64).to_list()
        return pl.Series([told.get(c, str(c)) for c in codes], dtype=pl.String)

    return pl.DataFrame(
        {
            "entity": entities,
            "as_of": suspects.get_column(TIME),
            "period": suspects.get_column(PERIOD),
            "label": named(LABEL),
            "rather": named("_better"),
            "chance_of_label": suspects.get_column("chance_given"),
            "chance_of_rather": suspects.get_column("chance_better"),
        }
    ).filter(pl.col("entity").is_not_null())


def _write(path: Path, rows: pl.DataFrame) -> int:
    """Write the list of doubtful labels, if there are any; return how many."""
    if rows.is_empty():
        return 0
    try:
        rows.write_csv(path)
    except OSError as error:
        raise UsageError(
            f"{path} cannot be written: {error.strerror or error}",
            why="the labels in doubt must be listed somewhere",
            fix="Name a file that can be written with --suspects.",
        ) from None
    return rows.height


def _refuse_there(path: Path) -> None:
    if path.exists():
        raise UsageError(
            f"{path} is there already",
            why="it may hold somebody's review, and nothing of yours is overwritten",
            fix="Move it away, or name another file with --suspects.",
        )
    if not path.absolute().parent.is_dir():
        raise UsageError(
            f"there is no folder {path.absolute().parent}",
            why="labels in doubt are listed in a file",
            fix="Make the folder, or name another file with --suspects.",
        )


def _gain(step: Finding) -> str:
    assert step.gain is not None
    gain, words = (
        step.gain,
        {"extrapolated": ", extrapolated", "bound": ", at most", "measured": ""},
    )
    text = f"{gain.point:+.4f} ({gain.low:+.4f} to {gain.high:+.4f}{words[step.basis]})"
    if not (math.isfinite(gain.low) or math.isfinite(gain.high)):
        text = f"{gain.point:+.4f} (too few weeks or entities for an interval)"
    return f"{text}, shown" if step.shown else text


def _span(one: Interval) -> str:
    return f"{one.point:.4f} ({one.low:.4f} to {one.high:.4f})"


def _minutes(text: str) -> float:
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if not 0 < found <= _MOST_MINUTES:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of minutes above 0, up to a day")
    return found


def _seeds(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= _MOST_SEEDS:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 to {_MOST_SEEDS}")
    return int(text)
