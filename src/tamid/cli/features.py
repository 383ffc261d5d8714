"""`tamid features`: the feature views of the workspace, who uses them, what a change touches."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from tamid.cli.desk import add_example, opened
from tamid.core.errors import ContractError, NotFound

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tamid.app import App
    from tamid.cli.output import Output
    from tamid.core.contract.model import Contract, View
    from tamid.core.view.shelf import Shown, Use, User, ViewChange

# Exit status when a view was redefined and still has its old number.
UNNUMBERED = 1


def add_features(parser: ArgumentParser) -> None:
    """Declare the arguments of `features`."""
    parser.add_argument("view", nargs="?", metavar="VIEW", help="one view, with each feature")
    add_example(parser, "tamid features", "tamid features complaints")


def features(args: Namespace, out: Output) -> int:
    """Show every feature view: its owner and version, who uses it, when it was computed last."""
    from tamid.core.view.shelf import shown

    with opened(args, out) as app:
        declared = _declared(app)
        found = shown(declared, users(app))
    if args.view is not None:
        found = tuple(s for s in found if s.view == args.view)
        if not found:
            raise _unknown(args.view, declared)
    out.json({"views": found})
    if not found:
        out.text("No feature views: tamid.toml lists no file under `features`.")
        return 0
    out.table(
        ("view", "version", "owner", "used by", "last computed", "entities", "features"),
        [
            (s.view, s.version, s.owner, _users(s.uses), _moment(s), s.entities,
             ", ".join(s.features))
            for s in found
        ],
    )  # fmt: skip
    if args.view is not None and args.view in declared:
        _one(out, found[0], declared[args.view])
    return 0


def add_diff(parser: ArgumentParser) -> None:
    """Declare the arguments of `features diff`."""
    add_example(parser, "tamid features diff", "tamid features diff --json")


def diff(args: Namespace, out: Output) -> int:
    """Say what the files change against what is in force, and name every model it touches."""
    from tamid.core.view.shelf import changed

    with opened(args, out) as app:
        found = changed(_declared(app), users(app))
    out.json({"changes": found})
    if not found:
        out.text("The feature views say what is in force.")
    for change in found:
        _change(out, change)
    return UNNUMBERED if any(c.unnumbered for c in found) else 0


def add_schema(parser: ArgumentParser) -> None:
    """Declare the arguments of `features schema`: none."""
    add_example(parser, "tamid features schema > views.schema.json")


def schema(args: Namespace, out: Output) -> int:
    """Print the JSON Schema of files of feature views, for editors."""
    from tamid.core.contract.schema import views_schema_text

    del args
    text = views_schema_text()
    out.text(text.rstrip("\n"))
    out.json(json.loads(text))
    return 0


def users(app: App) -> Sequence[User]:
    """Return every model of the workspace with its state and contracts."""
    from tamid.core.view.shelf import User

    found = []
    for model in app.models():
        state = app.state(model)
        champion = state.versions.get(state.champion)
        found.append(
            User(
                model=model,
                state=state,
                folder=_folder(app, model),
                in_force=app.contract(model) if state.contract else None,
                champion=_parsed(app, champion.registered.contract) if champion else None,
            )
        )
    return found


def _folder(app: App, model: str) -> Contract | None:
    try:
        return app.folder_contract(model)
    except ContractError:
        return None


def _parsed(app: App, digest: str) -> Contract:
    from tamid.workshop import parse

    return parse(app.blobs.get(digest).decode())


def _declared(app: App) -> Mapping[str, View]:
    from tamid.views import declared

    return {name: found.view for name, found in declared(app.config).items()}


def _unknown(name: str, declared: Mapping[str, View]) -> NotFound:
    from tamid.core.contract.problems import did_you_mean

    hint = did_you_mean(name, declared) or "`tamid features` lists them."
    return NotFound(f"there is no feature view {name!r}", fix=hint[0].upper() + hint[1:])


def _users(uses: Sequence[Use]) -> str:
    return ", ".join(_user(u) for u in uses) or "nobody"


def _user(use: Use) -> str:
    if use.champion and use.trained_with != use.version:
        return f"{use.model} (its version {use.champion} keeps {use.trained_with})"
    return use.model if use.version else f"{use.model} (not adopted yet)"


def _moment(shown: Shown) -> str:
    return "never" if shown.computed is None else f"{shown.computed:%Y-%m-%d %H:%M} UTC"


def _one(out: Output, shown: Shown, view: View) -> None:
    from tamid.core.contract.render import written

    out.text(f"\n{shown.about}" if shown.about else "")
    rows = [
        (name, m.function, m.column or "-", "all the past" if m.window is None
         else written(m.window), ", ".join(u.model for u in shown.uses if name in u.features))
        for name, m in view.features.items()
    ]  # fmt: skip
    out.table(("feature", "function", "column", "window", "used by"), rows)
    delay = written(view.table.delay)
    out.text(f"\nan event counts from {delay} after it happened; {shown.late} were known later")


def _change(out: Output, change: ViewChange) -> None:
    number = f"version {change.before} to {change.after}"
    meaning = "other numbers" if change.redefined else "the same numbers"
    out.text(f"{change.view}: {number}, {meaning}")
    out.table(("key", "before", "after"), [(e.path, e.before, e.after) for e in change.edits])
    for use in change.touches:
        keeps = f"; its version {use.champion} keeps {use.trained_with}" if use.champion else ""
        then = "will be trained anew" if change.redefined else "stays as it is"
        out.text(f"  touches {use.model}: it {then}{keeps}")
    if change.unnumbered:
        out.text(f"  not adopted: version {change.after} is something else already; "
                 "give it the next number")  # fmt: skip
