"""`tamid backup` and `tamid restore`: a workspace carried away whole, and put back."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from tamid.cli.desk import add_example, opened
from tamid.cli.upkeep import alone

if TYPE_CHECKING:
    from tamid.cli.output import Output


def add_backup(parser: ArgumentParser) -> None:
    """Declare the arguments of `backup`."""
    parser.add_argument("to", metavar="TO", type=Path, help="a folder that is not there yet")
    parser.add_argument(
        "--keys",
        metavar="DIR",
        type=Path,
        help="put the secrets into this other folder (without it they are left out)",
    )
    add_example(
        parser,
        "tamid backup /backups/2026-11-22",
        "tamid backup /backups/2026-11-22 --keys /safe/2026-11-22",
    )


def backup(args: Namespace, out: Output) -> int:
    """Copy ledger, tables, models and contracts to a new folder, while the loop may turn."""
    from tamid.upkeep.backup import backup as make

    with opened(args, out) as app, alone(app):
        made = make(app, args.to, args.keys)
    manifest = made.manifest
    out.json(
        {
            "backup": str(made.place),
            "digest": manifest.digest,
            "files": len(manifest.files),
            "bytes": manifest.size,
            "streams": manifest.streams,
            "keys": str(made.keys) if made.keys else None,
            "left_out": made.left_out,
        }
    )
    out.text(f"{len(manifest.files)} files, {manifest.size / 2**20:.1f} MB, in {made.place}")
    for end in manifest.streams:
        out.text(f"  {end.stream}: up to event {end.seq}")
    if made.keys:
        out.text(f"secrets in {made.keys}: {', '.join(manifest.secrets)}; keep them apart")
    elif made.left_out:
        out.text(f"secrets left out: {', '.join(made.left_out)} (--keys DIR takes them along);")
        out.text("  without them a restored workspace can be read and verified, but not run")
    out.text("not in it: the sources' own files, and what was delivered")
    out.text(f"note this elsewhere, and give it to `tamid restore --digest`: {manifest.digest}")
    return 0


def add_restore(parser: ArgumentParser) -> None:
    """Declare the arguments of `restore`."""
    parser.add_argument("source", metavar="FROM", type=Path, help="what `tamid backup` wrote")
    parser.add_argument(
        "to", metavar="DIR", nargs="?", type=Path, help="an empty or new folder (-C, or here)"
    )
    parser.add_argument("--keys", metavar="DIR", type=Path, help="the secrets of this backup")
    parser.add_argument(
        "--digest", default="", metavar="SHA256", help="what was noted when the backup was made"
    )
    add_example(
        parser,
        "tamid restore /backups/2026-11-22 churn",
        "tamid restore /backups/2026-11-22 churn --keys /safe/2026-11-22 --digest sha256:1f0c...",
    )


def restore(args: Namespace, out: Output) -> int:
    """Compare every byte of a backup, and put it into an empty folder; altered ones are refused."""
    from tamid.upkeep.restore import restore as put_back

    target = args.workspace / args.to if args.to else args.workspace
    with out.progress() as progress:
        found = put_back(args.source, target, progress, keys=args.keys, digest=args.digest)
    manifest = found.manifest
    out.json(
        {
            "workspace": str(found.place),
            "digest": manifest.digest,
            "made_at": manifest.made_at,
            "files": len(manifest.files),
            "streams": manifest.streams,
            "missing": found.missing,
        }
    )
    out.text(f"{len(manifest.files)} files compared and put into {found.place}")
    for end in manifest.streams:
        out.text(f"  {end.stream}: up to event {end.seq}")
    if found.missing:
        out.text(f"secrets missing: {', '.join(found.missing)}; put them into")
        out.text(f"  {found.place / manifest.store} before the loop turns: until then it refuses")
    out.text(f"Next: tamid -C {found.place} verify")
    return 0
