"""`tamid init` and `tamid contract adopt`: begin a workspace, bring a contract into force."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tamid.cli.desk import actor, add_example, add_model, chosen, opened
from tamid.core.errors import NotFound, UsageError

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

    from tamid.cli.output import Output

EXAMPLES = ("telecom", "hotel", "bikes", "telco")
# Examples that make their own data: what writes the history up to now. Named, not imported, as the
# table of commands names its functions.
_MAKERS = {"telecom": "tamid.examples.telecom.history:write"}
WORKSPACE = """\
# One workspace: where Tamid keeps its ledger and tables, and the contracts it works for.
[workspace]
store = ".tamid"
models = ["contract.yaml"]
# Entities are stored by pseudonym; whom one stands for is in .tamid/vault.sqlite alone.
entities = "pseudonyms"
"""
_DRAFT = """\
# The contract of one model. `tamid contract check` names every problem with its line;
# `tamid contract show --all` lists every key with its default and its owner.
tamid: 1
name: my-model
task: binary                          # binary, multiclass or regression
owners: {ml_developer: ml-team, mlops_engineer: ops-team}
calendar: {timezone: UTC, week_starts: monday}
data:
  source: {path: data/rows/*.csv, owner: mlops_engineer}
  entity: customer_id                 # whom a row is about
  time: week                          # the moment of the row; without it there is no loop
  label: {column: left, positive: 1, horizon: 7d, reporting_lag: 2d}
  schema:                             # every column of the rows, with what is possible
    tenure_months: {type: number, min: 0}
    plan: {type: category, allowed: [basic, plus]}
    left: {type: integer, nullable: true}
training: {model: lightgbm}
gates: {minimum: {f1: 0.5}, baselines: [majority]}
monitoring: {every: 1d, quality: {metric: f1, at_least: 0.5}}
delivery: {every: 7d, to: [{csv: "out/scores-{period}.csv"}]}
"""
IGNORED = "# Written by Tamid; the ledger and the tables are no source code.\n.tamid/\nout/\n"


def add_init(parser: ArgumentParser) -> None:
    """Declare the arguments of `init`."""
    parser.add_argument(
        "folder", nargs="?", type=Path, metavar="DIR", help="the new workspace (-C, or here)"
    )
    parser.add_argument("--example", choices=EXAMPLES, help="begin with a worked example")
    parser.add_argument(
        "--data", type=Path, metavar="FILE",
        help="the published table of hotel, bikes or telco, made into the example's data",
    )  # fmt: skip
    add_example(
        parser,
        "tamid init my-model",
        "tamid init churn --example telecom",
        "tamid init rentals --example bikes --data hour.csv",
    )


def init(args: Namespace, out: Output) -> int:
    """Make the folder of a workspace: settings, a contract, the code it names, and the store."""
    root = args.workspace / args.folder if args.folder else args.workspace
    files = _files(args.example)
    there = sorted(name for name in files if (root / name).exists())
    if there:
        raise UsageError(
            f"{root} has {', '.join(there)} already",
            why="nothing of yours is overwritten",
            fix="Name an empty folder: `tamid init DIR`.",
        )
    made = _make_data(root, args.example, args.data, out)
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    store = root / ".tamid"
    store.mkdir(mode=0o700, exist_ok=True)
    store.chmod(0o700)
    written = sorted(files)
    steps = _next_steps(root, args.example, made)
    out.json({"workspace": str(root), "files": written, "next": steps})
    out.text(f"A workspace in {root}: {', '.join(written)}")
    out.text("Next:")
    for step in steps:
        out.text(f"  {step}")
    return 0


def _files(example: str | None) -> dict[str, bytes]:
    files = {"tamid.toml": WORKSPACE.encode(), ".gitignore": IGNORED.encode()}
    if example is None:
        return {**files, "contract.yaml": _DRAFT.encode()}
    folder = _example(example)
    contract = folder / "contract.yaml"
    if not contract.is_file():
        raise NotFound(f"the example {example} is not part of this installation")
    files["contract.yaml"] = contract.read_bytes()
    for name in _code_of(contract.read_text("utf-8")):
        files[name] = (folder / name).read_bytes()
    return files


def _make_data(root: Path, example: str | None, data: Path | None, out: Output) -> bool:
    """Let an example write its data, of itself or of a published table; say whether it did."""
    maker = _MAKERS.get(example or "")
    if data is not None and (example is None or maker is not None):
        raise UsageError(
            "--data has no meaning here",
            why="an example of a published table is made of it: hotel, bikes or telco",
            fix="Leave it out; for a table of your own: `tamid adopt DATA`.",
        )
    if example is not None and data is not None:
        _published().write(example, data, root)
        return True
    if maker is None:
        return False
    from datetime import UTC, datetime
    from importlib import import_module

    module, _, function = maker.partition(":")
    out.note("writing the history of the example ...")
    getattr(import_module(module), function)(root / "data", datetime.now(UTC).date())
    return True


def _example(name: str) -> Traversable:
    from importlib.resources import files

    return files("tamid.examples") / name


def _code_of(text: str) -> list[str]:
    """Return the files of code that a contract names."""
    from tamid.core.contract.references import code_references
    from tamid.workshop import parse

    return sorted({reference.file for reference in code_references(parse(text))})


def _next_steps(root: Path, example: str | None, made: bool) -> list[str]:
    there = "" if root == Path() else f"cd {root}; "
    if example is None:
        return [
            f"{there}edit contract.yaml; `tamid contract check` names what is wrong",
            "put your data where the contract says",
            "tamid doctor",
            "tamid tick            # takes in the data, trains, judges, releases, scores",
            "tamid status",
        ]
    first = "tamid contract show   # who owns which block"
    if not made:
        known = _published().PUBLISHED[example]
        make = f"python -m tamid.examples.published {example} {known.file} {root}"
        steps = [f"get {known.file}: {known.where}", f"{make}   # writes {known.target}"]
        return [*steps, f"{there}tamid doctor", "tamid tick", "tamid status"]
    return [f"{there}{first}", "tamid doctor", "tamid tick", "tamid status"]


def _published() -> Any:
    """Return the module of published tables. Named, not imported: examples stand above commands."""
    from importlib import import_module

    return import_module("tamid.examples.published")


def add_adopt(parser: ArgumentParser) -> None:
    """Declare the arguments of `contract adopt`."""
    add_model(parser)
    parser.add_argument("--reason", default="", help="why; it is recorded with your name")
    add_example(
        parser,
        "tamid contract adopt",
        'tamid contract adopt --as ml_developer --reason "payments as a feature"',
    )


def adopt(args: Namespace, out: Output) -> int:
    """Bring the contract and code in the folder into force for new runs, under your name.

    A tick does the same by itself; with --as the blocks of the other role may not have changed.
    """
    from tamid.core.values import Role

    results = []
    with opened(args, out) as app:
        for model in chosen(app, args.model):
            before = app.state(model)
            if args.role is not None and before.contract:
                _may_sign(app.contract(model), app.folder_contract(model), args.role)
            role = Role(args.role) if args.role else Role.CONTROLLER
            reason = args.reason or "adopted by hand"
            after = app.adopt(model, actor=actor(), reason=reason, role=role)
            changed = after.seq > before.seq
            results.append({"model": model, "contract": after.contract, "changed": changed})
            what = "is in force for new runs" if changed else "was in force already"
            out.text(f"{model}: contract {after.contract[:19]} {what}")
    out.json({"adopted": results})
    return 0


def _may_sign(old: object, new: object, role: str) -> None:
    """Refuse a signature under blocks of the other role. Raises UsageError."""
    from tamid.core.contract.diff import diff
    from tamid.core.contract.model import Contract

    assert isinstance(old, Contract)
    assert isinstance(new, Contract)
    foreign = sorted({c.path for c in diff(old, new).changes if role not in c.roles})
    if foreign:
        raise UsageError(
            f"{role} may not sign for {', '.join(foreign)}",
            why="each block of the contract has its owner, and these belong to the other role",
            fix="Ask the other role to adopt them; `tamid contract show` says who owns what.",
        )
