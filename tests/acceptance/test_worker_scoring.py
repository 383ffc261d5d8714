"""Scoring workers: kept warm, replaced when they die, and never asked for what is not signed."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
from processes import gone

from tamid.adapters.keys import Keys
from tamid.adapters.memory_blobs import MemoryBlobs
from tamid.adapters.spawn import SpawnScorer
from tamid.core.errors import IntegrityError, WorkerDied
from tamid.stages.packaging import Packed, pack, restate
from tamid.testing.candidates import RULES, contract_text, history, job, unlabelled
from tamid.testing.trainer_suite import train
from tamid.workshop import inline_trainer, spawn_scorer

SOON = timedelta(seconds=300)
PLAIN = contract_text(features="{}")
ROWS = unlabelled(history(20, 2, seed=5))


@pytest.fixture(scope="module")
def blobs() -> MemoryBlobs:
    """Where bundles lie."""
    return MemoryBlobs()


@pytest.fixture
def scorer(blobs: MemoryBlobs, keys: Keys) -> Iterator[SpawnScorer]:
    """A scorer that ends with the test."""
    made = spawn_scorer(blobs, keys)
    yield made
    made.close()


@pytest.fixture(scope="module")
def packed(blobs: MemoryBlobs, keys: Keys) -> Packed:
    """A small linear model: its worker is ready quickly."""
    return pack(train(inline_trainer(tiny=True), job(contract=PLAIN)), blobs, keys)


def _score(scorer: SpawnScorer, packed: Packed, seconds: float = 300.0) -> pl.DataFrame:
    limit = timedelta(seconds=seconds)
    return scorer.score(packed.bundle, packed.overlay, ROWS, reasons=0, timeout=limit).frame


def test_a_killed_scoring_worker_is_replaced(scorer: SpawnScorer, packed: Packed) -> None:
    """Scores are the same before and after the worker was killed between two questions."""
    before = _score(scorer, packed)
    (pid,) = scorer.pids()
    _kill(pid)
    assert _score(scorer, packed).equals(before)
    assert scorer.pids() != (pid,)


def test_a_worker_killed_while_it_scores_is_told_and_replaced(
    scorer: SpawnScorer, blobs: MemoryBlobs, keys: Keys, tmp_path: Path
) -> None:
    """Dying in the middle of an answer is WorkerDied, and the next question is answered."""
    marker = tmp_path / "started"
    slow = (
        "import time\n\n"
        "def build(frame):\n"
        "    if 'SLOW' in frame.columns:\n"
        f"        open({str(marker)!r}, 'w').close()\n"
        "        time.sleep(600)\n"
        "    return frame\n"
    )
    made = pack(train(inline_trainer(tiny=True), job(code={"features.py": slow})), blobs, keys)
    before = _score(scorer, made)
    (pid,) = scorer.pids()

    def kill() -> None:
        while not marker.exists():
            time.sleep(0.05)
        os.kill(pid, signal.SIGKILL)

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    rows = ROWS.with_columns(SLOW=pl.lit(1.0))
    with pytest.raises(WorkerDied, match="SIGKILL"):
        scorer.score(made.bundle, made.overlay, rows, reasons=0, timeout=SOON)
    killer.join()
    assert _score(scorer, made).equals(before)


def test_a_process_that_was_started_ahead_takes_the_place_of_a_killed_one(
    packed: Packed, blobs: MemoryBlobs, keys: Keys
) -> None:
    """The bundle is opened anew in the process that waits; one that died waiting is no loss."""
    scorer = spawn_scorer(blobs, keys, ahead=True)
    try:
        before = _score(scorer, packed)
        ahead = scorer.ahead()
        assert ahead is not None
        _kill(*scorer.pids())
        assert _score(scorer, packed).equals(before)
        assert scorer.pids() == (ahead,)
        waiting = scorer.ahead()
        assert waiting is not None
        assert waiting != ahead
        _kill(waiting, ahead)
        assert _score(scorer, packed).equals(before)
        (last,) = scorer.pids()
        assert last not in (ahead, waiting)
    finally:
        scorer.close()
    assert scorer.ahead() is None
    assert gone(last)


def _kill(*pids: int) -> None:
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
        # Wait for the last of its threads to end, and leave the reaping to the scorer.
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)


@pytest.mark.parametrize("stays", [True, False])
def test_the_process_that_measured_a_bundle_goes_on_as_its_own_where_the_controller_stays(
    blobs: MemoryBlobs, keys: Keys, packed: Packed, stays: bool
) -> None:
    """It scores at once and alike; a controller that ends soon keeps nothing."""
    scorer = spawn_scorer(blobs, keys, ahead=stays)
    try:
        scorer.probe(packed.bundle, packed.overlay, ROWS.head(4), repeats=2)
        kept = scorer.pids()
        assert len(kept) == (1 if stays else 0)
        scores = _score(scorer, packed)
        assert scores.height == ROWS.height
        assert not stays or scorer.pids() == kept
    finally:
        scorer.close()
    assert all(gone(pid) for pid in kept)


def test_a_new_overlay_needs_no_new_worker(
    scorer: SpawnScorer, packed: Packed, blobs: MemoryBlobs, keys: Keys
) -> None:
    """Another calibration is answered by the same process, and changes the scores."""
    from tamid.core.stats.calibration import Calibration

    before = _score(scorer, packed)
    pids = scorer.pids()
    half = Calibration(kind="isotonic", x=(0.0, 1.0), y=(0.0, 0.5))
    moved = Packed(
        bundle=packed.bundle, overlay=restate(packed.overlay, blobs, keys, calibration=half)
    )
    after = _score(scorer, moved)
    assert scorer.pids() == pids
    assert after.get_column("score").is_between(0, 0.5).all()
    assert _score(scorer, packed).equals(before)


def test_an_overlay_is_verified_although_the_worker_is_warm(
    scorer: SpawnScorer, packed: Packed, blobs: MemoryBlobs
) -> None:
    """A forged threshold is refused before the open worker is asked."""
    _score(scorer, packed)
    forged = blobs.put(blobs.get(packed.overlay).replace(b'"threshold":0.', b'"threshold":0.9'))
    with pytest.raises(IntegrityError, match="signature"):
        _score(scorer, Packed(bundle=packed.bundle, overlay=forged))


def test_the_idle_worker_gives_way(blobs: MemoryBlobs, keys: Keys, packed: Packed) -> None:
    """No more workers than allowed are kept; the one idle longest ends."""
    from tamid.stages.packaging import rule_files, unpack

    scorer = SpawnScorer(
        lambda b, o: unpack(b, o, blobs, keys), lambda b: rule_files(b, blobs), most=1
    )
    rules = job(contract=PLAIN, code={"rules.py": RULES}, seed=11)
    other = pack(train(inline_trainer(tiny=True), rules), blobs, keys)
    _score(scorer, packed)
    (first,) = scorer.pids()
    _score(scorer, other)
    (second,) = scorer.pids()
    assert first != second
    assert gone(first)
    scorer.close()
    assert gone(second)


def test_a_hanging_rule_costs_its_deadline(
    scorer: SpawnScorer, blobs: MemoryBlobs, keys: Keys
) -> None:
    """A rule that hangs is killed, and another rule of the bundle still answers."""
    text = RULES + "\n\ndef hang(frame):\n    import time\n    time.sleep(600)\n"
    hung = job(contract=PLAIN, code={"rules.py": text})
    made = pack(train(inline_trainer(tiny=True), hung), blobs, keys)
    scorer.rule(made.bundle, "rules.py:score", ROWS, timeout=SOON)
    with pytest.raises(WorkerDied, match="rule took longer"):
        scorer.rule(made.bundle, "rules.py:hang", ROWS, timeout=timedelta(seconds=2))
    found = scorer.rule(made.bundle, "rules.py:score", ROWS, timeout=SOON)
    assert found.frame.height == ROWS.height
