"""The page of a replay: whole without the net, and safe whatever the data says."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree as ET

from tamid.cli.replay_page import page, picture
from tamid.stages.past import Happening, Replay, Week

BEGIN = datetime(2026, 1, 5, tzinfo=UTC)


def found(weeks: int = 3, text: str = "version 2 goes live") -> Replay:
    """A replay of some weeks with one release."""
    return Replay(
        model="shop",
        metric="f1",
        higher_is_better=True,
        begin=BEGIN,
        end=BEGIN + timedelta(weeks=weeks),
        ticks=7 * weeks,
        runs=2,
        releases=2,
        weeks=tuple(
            Week(
                period=(BEGIN + timedelta(weeks=i)).date().isoformat(),
                rows=100,
                version=1,
                served=0.7 + i / 100,
                low=0.6,
                high=0.9,
                others={"frozen": 0.7} | ({"always": 0.8} if i else {}),
            )
            for i in range(weeks)
        ),
        means={"served": 0.71, "frozen": 0.7},
        happenings=(Happening(at=BEGIN + timedelta(days=8), kind="release", text=text),),
    )


def test_the_picture_has_a_line_for_everybody() -> None:
    """The loop, and each rival over the weeks that it has."""
    root = ET.fromstring(picture(found()))
    lines = [e for e in root.iter() if e.tag.endswith("polyline")]
    points = {
        (e.get("class") or "").split()[-1]: len((e.get("points") or "").split()) for e in lines
    }
    assert points == {"served": 3, "frozen": 3, "always": 2}


def test_the_page_needs_nothing_from_outside() -> None:
    """No address is loaded, and each week and happening stands on it."""
    text = page(found())
    assert not re.search(r'(src|href)="', text)
    assert text.count("<svg") == 1
    assert "2026-01-19" in text
    assert "version 2 goes live" in text


def test_what_the_data_says_is_text_and_no_markup() -> None:
    """A reason out of a batch's name cannot become a script."""
    text = page(found(text='<script>alert("x")</script>'))
    assert "<script>" not in text
    assert "&lt;script&gt;" in text


def test_without_a_judged_week_the_page_says_what_happened() -> None:
    """There is no picture, and no error either."""
    text = page(found(weeks=0))
    assert "<svg" not in text
    assert "version 2 goes live" in text
