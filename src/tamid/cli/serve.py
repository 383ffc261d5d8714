"""`tamid serve`: answer requests for one model, and follow its releases."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser, Namespace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from tamid.cli.desk import add_example
from tamid.core.errors import MissingExtra, UsageError
from tamid.core.values import parse_duration

if TYPE_CHECKING:
    from tamid.cli.output import Output

PORT = 8620
_LOCAL = "127.0.0.1"
_NEEDED = ("msgspec", "prometheus_client", "uvicorn", "uvloop", "httptools")
_FILE = "file:"


def add_serve(parser: ArgumentParser) -> None:
    """Declare the arguments of `serve`."""
    parser.add_argument("name", nargs="?", metavar="MODEL", help="the model (needed if several)")
    parser.add_argument("--host", default=_LOCAL, help="address to listen on (%(default)s)")
    parser.add_argument("--port", type=int, default=PORT, help="port (%(default)s)")
    parser.add_argument(
        "--token", metavar="env:NAME|file:PATH",
        help="callers must show what this variable holds, or a line of this file, which is read "
        "again when it changes",
    )  # fmt: skip
    parser.add_argument(
        "--allow-host", action="append", default=[], metavar="NAME",
        help="a name under which the server may be called (may be repeated)",
    )  # fmt: skip
    parser.add_argument(
        "--deadline", metavar="TIME", help="time for one row (default: service.p99_ms)"
    )
    parser.add_argument(
        "--outside", choices=("refuse", "lower"), default="refuse",
        help="a row outside the contract is refused, or answered by a lower rung (%(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--drill", metavar="env:NAME",
        help="let `tamid drill` break things on purpose, with the secret in this variable",
    )  # fmt: skip
    parser.add_argument(
        "--workers", type=int, default=1, metavar="N",
        help="processes on the port, kept alive by one more (%(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--grpc-port", type=int, metavar="PORT", help="answer V2 over gRPC there, too"
    )
    add_example(
        parser, "tamid serve", "tamid serve churn --port 9000 --token env:SERVE_TOKEN --workers 2"
    )


def serve(args: Namespace, out: Output) -> int:
    """Serve until the process is told to end."""
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        raise MissingExtra(
            f"the server needs {missing[0]}",
            why="it is not installed",
            fix="pip install 'tamid[serve]'",
        )
    from tamid.serving.http.server import run
    from tamid.serving.http.settings import Settings
    from tamid.serving.tokens import TokenFile, tokens_in
    from tamid.serving.wiring import application_of

    filed = _file_of(args.token)
    settings = Settings(
        token=secret_in(args.token, "token") if args.token and not filed else "",
        tokens=tokens_in(filed) if filed else (),
        drill=secret_in(args.drill, "secret") if args.drill else "",
        hosts=frozenset(name.lower() for name in args.allow_host),
        lower=args.outside == "lower",
    )
    deadline = _seconds(args.deadline)
    if args.workers < 1:
        raise UsageError("--workers takes a number of processes, one or more")
    if args.workers > 1:
        return _crew(args)
    if args.grpc_port is not None:
        _free(args)
    made = application_of(args.workspace, args.name, settings, deadline=deadline, say=_say)
    if filed:
        made.companions.append(TokenFile(filed, settings.tokens, made.admit, _say))
    if args.grpc_port is not None:
        from tamid.serving.rpc.door import Door

        address = f"[{args.host}]" if ":" in args.host else args.host
        shared = made.crew is not None
        made.companions.append(Door(made, f"{address}:{args.grpc_port}", shared=shared))
    _say(f"{made.model}: http://{args.host}:{args.port}")
    run(made, args.host, args.port, shared=made.crew is not None)
    return 0


def _free(args: Namespace) -> None:
    """Refuse a port that cannot be had, or a library that is not there, before all is loaded."""
    from tamid.serving.http.server import bound
    from tamid.serving.rpc.door import library

    library()
    if args.grpc_port == args.port:
        raise UsageError(
            "gRPC needs a port of its own", why=f"{args.port} is that of HTTP",
            fix="Choose another --grpc-port.",
        )  # fmt: skip
    bound(args.host, args.grpc_port, shared="TAMID_CREW" in os.environ).close()


def _crew(args: Namespace) -> int:
    """Keep several processes of this command on the port."""
    from tamid.config import find
    from tamid.serving.crew.lead import lead
    from tamid.serving.wiring import one_model

    model = one_model(find(args.workspace), args.name)
    words = ["-C", str(args.workspace), "serve", model, "--host", args.host]
    words += ["--port", str(args.port), "--outside", args.outside]
    for option, value in (
        ("--token", args.token), ("--deadline", args.deadline), ("--drill", args.drill),
    ):  # fmt: skip
        words += [option, value] if value is not None else []
    if args.grpc_port is not None:
        _free(args)
        words += ["--grpc-port", str(args.grpc_port)]
    for name in args.allow_host:
        words += ["--allow-host", name]
    return lead(args.workers, words, args.host, args.port, _say)


def _file_of(token: str | None) -> Path | None:
    """Return the file of `file:PATH`, None for any other source."""
    if token is None or not token.startswith(_FILE):
        return None
    return Path(token.removeprefix(_FILE)).expanduser()


def secret_in(text: str, what: str) -> str:
    """Return what the environment holds for `env:NAME`. Raises UsageError."""
    from tamid.serving.tokens import LEAST, is_token

    name = text.removeprefix("env:")
    if name == text:
        raise UsageError(
            f"a {what} is not given on the command line",
            why="other users of the machine can read it there",
            fix="Put it into the environment, and name it: env:NAME (a token, also file:PATH).",
        )
    found = os.environ.get(name, "")
    if not is_token(found):
        raise UsageError(
            f"{name} holds no {what} of at least {LEAST} ASCII signs",
            why="a short one can be tried out",
            fix=f"Set {name}, for instance to 32 random letters.",
        )
    return found


def _seconds(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        seconds = parse_duration(text).total_seconds()
    except ValueError as error:
        raise UsageError(f"--deadline: {error}") from None
    if not seconds:
        raise UsageError("--deadline: no time at all", why="nobody could answer within it")
    return seconds


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()
