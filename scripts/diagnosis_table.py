"""Measure the check for data bugs: bugs caught by kind, sound weeks and drifts suspected.

    PYTHONPATH=src python scripts/diagnosis_table.py FOLDER [SET ...]

FOLDER holds NAME.parquet and NAME.json. One setting for all sets. Rows are cut into weeks by the
time column, or into chunks of equal size where there is none or it spans less than half a year; 26
weeks are the reference, all later weeks are checked as they are and every third with each bug, or,
among permuted weeks, with each drift: the same rows drawn again by odds.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import polars as pl

from tamid.core.stats.arrays import Floats
from tamid.core.stats.bugcheck import check_week

SETS = ("hotel_bookings", "bike_sharing_hourly", "elec2", "occupancy")
BUGS = ("unit x100", "unit x1.6", "offset", "missing", "stuck", "swap", "recode", "scramble")
DRIFTS = ("tilt of one", "tilt of three", "segment x5")
REFERENCE, CHUNK, MOST_ROWS, EVERY = 26, 360, 1000, 3
WEEK = 7 * 86_400 * 10**6
# A bug that alters fewer rows than this has not happened in that week (zero times a hundred).
LEAST_CHANGED = 0.1

Change = Callable[[Floats, Floats, list[bool], np.random.Generator], Iterator[tuple[str, Floats]]]


def main(folder: str, *names: str) -> None:
    rng = np.random.default_rng(7)  # noqa: TID251 - a script may draw
    total: dict[str, list[bool]] = {}
    for name in names or SETS:
        seen: dict[str, list[bool]] = {}
        for permuted in (False, True):
            weeks, kinds = _weeks(Path(folder), name)
            if permuted:
                weeks = [weeks[i] for i in rng.permutation(len(weeks))]
            for kind, hit in _checked(weeks, kinds, rng, _drifts if permuted else _bugs):
                key = f"{kind}{' (weeks permuted)' if permuted and kind == 'sound' else ''}"
                seen.setdefault(key, []).append(hit)
                total.setdefault(key, []).append(hit)
        sys.stdout.write(f"{name}: {_line(seen)}\n")
        sys.stdout.flush()
    sys.stdout.write(f"ALL: {_line(total)}\n")
    caught = [h for k, v in total.items() if k in BUGS[:-1] for h in v]
    sys.stdout.write(f"caught without scramble: {np.mean(caught):.3f} of {len(caught)}\n")
    drifts = [h for k, v in total.items() if k in DRIFTS for h in v]
    sys.stdout.write(f"drifts suspected: {np.mean(drifts):.3f} of {len(drifts)}\n")


def _checked(
    weeks: list[Floats], kinds: list[bool], rng: np.random.Generator, change: Change
) -> Iterator[tuple[str, bool]]:
    """Yield what was suspected: each week as it is, every third also changed in each way."""
    for t in range(REFERENCE, len(weeks)):
        past = weeks[t - REFERENCE : t]
        yield "sound", check_week(past, weeks[t], kinds).suspected
        if t % EVERY == 0:
            for name, rows in change(weeks[t], np.concatenate(past), kinds, rng):
                yield name, check_week(past, rows, kinds).suspected


def _bugs(
    week: Floats, past: Floats, kinds: list[bool], rng: np.random.Generator
) -> Iterator[tuple[str, Floats]]:
    for bug in BUGS:
        broken = _broken(week, past, kinds, bug, rng)
        if broken is not None:
            yield bug, broken


def _drifts(
    week: Floats, past: Floats, kinds: list[bool], rng: np.random.Generator
) -> Iterator[tuple[str, Floats]]:
    for drift in DRIFTS:
        odds = _odds(week, past, kinds, drift, rng)
        yield drift, week[rng.choice(len(week), len(week), p=odds / odds.sum())]


def _odds(
    week: Floats, past: Floats, kinds: list[bool], drift: str, rng: np.random.Generator
) -> Floats:
    """Return the odds of each row: growing along one or three numbers, or five times for a few."""
    alive = [j for j in range(week.shape[1]) if _varies(past[:, j]) and _varies(week[:, j])]
    numbers = [j for j in alive if not kinds[j]]
    if drift.startswith("tilt"):
        count = min(1 if drift.endswith("one") else 3, len(numbers))
        total = np.zeros(len(week))
        for j in rng.choice(numbers, count, replace=False):
            column = np.nan_to_num(week[:, j], nan=float(np.nanmedian(week[:, j])))
            ranks = np.argsort(np.argsort(column, kind="stable"), kind="stable") / len(week)
            total += (ranks - 0.5) * np.sqrt(12.0)
        return np.exp(total / np.sqrt(count))
    pool = [j for j in alive if kinds[j]] or numbers
    j = pool[int(rng.integers(len(pool)))]
    known = past[:, j][~np.isnan(past[:, j])]
    if not kinds[j]:
        return np.where(week[:, j] > np.quantile(known, 0.8), 5.0, 1.0)
    words, counts = np.unique(known, return_counts=True)
    return np.where(week[:, j] == words[np.argsort(counts)[len(words) // 2]], 5.0, 1.0)


def _broken(
    week: Floats, past: Floats, kinds: list[bool], bug: str, rng: np.random.Generator
) -> Floats | None:
    made = week.copy()
    alive = [j for j in range(week.shape[1]) if _varies(past[:, j]) and _varies(week[:, j])]
    numbers = [j for j in alive if not kinds[j]]
    words = [j for j in alive if kinds[j]]
    pool = {"recode": words, "missing": alive, "stuck": alive, "scramble": alive}.get(bug, numbers)
    if len(pool) < (2 if bug in ("swap", "scramble") else 1):
        return None
    j = pool[int(rng.integers(len(pool)))]
    if bug == "unit x100":
        made[:, j] *= 100
    elif bug == "unit x1.6":
        made[:, j] *= 1.6
    elif bug == "offset":
        made[:, j] += 2 * np.nanstd(past[:, j])
    elif bug == "missing":
        made[rng.random(len(made)) < 0.3, j] = np.nan
    elif bug == "stuck":
        made[:, j] = made[int(rng.integers(len(made))), j]
    elif bug == "swap":
        one, two = rng.choice(pool, 2, replace=False)
        made[:, [one, two]] = made[:, [two, one]]
    elif bug == "recode":
        codes = np.unique(past[:, j][~np.isnan(past[:, j])])
        turned = dict(zip(codes.tolist(), np.roll(codes, 1).tolist(), strict=True))
        made[:, j] = [turned.get(v, v) for v in made[:, j].tolist()]
    else:
        some = rng.choice(pool, max(1, len(pool) // 2), replace=False)
        made[:, some] = made[rng.permutation(len(made))][:, some]
    same = (made == week) | (np.isnan(made) & np.isnan(week))
    return made if (~same).any(axis=1).mean() >= LEAST_CHANGED else None


def _varies(column: Floats) -> bool:
    known = column[~np.isnan(column)]
    return len(known) > 0 and np.unique(known, return_counts=True)[1].max() < 0.95 * len(known)


def _weeks(folder: Path, name: str) -> tuple[list[Floats], list[bool]]:
    frame = pl.read_parquet(folder / f"{name}.parquet")  # noqa: TID251 - a script may read
    known = json.loads((folder / f"{name}.json").read_text())
    hidden = {*known["drop_for_model"], known["target"], known.get("time_column")}
    columns = [c for c in frame.columns if c not in hidden]
    place = np.arange(frame.height) // CHUNK
    time = known.get("time_column")
    if time in frame.columns:
        moments = frame.get_column(time).cast(pl.Datetime("us")).to_physical().to_numpy()
        if moments.max() - moments.min() > REFERENCE * WEEK:
            place = (moments - moments.min()) // WEEK
    kinds = [frame.schema[c] == pl.String for c in columns]
    rows = np.column_stack([_numbers(frame.get_column(c)) for c in columns])
    weeks = [rows[place == k] for k in np.unique(place)]
    weeks = [w[:: max(1, len(w) // MOST_ROWS)] for w in weeks if len(w) >= 100]
    return weeks, kinds


def _numbers(column: pl.Series) -> Floats:
    if column.dtype == pl.String:
        column = column.cast(pl.Categorical).to_physical()
    return column.cast(pl.Float64).fill_null(float("nan")).to_numpy()


def _line(seen: dict[str, list[bool]]) -> str:
    return ", ".join(f"{k} {np.mean(v):.3f}/{len(v)}" for k, v in seen.items())


if __name__ == "__main__":
    main(*sys.argv[1:])
