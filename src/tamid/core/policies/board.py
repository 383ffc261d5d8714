"""What every policy asks of a tensor, answered once for all of them.

At the start of week t only labels of weeks before t - delay exist. Models are compared on the last
four of these weeks, and only where neither has learnt from them: a candidate is judged by its
recipe, the same window fitted four weeks earlier. All answers are tables, so that a policy is a
walk of look-ups; no table's entry for a week reads a cell of a later one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from tamid.core.learning.choice import FEWEST_ROWS
from tamid.core.policies.tensor import Tensor
from tamid.core.policies.worth import at_stake
from tamid.core.stats.arrays import Bools, Floats, Ints
from tamid.core.stats.blocks import hang_together
from tamid.core.stats.hysteresis import few_weeks_quantile, kept_or_better, week_error
from tamid.core.windows import COMING, YEAR, knows_season

# Matured weeks on which windows and models are compared: as many as a run sets aside for tuning.
JUDGED = 4
# Fewer blocks than this decide nothing (2^-5 < 5 %).
FEWEST_BLOCKS = 6
# One-sided 5 %, and what lies beyond it.
_Z, _CHANCE = 1.645, 0.05
# The size against which tolerances are read: 1 for rates, the reference itself for errors.
_RATES = frozenset({"f1", "macro_f1", "precision", "recall", "accuracy", "auc", "brier", "r2"})


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Quick:
    """The look-ups of every step as plain lists, which are several times faster than arrays."""

    fall: list[list[list[float]]]
    doubt: list[list[list[float]]]
    scale: list[list[list[float]]]
    choice: list[int]
    guarded: list[int]
    scarce: list[bool]
    fitted: list[list[bool]]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Board:
    """Tables by origin (O), window (W) and week (T); gains are positive where things are better.

    `recent`, `doubt` (O, W, T): the metric on the judged weeks of week t, and its standard error
    (NaN where nothing is known). `reference`, `reference_doubt` (O, W, T): what the model promised
    when it was made (its recipe's quality then; for the first ones their own first four weeks).
    `scale` (O, W, T): what a tolerance of 1 means. `stake` (O, W, T): answers in a judged week that
    a fall of one would make wrong.
    `gain`, `gain_reach` (O, W, O, W): of the candidate of an origin and window over a champion, and
    how far its one-sided bounds lie from it.
    `choice`, `guarded` (O,): the window that `auto` takes at an origin, without and with the guard
    of seasons. `scarce` (O,): so few rows are judged there that only a fall of quality is reason to
    leave the one in force.
    """

    tensor: Tensor
    week_parts: tuple[Floats, Floats]
    recent: Floats
    doubt: Floats
    reference: Floats
    reference_doubt: Floats
    scale: Floats
    stake: Floats
    gain: Floats
    gain_reach: Floats
    choice: Ints
    guarded: Ints
    scarce: Bools
    quick: Quick = field(init=False)

    def __post_init__(self) -> None:
        """Keep the look-ups of the walk at hand."""
        fall = self.tensor.sign * (self.reference - self.recent)
        quick = Quick(
            fall=fall.tolist(),
            doubt=np.hypot(self.doubt, self.reference_doubt).tolist(),
            scale=self.scale.tolist(),
            choice=self.choice.tolist(),
            guarded=self.guarded.tolist(),
            scarce=self.scarce.tolist(),
            fitted=self.tensor.fitted.tolist(),
        )
        object.__setattr__(self, "quick", quick)


def board(tensor: Tensor, judged: int = JUDGED) -> Board:
    """Fill the tables of a tensor; `judged` is the number of matured weeks to look at."""
    over, under = tensor.measure.parts(tensor.sums)
    recent, doubt = (np.full(tensor.sums.shape[:3], np.nan) for _ in range(2))
    shape = (*tensor.begins.shape, *tensor.begins.shape)
    gain, gain_reach = np.full(shape, np.nan), np.full(shape, np.nan)
    places = {int(week): place for place, week in enumerate(tensor.origins)}
    mass = tensor.sums[..., tensor.terms.index("rows")].sum(axis=3)
    answers = at_stake(tensor.measure, tensor.terms, tensor.sums).sum(axis=3)
    seen_rows, stake = np.zeros_like(recent), np.zeros_like(recent)
    choice, guarded = (np.zeros(shape[0], dtype=np.int64) for _ in range(2))
    scarce = np.ones(shape[0], dtype=bool)
    for t, weeks, alive in _looks(tensor, judged):
        blocks = (slice(0, alive), slice(None), weeks)
        x, y = (_flat(part[blocks]) for part in (over, under))
        influence = tensor.measure.influence(x, y)
        value = tensor.measure.value(x.sum(axis=2), y.sum(axis=2))
        enough = (y > 0).any(axis=-1).sum(axis=-1) >= FEWEST_BLOCKS
        recent[:alive, :, t] = np.where(enough, value, np.nan)
        doubt[:alive, :, t] = _error(influence)
        seen_rows[:alive, :, t] = mass[blocks].sum(axis=2)
        stake[:alive, :, t] = answers[blocks].sum(axis=2) / judged
        place = places.get(t)
        recipe = _recipe(tensor, t, judged)
        if place is None or recipe is None:
            continue
        told = mass[recipe, 0, weeks] > 0
        found = _gains(tensor, recent[:alive, :, t], influence, recipe, told)
        gain[place, :, :alive], gain_reach[place, :, :alive] = found.gain, found.reach()
        scarce[place] = seen_rows[recipe, 0, t] < FEWEST_ROWS
        allowed = tensor.fitted[place] & tensor.fitted[recipe]
        choice[place] = found.chosen(recipe, allowed)
        guarded[place] = found.chosen(recipe, allowed & _in_season(tensor, place))
    gain, gain_reach = _by_recipe(tensor, judged, gain, gain_reach)
    reference, reference_doubt = _references(tensor, judged, recent, doubt)
    rated = tensor.metric in _RATES
    return Board(
        tensor=tensor,
        week_parts=(over.sum(axis=3), under.sum(axis=3)),
        recent=recent,
        doubt=doubt,
        reference=reference,
        reference_doubt=reference_doubt,
        scale=np.ones_like(reference) if rated else np.abs(reference),
        stake=stake,
        gain=gain,
        gain_reach=gain_reach,
        choice=choice,
        guarded=guarded,
        scarce=scarce,
    )


def _looks(tensor: Tensor, judged: int) -> Iterator[tuple[int, slice, int]]:
    """Yield each week with the weeks that are judged then, and how many origins exist already."""
    for t in range(int(tensor.origins[0]), len(tensor.weeks)):
        end = t - tensor.delay
        if end > 0:
            alive = int(np.searchsorted(tensor.origins, t, side="right"))
            yield t, slice(max(0, end - judged), end), alive


def _recipe(tensor: Tensor, week: int, judged: int) -> int | None:
    """Return the newest origin that has learnt from none of the weeks judged at `week`."""
    latest = week - judged - tensor.gap
    place = int(np.searchsorted(tensor.origins, latest, side="right")) - 1
    return place if place >= 0 else None


def _flat(part: Floats) -> Floats:
    """Put the blocks of several weeks behind each other: (O, W, T, B, C) gives (O, W, T B, C)."""
    return part.reshape(*part.shape[:2], -1, part.shape[-1])


def _error(influence: Floats) -> Floats:
    """Return the standard error of blocks' influences (last axis), with n - 1 for n."""
    n = influence.shape[-1]
    squares = np.where(np.isfinite(influence), influence, 0.0) ** 2
    return np.asarray(np.sqrt(squares.sum(axis=-1) * (n / max(n - 1, 1))))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Gains:
    """The gain (W, O, W) of a recipe over all models there are.

    `error`: from the spread of blocks; `between`: from that of the judged weeks, which are `weeks`;
    `together`: where neighbouring blocks depend on each other.
    """

    gain: Floats
    error: Floats
    between: Floats
    together: Bools
    weeks: int

    def reach(self) -> Floats:
        """Return how far one-sided bounds lie from the gain, as the gate of the loop draws them.

        Weeks are drawn where the blocks within them cannot stand alone.
        """
        few = few_weeks_quantile(_CHANCE, self.weeks)
        blocks = _Z * self.error
        return np.where(self.together, np.maximum(blocks, few * self.between), blocks)

    def chosen(self, recipe: int, allowed: Bools) -> int:
        """Return the window to take: the default, unless another is better by its errors.

        Whatever is in force, it is less data that has to be shown to be better, at each run anew.
        """
        over = (slice(None), recipe, 0)
        between, weeks = self.between[over], self.weeks
        return kept_or_better(
            0, self.gain[over], self.error[over], allowed, between=between, weeks=weeks
        )


def _gains(tensor: Tensor, value: Floats, influence: Floats, recipe: int, told: Bools) -> _Gains:
    """Return the gain of the recipe over all models there are; `told`: judged weeks with rows.

    Models that are younger than the recipe have learnt from judged weeks; they stay NaN.
    """
    gain = tensor.sign * (value[recipe][:, None, None] - value[None])
    apart = influence[recipe][:, None, None, :] - influence[None]
    fair = (np.arange(len(value)) <= recipe)[None, :, None] & np.isfinite(gain)
    apart = np.where(fair[..., None] & np.isfinite(apart), apart, 0.0)
    blocks = apart.reshape(*apart.shape[:-1], len(told), -1)[..., told, :]
    return _Gains(
        gain=np.where(fair, gain, np.nan),
        error=np.where(fair, _error(apart), np.nan),
        between=week_error(blocks.sum(axis=-1)),
        together=hang_together(blocks.reshape(*apart.shape[:-1], -1)),
        weeks=int(told.sum()),
    )


def _by_recipe(tensor: Tensor, judged: int, gain: Floats, doubt: Floats) -> tuple[Floats, Floats]:
    """Compare with a champion that is younger than the recipe by the champion's own recipe."""
    for place, week in enumerate(tensor.origins):
        recipe = _recipe(tensor, int(week), judged)
        if recipe is not None:
            for values in (gain, doubt):
                values[place, :, recipe + 1 : place] = values[place, :, recipe][:, None]
    return gain, doubt


def _in_season(tensor: Tensor, place: int) -> Bools:
    """Say which windows know the season of the coming month, as far as the default one does."""
    season, end = tensor.season, int(tensor.origins[place]) - tensor.delay
    begins = tensor.begins[place]
    if season is None:
        return np.ones(len(begins), dtype=bool)
    coming = set(_ahead(season, int(tensor.origins[place])).tolist()) - {-1}
    known = [set(season[max(b, 0) : max(end, 0)].tolist()) for b in begins]
    found = [
        knows_season(coming, known[0], have, a_year=end - b >= YEAR)
        for b, have in zip(begins, known, strict=True)
    ]
    return np.array(found)


def _ahead(season: Ints, week: int) -> Ints:
    """Return the season of the coming weeks; the calendar is known ahead, no data is read."""
    return season[week : week + COMING]


def _references(
    tensor: Tensor, judged: int, recent: Floats, doubt: Floats
) -> tuple[Floats, Floats]:
    """Return what each model promised, by the week from which that is known."""
    reference, error = np.full_like(recent, np.nan), np.full_like(recent, np.nan)
    for place, week in enumerate(tensor.origins):
        t = int(week)
        recipe = _recipe(tensor, t, judged)
        for w in range(len(tensor.windows)):
            at, model = t, recipe
            if model is None or not np.isfinite(recent[model, w, t]):
                at, model = t + judged + tensor.gap, place
            if at < len(tensor.weeks):
                reference[place, w, at:] = recent[model, w, at]
                error[place, w, at:] = doubt[model, w, at]
    return reference, error
