"""`tamid register`: a model that was made elsewhere, through the same gates to the same bundle."""

from __future__ import annotations

import argparse
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from tamid.cli.desk import actor, add_example, add_model, opened, scene
from tamid.cli.training import refuse_uncommitted, run_of, show_run
from tamid.cli.turning import free_the_dead, turn
from tamid.core.errors import NotFound, UsageError

if TYPE_CHECKING:
    from tamid.app import App
    from tamid.cli.output import Output
    from tamid.core.contract.model import Contract
    from tamid.core.values import Role
    from tamid.core.view.snapshot import Awaited, RunCard
    from tamid.ports import GivenModel

_NONE = "none"
# A larger file is no model for tables but an accident; it would lie in memory several times.
_LARGEST = 2_000_000_000


def add_register(parser: ArgumentParser) -> None:
    """Declare the arguments of `register`."""
    parser.add_argument(
        "file", type=Path, metavar="MODEL", help="ONNX, LightGBM text or JSON, XGBoost JSON or "
        "UBJ, or skops; never a pickle",
    )  # fmt: skip
    parser.add_argument(
        "--contract", type=Path, metavar="C", help="the contract it keeps (the workspace's, if one)"
    )
    parser.add_argument(
        "--data",
        type=Path,
        metavar="D",
        help="labelled rows to judge it on (where the contract says)",
    )
    add_past(parser)
    for paper, what in _PAPERS.items():
        parser.add_argument(
            f"--{paper}", type=Path, action="append", default=[], metavar="FILE", help=what
        )
    parser.add_argument("--reason", default="", help="why; it is recorded with your name")
    add_model(parser)
    add_example(
        parser,
        "tamid register model.skops --contract contract.yaml --data rows.parquet",
        "tamid register model.txt --trained-through 2026-06-30 --as ml_developer",
        "tamid register net.onnx --inputs tenure,plan,usage --trained-through none",
    )


def add_past(parser: argparse._ActionsContainer) -> None:
    """Declare what a model's file does not tell: what it has learnt from, and nameless inputs."""
    parser.add_argument(
        "--trained-through", type=_day, metavar="DATE",
        help="last day of the rows it has learnt from, or `none` if it knows none of these rows",
    )  # fmt: skip
    parser.add_argument(
        "--inputs", type=_names, default=(), metavar="A,B", help="which columns its inputs without "
        "names are, in its order",
    )  # fmt: skip


_PAPERS = {
    "card": "what its maker says of it: purpose, limits",
    "lock": "the versions of what it was made with",
    "code": "the code that made it (may be repeated)",
}


def register(args: Namespace, out: Output) -> int:
    """Take a model from elsewhere through the gates; if it passes, it becomes a signed version.

    Calibration and threshold are chosen here, on rows that it has not learnt from. It is compared
    with the champion, released and served like any other; nothing is fitted.
    """
    from tamid.core.values import Role

    given = read_model(args.file, args.inputs, papers_of(args))
    _begin_workspace(args, out)
    with opened(args, out) as app:
        model = _model_of(app, args)
        asked = HandOver(
            given=given,
            through=args.trained_through,
            role=Role(args.role or "ml_developer"),
            reason=args.reason or f"{args.file.name} was handed over",
            data=args.data,
        )
        card = hand_over(app, model, asked)
        waits = awaited_of(app, model)
    return show_run(out, model, card, {"awaited": waits})


@dataclass(frozen=True, slots=True, kw_only=True)
class HandOver:
    """A model file that goes through the gates, with what its owner says of it.

    `through`: the last day that it has learnt from, or `none`; `data`: rows to judge it on, where
    they are not those of the contract.
    """

    given: GivenModel
    through: date | str | None
    role: Role
    reason: str
    data: Path | None = None


