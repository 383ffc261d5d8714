"""`tamid runs page`: every run, trial and feature on one page that needs nothing from outside."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tamid.cli.desk import add_example, add_model, opened, plotted, scene
from tamid.cli.runs import outcome_words
from tamid.cli.runs_charts import Dot, benefit_picture, scatter, trial_pictures
from tamid.cli.worth import feature_row

if TYPE_CHECKING:
    from tamid.cli.output import Output
    from tamid.core.view.runs import RunSheet

# Runs that the page tells whole; older ones keep their line in the table.
_MOST_WHOLE = 12
_STYLE = """
:root { color-scheme: light dark; --ink: #0f172a; --soft: #64748b; --line: #e2e8f0;
  --paper: #fff; --card: #f8fafc; --good: #0f766e; --try: #b45309; --bad: #9f1239; }
@media (prefers-color-scheme: dark) { :root { --ink: #e2e8f0; --soft: #94a3b8; --line: #263244;
  --paper: #0f172a; --card: #16213a; --good: #2dd4bf; --try: #fbbf24; --bad: #fb7185; } }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 1.5rem auto;
  padding: 0 1rem 4rem; color: var(--ink); background: var(--paper); }
svg { width: 100%; height: auto; font: 12px system-ui, sans-serif; fill: var(--ink); }
.grid { stroke: var(--line); } .soft { fill: var(--soft); color: var(--soft); }
.best { fill: none; stroke: var(--good); stroke-width: 1.5; }
.whisker { stroke: var(--ink); stroke-width: 1.5; }
.tried, .experiment { fill: var(--try); } .won, .version, .sure { fill: var(--good); }
.run { fill: var(--soft); } .held { fill: var(--bad); } .unsure { fill: var(--soft); opacity: .6; }
.many { display: grid; gap: 8px; grid-template-columns: repeat(auto-fill, minmax(230px, 1fr)); }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-size: .88rem; }
td, th { padding: .2rem .8rem .2rem 0; text-align: left; border-bottom: 1px solid var(--line);
  white-space: nowrap; vertical-align: top; } .why { white-space: normal; min-width: 11rem; }
details { border: 1px solid var(--line); border-radius: 8px; padding: .5rem 1rem; margin: .8rem 0;
  background: var(--card); } summary { cursor: pointer; font-weight: 600; }
"""


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
        "<!doctype html>",
        f'<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<style>{_STYLE}</style></head><body><h1>{escape(title)}</h1>",
        f"<p>{_of(len(sheets) - tried, 'run')}, {_of(tried, 'experiment')}. "
        f"{escape(metric)} of each is of the "
        "rows that it was judged on and not fitted on; runs on other weeks had other rows.</p>",
        f'<div class="wide">{_history(metric, sheets)}</div>',
        '<p class="soft">Green: became a version; grey: did not; red: held by a gate; amber: an '
        "experiment, which never becomes one. Point at a dot to read it.</p>",
        f'<div class="wide">{_table(metric, sheets)}</div>',
        *(_whole(sheet, opened=place == 0) for place, sheet in enumerate(told)),
        "</body></html>",
    ]
    return "\n".join(parts)


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
    return _cells(head, rows)


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
            f'<div class="wide">{_cells(head, rows)}</div>',
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
        yield f"<h3>Windows</h3>{_cells(head, rows)}"


def _listed(report: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    return list(report.get(name, ()))


def _value(value: object) -> str:
    return f"{value:.5g}" if isinstance(value, float) else str(value)


def _cells(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    top = "".join(f"<th>{escape(name)}</th>" for name in head)
    lines = []
    for row in rows:
        marks = ["" if n != "why" else ' class="why"' for n in head]
        cells = "".join(
            f"<td{mark}>{escape(cell)}</td>" for mark, cell in zip(marks, row, strict=True)
        )
        lines.append(f"<tr>{cells}</tr>")
    return f"<table><tr>{top}</tr>{''.join(lines)}</table>"
