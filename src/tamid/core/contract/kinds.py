"""The grammars of texts: names, columns, code, paths, secrets, sizes, moments, special days."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from tamid.core.contract.fields import Kind
from tamid.core.special import special_fault

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
BUILT_IN_MODELS = ("lightgbm", "logistic", "ridge")

# File systems and databases take no longer names.
_MAX_NAME = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Grammar:
    """One kind of text: a pattern for editors, and `fault`, which says what is wrong or nothing."""

    pattern: str
    expects: str
    fault: Callable[[str], str]
    secret: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadline:
    """The latest moment of a delivery: an hour of each day, or of one weekday."""

    weekday: str
    hour: int
    minute: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StageSpec:
    """One stage of a release path; `share` is the part of the entities that a canary answers."""

    kind: str
    share: float


def parse_size(text: str) -> int:
    """Return a size such as 5GB in bytes (1 KB = 1000 bytes).

    >>> parse_size("5GB")
    5000000000
    """
    match = re.match(_SIZE, text)
    if match is None:
        raise ValueError(f"{text!r} is not a size such as 500MB or 5GB")
    return int(float(match[1]) * _BYTES[match[2]])


def parse_rate(text: str) -> float:
    """Return a throughput such as 2000/s in rows per second.

    >>> parse_rate("120/m")
    2.0
    """
    match = re.match(_RATE, text)
    if match is None:
        raise ValueError(f"{text!r} is not a rate such as 2000/s")
    return float(match[1]) / {"s": 1, "m": 60, "h": 3600}[match[2]]


def parse_moment(text: str) -> Deadline:
    """Return the weekday (empty: every day), hour and minute of "Sunday 06:00".

    >>> parse_moment("Sunday 06:30")
    Deadline(weekday='sunday', hour=6, minute=30)
    """
    match = re.match(_MOMENT, text)
    if match is None:
        raise ValueError(f'{text!r} is not a moment such as "Sunday 06:00" or "06:00"')
    return Deadline(
        weekday=(match[1] or "").strip().lower(), hour=int(match[2]), minute=int(match[3])
    )


def parse_stage(text: str) -> StageSpec:
    """Return a stage of a release path: shadow, canary N% or live.

    >>> parse_stage("canary 5%").share
    0.05
    """
    match = re.match(_STAGE, text)
    if match is None:
        raise ValueError(f"{text!r} is not a stage: shadow, canary 5% or live")
    share = float(match[1]) / 100 if match[1] else float(text == "live")
    return StageSpec(kind=text.partition(" ")[0], share=share)


def name_fault(text: str) -> str:
    """Say what is wrong with the name of a column, table or band, or return an empty text.

    Letters of any script are welcome; what the eye cannot see is not.
    """
    hidden = [c for c in text if unicodedata.category(c) in _HIDDEN]
    if hidden:
        return f"holds the invisible character U+{ord(hidden[0]):04X}"
    if not text or text != text.strip():
        return "is empty" if not text.strip() else "begins or ends with a space"
    if text.startswith("_"):
        return "begins with an underscore, which is kept for Tamid's own columns"
    return f"is longer than {_MAX_NAME} characters" if len(text) > _MAX_NAME else ""


def holds_password(text: str) -> bool:
    """Say whether a path or URL carries a password, key or token in itself."""
    return bool(_USERINFO.search(text) or _TOKEN.search(text))


def _control_fault(text: str) -> str:
    hidden = [c for c in text if unicodedata.category(c) in _HIDDEN]
    if hidden:
        return f"holds the invisible character U+{ord(hidden[0]):04X}"
    return "" if text.strip() else "is empty"


def _matching(pattern: str, otherwise: str) -> Callable[[str], str]:
    compiled = re.compile(pattern)
    return lambda text: "" if compiled.match(text) else otherwise


def _path_fault(text: str) -> str:
    if holds_password(text):
        return "holds a password; put the whole address into an environment variable"
    return _control_fault(text)


def _code_fault(text: str) -> str:
    if re.match(_CODE, text) is None:
        return "does not name a function in a file"
    path = text.rpartition(":")[0]
    if path.startswith(("/", "~")) or re.match(r"[A-Za-z]:", path):
        return "is absolute; code lies in the contract's folder, so that a bundle can hold it"
    if ".." in path.replace("\\", "/").split("/"):
        return "leaves the contract's folder, so no bundle could hold it"
    return _control_fault(text)


def _model_fault(text: str) -> str:
    if text in BUILT_IN_MODELS:
        return ""
    if ".py" not in text:
        return "is neither a built-in model nor file.py:function"
    return _code_fault(text)


# Control, format (zero-width, direction), surrogate, private, unassigned, line and paragraph marks.
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_USERINFO = re.compile(r"://[^/@\s:]*:[^/@\s]+@")
_TOKEN = re.compile(
    r"[?&](token|key|sig|signature|secret|password|passwd|pwd|api_?key|access_token)=",
    re.IGNORECASE,
)
_BYTES = {"KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}\Z"
_COLUMN = r"^[^_\s]"
_CODE = r"^[^:\n]+\.py:[^\W\d]\w*\Z"
_FROM_ENV = r"^env:[A-Za-z_][A-Za-z0-9_]*\Z"
_SIZE = r"^([0-9]+(?:\.[0-9]+)?) ?(KB|MB|GB|TB)\Z"
_RATE = r"^([0-9]+(?:\.[0-9]+)?)/([smh])\Z"
_DAY = "|".join(f"[{d[0].upper()}{d[0]}]{d[1:]}" for d in WEEKDAYS)
_MOMENT = rf"^((?:{_DAY}) )?([01][0-9]|2[0-3]):([0-5][0-9])\Z"
_STAGE = r"^(?:shadow|live|canary ([0-9]+(?:\.[0-9]+)?)%)\Z"

GRAMMARS: Mapping[Kind, Grammar] = MappingProxyType(
    {
        "": Grammar(pattern="", expects="a text", fault=_control_fault),
        "name": Grammar(
            pattern=_NAME,
            expects="at most 100 Latin letters, digits, dots, dashes and underscores",
            fault=_matching(_NAME, "is not a name"),
        ),
        "column": Grammar(pattern=_COLUMN, expects="a name without hidden signs", fault=name_fault),
        "code": Grammar(pattern=_CODE, expects="such as features.py:build", fault=_code_fault),
        "model": Grammar(
            pattern=rf"^(?:{'|'.join(BUILT_IN_MODELS)})\Z|{_CODE}",
            expects=f"{', '.join(BUILT_IN_MODELS)}, or such as model.py:build",
            fault=_model_fault,
        ),
        "path": Grammar(
            pattern="", expects="a path, glob or URL; secrets as env:NAME", fault=_path_fault
        ),
        "target": Grammar(
            pattern="", expects="a path, a URL or env:NAME", fault=_path_fault, secret=True
        ),
        "secret": Grammar(
            pattern=_FROM_ENV,
            expects="env:NAME; the secret itself stands in the environment",
            fault=_matching(_FROM_ENV, "is not env:NAME; no secret may stand in a contract"),
            secret=True,
        ),
        "size": Grammar(
            pattern=_SIZE, expects="such as 500MB or 5GB", fault=_matching(_SIZE, "is not a size")
        ),
        "rate": Grammar(
            pattern=_RATE, expects="such as 2000/s", fault=_matching(_RATE, "is not a rate")
        ),
        "moment": Grammar(
            pattern=_MOMENT,
            expects='such as "Sunday 06:00", or "06:00" for every day',
            fault=_matching(_MOMENT, "is not a moment of the week"),
        ),
        "stage": Grammar(
            pattern=_STAGE,
            expects="shadow, canary N% or live, such as [shadow, canary 5%, live]",
            fault=_matching(_STAGE, "is not a stage of a release"),
        ),
        "special": Grammar(
            pattern="",
            expects="holidays_il (any country), holidays_il -7..+1 with days around, or an event "
            "with its days, such as sale = 2026-11-23..2026-11-29, or with Hebrew ones of each "
            "year, such as camps = 10 Av..29 Av",
            fault=special_fault,
        ),
    }
)
