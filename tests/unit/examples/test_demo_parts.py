"""The parts of the demo that stand alone: outage, memory, words, acts, picture and bars."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from xml.etree import ElementTree as ET

from tamid.core import events as ev
from tamid.core.state import State
from tamid.core.values import Interval
from tamid.core.view.lift import LiftCard
from tamid.examples.telecom.demo_campaign import Campaign, campaign_part
from tamid.examples.telecom.demo_memory import Watcher
from tamid.examples.telecom.demo_outage import children, outage
from tamid.examples.telecom.demo_story import acts_of
from tamid.examples.telecom.demo_words import Narrator
from tamid.examples.telecom.demo_year import Day
from tamid.examples.telecom.report_bars import Bar, bars
from tamid.examples.telecom.report_picture import Moment, Picture, draw
from tamid.testing.life import Life
from tamid.testing.scenes import fall, first_release, held, measured, served

START = date(2026, 1, 4)
BUSY = "import time\nend = time.monotonic() + 600\nwhile time.monotonic() < end: pass\n"


def a_picture(text: str = "drift") -> Picture:
    """Return a picture of twenty weeks."""
    days = [START + timedelta(weeks=n) for n in range(20)]
    return Picture(
        ours=dict.fromkeys(days, 0.85),
        intervals={d: Interval(point=0.85, low=0.82, high=0.88) for d in days},
        never=dict.fromkeys(days, 0.7),
        manual=dict.fromkeys(days, 0.8),
        owed=0.8,
        sick=[(days[2], days[4])],
        moments=[Moment(day=d, text=text) for d in days[2:5]],
        title="a & b",
    )


def test_an_outage_kills_who_works_and_spares_who_waits() -> None:
    """A child that computes dies by SIGKILL, one that only waits lives on."""
    code = "import os, sys; os.write(1, b'!'); sys.stdin.read()"
    waiting = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        _asleep(waiting)
        assert waiting.pid in children()
        with outage() as killed:
            busy = subprocess.Popen([sys.executable, "-c", BUSY])
            assert busy.wait(240) == -9
        assert busy.pid in killed
        assert waiting.poll() is None
    finally:
        waiting.kill()
        waiting.communicate()


def test_memory_counts_children() -> None:
    """The peak holds what this process and its children hold at once."""
    code = "import sys; held = bytearray(80_000_000); sys.stdin.read()"
    with Watcher() as alone:
        _until(lambda: alone.peak_mb)
    with Watcher() as both:
        child = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE)
        try:
            _until(lambda: both.peak_mb > alone.peak_mb + 70)
        finally:
            child.communicate()


FORKED = """
import os, time
from tamid.examples.telecom.demo_memory import Watcher
held = bytearray(b"x" * 150_000_000)
with Watcher() as memory:
    child = os.fork()
    if child == 0:
        time.sleep(600)
    while not memory.peak_mb:
        time.sleep(0.01)
    time.sleep(0.5)  # two looks more
    os.kill(child, 9)
    os.waitpid(child, 0)
print(memory.peak_mb)
"""


def test_a_child_that_has_not_begun_is_not_counted_twice() -> None:
    """Between fork and exec a child shows its parent's memory: that is held once."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORKED], capture_output=True, text=True, check=True
    )
    assert 150 < float(done.stdout) < 280


def test_quiet_weeks_are_one_line() -> None:
    """Weeks without news are told together, as soon as there is news again."""
    life = first_release(Life())
    narrator = Narrator()
    list(narrator.tell(_day(life, 0)))
    for week in range(3):
        before = life.state.seq
        served(life, week)
        assert not list(narrator.tell(_day(life, before)))
    (line,) = narrator.rest(START)
    assert "3 quiet weeks" in line.text
    assert "3,000 answers" in line.text


