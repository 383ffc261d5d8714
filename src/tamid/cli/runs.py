"""`tamid runs`, `runs show` and `runs diff`: what was tried, on what, and what came of it."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tamid.cli.desk import add_example, add_model, add_words, chosen, opened, scene
from tamid.cli.worth import feature_lines

if TYPE_CHECKING:
    from tamid.cli.output import Output
    from tamid.core.view.runs import RunsDiffer, RunSheet
    from tamid.core.view.snapshot import RunCard

# Lines of a file's difference that a terminal shows; --json has all.
_MOST_LINES = 40
# Of a search the best trials are shown.
_MOST_TRIALS = 5


def add_runs(parser: ArgumentParser) -> None:
    """Declare the arguments of `runs`."""
    parser.add_argument("--experiments", action="store_true", help="only experiments")
    add_model(parser)
    add_words(
        parser,
        "`data` is a digest over all tables and periods that a run was given, `recipe` over",
        "contract and code: what is equal there was equal. A commit with a star was not clean.",
    )
    add_example(parser, "tamid runs", "tamid runs --experiments", "tamid runs show last")


def runs(args: Namespace, out: Output) -> int:
    """List every run with its outcome, its metrics, its pins and its cost."""
    from tamid.core.contract.metrics import quality_metric
    from tamid.core.view.build import run_card

    with opened(args, out) as app:
        found, metrics = {}, {}
        for model in chosen(app, args.model):
            here = scene(app, model)
            cards = [run_card(here, name) for name in here.state.every_run]
            found[model] = [c for c in cards if c.experiment or not args.experiments]
            metrics[model] = quality_metric(here.contract)
    out.json({"models": found})
    for model, cards in found.items():
        if not cards:
            what = "experiment" if args.experiments else "run"
            out.text(f"{model}: no {what} yet")
            continue
        metric = metrics[model]
        columns = ("model", "run", "started", "trigger", "window", "outcome", metric, "data",
                   "recipe", "commit", "s", "version", "why")  # fmt: skip
        out.table(columns, [(model, *_row(card, metric)) for card in cards])
    return 0


def _row(card: RunCard, metric: str) -> tuple[object, ...]:
    from tamid.core.view.runs import short

    return (
        card.run, _moment(card.at), card.trigger, card.window, outcome_words(card),
        card.metrics.get(metric), short(card.data), short(card.code), _commit(card),
        None if card.seconds is None else round(card.seconds, 1), card.version or None, card.why,
    )  # fmt: skip


def outcome_words(card: RunCard) -> str:
    """Return how a run ended; of an experiment what the gates would have said."""
    if not card.experiment:
        return card.outcome
    words = {"promote": "would pass", "keep": "no better", "held": "would be held"}
    return words.get(card.outcome, card.outcome)


def _commit(card: RunCard) -> str | None:
    return card.git[:7] + ("*" if card.dirty else "") if card.git else None


def add_show(parser: ArgumentParser) -> None:
    """Declare the arguments of `runs show`."""
    parser.add_argument("run", metavar="RUN", help="run-0003, 3, exp-2, or last")
    add_model(parser)
    add_example(parser, "tamid runs show 3", "tamid runs show last --json")


def show(args: Namespace, out: Output) -> int:
    """Tell all about one run: what it was given, what was tried, chosen, measured and judged."""
    from tamid.core.view.build import run_card
    from tamid.core.view.runs import run_named
    from tamid.stages.runbook import run_sheet

    with opened(args, out) as app:
        here = scene(app, app.one(args.model))
        name = run_named(here.state, args.run)
        sheet = run_sheet(app.blobs, here.state, run_card(here, name))
    out.json({"model": here.model, "run": sheet})
    for line in sheet_lines(sheet):
        out.text(line)
    return 0


def sheet_lines(sheet: RunSheet) -> Iterator[str]:
    """Yield the lines of a run."""
    card = sheet.card
    kind = "an experiment, never a version" if card.experiment else card.trigger
    yield f"{card.run}, {_moment(card.at)} ({kind}): {card.reason}"
    yield f"  outcome      {outcome_words(card)}" + (f": {card.why}" if card.why else "")
    if card.version:
        yield f"  version      {card.version}"
    yield from _given(sheet)
    yield from _learnt(sheet.report)
    if card.metrics:
        on = f", judged on {_span(sheet.judged_on)}" if sheet.judged_on else ""
        yield f"  metrics      on rows that it was not fitted on{on}"
        for name, value in sorted(card.metrics.items()):
            yield f"    {name:<22}{value:.4g}"
    yield from feature_lines(sheet.report)
    if sheet.verdicts:
        yield "  gates"
        yield from (f"    {line}" for line in sheet.verdicts)
    if sheet.bundle:
        yield f"  bundle       {sheet.bundle}"
        yield f"  make it again: `tamid reproduce {card.run}`"


def _given(sheet: RunSheet) -> Iterator[str]:
    from tamid.core.view.runs import short

    if sheet.git:
        branch = f" on {sheet.branch}" if sheet.branch else ""
        yield f"  commit       {sheet.git[:12]}{branch}"
    if sheet.changed:
        yield f"  uncommitted  {', '.join(sheet.changed)}"
    yield f"  contract     {short(sheet.contract)}, seed {sheet.seed}"
    for path, digest in sorted(sheet.code.items()):
        yield f"  code         {path} {short(digest)}"
    for pin in sheet.pins:
        yield f"  data         {pin.table} version {pin.version}, {short(pin.digest)}"
    if sheet.periods:
        yield f"  periods      {_span(sheet.periods)}"
    if sheet.environment:
        yield f"  environment  {short(sheet.environment)}"
    if sheet.card.seconds is not None:
        yield (
            f"  cost         {sheet.card.seconds:.1f} s, {sheet.peak_mb:.0f} MB, "
            f"{sheet.rows} rows learnt from"
        )


def _learnt(report: Mapping[str, Any]) -> Iterator[str]:
    if not report:
        return
    for step, (before, after, changed) in sorted(report.get("cleaned", {}).items(), key=_place):
        rows = f"{before} rows before, {after} after"
        yield f"  cleaned      {step}: {rows}, {changed} values changed"
    yield f"  window       {report.get('window')}, threshold {_number(report.get('threshold'))}"
    for one in report.get("windows", ()):
        yield (
            f"    tried {one['window']:<14}{report.get('metric')} {one['value']:.4g}, "
            f"gain {one['gain']:+.4f} ± {one['error']:.4f}"
        )
    for name, why in sorted(report.get("windows_left_out", {}).items()):
        yield f"    no    {name:<14}{why}"
    for name, value in sorted(report.get("params", {}).items()):
        yield f"  parameter    {name} = {_number(value)}"
    trials = sorted(report.get("trials", ()), key=lambda t: (t["loss"], t["number"]))
    if trials:
        yield f"  trials       {len(trials)}, the best of them:"
    for trial in trials[:_MOST_TRIALS]:
        told = ", ".join(f"{k} {_number(v)}" for k, v in sorted(trial["params"].items()))
        yield f"    trial {trial['number']:<4} loss {trial['loss']:.5f}: {told}"


def _place(step: tuple[str, object]) -> int:
    return int(step[0].partition(" ")[0])


def add_diff(parser: ArgumentParser) -> None:
    """Declare the arguments of `runs diff`."""
    parser.add_argument("one", metavar="A", help="run-0003, 3, exp-2, or last")
    parser.add_argument("two", metavar="B", help="the other run")
    add_model(parser)
    add_words(
        parser,
        "Parameters, data, code, environment and metrics. The metrics of each are of the rows that",
        "its own run was judged on; the difference with an interval is on rows that both share.",
    )
    add_example(parser, "tamid runs diff 1 2", "tamid runs diff run-0003 exp-1 --json")


def diff(args: Namespace, out: Output) -> int:
    """Say in what two runs differ, and what it did to the metrics."""
    from tamid.core.view.runs import run_named
    from tamid.stages.runbook import differences

    with opened(args, out) as app:
        model = app.one(args.model)
        state = app.state(model)
        one, two = (run_named(state, text) for text in (args.one, args.two))
        found = differences(app.rig(model), state, one, two)
    out.json({"model": model, "diff": found, "same_inputs": found.same_inputs})
    for line in diff_lines(found):
        out.text(line)
    return 0


def diff_lines(found: RunsDiffer) -> Iterator[str]:
    """Yield the lines of a difference."""
    yield f"{found.one} -> {found.two}"
    if found.same_inputs:
        yield "  the same parameters, data, code and environment"
    for title, changes in (("parameters", found.parameters), ("data", found.data)):
        if changes:
            yield f"  {title}"
            yield from (f"    {c.name}: {c.before} -> {c.after}" for c in changes)
    if found.code:
        yield "  code"
    for file in found.code:
        yield f"    {file.path} {file.how}"
        yield from (f"      {line}" for line in _cut(file.lines))
    if found.environment:
        yield "  environment"
        yield from (f"    {line}" for line in found.environment)
    yield "  metrics (each on the rows that its own run was judged on)"
    for pair in found.metrics:
        before, after = _number(pair.before), _number(pair.after)
        gain = ""
        if pair.before is not None and pair.after is not None:
            gain = f"  {pair.after - pair.before:+.4g}"
        yield f"    {pair.name:<22}{before:>10} -> {after:>10}{gain}"
    yield f"  {shared_words(found)}"


def shared_words(found: RunsDiffer) -> str:
    """Return what the rows that both runs were judged on say."""
    if found.shared is None:
        return f"they share {found.shared_rows} judged rows: too few to compare them fairly"
    gap = found.shared
    sure = "" if gap.low > 0 or gap.high < 0 else ", which may be chance"
    return (
        f"on the {found.shared_rows} rows that both were judged on {found.metric} differs by "
        f"{gap.point:+.4f} ({gap.low:+.4f} to {gap.high:+.4f}){sure}"
    )


def _cut(lines: Sequence[str]) -> Iterator[str]:
    yield from lines[:_MOST_LINES]
    if len(lines) > _MOST_LINES:
        yield f"... {len(lines) - _MOST_LINES} more lines"


def _span(periods: tuple[str, ...]) -> str:
    return f"{min(periods)} to {max(periods)} ({len(periods)} periods)"


def _number(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.5g}"
    return "-" if value is None else str(value)


def _moment(at: object) -> str:
    from datetime import datetime

    from tamid.core.view.scene import moment

    return moment(at) if isinstance(at, datetime) else "-"
