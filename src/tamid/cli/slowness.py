"""`tamid why latency`: why did the server become slow?"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tamid.cli.desk import add_example, add_model, opened
from tamid.core.errors import UsageError
from tamid.core.values import jsonable, parse_duration

if TYPE_CHECKING:
    from datetime import timedelta

    from tamid.cli.output import Output
    from tamid.core.latency import Span


def add_latency(parser: ArgumentParser) -> None:
    """Declare the arguments of `why latency`."""
    parser.add_argument(
        "--back", default="1d", metavar="TIME", help="how far to look back (%(default)s)"
    )
    add_model(parser)
    add_example(parser, "tamid why latency", "tamid why latency --back 7d")


def latency(args: Namespace, out: Output) -> int:
    """Name the part of a request, the version, the load or the size that made it slower."""
    from tamid.core.latency import span, why_slow
    from tamid.stages.slowness import windows

    back = _duration(args.back)
    with opened(args, out) as app:
        model = app.one(args.model)
        seen = windows(app.rig(model), app.state(model), back, app.clock.now())
    found = why_slow(seen)
    out.json({"model": model, "windows": len(seen), **_body(found)})
    if found.before is None or found.after is None:
        out.text(f"{model}: {found.words}")
        _table(out, [("in all", span(seen))])
        return 0
    when = datetime.fromtimestamp(found.since, UTC).strftime("%Y-%m-%d %H:%M:%S")
    out.text(f"{model}: since {when} UTC: {found.words}")
    out.text(f"  cause: {found.cause}; part: {found.part}; version: {found.version}")
    _table(out, [("before", found.before), ("after", found.after)])
    return 0


def _body(found: object) -> dict[str, object]:
    body = jsonable(found)
    assert isinstance(body, dict)
    return body


def _table(out: Output, spans: list[tuple[str, Span]]) -> None:
    from tamid.core.latency import PARTS

    columns = ["", "version", "requests/s", "rows", "bytes", "p50 ms", "p99 ms"]
    rows = [
        (
            name, s.version, f"{s.rate:.3g}", f"{s.rows:.3g}", f"{s.size:.4g}",
            f"{s.p50 * 1e3:.3g}", f"{s.p99 * 1e3:.3g}",
            *(f"{s.parts[part] * 1e3:.3g}" for part in PARTS),
        )
        for name, s in spans
    ]  # fmt: skip
    out.table([*columns, *(f"{part} ms" for part in PARTS)], rows)


def _duration(text: str) -> timedelta:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise UsageError(f"--back: {error}") from None
