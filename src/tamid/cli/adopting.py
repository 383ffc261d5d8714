"""`tamid adopt`: from a file of data to a folder with a drafted contract."""

from __future__ import annotations

import argparse
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from tamid.cli.desk import add_example
from tamid.cli.founding import Told, add_brought, brought, found
from tamid.core.contract.csvform import Encoding
from tamid.core.errors import NotFound, UsageError

if TYPE_CHECKING:
    from tamid.adoption.drafting import Seen
    from tamid.cli.output import Output
    from tamid.core.adoption.draft import Draft
    from tamid.core.adoption.questions import Question
    from tamid.core.adoption.roles import Wishes

_ABOUT = """\
Reads the data, shows how, and drafts tamid.toml and contract.yaml. Only what cannot be inferred is
asked: on a terminal in turn, elsewhere it is listed with the options that decide it (status 2)."""
# Options that take one text each, with the field of `Wishes` that they fill.
_MEANING = (
    ("label", "COLUMN", "what is to be foretold"),
    ("positive", "VALUE", "the value of the label that is to be found (binary)"),
    ("task", "TASK", "binary, multiclass or regression, if the label does not tell"),
    ("time", "COLUMN", "the moment of a row, or none"),
    ("entity", "COLUMN", "whom a row is about, or none"),
    ("horizon", "DURATION", "how long after its moment a row's outcome is decided (30d)"),
    ("lag", "DURATION", "how long after that one hears of it (0d)"),
    ("known-at", "COLUMN", "the moment at which the outcome was known, instead of --horizon"),
    ("timezone", "ZONE", "time zone of moments without one (UTC)"),
)
_FORM = (
    ("encoding", "NAME", f"bytes to letters: {', '.join(get_args(Encoding))}"),
    ("separator", "MARK", "between fields: , ; tab or |"),
    ("decimal", "MARK", "before a fraction: . or ,"),
    ("thousands", "MARK", "between groups of digits: none . , space or '"),
    ("dates", "ORDER", "of day, month and year: dmy, mdy or ymd"),
)
_CHOICES: Mapping[str, tuple[str, ...]] = {
    "encoding": get_args(Encoding),
    "task": ("binary", "multiclass", "regression"),
    "separator": (",", ";", "tab", "|"),
    "decimal": (".", ","),
    "thousands": ("none", ".", ",", "space", "'"),
    "dates": ("dmy", "mdy", "ymd"),
}


def add_adopt(parser: ArgumentParser) -> None:
    """Declare the arguments of `adopt`."""
    parser.description = f"{parser.description}\n\n{_ABOUT}"
    parser.add_argument("data", metavar="DATA", help="a CSV or Parquet file, or a glob in quotes")
    parser.add_argument(
        "folder", nargs="?", type=Path, metavar="DIR", help="the new workspace (-C, or here)"
    )
    parser.add_argument("--name", default="", help="name of the model (default: the file's)")
    group = parser.add_argument_group("what the data means")
    for name, value, text in _MEANING:
        _add(group, name, value, text)
    for name, text in (("drop", "known only with the outcome"), ("keep", "known when the row is")):
        group.add_argument(
            f"--{name}", action="append", default=[], metavar="COLUMN", help=f"a column {text}"
        )
    group = parser.add_argument_group("how a CSV file is written, if it does not tell")
    for name, value, text in _FORM:
        _add(group, name, value, text)
    add_brought(parser)
    add_example(
        parser,
        "tamid adopt customers.csv --label churned",
        "tamid adopt bookings.parquet hotel --label is_canceled --time booked_at --horizon 60d",
        "tamid adopt לקוחות.csv --label נטש --encoding cp1255 --dates dmy --script train.py",
        "tamid adopt customers.parquet --label churned --model model.txt --trained-through none",
    )


def adopt(args: Namespace, out: Output) -> int:
    """Draft a contract and a folder for a file of data; ask what cannot be inferred."""
    root = args.workspace / args.folder if args.folder else args.workspace
    _refuse_written(root)
    files = _files(args.data)
    mine = brought(args, _taken_over(args.script))
    wishes = _wishes(args)
    from tamid.adoption.drafting import look
    from tamid.adoption.settling import wait_until_whole

    wait_until_whole(files, out.note)
    path, shown = _path(args.data, root), False
    while True:
        seen = look(files, path, wishes)
        if seen.kinds and not shown:
            _show(seen, files, out)
            shown = True
        if not seen.questions:
            break
        answer = _asked(seen.questions[0], wishes, out)
        if answer is None:
            return _undecided(seen, args, out)
        wishes = answer
    assert seen.draft is not None
    told = Told(body=_body(seen), notes=seen.notes)
    return found(root, _with_model(seen.draft, mine.code), told, mine, args, out)


def _add(group: argparse._ArgumentGroup, name: str, value: str, text: str) -> None:
    group.add_argument(
        f"--{name}", default="", metavar=value, help=text, choices=_CHOICES.get(name)
    )


