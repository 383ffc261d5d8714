"""`tamid verify`: is what is recorded whole?"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tamid.cli.desk import add_example, add_model, chosen, opened
from tamid.cli.turning import HEAD, write_head
from tamid.core.errors import IntegrityError, NotFound, TamidError

if TYPE_CHECKING:
    from tamid.app import App
    from tamid.cli.output import Output
    from tamid.stages.audit import Proof

INTEGRITY = IntegrityError.exit_code


def add_verify(parser: ArgumentParser) -> None:
    """Declare the arguments of `verify`."""
    parser.add_argument(
        "--head", type=Path, metavar="FILE", help="a signed head that was kept elsewhere"
    )
    parser.add_argument(
        "--seal", type=Path, metavar="FILE", help="afterwards write a signed head to keep elsewhere"
    )
    add_model(parser)
    add_example(
        parser, "tamid verify", "tamid verify --seal ~/tamid-head.json", "tamid verify --head FILE"
    )


def verify(args: Namespace, out: Output) -> int:
    """Check the ledger's chains, its signed head, and all stored content that it names."""
    with opened(args, out) as app:
        found = {m: _proved(app, m) for m in chosen(app, args.model)}
        head, loose = _head_fault(app, args.head), _rewritten(app)
        apart = bool(head) or bool(loose)
        faulty = apart or any(one["faults"] for one in found.values())
        if args.seal is not None and not faulty:
            write_head(app, args.seal)
    out.json({"whole": not faulty, "head": head, "rewritten": loose, "models": found})
    for model, one in found.items():
        out.text(
            f"{model}: {one['events']} events, {one['blobs']} blobs, {one['tables']} tables, "
            f"{one['bundles']} bundles: {_verdict(len(one['faults']), apart)}"
        )
        for fault in one["faults"]:
            out.text(f"  event {fault['event']}: {fault['what']}: {fault['why']}")
    for fault in loose:
        out.text(fault)
    if head:
        out.text(f"signed head: {head}")
    if args.seal is not None and not faulty:
        out.text(f"signed head written to {args.seal}; keep it away from this machine")
    return INTEGRITY if faulty else 0


def _proved(app: App, model: str) -> dict[str, Any]:
    from tamid.core.values import jsonable
    from tamid.stages.audit import Fault, Proof, prove

    try:
        proof: Proof = prove(app.rig(model), app.records(model))
    except IntegrityError as error:  # the stream itself cannot be read past the fault
        fault = Fault(event=0, what=error.what, why=error.why)
        proof = Proof(events=0, blobs=0, tables=0, bundles=0, faults=(fault,))
    body = jsonable(proof)
    assert isinstance(body, dict)
    return body


def _head_fault(app: App, given: Path | None) -> str:
    """Return what is wrong with the signed head, "" if nothing is or there is none."""
    from tamid.core.head import read_head, verify_head

    path = given or app.config.store / HEAD
    if not path.is_file():
        if given is not None:
            raise NotFound(f"there is no file {given}", fix="Name a head that `--seal` wrote.")
        return ""
    try:
        streams = {s: app.ledger.read(s) for s in app.ledger.streams()}
        signer = app.rig(next(iter(app.models()))).signer
        verify_head(read_head(path.read_text("utf-8")), streams, signer.verify)
    except TamidError as error:
        return error.told
    return ""


def _rewritten(app: App) -> list[str]:
    """Return what was rewritten in tables without an erasure in the ledger that tells of it."""
    from tamid.upkeep.erase import unvouched

    marks = app.edges.marks
    if marks is not None and marks.unfinished():
        return ["an erasure was cut off half-way: give the same `tamid erase` again"]
    try:
        found = unvouched(app)
    except IntegrityError:  # a stream that cannot be read is told as its model's fault
        return []
    return [
        f"table {table}: {len(changes)} slices were rewritten, and no erasure tells of it"
        for table, changes in found.items()
    ]


def _verdict(faults: int, apart: bool) -> str:
    """Return it for one model; `apart`: something does not fit that is told below all models."""
    if faults:
        return f"{faults} do not match"
    return "all match the ledger" if apart else "whole"
