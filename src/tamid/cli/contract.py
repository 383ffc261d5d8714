"""`tamid contract check|show|diff|schema`: judge, read and compare contracts."""

from __future__ import annotations

import ast
import json
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from tamid.core.errors import ContractError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tamid.cli.output import Output
    from tamid.core.contract.model import Contract


def add_check(parser: ArgumentParser) -> None:
    """Declare the arguments of `contract check`."""
    parser.add_argument(
        "files", nargs="*", type=Path, metavar="FILE", help="contracts (the workspace's)"
    )


def check(args: Namespace, out: Output) -> int:
    """Name every problem of the contracts; 1 if there is any."""
    from tamid.core.contract.stored import to_json
    from tamid.core.values import digest_bytes
    from tamid.wiring import load_contract

    results: list[dict[str, object]] = []
    for file in _files(args):
        result: dict[str, object] = {"file": str(file), "ok": True, "problems": (), "warnings": ()}
        results.append(result)
        try:
            contract = load_contract(file)
        except ContractError as error:
            result |= {"ok": False, "problems": error.problems, "what": error.what}
            if not out.as_json:
                out.error(error)
            continue
        warnings = tuple(_code_warnings(contract, file.parent))
        digest = digest_bytes(to_json(contract).encode())
        result |= {"name": contract.name, "digest": digest, "warnings": warnings}
        out.text(f"{file}: no problems (model {contract.name}, {contract.task})")
        for warning in warnings:
            out.warn(warning)
    failed = not all(result["ok"] for result in results)
    out.json({"ok": not failed, "contracts": results})
    return 1 if failed else 0


def add_show(parser: ArgumentParser) -> None:
    """Declare the arguments of `contract show`."""
    _one_file(parser)
    parser.add_argument("--block", metavar="NAME", help="only this block, such as data or gates")
    parser.add_argument("--all", action="store_true", help="also keys left at their default")


def show(args: Namespace, out: Output) -> int:
    """Show who owns each block, and every key with its value."""
    from tamid.core.contract.problems import did_you_mean
    from tamid.core.contract.render import owners, rows
    from tamid.wiring import load_contract

    contract = load_contract(_only(args))
    blocks = owners(contract)
    names = [block.block for block in blocks]
    if args.block is not None and args.block not in names:
        hint = did_you_mean(args.block, names) or f"The blocks are {', '.join(names)}."
        raise UsageError(f"a contract has no block `{args.block}`", fix=hint)
    chosen = [b for b in blocks if args.block in (None, b.block)]
    keys = [r for r in rows(contract) if args.block in (None, _block_of(r.path))]
    out.json({"contract": contract, "blocks": chosen, "keys": keys})
    out.table(
        ("block", "owner", "team", "what it says"),
        [(b.block, " + ".join(b.roles), " + ".join(b.teams), b.doc) for b in chosen],
    )
    out.text()
    written = [r for r in keys if args.all or not r.is_default]
    out.table(("key", "value"), [(r.path, r.value) for r in written])
    hidden = len(keys) - len(written)
    if hidden:
        out.text(f"\n{hidden} more keys stand at their default; --all shows them")
    return 0


def add_diff(parser: ArgumentParser) -> None:
    """Declare the arguments of `contract diff`."""
    parser.add_argument("old", type=Path, metavar="OLD", help="the contract before")
    parser.add_argument("new", type=Path, metavar="NEW", help="the contract after")
    parser.add_argument(
        "--fail-on", choices=("retrain", "break"), help="exit 1 from this effect upwards"
    )


def diff(args: Namespace, out: Output) -> int:
    """Say what changed, whether the running model keeps the new contract, and who must sign."""
    from tamid.core.contract.diff import diff as compare
    from tamid.wiring import load_contract

    old, new = (load_contract(args.workspace / file) for file in (args.old, args.new))
    result = compare(old, new)
    out.json(result)
    if not result.changes:
        out.text("compatible: the contracts say the same")
        return 0
    out.text(f"{result.effect}: {len(result.changes)} change(s), to be signed by "
             f"{' and '.join(result.roles)}")  # fmt: skip
    out.table(
        ("key", "before", "after", "effect", "owner", "why"),
        [
            (c.path, c.before, c.after, c.effect, " + ".join(c.roles), c.reason)
            for c in result.changes
        ],
    )
    if any(c.path.startswith("retraining") for c in result.changes):
        out.text(
            "Before it is signed, see what it would have done on your own past: "
            f"`tamid replay --compare today,{args.new}`"
        )
    graver = {"retrain": ("retrain", "break"), "break": ("break",), None: ()}[args.fail_on]
    return 1 if result.effect in graver else 0


def add_schema(parser: ArgumentParser) -> None:
    """Declare the arguments of `contract schema`: none."""
    del parser


def schema(args: Namespace, out: Output) -> int:
    """Print the JSON Schema of contracts, for editors."""
    from tamid.core.contract.schema import schema_text

    del args
    text = schema_text()
    out.text(text.rstrip("\n"))
    out.json(json.loads(text))
    return 0


def _one_file(parser: ArgumentParser) -> None:
    parser.add_argument(
        "file", nargs="?", type=Path, metavar="FILE", help="a contract (the workspace's only one)"
    )


def _only(args: Namespace) -> Path:
    if args.file is not None:
        return Path(args.workspace / args.file)
    files = _workspace_files(args)
    if len(files) != 1:
        names = ", ".join(str(f) for f in files)
        raise UsageError("the workspace has several contracts", fix=f"Name one of {names}.")
    return files[0]


def _files(args: Namespace) -> list[Path]:
    given = [args.workspace / file for file in args.files]
    return given or _workspace_files(args)


def _workspace_files(args: Namespace) -> list[Path]:
    from tamid.config import find

    here = Path.cwd()
    found = find(args.workspace).contracts
    return [file.relative_to(here) if file.is_relative_to(here) else file for file in found]


def _block_of(path: str) -> str:
    return path.partition(".")[0].partition("[")[0]


def _code_warnings(contract: Contract, folder: Path) -> Iterator[str]:
    """Say which functions that the contract names are not to be found; nothing is imported."""
    from tamid.core.contract.references import code_references

    for reference in code_references(contract):
        file = folder / reference.file
        if not file.is_file():
            yield f"{reference.path} names {reference.file}, which is not in {folder.resolve()}"
            continue
        try:
            tree = ast.parse(file.read_bytes(), filename=reference.file)
        except (SyntaxError, ValueError) as error:
            yield f"{reference.path} names {reference.file}, which is not Python: {error}"
            continue
        functions = {n.name for n in tree.body if isinstance(n, ast.FunctionDef)}
        imported = {
            alias.asname or alias.name
            for node in tree.body
            if isinstance(node, ast.ImportFrom)
            for alias in node.names
        }
        if reference.function not in functions | imported:
            yield f"{reference.path}: {reference.file} has no function {reference.function}"
