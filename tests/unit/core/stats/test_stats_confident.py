"""Labels in doubt: how many of the wrong ones are found, and how many right ones are doubted."""

from __future__ import annotations

import numpy as np
import pytest

from tamid.core.stats.arrays import Bools, Floats, Ints
from tamid.core.stats.confident import suspect_labels


def world(
    rng: np.random.Generator, n: int, wrong: float, classes: int = 2
) -> tuple[Ints, Floats, Bools]:
    """Return given labels, calibrated chances of the true ones, and which labels are wrong."""
    logits = rng.normal(0, 4.0, (n, classes))
    chance = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    truth = (chance.cumsum(axis=1) < rng.random((n, 1))).sum(axis=1)
    flipped = rng.random(n) < wrong
    other = (truth + rng.integers(1, classes, n)) % classes
    return np.where(flipped, other, truth), chance, flipped


@pytest.mark.parametrize("classes", [2, 4])
def test_wrong_labels_are_found_and_doubts_are_mostly_right(classes: int) -> None:
    """One label in ten wrong, of rows that a perfect model errs on as often: over half are found,
    and over half of the doubts are right (a tenth would be by chance)."""
    rng, found, right, doubts = np.random.default_rng(0), 0, 0, 0
    for _ in range(10):
        given, chance, flipped = world(rng, 2000, 0.1, classes)
        rows = suspect_labels(given, chance).rows
        right += int(flipped[rows].sum())
        doubts += len(rows)
        found += int(flipped.sum())
    assert right > 0.5 * found
    assert right > 0.5 * doubts


def test_the_estimated_share_of_wrong_labels_grows_with_the_truth() -> None:
    """Monotone; what a sound set is said to have is what its model itself cannot tell."""
    said = []
    for wrong in (0.0, 0.05, 0.1, 0.2):
        rng = np.random.default_rng(1)
        noise = [suspect_labels(*world(rng, 2000, wrong)[:2]).noise for _ in range(5)]
        said.append(float(np.mean(noise)))
    assert said == sorted(said)
    assert said[0] < 0.08
    assert 0.1 < said[2] - said[0] + 0.05 < 0.2


def test_the_order_of_rows_and_the_names_of_classes_mean_nothing() -> None:
    """The same rows are in doubt, towards the same class."""
    rng = np.random.default_rng(2)
    given, chance, _ = world(rng, 500, 0.1, 3)
    found = suspect_labels(given, chance)
    order, names = rng.permutation(500), np.array([2, 0, 1])
    moved = suspect_labels(given[order], chance[order])
    assert sorted(order[moved.rows].tolist()) == sorted(found.rows.tolist())
    renamed = suspect_labels(names[given], chance[:, np.argsort(names)])
    assert sorted(renamed.rows.tolist()) == sorted(found.rows.tolist())
    pairs = {int(r): int(names[b]) for r, b in zip(found.rows, found.better, strict=True)}
    assert pairs == {int(r): int(b) for r, b in zip(renamed.rows, renamed.better, strict=True)}


@pytest.mark.parametrize("given", [[], [0], [1], [0, 0, 0]])
def test_tiny_samples_are_no_error(given: list[int]) -> None:
    """No row, one row, one class alone: no label is in doubt, and no share is made up."""
    chance = np.tile([0.6, 0.4], (len(given), 1))
    found = suspect_labels(np.array(given, dtype=np.int64), chance)
    assert len(found.rows) == 0
    assert 0 <= found.noise <= 1