def _wishes(args: Namespace) -> Wishes:
    from tamid.core.adoption.roles import Wishes

    known = {f.name for f in fields(Wishes)}
    given = {k: v for k, v in vars(args).items() if k in known and v}
    given |= {k: tuple(given.get(k, ())) for k in ("drop", "keep")}
    return Wishes(**given)


def _refuse_written(root: Path) -> None:
    there = [n for n in ("tamid.toml", "contract.yaml", "model.py") if (root / n).exists()]
    if there:
        raise UsageError(
            f"{root} has {', '.join(there)} already",
            why="nothing of yours is overwritten",
            fix="Name an empty folder: `tamid adopt DATA DIR`.",
        )


def _files(data: str) -> list[Path]:
    path = Path(data)
    found = [path] if path.is_file() else []
    if not path.exists() and path.name:
        every = Path().glob(data) if not path.is_absolute() else path.parent.glob(path.name)
        found = sorted(p for p in every if p.is_file())
    if not found:
        what = "is a folder" if path.is_dir() else "is not there"
        raise NotFound(
            f"{data} {what}",
            why="a draft is made from a CSV or Parquet file, or from several of one kind",
            fix="Name a file, or a glob in quotes: 'data/rows-*.csv'.",
        )
    return found


def _path(data: str, root: Path) -> str:
    """Return how the contract names the data: from its folder if it lies in there."""
    whole = Path(data).absolute()
    here = root.absolute()
    return whole.relative_to(here).as_posix() if whole.is_relative_to(here) else whole.as_posix()


def _taken_over(script: Path | None) -> dict[str, str]:
    """Return model.py out of a script, and the files beside the script that it imports."""
    if script is None:
        return {}
    from tamid.core.adoption.script import imported, taken_over

    found = taken_over(_code(script), script.name)
    files, wanted = {"model.py": found.text}, list(found.modules)
    while wanted:
        beside = script.parent / f"{wanted.pop()}.py"
        if beside.is_file() and beside.name not in files:
            files[beside.name] = text = _code(beside)
            wanted += imported(text)
    return files


def _code(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise NotFound(
            f"{path} cannot be read: {error}", fix="Name a script in Python with --script."
        ) from None


def _with_model(draft: Draft, code: Mapping[str, str]) -> Draft:
    return replace(draft, model="model.py:build") if code else draft


def _show(seen: Seen, files: list[Path], out: Output) -> None:
    from tamid.core.view.scene import count

    names = files[0].name if len(files) == 1 else f"{len(files)} files"
    out.text(f"{names}: {count(seen.count, 'row')}, {len(seen.kinds)} columns; the first rows:")
    size = max((len(v) for v in seen.rows.values()), default=0)
    rows = [[name, kind, *map(_cut, seen.rows[name])] for name, kind in seen.kinds.items()]
    out.table(["column", "type", *(f"row {n + 1}" for n in range(size))], rows)
    out.text()


def _cut(text: str | None) -> str | None:
    return text if text is None or len(text) <= _WIDEST else text[: _WIDEST - 1] + "…"


_WIDEST = 20


def _asked(question: Question, wishes: Wishes, out: Output) -> Wishes | None:
    """Ask on a terminal; None where there is none, or nothing was answered."""
    if out.as_json or not (sys.stdin.isatty() and sys.stdout.isatty()):
        return None
    out.text(question.what)
    for number, choice in enumerate(question.choices, 1):
        out.text(
            f"  {number}  {choice.value}" + (f"  ({choice.meaning})" if choice.meaning else "")
        )
    values = [c.value for c in question.choices]
    while True:
        try:
            said = input(f"{question.about or question.option}: ").strip()
        except EOFError:
            return None
        if said.isdigit() and 0 < int(said) <= len(values) and said not in values:
            said = values[int(said) - 1]
        if said in values or (said and not question.about):
            return _answered(question, said, wishes)
        out.text("  " + " or ".join(values or ["type an answer"]))


def _answered(question: Question, said: str, wishes: Wishes) -> Wishes:
    change: dict[str, Any] = {question.option.strip("-").replace("-", "_"): said}
    if question.about:
        change = {said: (*getattr(wishes, said), question.about)}
    return replace(wishes, **change)


def _undecided(seen: Seen, args: Namespace, out: Output) -> int:
    """List what is open with the options that decide it."""
    many = len(seen.questions)
    out.json({**_body(seen), "questions": seen.questions})
    for note in seen.notes:
        out.text(f"  {note}")
    out.text("Undecided:" if many else "")
    for question in seen.questions:
        out.text(f"  {question.what}")
        out.text(f"      {question.answers()}")
    raise UsageError(
        f"{many} thing{'s' * (many > 1)} cannot be inferred from {args.data}",
        why="; ".join(q.what for q in seen.questions),
        fix="Add an option for each and run it again: "
        + ", ".join(dict.fromkeys(_option(q) for q in seen.questions))
        + ". Nothing was written.",
    )


def _option(question: Question) -> str:
    return question.answers() if question.about else question.option


def _body(seen: Seen) -> Mapping[str, object]:
    return {"columns": seen.kinds, "first_rows": seen.rows, "rows": seen.count, "notes": seen.notes}
