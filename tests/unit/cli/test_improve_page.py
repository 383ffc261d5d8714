"""The page of next steps: ranked, with what each rests on, from nothing outside."""

from __future__ import annotations

import math
import re

import lab
import polars as pl
import pytest
from balanced import Balanced

from tamid.cli.improve_page import whole_page
from tamid.cli.improve_told import Advice
from tamid.core.learning.advice import Finding, Study, ranked
from tamid.core.values import Interval
from tamid.stages.improving import Improvement
from tamid.workshop import parse


def gain(point: float, half: float = 0.1) -> Interval:
    """Return an interval of 90 % around a point."""
    return Interval(point=point, low=point - half, high=point + half, level=0.9)


DOUBLED = Finding(
    kind="more_data", name="twice the rows", evidence="f1 grows", gain=gain(0.02),
    basis="extrapolated", numbers={"rows": 800, "at_800": 0.7, "at_400": 0.66, "at_200": 0.6},
)  # fmt: skip
STEPS = (
    Finding(kind="window", name="window short", evidence="<short>", gain=gain(0.2), shown=True,
            names=("short",)),
    Finding(kind="slice", name="plan=basic", evidence="worse there", gain=gain(0.05),
            basis="bound", shown=True, names=("plan", "basic")),
    Finding(kind="features", name="drop idle", evidence="no help", gain=gain(-0.3),
            names=("calls",), numbers={"left_out": 1}),
    Finding(kind="threshold", name="threshold 0.4", evidence="few", numbers={"threshold": 0.4},
            gain=Interval(point=0.01, low=-math.inf, high=math.inf, level=0.9)),
    Finding(kind="labels", name="suspect labels", evidence="in doubt",
            numbers={"suspects": 7}),
    DOUBLED,
)  # fmt: skip


def page(*steps: Finding, metric: str = "f1", file: str = "") -> str:
    """Return the page of a study with these steps."""
    study = Study(
        metric=metric, base=gain(0.7), judged=300, fitted=800, fits=9, seconds=3.0, findings=steps,
        not_measured={"more_data": "no time <left>"},
    )  # fmt: skip
    found = Improvement(
        run="run-0003", version=2, contract="", study=study, suspects=pl.DataFrame(),
        left_out=("2026-03-01",),
    )  # fmt: skip
    contract = parse(lab.CONTRACT)
    return whole_page(
        Advice(model="churn", found=found, contract=contract, steps=ranked(steps), file=file,
               suspects=7 if file else 0)
    )  # fmt: skip


def test_every_step_is_drawn_with_its_interval_and_told_with_what_it_rests_on() -> None:
    """A bar by kind of evidence, in the order of the ranking; no gain, no bar."""
    text = page(*STEPS, file="suspects.csv")
    Balanced().feed(text)
    bars = re.findall(r'<rect class="(\w+)"', text)
    assert bars == ["sure", "guess", "unsure", "guess", "held"], "as they are ranked"
    assert text.count("<details") == len(STEPS)
    assert "1. learn from the short window: +0.2000 (+0.1000 to +0.3000), shown" in text
    assert "no more than this" in text
    assert "read off a curve" in text
    assert "too few weeks or entities" in text, "an interval that is not known is not drawn"
    assert "no gain of it could be measured" in text
    assert "leave it as it is" in text, "what would lose is not to be taken"
    assert "contract: retraining: {window: short}" in text
    assert "suspects.csv" in text
    assert "2026-03-01" in text
    assert "&lt;short&gt;" in text
    assert "no time &lt;left&gt;" in text


def test_nothing_is_asked_of_another_place() -> None:
    """No script, no link, no image, no font."""
    text = page(*STEPS)
    assert not re.search(r"<script|<link|<img|<iframe|@import|url\(|src=", text)
    assert set(re.findall(r"https?://[^\s\"']+", text)) == {"http://www.w3.org/2000/svg"}


@pytest.mark.parametrize(("metric", "expected"), [("f1", "0.7200"), ("log_loss", "0.6800")])
def test_the_learning_curve_goes_on_to_twice_the_rows(metric: str, expected: str) -> None:
    """The point at twice the rows is better, whichever way the metric goes."""
    text = page(DOUBLED, metric=metric)
    assert f"{metric} {expected} expected from 1600 rows" in text
    assert text.count('<circle class="won"') == 3


def test_without_a_step_the_page_says_what_was_not_measured() -> None:
    """It is whole, and no picture is empty."""
    text = page()
    Balanced().feed(text)
    assert "No step could be measured" in text
    assert "<svg" not in text
    assert "Not measured" in text
