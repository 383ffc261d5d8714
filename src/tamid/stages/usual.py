"""What is usual: a bundle's reference weeks as counts, and what a version's alarms go by."""

from __future__ import annotations

import functools
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import polars as pl

from tamid.core.contract.model import Contract
from tamid.core.special import special_days, special_periods
from tamid.core.stats.arrays import Floats
from tamid.core.stats.drift import (
    Profile,
    bins_of,
    number_places,
    profile_from,
    text_places,
)
from tamid.core.stats.reference import ENOUGH_WEEKS
from tamid.core.usual import (
    INPUT_PSI,
    SCORE_PSI,
    Weeks,
    calendar_columns,
    ordinary,
    usual_scores,
)
from tamid.core.values import PERIOD, STATIC_PERIOD, TIME, canonical_json, digest_of
from tamid.stages.rig import Rig

# Two years of reference weeks: each season twice, and what is older is another world.
MOST_WEEKS = 104
# Columns that can be watched week by week; a model rests on few more, and a bundle stays small.
MOST_COLUMNS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Usual:
    """What a bundle says is usual: profiles of inputs and scores, and counts of their weeks.

    Of several classes each one's chance is a score of its own, `class_<name>`.
    """

    inputs: tuple[Profile, ...]
    scores: tuple[Profile, ...]
    input_weeks: Weeks
    score_weeks: Weeks


def weekly(
    frame: pl.DataFrame, profiles: Iterable[Profile], weights: Sequence[float] | Floats | None
) -> dict[str, object]:
    """Return counts of the latest reference weeks in the profiles' bins, as plain JSON types.

    With fewer than 20 weeks the blocks are days, so that pseudo-weeks can be drawn from them.
    """
    blocks = _blocks(frame)
    names = blocks.unique(maintain_order=False).sort(PERIOD, "_day")
    place = blocks.join(names.with_row_index("_block"), on=[PERIOD, "_day"], how="left")
    codes = place.get_column("_block").fill_null(0).to_numpy().astype(np.int64)
    late = names.get_column(PERIOD).unique().sort()[-MOST_WEEKS:]
    kept = names.get_column(PERIOD).is_in(late.to_list()).to_numpy()
    w = None if weights is None else np.asarray(weights, dtype=np.float64)
    return {
        "names": names.filter(pl.Series(kept)).get_column(PERIOD).to_list(),
        "counts": {
            p.column: _table(p, frame.get_column(p.column), codes, len(kept), w)[kept].tolist()
            for p in profiles
        },
    }


def usual_in(content: bytes) -> Usual:
    """Read a bundle's profile; one made before weeks were counted has none."""
    return _usual(content)


def references_of(
    usual: Usual,
    importance: Mapping[str, float],
    special: Collection[str],
    rig: Rig,
    name: str,
    *,
    centre: int = 0,
    moved: bool = False,
) -> dict[str, tuple[float, ...]]:
    """Return what a version's alarms about scores and inputs go by, as it is recorded.

    `name` seeds the drawing of pseudo-weeks, so that the same version always has the same.
    `centre`: on how many weeks the scores (if `moved`, the inputs, too) are centred; without any
    the scores have no reference: a model scores what it learnt from otherwise than what is new.
    """
    scores = ordinary(usual.score_weeks, special)
    inputs = ordinary(usual.input_weeks, special)
    weight = weights_of(inputs, importance)
    seed = int(digest_of(name)[7:15], 16)
    made = rig.generator(seed + 1)
    found = usual_scores(inputs, INPUT_PSI, weight, made, centre if moved else 0)
    if centre:
        made = rig.generator(seed)
        found |= usual_scores(scores, SCORE_PSI, dict.fromkeys(scores.counts, 1.0), made, centre)
    return found


def stored(usual: Usual) -> bytes:
    """Return what :func:`usual_in` reads back."""
    weeks = {"inputs": _plain(usual.input_weeks), "score": _plain(usual.score_weeks)}
    told = {"inputs": usual.inputs, "score": usual.scores[0], "weeks": weeks}
    several = {"scores": usual.scores} if len(usual.scores) > 1 else {}
    return canonical_json(told | several).encode()