def hand_over(app: App, model: str, asked: HandOver) -> RunCard:
    """Take a model through a run and turn the loop once; return how the run ended.

    Raises:
        Held, UserCodeError, UsageError, Waiting, Conflict: as `tamid register`.
    """
    from tamid.core.view.build import run_card
    from tamid.stages.byhand import Wish, refuse_paused, take_over
    from tamid.wiring import origin_of

    if asked.data is not None:
        app.places[model] = _there(asked.data).resolve()
    free_the_dead(app, model)
    refuse_paused(app.state(model))
    refuse_uncommitted(origin_of(app.models()[model]))
    wish = Wish(actor=actor(), role=asked.role, reason=asked.reason)
    app.adopt(model, actor=wish.actor, reason=wish.reason, role=wish.role)
    given = dated(app.contract(model), asked.given, asked.through)
    run = run_of(take_over(app.rig(model), app.holder, wish, given))
    turn(app, model)
    return run_card(scene(app, model), run)


def awaited_of(app: App, model: str) -> list[Awaited]:
    """Return what people must do before the model goes on."""
    from tamid.core.view.awaited import awaited

    return [one for one in awaited(scene(app, model), ()) if one.who != "time"]


def read_model(file: Path, inputs: tuple[str, ...], papers: dict[str, bytes]) -> GivenModel:
    """Return a model file as what is handed over.

    Raises:
        NotFound: there is no such file; UsageError: it is a pickle, or of no known kind.
    """
    from tamid.core.learning.kinds import kind_of
    from tamid.ports import GivenModel

    if _there(file).stat().st_size > _LARGEST:
        raise UsageError(f"{file} is larger than 2 GB", why="models of tables are far smaller")
    content = file.read_bytes()
    kind = kind_of(file.name, content)
    return GivenModel(name=file.name, kind=kind, content=content, inputs=inputs, papers=papers)


def dated(contract: Contract, given: GivenModel, through: date | str | None) -> GivenModel:
    """Return what is handed over with the last period that it has learnt from."""
    from zoneinfo import ZoneInfo

    from tamid.stages.given import last_period

    until = None
    if isinstance(through, date):
        zone = ZoneInfo(contract.calendar.timezone)
        until = datetime.combine(through + timedelta(days=1), datetime.min.time(), zone)
    period = last_period(contract, until, given.kind, nothing=through == _NONE)
    return replace(given, through=period)


def papers_of(args: Namespace) -> dict[str, bytes]:
    """Return what comes with the model, by its path in the bundle. Raises NotFound."""
    return {
        f"handoff/{paper}/{path.name}": _there(path).read_bytes()
        for paper in _PAPERS
        for path in getattr(args, paper)
    }


def _there(path: Path) -> Path:
    if not path.exists():
        raise NotFound(f"there is no {path}", fix="Name a file that exists.")
    return path


def _begin_workspace(args: Namespace, out: Output) -> None:
    """Make a workspace of the contract's folder, where there is none yet."""
    from tamid.cli.setup import WORKSPACE
    from tamid.config import FILE, find

    if args.contract is None:
        return
    contract = _there(args.contract)
    with suppress(NotFound):
        find(args.workspace)
        return
    root = contract.resolve().parent
    if args.workspace.resolve() not in (Path.cwd().resolve(), root):
        raise UsageError(
            f"{args.workspace} is no workspace, and {args.contract} lies elsewhere",
            why="a new workspace is begun where its contract lies",
            fix="Leave out -C, or copy the contract there first.",
        )
    args.workspace = root
    if not (root / FILE).exists():
        (root / FILE).write_text(WORKSPACE.replace("contract.yaml", contract.name), "utf-8")
        out.note(f"a workspace was begun in {root}")


def _model_of(app: App, args: Namespace) -> str:
    if args.contract is None:
        return app.one(args.model)
    wanted = args.contract.resolve()
    for name, path in app.models().items():
        if path.resolve() == wanted:
            return app.one(args.model or name)
    known = ", ".join(str(p) for p in app.models().values())
    raise UsageError(
        f"{args.contract} is not a contract of this workspace",
        why=f"its contracts are {known}",
        fix="Add it to `models` in tamid.toml.",
    )


def _day(text: str) -> date | str:
    """Return a day, or the word for no rows at all."""
    if text == _NONE:
        return text
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is no date such as 2026-06-30, nor `none`") from None


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())
