"""An answer as JSON, by hand: the fields are few and known, and this is on everybody's way."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from tamid.serving.strict import LONGEST_ID
from tamid.serving.values import Answer, Served

_encode = msgspec.json.Encoder().encode


def told(answer: Answer, served: Served) -> dict[str, Any]:
    """Return the fields that say something."""
    found: dict[str, Any] = {"id": answer.id, "score": answer.score}
    if answer.classes:
        found["classes"] = answer.classes
    if answer.decision is not None:
        found["decision"] = answer.decision
        if served.classes:
            found["class"] = served.classes[answer.decision]
    if answer.band is not None:
        found["band"] = answer.band
    found["version"], found["rung"], found["reason"] = answer.version, answer.rung, answer.reason
    if answer.age is not None:
        found["age"] = round(answer.age, 3)
    if answer.features_age is not None:
        found["features_age"] = round(answer.features_age, 3)
    if answer.control is not None:
        found["control"] = answer.control
    if answer.explanation:
        found["explanation"] = answer.explanation
    return found


def tail(answer: Answer, served: Served) -> str:
    """Return all that stands behind the score of an answer."""
    rest = told(answer, served)
    del rest["id"], rest["score"]
    return "," + _encode(rest)[1:].decode()


def name(given: str) -> str | None:
    """Return a caller's id as JSON, None if it is none."""
    return _encode(given).decode() if 0 < len(given) <= LONGEST_ID else None


def one(answer: Answer, served: Served) -> bytes:
    """Return one answer."""
    return _encode(told(answer, served))


def many(answers: Sequence[Answer], served: Served) -> bytes:
    """Return the answers of many rows, in order."""
    return _encode({"answers": [told(a, served) for a in answers]})