def weights_of(weeks: Weeks, importance: Mapping[str, float]) -> dict[str, float]:
    """Return how much each column counts: what counts the calendar drifts anyway and does not.

    Where the model does not know its importances, all columns count alike.
    """
    calendar = calendar_columns(weeks)
    moving = [c for c in weeks.counts if c not in calendar]
    known = {c: importance.get(c, 0.0) for c in moving}
    return known if sum(known.values()) > 0 else dict.fromkeys(moving, 1.0)


def special_of(
    rig: Rig, contract: Contract, periods: Iterable[str], length: int
) -> dict[str, frozenset[str]]:
    """Return the special ones among the periods, with the names of their days.

    Raises:
        MissingExtra: the contract names a country and no table of holidays is installed.
    """
    named = sorted({p for p in periods if p != STATIC_PERIOD})
    entries = contract.calendar.special
    if not entries or not named:
        return {}
    first = date.fromisoformat(named[0])
    last = date.fromisoformat(named[-1]) + timedelta(days=length)
    return special_periods(special_days(entries, rig.holidays, first, last), named, length)


def column_counts(profile: Profile, column: pl.Series, weights: Floats | None = None) -> Floats:
    """Count a column in a profile's bins, each row by its weight."""
    found = np.bincount(places(profile, column), weights=weights, minlength=bins_of(profile))
    return found.astype(np.float64)


def score_counts(
    usual: Usual, answered: pl.DataFrame, weights: Floats | None = None
) -> dict[str, Floats]:
    """Count answers in the bins of each score; an answer without chances of classes is none."""
    found = {}
    for profile in usual.scores:
        if profile.column in answered.columns:
            column = answered.get_column(profile.column)
            known = column.is_not_null()
            mine = None if weights is None else weights[known.to_numpy()]
            found[profile.column] = column_counts(profile, column.filter(known), mine)
    return found


def places(profile: Profile, column: pl.Series) -> np.ndarray:
    """Return the bin of each value of a column."""
    if profile.kind == "categories":
        return text_places(profile, column.cast(pl.String).to_list())
    numbers = column.cast(pl.Float64, strict=False).fill_null(np.nan).to_numpy()
    return number_places(profile, numbers)


def _plain(weeks: Weeks) -> dict[str, object]:
    return {"names": weeks.names, "counts": {n: t.tolist() for n, t in weeks.counts.items()}}


def _blocks(frame: pl.DataFrame) -> pl.DataFrame:
    weeks = frame.get_column(PERIOD).cast(pl.String)
    by_day = weeks.n_unique() < ENOUGH_WEEKS and TIME in frame.columns
    if by_day and frame.schema[TIME].is_temporal():
        days = frame.get_column(TIME).dt.date().cast(pl.String)
    else:
        days = weeks
    return pl.DataFrame({PERIOD: weeks, "_day": days.fill_null("")})


def _table(
    profile: Profile, column: pl.Series, codes: np.ndarray, blocks: int, weights: Floats | None
) -> Floats:
    bins = bins_of(profile)
    flat = codes * bins + places(profile, column)
    counted = np.bincount(flat, weights=weights, minlength=blocks * bins).astype(np.float64)
    return counted.reshape(blocks, bins)


# A tick looks at few versions, and parsing a profile takes longer than measuring a week.
@functools.lru_cache(maxsize=4)
def _usual(content: bytes) -> Usual:
    stored = json.loads(content)
    weeks = stored.get("weeks", {})
    return Usual(
        inputs=tuple(map(profile_from, stored["inputs"])),
        scores=tuple(map(profile_from, stored.get("scores", [stored["score"]]))),
        input_weeks=_weeks(weeks.get("inputs", {})),
        score_weeks=_weeks(weeks.get("score", {})),
    )


def _weeks(stored: Mapping[str, object]) -> Weeks:
    counts, names = stored.get("counts", {}), stored.get("names", [])
    assert isinstance(counts, Mapping)
    assert isinstance(names, list)
    return Weeks(
        names=tuple(names),
        counts={str(c): np.asarray(t, dtype=np.float64) for c, t in counts.items()},
    )
