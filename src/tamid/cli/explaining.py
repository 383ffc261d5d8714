"""`tamid explain`: everything known about one entity, or about one answer."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from typing import TYPE_CHECKING

from tamid.cli.desk import add_example, add_model, chosen, opened

if TYPE_CHECKING:
    from tamid.cli.output import Output
    from tamid.upkeep.explain import Answer, Dossier

# More rows or answers of one kind than this are told by --json only.
_MOST = 5


def add_explain(parser: ArgumentParser) -> None:
    """Declare the arguments of `explain`."""
    parser.add_argument(
        "asked",
        metavar="ENTITY|PREDICTION",
        help="an entity as its source names it, or an answer's id",
    )
    add_model(parser)
    add_example(
        parser,
        "tamid explain 4711",
        "tamid explain 0899b6f2-01f2-8a31-a4c0-1f0c2d3e4b5a --model churn",
        "tamid explain 4711 --json > dossier.json",
    )


def explain(args: Namespace, out: Output) -> int:
    """Tell rows, labels, answers with who decided and what moved them, and every place it is in."""
    from tamid.upkeep.explain import explain as ask

    with opened(args, out) as app:
        found = ask(app, args.asked, chosen(app, args.model))
    out.json({"asked": args.asked, "models": {one.model: one for one in found}})
    for place, one in enumerate(found):
        if place:
            out.text()
        for line in _lines(one):
            out.text(line)
    return 0


def _lines(one: Dossier) -> Iterator[str]:
    yield f"{one.model}, stored as {one.stored_as}" + (" (erased)" if one.erased else "")
    for table, rows in one.tables.items():
        short = table.removeprefix(f"{one.model}.")
        if short in ("predictions", "served"):
            continue
        yield f"{short}: {len(rows)}" + (f", the last {_MOST}:" if len(rows) > _MOST else ":")
        for row in rows[-_MOST:]:
            told = {k: v for k, v in row.items() if v is not None and not k.startswith("_")}
            when = row.get("_time") or row.get("_event") or ""
            value = {"label": row["_value"]} if "_value" in row else {}
            yield f"  {str(when)[:16]}  " + ", ".join(
                f"{k} {v}" for k, v in {**value, **told}.items()
            )
    yield f"answers: {len(one.answers)}" + (
        f", the last {_MOST}:" if len(one.answers) > _MOST else ""
    )
    for answer in one.answers[-_MOST:]:
        yield from _answer(answer)
    yield "found in:"
    for place in one.places:
        now = "and in force" if place.now else "in the past only"
        yield (
            f"  {place.table}: {place.rows} rows in {place.files} files, "
            f"versions {place.first} to {place.last}, {now}"
        )
    if one.looked_up is not None:
        yield "  look-ups of servers"
    if one.waiting:
        yield f"  the servers' log: {one.waiting} answers that the loop has not taken in"


def _answer(answer: Answer) -> Iterator[str]:
    kind = "request" if answer.online else f"delivery of {answer.period}"
    score = "none" if answer.score is None else f"{answer.score:.4g}"
    yield f"  {answer.at[:16]}  {kind}: {score}, by version {answer.version}, rung {answer.rung}"
    yield f"    id {answer.id}" + (f"; {answer.reason}" if answer.reason else "")
    if answer.decided_by:
        yield f"    live by {answer.decided_by}"
    for name, value in list(answer.moved.items())[:_MOST]:
        yield f"    {name} {value:+.4g}"
    if answer.silent and not answer.silent.startswith("said of"):
        yield f"    what moved it: {answer.silent}"
