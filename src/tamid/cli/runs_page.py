"""`tamid runs page`: every run, trial and feature on one page that needs nothing from outside."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tamid.cli.desk import add_example, add_model, opened, plotted, scene
from tamid.cli.pages import cells, document
from tamid.cli.runs import outcome_words
from tamid.cli.runs_charts import Dot, benefit_picture, scatter, trial_pictures
from tamid.cli.worth import feature_row

if TYPE_CHECKING:
    from tamid.cli.output import Output
    from tamid.core.view.runs import RunSheet

# Runs that the page tells whole; older ones keep their line in the table.
_MOST_WHOLE = 12


def add_page(parser: ArgumentParser) -> None:
    """Declare the arguments of `runs page`."""
    parser.add_argument(
        "--out", type=Path, default=Path("runs.html"), metavar="FILE", help="(runs.html)"
    )
    add_model(parser)
    add_example(parser, "tamid runs page", "tamid runs page --out public/runs.html")


def page(args: Namespace, out: Output) -> int:
    """Write one HTML file with the runs over time, every search's trials and every feature."""
    from tamid.core.contract.metrics import quality_metric
    from tamid.core.view.build import run_card
    from tamid.stages.runbook import run_sheet

    with opened(args, out) as app:
        here = scene(app, app.one(args.model))
        state = here.state
        sheets = [run_sheet(app.blobs, state, run_card(here, n)) for n in state.every_run]
        written = whole_page(here.model, quality_metric(here.contract), sheets)
    place = plotted(args.out, written)
    out.json({"model": here.model, "page": str(place), "runs": len(sheets)})
    out.text(f"{_of(len(sheets), 'run')} in {place}")
    return 0


def whole_page(model: str, metric: str, sheets: Sequence[RunSheet]) -> str:
    """Return the page as HTML."""
    title = f"{model}: runs and experiments"
    tried = sum(s.card.experiment for s in sheets)
    told = [s for s in reversed(sheets) if s.report][:_MOST_WHOLE]
    parts = [
        f"<p>{_of(len(sheets) - tried, 'run')}, {_of(tried, 'experiment')}. "
        f"{escape(metric)} of each is of the "
        "rows that it was judged on and not fitted on; runs on other weeks had other rows.</p>",
        f'<div class="wide">{_history(metric, sheets)}</div>',
        '<p class="soft">Green: became a version; grey: did not; red: held by a gate; amber: an '
        "experiment, which never becomes one. Point at a dot to read it.</p>",
        f'<div class="wide">{_table(metric, sheets)}</div>',
        *(_whole(sheet, opened=place == 0) for place, sheet in enumerate(told)),
    ]
    return document(title, parts)


def _of(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _history(metric: str, sheets: Sequence[RunSheet]) -> str:
    dots = [
        Dot(
            x=float(place),
            y=sheet.card.metrics[metric],
            kind=_kind(sheet),
            told=f"{sheet.card.run}: {metric} {sheet.card.metrics[metric]:.4f}, "
            f"{outcome_words(sheet.card)}; {sheet.card.reason}",
        )
        for place, sheet in enumerate(sheets)
        if metric in sheet.card.metrics
    ]
    return scatter(dots, x="run", y=metric, names=[s.card.run for s in sheets])


def _kind(sheet: RunSheet) -> str:
    if sheet.card.experiment:
        return "experiment"
    if sheet.card.version:
        return "version"
    return "held" if sheet.card.outcome == "held" else "run"


def _table(metric: str, sheets: Sequence[RunSheet]) -> str:
    from tamid.core.view.runs import short
    from tamid.core.view.scene import moment

    head = ("run", "started", "trigger", "window", "outcome", metric, "data", "recipe", "s", "why")
    rows = []
    for sheet in reversed(sheets):
        card = sheet.card
        value = card.metrics.get(metric)
        rows.append(
            (card.run, moment(card.at), card.trigger, card.window, outcome_words(card),
             "-" if value is None else f"{value:.4f}", short(card.data), short(card.code),
             "-" if card.seconds is None else f"{card.seconds:.1f}", card.why)
        )  # fmt: skip
    return cells(head, rows)


def _whole(sheet: RunSheet, *, opened: bool) -> str:
    """Return one run: parameters, windows, trials, features, gates."""
    report, card = sheet.report, sheet.card
    body = [*_chosen(report)]
    trials = _listed(report, "trials")
    if trials:
        body += ["<h3>Trials</h3>", trial_pictures(trials)]
    features = _listed(report, "features")
    if features:
        head = ("feature", "benefit", "95 % interval", "nulls", "ms per 1,000", "told as early as")
        rows = [tuple("-" if v is None else str(v) for v in feature_row(f)) for f in features]
        body += [
            "<h3>What each feature is worth</h3>",
            f"<p>What {escape(str(report.get('metric')))} loses if the feature is dealt out at "
            "random, with the interval over entities; grey: not shown to help.</p>",
            f'<div class="wide">{benefit_picture(features)}</div>',
            f'<div class="wide">{cells(head, rows)}</div>',
        ]
    if sheet.verdicts:
        lines = "".join(f"<li>{escape(line)}</li>" for line in sheet.verdicts)
        body += ["<h3>Gates</h3>", f"<ul>{lines}</ul>"]
    words = f"{card.run}: {outcome_words(card)}; {card.reason}"
    mark = " open" if opened else ""
    return f"<details{mark}><summary>{escape(words)}</summary>{''.join(body)}</details>"


def _chosen(report: Mapping[str, Any]) -> Iterator[str]:
    params = ", ".join(f"{k} {_value(v)}" for k, v in sorted(report.get("params", {}).items()))
    yield (
        f"<p>Window {escape(str(report.get('window')))}, threshold "
        f"{_value(report.get('threshold'))}{'; ' + escape(params) if params else ''}.</p>"
    )
    windows = _listed(report, "windows")
    if len(windows) > 1:
        head = ("window", str(report.get("metric")), "gain", "standard error")
        rows = [
            (str(w["window"]), f"{w['value']:.4f}", f"{w['gain']:+.4f}", f"{w['error']:.4f}")
            for w in windows
        ]
        yield f"<h3>Windows</h3>{cells(head, rows)}"
    for name, why in sorted(report.get("windows_left_out", {}).items()):
        yield f"<p>Not offered: {escape(name)}, for {escape(why)}.</p>"


def _listed(report: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    return list(report.get(name, ()))


def _value(value: object) -> str:
    return f"{value:.5g}" if isinstance(value, float) else str(value)
