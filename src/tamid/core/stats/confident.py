"""Labels that are probably wrong, by what a model says of rows that it has not learnt from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tamid.core.stats.arrays import Bools, Floats, Ints


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Suspects:
    """Rows whose label is in doubt, the most doubtful first.

    `rows`, `better` (the class that fits), `margin` (its chance less that of the given label);
    `joint` (k, k): estimated share of rows by given label and true class.
    """

    rows: Ints
    better: Ints
    margin: Floats
    joint: Floats

    @property
    def noise(self) -> float:
        """The estimated share of wrong labels."""
        return float(1.0 - np.trace(self.joint)) if self.joint.size else 0.0


def suspect_labels(given: Ints, chance: Floats) -> Suspects:
    """Return the labels in doubt: given labels (n,) against out-of-fold chances (n, k).

    Formula: a class is confident for a row where its chance reaches the mean chance of that class
    over the rows labelled so. C[i, j] counts rows labelled i whose most likely confident class is
    j; scaled to the labels' counts it estimates the joint distribution Q of given and true labels.
    For each i != j the n Q[i, j] rows labelled i with the largest p_j - p_i are in doubt (pruning
    by noise rate), unless the label is itself the most likely class.
    Source: Northcutt, Jiang and Chuang (2021), J. of Artificial Intelligence Research 70.

    >>> given = np.array([0] * 50 + [1] * 50)
    >>> chance = np.tile([0.9, 0.1], (100, 1))
    >>> chance[50:] = [0.1, 0.9]
    >>> chance[7] = [0.02, 0.98]
    >>> found = suspect_labels(given, chance)
    >>> found.rows.tolist(), found.better.tolist(), round(found.noise, 2)
    ([7], [1], 0.01)
    """
    classes = chance.shape[1]
    own = given[:, None] == np.arange(classes)
    there = own.sum(axis=0)
    level = np.where(there > 0, (chance * own).sum(axis=0) / np.maximum(there, 1), np.inf)
    confident = chance >= level - 1e-12
    likely = np.where(confident, chance, -np.inf).argmax(axis=1)
    counted = confident.any(axis=1)
    joint = _joint(given[counted], likely[counted], there)
    found = _pruned(given, chance, joint, np.asarray(chance.argmax(axis=1) != given))
    rows = np.array([row for row, _ in found], dtype=np.int64)
    better = np.array([to for _, to in found], dtype=np.int64)
    margin = chance[rows, better] - chance[rows, given[rows]]
    order = np.argsort(-margin, kind="stable")
    return Suspects(rows=rows[order], better=better[order], margin=margin[order], joint=joint)


def _joint(given: Ints, likely: Ints, there: Ints) -> Floats:
    """Return the confident counts, each row scaled to how often its label was given, as shares."""
    classes = len(there)
    counts = np.bincount(given * classes + likely, minlength=classes**2).astype(np.float64)
    counts = counts.reshape(classes, classes)
    sums = counts.sum(axis=1, keepdims=True)
    # A label without one confident row says nothing of its noise: it counts as right.
    counts = np.where(sums > 0, counts, np.eye(classes))
    scaled = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1.0) * there[:, None]
    return np.asarray(scaled / max(float(there.sum()), 1.0))


def _pruned(given: Ints, chance: Floats, joint: Floats, doubted: Bools) -> list[tuple[int, int]]:
    """Return each doubtful row once, with the class that beats its label by most."""
    best: dict[int, int] = {}
    for i, j in zip(*np.nonzero(joint), strict=True):
        number = round(float(joint[i, j]) * len(given)) if i != j else 0
        if not number:
            continue
        mine = np.flatnonzero((given == i) & doubted)
        margin = chance[mine, j] - chance[mine, i]
        for row in mine[np.argsort(-margin, kind="stable")[:number]].tolist():
            if row not in best or chance[row, j] > chance[row, best[row]]:
                best[row] = int(j)
    return sorted(best.items())
