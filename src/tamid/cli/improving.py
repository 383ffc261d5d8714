"""`tamid improve`: which next step would make the model better, by how much, and how to take it."""

from __future__ import annotations

import argparse
import math
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from tamid.cli.desk import add_example, add_model, add_words, opened, plotted
from tamid.cli.improve_told import (
    Advice,
    gain_words,
    missing_words,
    run_words,
    span_words,
    told,
)
from tamid.core.errors import UsageError

if TYPE_CHECKING:
    import polars as pl

    from tamid.app import App
    from tamid.cli.output import Output
    from tamid.core.contract.model import Contract

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
    parser.add_argument(
        "--page", type=Path, metavar="FILE", help="draw the steps on one page that stands alone"
    )
    add_model(parser)
    add_words(
        parser,
        "The run's recipe is fitted again on its own pinned rows, each time with one thing",
        "changed, and judged on the rows that the gates judged it by. Gains come with 90 %",
        "intervals, drawn as the gates do; 'shown' survives Holm's correction over all steps. Rows",
        "that are known by now to be wrong take no part. Nothing is recorded or released.",
        "Of a model that was handed over finished that is told which takes no fit: threshold,",
        "slices, labels in doubt, and what each feature is worth to it.",
    )
    add_example(
        parser,
        "tamid improve",
        "tamid improve exp-2 --minutes 20 --seeds 5 --json",
        "tamid improve --page next-steps.html",
    )


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
        if args.page is not None:
            _refuse_nowhere(args.page, "the page is written to a file", "--page")
        rig = app.rig(model)
        found = measure(rig, state, app.records(model), name, args.minutes * 60, args.seeds)
        contract = rig.contract(found.contract)
        count = _write(path, _reviewed(app, contract, found.suspects))
    advice = Advice(
        model=model,
        found=found,
        contract=contract,
        steps=ranked(found.study.findings),
        file=str(path) if count else "",
        suspects=count,
        page="" if args.page is None else str(args.page),
    )
    out.json(told(advice))
    _say(out, advice)
    if args.page is not None:  # last: a page that cannot be written must not cost the study
        from tamid.cli.improve_page import whole_page

        out.text(f"the same with pictures: {plotted(args.page, whole_page(advice))}")
    return 0


def _say(out: Output, advice: Advice) -> None:
    from tamid.core.learning.advised import title

    found, study = advice.found, advice.found.study
    out.text(
        f"{advice.model}, {run_words(found)}: {study.metric} {span_words(study.base)} on "
        f"{study.judged} judged rows; {study.fits} fits in {study.seconds:.0f} s"
    )
    if found.left_out:
        out.text(f"left out, known to be wrong by now: {', '.join(found.left_out)}")
    for place, step in enumerate(advice.steps, 1):
        out.text()
        gain = "" if step.gain is None else f": {gain_words(step)}"
        out.text(f"{place}. {title(step)}{gain}")
        out.text(f"   {step.evidence}")
        for line in advice.lines(step):
            out.text(f"   {line}")
    if not advice.steps:
        out.text("no step could be measured")
    if study.not_measured:
        out.text()
        out.text("not measured:")
        for what, why in missing_words(study):
            out.text(f"  {what}: {why}")
    if advice.file:
        out.text()
        out.text(f"{advice.suspects} labels in doubt: {advice.file}")


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
    _refuse_nowhere(path, "labels in doubt are listed in a file", "--suspects")


def _refuse_nowhere(path: Path, why: str, option: str) -> None:
    """Find before anything is measured that a file could not be written."""
    if not path.absolute().parent.is_dir():
        raise UsageError(
            f"there is no folder {path.absolute().parent}",
            why=why,
            fix=f"Make the folder, or name another file with {option}.",
        )


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
