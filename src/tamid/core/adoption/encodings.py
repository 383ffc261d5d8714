"""Which encoding a text file has: by its marks, and by what words look like in each script.

Every single-byte encoding reads every file. So a reading counts only if its words are words of one
script: no Hebrew final letter within a word, no Cyrillic word without a vowel, no word of nothing
but accents. Readings that agree on all words are one.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

from tamid.core.contract.csvform import Encoding

# So much of a file tells its encoding; names and first rows are in it.
LOOKED_AT = 2**20
# Share of words that may look wrong: abbreviations, slips of the pen.
_BEARABLE = 0.05
_WORD = re.compile(rb"[A-Za-z\x80-\xff]+")
_CANDIDATES: tuple[Encoding, ...] = (
    "cp1252", "cp1255", "cp1251", "cp1253", "cp1256", "cp1250", "cp1254",
)  # fmt: skip
_FINALS = frozenset("ךםןףץ")
_CYRILLIC_VOWELS = frozenset("аеёиоуыэюяіїєў")
_ACCENTS = frozenset("άέήίόύώ")
_GREEK_ENDS = _ACCENTS | frozenset("αεηιουωςνρξψϊϋ")
# Letters that a word may lack the signs of, and words that a question shows.
_SHORT = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One way to read a file, and some of its words read so."""

    encoding: Encoding
    words: tuple[str, ...] = ()


def readings(content: bytes) -> tuple[Reading, ...]:
    """Return the encodings that a file's text may have; none: it is no text.

    >>> [r.encoding for r in readings("שם;תאריך".encode("cp1255"))]
    ['cp1255']
    >>> [r.encoding for r in readings("name;höhe".encode("cp1252"))], readings(b"PK\\x00\\x01")
    (['cp1252'], ())
    """
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return (Reading(encoding="utf-16"),)
    if b"\x00" in content:
        return ()
    if _is_utf8(content):
        return (Reading(encoding="utf-8"),)
    raw = [w for w in dict.fromkeys(_WORD.findall(content[:LOOKED_AT])) if max(w) > 0x7F]
    found: dict[tuple[str, ...], Reading] = {}
    for encoding in _CANDIDATES:
        try:
            words = tuple(word.decode(encoding) for word in raw)
        except UnicodeDecodeError:
            continue
        if _plausible(words):
            # What is not looked at may still be no text in this encoding.
            found.setdefault(words, Reading(encoding=encoding, words=words[:_SHORT]))
    return tuple(found.values())


def _is_utf8(content: bytes) -> bool:
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _plausible(words: Iterable[str]) -> bool:
    judged = [_is_word(word) for word in words]
    return judged.count(False) <= _BEARABLE * len(judged)


def _is_word(text: str) -> bool:
    letters = [c for c in text if c.isalpha() or unicodedata.category(c) == "Mn"]
    scripts = {_script(c) for c in letters}
    if len(scripts) != 1 or any(unicodedata.category(c) in ("Cn", "Cc") for c in text):
        # Marks alone, such as a currency before a number, are in every encoding.
        return not letters
    script = scripts.pop()
    if script == "LATIN":
        return any(c.isascii() for c in letters) or len(letters) < _SHORT
    if script == "HEBREW":
        return not any(c in _FINALS for c in letters[:-1])
    # A capital after a small letter is no word of Cyrillic or Greek.
    if any(a.islower() and b.isupper() for a, b in pairwise(letters)):
        return False
    rule = {"CYRILLIC": _is_cyrillic, "GREEK": _is_greek}.get(script)
    return rule is None or rule("".join(letters).lower(), small=all(c.islower() for c in letters))


def _is_cyrillic(word: str, *, small: bool) -> bool:
    del small
    if len(word) == 1:
        return word in "авикосуя"
    if word[0] in "ъьый" + "щ" * (len(word) < _SHORT) or word[-1] == "ъ":
        return word[0] == "й" and word[1] in _CYRILLIC_VOWELS
    # A short i follows a vowel.
    lone = any(b == "й" and a not in _CYRILLIC_VOWELS for a, b in pairwise(word))
    return not lone and (len(word) < _SHORT or any(c in _CYRILLIC_VOWELS for c in word))


def _is_greek(word: str, *, small: bool) -> bool:
    if word[0] in "ϊϋΰΐ" or word[-1] not in _GREEK_ENDS or "ς" in word[:-1]:
        return False
    # A word of some length has an accent, unless it is written in capitals.
    return not small or len(word) <= _SHORT or any(c in _ACCENTS for c in word)


def _script(letter: str) -> str:
    return unicodedata.name(letter, "?").partition(" ")[0]
