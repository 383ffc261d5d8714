"""Commands for the tests of the frame."""

from __future__ import annotations

import argparse
import builtins
from typing import NoReturn

from tamid.cli.output import Output
from tamid.core import errors


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `run`."""
    parser.add_argument("name")
    parser.add_argument("--status", type=int, default=0)


def run(args: argparse.Namespace, out: Output) -> int:
    """Greet somebody."""
    out.text(f"hello {args.name}")
    out.json({"name": args.name, "role": args.role, "workspace": str(args.workspace)})
    status: int = args.status
    return status


def add_move(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `move`."""
    parser.add_argument("data")
    parser.add_argument("folder", nargs="?")
    parser.add_argument("--label")
    parser.add_argument("--drop", action="append", default=[])


def move(args: argparse.Namespace, out: Output) -> int:
    """Say what was read."""
    out.text(f"{args.data} to {args.folder}, {args.label} without {args.drop}")
    return 0


def add_fail(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `fail`."""
    parser.add_argument("kind")


def fail(args: argparse.Namespace, out: Output) -> NoReturn:
    """Raise the error that was asked for."""
    out.note("about to fail") if args.kind == "loudly" else None
    raise (getattr(errors, args.kind, None) or getattr(builtins, args.kind))("it did not work")


def show(args: argparse.Namespace, out: Output) -> int:
    """Need no arguments of its own."""
    out.text(str(args.workspace))
    return 0
