"""Labels in doubt: found by confident learning on out-of-fold chances, and fitted without."""

from __future__ import annotations

import numpy as np
import polars as pl

from tamid.core.learning.advice import Finding
from tamid.core.learning.model import Floats, Ints
from tamid.core.stats.confident import Suspects, suspect_labels
from tamid.core.values import ENTITY, LABEL, PERIOD, TIME, Task
from tamid.stages.refitting import FITS, NO_TIME, Lab

# Rows are dealt into so many folds by entity: each chance comes from a fit on 3/4 of the rows.
_FOLDS = 4
NO_CLASSES = "confident learning counts classes, and this label is a number"
BETTER, GIVEN_CHANCE, BETTER_CHANCE = "_better", "chance_given", "chance_better"


def labels(lab: Lab) -> pl.DataFrame:
    """Find labels in doubt and fit without them; return all in doubt, the most doubtful first.

    Judged rows get their chances from the recipe, which has not learnt from them; which fitted
    rows are left out depends on no judged row.
    """
    fitted, seen = np.flatnonzero(lab.fold.fit), np.flatnonzero(lab.fold.seen)
    none = np.zeros(0, dtype=np.int64)
    if lab.contract.task is Task.REGRESSION:
        lab.missing["labels"] = NO_CLASSES
        return _listed(lab, none, None, np.zeros((0, 2)))
    if not lab.room(_FOLDS + FITS):
        lab.missing["labels"] = NO_TIME
        return _listed(lab, none, None, np.zeros((0, 2)))
    chance = _out_of_fold(lab, fitted)
    if chance is None:
        lab.missing["labels"] = "too few rows or classes to deal into folds"
        return _listed(lab, none, None, np.zeros((0, 2)))
    _without(lab, fitted, suspect_labels(lab.bench.y[fitted].astype(np.int64), chance))
    every = np.concatenate([fitted, seen])
    unseen = _chances(lab.base.model.predict(lab.bench.table.take(seen)))
    both = np.concatenate([chance, unseen])
    return _listed(lab, every, suspect_labels(lab.bench.y[every].astype(np.int64), both), both)


def labels_as_judged(lab: Lab) -> tuple[pl.DataFrame, tuple[Finding, ...]]:
    """Find labels in doubt among the judged rows, by a model that stays as it is.

    What it would bring to mend them takes a fit, and is not told.
    """
    none = np.zeros(0, dtype=np.int64)
    if lab.contract.task is Task.REGRESSION:
        lab.missing["labels"] = NO_CLASSES
        return _listed(lab, none, None, np.zeros((0, 2))), ()
    seen = np.flatnonzero(lab.fold.seen)
    chance = _chances(lab.base.score)
    found = suspect_labels(lab.bench.y[seen].astype(np.int64), chance)
    listed = _listed(lab, seen, found, chance)
    if not len(found.rows):
        lab.missing["labels"] = f"of {len(seen)} judged labels none is in doubt"
        return listed, ()
    finding = Finding(
        kind="labels",
        name="suspect labels",
        evidence=f"{len(found.rows)} of {len(seen)} judged labels are in doubt; the model has not "
        "learnt from them, and cannot be fitted without others",
        numbers={"suspects": len(found.rows), "noise": found.noise, "among": len(seen)},
    )
    return listed, (finding,)


def _without(lab: Lab, fitted: Ints, found: Suspects) -> None:
    rows = fitted[found.rows]
    if not len(rows):
        lab.missing["labels"] = f"of {len(fitted)} labels none is in doubt"
        return
    keep = np.ones(len(lab.bench.rows), dtype=bool)
    keep[rows] = False
    tried = lab.variant("labels", keep=keep)
    if tried is None:
        return
    finding = Finding(
        kind="labels",
        name="suspect labels",
        evidence=f"{len(rows)} of {len(fitted)} labels are in doubt; fitted without them and "
        "judged on labels as they are",
        numbers={"suspects": len(rows), "noise": found.noise, "among": len(fitted)},
    )
    lab.add(finding, tried.terms)


def _out_of_fold(lab: Lab, fitted: Ints) -> Floats | None:
    """Return the chances (n, k) of the fitted rows by models that saw no row of their entity."""
    fold = lab.dealt(np.ones(len(lab.bench.rows), dtype=bool), _FOLDS)
    rows, chances = [], []
    for number in range(_FOLDS):
        mine = lab.fold.fit & (fold != number)
        seen = fitted[fold[fitted] == number]
        if lab.bench.scarce(mine) or not len(seen):
            return None
        model = lab.fit(lab.bench.table, mine, lab.window)
        rows.append(seen)
        chances.append(_chances(model.predict(lab.bench.table.take(seen))))
        lab.say("suspect labels", 0.5 + 0.1 * (number + 1) / (_FOLDS + 1))
    return np.asarray(np.concatenate(chances)[np.argsort(np.concatenate(rows), kind="stable")])


def _chances(raw: Floats) -> Floats:
    return raw if raw.ndim == 2 else np.stack([1 - raw, raw], axis=1)


def _listed(lab: Lab, rows: Ints, found: Suspects | None, chance: Floats) -> pl.DataFrame:
    """Return the rows whose label is in doubt, with the class that fits and both chances."""
    places = found.rows if found is not None else rows
    better = found.better if found is not None else rows
    whole: pl.DataFrame = lab.bench.job.frame.select(ENTITY, TIME, PERIOD, LABEL)
    frame: pl.DataFrame = whole[rows[places].tolist()]
    given = frame.get_column(LABEL).cast(pl.Int64).to_numpy()
    return frame.with_columns(
        pl.Series(BETTER, better, dtype=pl.Int64),
        pl.Series(GIVEN_CHANCE, chance[places, given].round(4), dtype=pl.Float64),
        pl.Series(BETTER_CHANCE, chance[places, better].round(4), dtype=pl.Float64),
    )
