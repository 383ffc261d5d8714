"""JSON as it should be: any value, but no key twice, and nothing that a forgiving parser takes."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from tamid.core.errors import UsageError


class Malformed(UsageError):
    """The body cannot be read."""

    fix = "Send JSON as RFC 8259 has it, in UTF-8, with each key once."


def strictly(body: bytes) -> Any:
    """Parse any JSON, refusing the same key twice; what it returns is plain Python.

    Raises:
        Malformed: not JSON, a key twice, too deep, or a number that no float64 holds.
    """
    try:
        # First the strict parser, for what the forgiving one would take.
        msgspec.json.decode(body)
        return json.loads(body, object_pairs_hook=_once)
    except UnicodeDecodeError:
        raise Malformed("the body is not UTF-8") from None
    except RecursionError:
        raise Malformed("the body is nested too deeply") from None
    except (msgspec.DecodeError, ValueError) as error:
        if isinstance(error, _Twice):
            raise Malformed("the body has the same key twice") from None
        why = str(error) if isinstance(error, msgspec.DecodeError) else "it cannot be parsed"
        raise Malformed("the body is not JSON", why=why) from None


class _Twice(ValueError):
    """A key came twice."""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _Twice
    return found
