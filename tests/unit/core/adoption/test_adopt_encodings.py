"""An encoding is told by words of its script, and asked for where several are plausible."""

from __future__ import annotations

import pytest

from tamid.core.adoption.encodings import readings

HEBREW = "מספר לקוח;ותק;נטש\nא17;12;כן\nב18;3;לא\n"


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("plan;left\nbasic;1\n", "utf-8"),
        (HEBREW, "utf-8"),
        (HEBREW, "cp1255"),
        ("имя;Город;дата;мой;и", "cp1251"),
        ("όνομα;πόλη;Σύνολο", "cp1253"),
        ("جنس;عمر", "cp1256"),
        ("name;höhe;größe", "cp1252"),
        ("price €;total", "cp1252"),
    ],
)
def test_words_of_a_script_tell_its_encoding(text: str, encoding: str) -> None:
    """One reading is left, and it is the right one or reads every word alike."""
    (found,) = readings(text.encode(encoding))
    content = text.encode(encoding)
    assert content.decode(found.encoding) == text


def test_utf_16_is_told_by_its_mark() -> None:
    """Spreadsheets write it as Unicode text."""
    assert [r.encoding for r in readings(HEBREW.encode("utf-16"))] == ["utf-16"]


@pytest.mark.parametrize(
    ("text", "encoding", "among"),
    [
        ("příjmení;město;žena", "cp1250", {"cp1250", "cp1252"}),
        ("כן;לא", "cp1255", {"cp1255", "cp1252"}),
    ],
)
def test_words_that_two_encodings_have_are_asked_for(
    text: str, encoding: str, among: set[str]
) -> None:
    """Each plausible reading comes with its words, the right one among them."""
    found = {r.encoding: r.words for r in readings(text.encode(encoding))}
    assert set(found) >= among
    assert found[encoding] == tuple(text.split(";"))  # type: ignore[index]


def test_what_is_no_text_has_no_encoding() -> None:
    """Zero bytes stand in no text."""
    assert readings(b"PAR1\x00\x00\x15") == ()