def test_what_raised_an_alarm_is_no_part_of_the_quiet_weeks() -> None:
    """The quiet weeks are told before the alarm, with the figures of their own weeks alone."""
    life = first_release(Life())
    narrator = Narrator()
    list(narrator.tell(_day(life, 0)))
    for week, value in ((0, 0.86), (1, 0.84)):
        before = life.state.seq
        served(life, week)
        measured(life, week, value)
        assert not list(narrator.tell(_day(life, before)))
    before = life.state.seq
    served(life, 2)
    fall(life, 2, 0.61)
    quiet, *news = narrator.tell(_day(life, before))
    assert "2 quiet weeks" in quiet.text
    assert quiet.text.endswith("F1 0.840 to 0.860")
    assert any("0.610" in told.text for told in news)
    before = life.state.seq
    served(life, 3)
    measured(life, 2, 0.62)  # known better by now, and still none of the quiet weeks that follow
    assert not list(narrator.tell(_day(life, before)))
    (line,) = narrator.rest(START)
    assert "1 quiet week up to" in line.text
    assert "F1" not in line.text


def test_every_decision_of_a_held_candidate_is_told() -> None:
    """Alarm, diagnosis, gates and case stand in the list of acts, in the order of the ledger."""
    life = first_release(Life())
    served(life, 0)
    held(life, fall(life, 0))
    kinds = [act.kind for act in acts_of(life.records)]
    assert kinds[:2] == ["gate", "champion"]
    assert [k for k in kinds if k in ("alarm", "diagnosis", "case")] == [
        "alarm", "diagnosis", "case",
    ]  # fmt: skip


def test_a_picture_is_well_formed_and_labels_do_not_meet() -> None:
    """The SVG parses, texts are escaped, and close moments stand in different lanes."""
    svg = ET.fromstring(draw(a_picture("a drift & more")))
    labels = [t for t in svg.iter() if t.get("class") == "label" and t.text == "a drift & more"]
    assert len({t.get("y") for t in labels}) == len(labels) == 3


def test_bars_reach_from_zero() -> None:
    """A value below zero lies on the other side of zero than one above it."""
    values = [
        Bar(name=name, interval=Interval(point=v, low=v - 1, high=v + 1), style="ours")
        for name, v in (("gain", 10.0), ("loss", -5.0))
    ]
    svg = ET.fromstring(bars(values, unit="k", mark=3.0, mark_name="goal"))
    gain, loss = (r for r in svg.iter() if r.tag.endswith("rect"))
    zero = float(gain.attrib["x"])
    assert float(loss.attrib["x"]) + float(loss.attrib["width"]) <= zero + 0.2


def _day(life: Life, after: int) -> Day:
    records = tuple(r for r in life.records if r.seq > after)
    plain = tuple(r for r in records if not isinstance(r.event, ev.Decided))
    return Day(date=START, records=plain, state=State())


def test_what_the_calls_brought_is_said_only_where_it_can_be() -> None:
    """Nothing without outcomes, one sentence for too few, bars for all and for those reached."""
    span = Interval(point=0.2, low=0.1, high=0.3)
    card = LiftCard(
        offer="*", through="2026-01-04", lift=span, word="helps", offered=200, offered_share=0.4,
        held=100, held_share=0.6, reached=0.8, by_lot=True, effect=span.scaled(1.25),
    )  # fmt: skip
    assert campaign_part(None) == campaign_part(Campaign(calls=3, lift=None)) == ""
    few = campaign_part(Campaign(calls=3, lift=replace(card, word="too small to judge")))
    assert "too small to judge" in few
    assert "<svg" not in few
    whole = campaign_part(Campaign(calls=1234, lift=card))
    assert whole.count("<rect") == 2
    assert "+20.0 points kept, +10.0 to +30.0 at 95%, helps" in whole
    assert "12.5 to 37.5 points" in whole
    assert "1,234 calls" in whole
    everybody = campaign_part(Campaign(calls=1234, lift=replace(card, reached=1.0)))
    assert everybody.count("<rect") == 1, "who was to be called was"


def _until(true: Callable[[], object]) -> None:
    """Wait until something holds."""
    end = time.monotonic() + 240
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


def _asleep(child: subprocess.Popen[bytes]) -> None:
    """Wait until a child that says so has begun, and waits for what it is told."""
    assert child.stdout is not None
    assert child.stdout.read(1) == b"!"
    state = Path(f"/proc/{child.pid}/stat")
    _until(lambda: state.read_text().rpartition(")")[2].split()[0] == "S")
