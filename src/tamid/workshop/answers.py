"""How a bundle answers: verified, loaded with its own code, measured; here or in a worker."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from tamid.core.errors import UserCodeError
from tamid.workshop.stopwatch import milliseconds
from tamid.workshop.tools import load_features, load_model, parse

if TYPE_CHECKING:
    import polars as pl

    from tamid.adapters.inline import InlineScorer
    from tamid.adapters.spawn import SpawnScorer
    from tamid.core.learning.bundle import Opened
    from tamid.ports import Blobs, Signer
    from tamid.stages.answering import Predictor

_GOLDEN_TOLERANCE = 1e-6


def spawn_scorer(blobs: Blobs, signer: Signer, *, ahead: bool = False) -> SpawnScorer:
    """Return a Scorer whose workers run verified bundles only; `ahead` as there."""
    from tamid.adapters.spawn import SpawnScorer
    from tamid.stages.packaging import rule_files, unpack

    return SpawnScorer(
        lambda bundle, overlay: unpack(bundle, overlay, blobs, signer),
        lambda bundle: rule_files(bundle, blobs),
        ahead=ahead,
    )


def inline_scorer(blobs: Blobs, signer: Signer) -> InlineScorer:
    """Return a Scorer that verifies bundles and answers here."""
    from tamid.adapters.inline import InlineScorer
    from tamid.core.learning.bundle import reduced_or_refused
    from tamid.stages.packaging import rule_files, unpack

    known: dict[tuple[str, str, bool], Predictor] = {}

    def answer(
        bundle: str, overlay: str, frame: pl.DataFrame, reasons: int, reduced: bool
    ) -> pl.DataFrame:
        key = (bundle, overlay, reduced)
        if key not in known:
            opened = unpack(bundle, overlay, blobs, signer)
            opened = reduced_or_refused(opened) if reduced else opened
            predictor = ready(opened)
            refuse_unlike(golden_off(predictor, opened))
            known[key] = predictor
        return known[key].answer(frame, reasons)

    def rule(bundle: str, code: str, frame: pl.DataFrame) -> pl.DataFrame:
        return run_rule(rule_files(bundle, blobs), code, frame)

    def golden(bundle: str, overlay: str) -> float:
        opened = unpack(bundle, overlay, blobs, signer)
        return golden_off(ready(opened), opened)

    return InlineScorer(answer, rule, golden, milliseconds)


def ready(opened: Opened) -> Predictor:
    from tamid.stages.packaging import predictor

    return predictor(opened, parse, load_model, load_features)


def golden_off(predictor: Predictor, opened: Opened) -> float:
    from tamid.stages.golden import GOLDEN, golden_difference

    return golden_difference(predictor, json.loads(opened.files[GOLDEN]))


def refuse_unlike(difference: float) -> None:
    # Vectorised sums may round differently on another processor; decisions do not live there.
    if difference > _GOLDEN_TOLERANCE:
        raise UserCodeError(
            f"the bundle does not reproduce its golden scores (off by {difference:.2g})",
            why="its code or libraries answer otherwise here than where it was trained",
            fix="Install the versions in the bundle's environment.json, or train again here.",
        )


def run_rule(files: Mapping[str, bytes], entry: str, frame: pl.DataFrame) -> pl.DataFrame:
    """Run the user's rule out of a bundle's code."""
    from tamid.adapters import usercode
    from tamid.stages.golden import CODE, CONTRACT
    from tamid.stages.ruling import rule_answer

    start = f"{CODE}/"
    code = {p.removeprefix(start): c.decode() for p, c in files.items() if p.startswith(start)}
    function = usercode.load(code, entry)
    contract = parse(files[CONTRACT].decode())
    return rule_answer(
        frame, contract, lambda rows: usercode.guarded(code, entry, lambda: function(rows))
    )


def timed(predictor: Predictor, rows: pl.DataFrame) -> Callable[[int], float]:
    """Return what asks for the i-th row and tells how many milliseconds that took."""

    def once(i: int) -> float:
        return milliseconds(partial(predictor.answer, rows.slice(i % max(rows.height, 1), 1), 0))

    return once


def measure(predictor: Predictor, rows: pl.DataFrame, repeats: int) -> Mapping[str, float]:
    once = timed(predictor, rows)
    times = [once(i) for i in range(max(1, repeats))]
    return {
        "p50_ms": float(np.percentile(times, 50)),
        "p99_ms": float(np.percentile(times, 99)),
    }
