"""What names of columns say: who a row is about, when it was, what is known only afterwards.

English and Hebrew words, compared in lower case after a name was cut into its words.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import pairwise

_CUT = re.compile(r"[^0-9A-Za-z\u0590-\u05ff]+|(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


_IDS = _set("id ids uuid guid key no number nr מזהה מספר זהות קוד")
_ID_NAMES = frozenset(("rownum", "index", "unnamed 0", "ת ז", "תז"))
_TRUTHS = _set(
    "label target y churn churned left outcome canceled cancelled default defaulted fraud "
    "converted conversion class survived response נטש נטישה עזב תווית יעד בוטל ביטול"
)
_POSITIVES = _set(
    "1 1.0 true yes y t positive pos churned left canceled cancelled fraud default bad כן נטש "
    "עזב חיובי אמת"
)
_AFTERWARDS = _set(
    "reason outcome resolution closed ended cancellation refund refunded terminated termination "
    "סיבה סיבת סיום עזיבה נטישה זיכוי"
)
_BEFORE = _set("previous prior past former earlier history קודם קודמים עבר")
_AFTER_PAIRS = (
    ("status", "date"), ("end", "date"), ("closing", "date"), ("exit", "date"), ("last", "status"),
    ("leave", "date"), ("churn", "date"), ("status", "time"), ("final", "status"),
)  # fmt: skip
_SIGNED = _set(
    "temp temperature temps celsius fahrenheit balance delta diff difference change growth profit "
    "margin net score z lat latitude lon lng longitude x y return returns trend slope offset "
    "יתרה שינוי הפרש רווח טמפרטורה ציון"
)
# What a unit or a clock allows, whatever was observed.
_UNITS = {
    "hour": (0, 23), "hr": (0, 23), "minute": (0, 59), "month": (1, 12), "mnth": (1, 12),
    "age": (0, 130), "percent": (0, 100), "percentage": (0, 100), "pct": (0, 100),
    "latitude": (-90, 90), "longitude": (-180, 180), "humidity": (0, 100),
    "שעה": (0, 23), "חודש": (1, 12), "גיל": (0, 130), "אחוז": (0, 100),
}  # fmt: skip
_PROTECTED = _set(
    "gender sex race ethnicity religion age senior citizen nationality disability marital "
    "partner dependents מין מגדר גיל דת לאום מוצא"
)


def words(name: str) -> tuple[str, ...]:
    """Cut a name into its words.

    >>> words("customerID"), words("reservation_status_date")
    (('customer', 'id'), ('reservation', 'status', 'date'))
    """
    return tuple(w.lower() for w in _CUT.split(name) if w)


def names_something(name: str) -> bool:
    """Say whether a name is that of an identifier."""
    cut = words(name)
    return bool(_IDS & {*cut[-1:], *cut[:1]}) or " ".join(cut) in _ID_NAMES


def names_truth(name: str) -> bool:
    """Say whether a name is one that labels often have."""
    return bool(_TRUTHS & {*words(name)[-2:]})


def known_afterwards(name: str, label: str) -> bool:
    """Say whether a name speaks of what is known only when the outcome is.

    >>> known_afterwards("churn_reason", "churned"), known_afterwards("tenure", "churned")
    (True, False)
    """
    cut = words(name)
    pairs = set(pairwise(cut))
    stems = {w for w in words(label) if len(w) > 4}
    told = any(w[:5] == s[:5] for w in cut for s in stems) and not _BEFORE & set(cut)
    return bool(_AFTERWARDS & set(cut)) or bool(pairs & set(_AFTER_PAIRS)) or told


def positive_of(values: Iterable[str]) -> str | None:
    """Return the one of two values that plainly says yes, if one does."""
    found = [v for v in values if v.strip().lower() in _POSITIVES]
    return found[0] if len(found) == 1 else None


def limits_of(name: str) -> tuple[int, int] | None:
    """Return the limits that the unit in a name sets."""
    cut = words(name)
    return next((_UNITS[w] for w in (*cut[-1:], *cut[:1]) if w in _UNITS), None)


def may_be_negative(name: str) -> bool:
    """Say whether a name is that of a quantity with two signs."""
    return bool(_SIGNED & set(words(name)))


def protected(name: str) -> bool:
    """Say whether a name is that of a protected attribute."""
    return bool(_PROTECTED & set(words(name)))


def model_name(stem: str) -> str:
    """Return a name for a model after a file's; contracts take Latin letters only.

    >>> model_name("telco_churn (1)"), model_name("לקוחות")
    ('telco_churn-1', 'my-model')
    """
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", stem).strip("-._")
    return plain[:100] or "my-model"
