"""The performance tensor: what every model would have done in every week, as one frozen value.

A model is an origin (the week at whose start it was fitted, on labels known then) and a window (how
far back it learnt). Each was fitted once and scored on all later weeks, so that any policy of
retraining is a walk over this table and needs no further fit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from tamid.core.policies.measure import Measure, measure
from tamid.core.stats.arrays import Bools, Floats, Ints


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tensor:
    """Sums by origin (O), window (W), week (T), block (B) and term (K).

    `weeks`: all weeks of the history in order, those before the first origin included.
    `windows`: names, the default first. `origins` (O,): the week, as index, at whose start a model
    was fitted; grows. `begins` (O, W): first week learnt from, -1 where nothing could be fitted.
    `terms`, `sums`: see :mod:`measure`; zero in weeks that the model has learnt from, and where it
    does not exist. `delay`: at the start of week t the labels of weeks before t - delay are known,
    and models of origin t have learnt from exactly those. `lag`: weeks from a fit to the first week
    that it serves. `gap`: further weeks after the last one learnt from in which a model has seen
    some labels and is not scored. `season` (T,): bucket of the year of each week, -1 where unknown.
    `estimate` (O, W, T): what was estimated of the metric without labels at the end of the week,
    `psi` (O, W, T): shift of the scores; NaN where not given. `seconds` (O, W): cost of each fit.
    """

    metric: str
    higher_is_better: bool
    weeks: tuple[str, ...] = field(repr=False)
    windows: tuple[str, ...]
    origins: Ints = field(repr=False)
    begins: Ints = field(repr=False)
    terms: tuple[str, ...]
    sums: Floats = field(repr=False)
    delay: int
    lag: int = 1
    gap: int = 0
    season: Ints | None = field(default=None, repr=False)
    estimate: Floats | None = field(default=None, repr=False)
    psi: Floats | None = field(default=None, repr=False)
    seconds: Floats | None = field(default=None, repr=False)
    measure: Measure = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Check that all parts fit each other."""
        o, w, t, _, k = self.sums.shape
        if (o, w, t, k) != (len(self.origins), len(self.windows), len(self.weeks), len(self.terms)):
            raise ValueError(f"sums of shape {self.sums.shape} do not fit the axes")
        if self.begins.shape != (o, w) or (np.diff(self.origins) <= 0).any():
            raise ValueError("origins must grow, and `begins` be one for each model")
        if o == 0 or not 0 <= int(self.origins[0]) < t - self.lag or self.delay < 0 or self.lag < 0:
            raise ValueError(
                "a tensor needs a week that its first origin serves, and no negative delay"
            )
        if self.begins[0, 0] < 0:
            raise ValueError("the first origin has no model of the default window")
        learnt = np.arange(t) < self.origins[:, None] - self.delay + self.gap
        if self.sums[..., self.terms.index("rows")].sum(axis=(1, 3))[learnt].any():
            raise ValueError("a model is scored on a week that it has learnt from")
        object.__setattr__(self, "measure", measure(self.metric, self.terms))

    @property
    def sign(self) -> float:
        """Return +1 where a larger metric is better, else -1."""
        return 1.0 if self.higher_is_better else -1.0

    @property
    def first(self) -> int:
        """Return the first week that is served, by the first model."""
        return int(self.origins[0]) + self.lag

    @property
    def fitted(self) -> Bools:
        """Return (O, W): which models exist."""
        return np.asarray(self.begins >= 0)

    def weekly(self) -> Floats:
        """Return the sums (O, W, T, K) of whole weeks."""
        return np.asarray(self.sums.sum(axis=3))

    def until(self, week: int) -> Tensor:
        """Return the history up to a week (not included), as if nothing were known after it.

        Raises:
            ValueError: no origin lies before that week.
        """
        return self._cut(slice(0, int(np.searchsorted(self.origins, week))), slice(0, week))

    def since(self, week: int) -> Tensor:
        """Return the same weeks without the origins before `week`: history that begins there."""
        return self._cut(
            slice(int(np.searchsorted(self.origins, week)), None), slice(0, len(self.weeks))
        )

    def _cut(self, origins: slice, weeks: slice) -> Tensor:
        def both(values: Floats | None) -> Floats | None:
            return None if values is None else values[origins, :, weeks]

        return replace(
            self,
            weeks=self.weeks[weeks],
            origins=self.origins[origins],
            begins=self.begins[origins],
            sums=self.sums[origins, :, weeks],
            season=None if self.season is None else self.season[weeks],
            estimate=both(self.estimate),
            psi=both(self.psi),
            seconds=None if self.seconds is None else self.seconds[origins],
        )


def simple_tensor(
    values: Floats,
    origins: Sequence[int],
    *,
    metric: str = "accuracy",
    windows: tuple[str, ...] = ("all",),
    rows: float = 1000.0,
    delay: int = 0,
    lag: int = 1,
    blocks: int = 7,
) -> Tensor:
    """Return a tensor with given qualities (O, W, T) of a rate or an error, the same in each block.

    For trying policies out on invented worlds.

    >>> t = simple_tensor(np.full((1, 1, 3), 0.9), [0])
    >>> t.measure.of(t.weekly()[0, 0]).round(3)
    array([0.9, 0.9, 0.9])
    """
    higher = metric == "accuracy"
    mass = np.full(values.shape, rows / blocks)
    known = np.arange(values.shape[2]) >= np.asarray(origins)[:, None, None] - delay
    mass = np.where(known & np.isfinite(values), mass, 0.0)
    loss = np.where(mass > 0, mass * ((1.0 - values) if higher else values), 0.0)
    sums = np.stack([mass, mass, loss], axis=-1)[:, :, :, None, :]
    return Tensor(
        metric=metric,
        higher_is_better=higher,
        weeks=tuple(f"w{i:04d}" for i in range(values.shape[2])),
        windows=windows,
        origins=np.asarray(origins, dtype=np.int64),
        begins=np.zeros(values.shape[:2], dtype=np.int64),
        terms=("rows", "mass", "loss"),
        sums=np.repeat(sums, blocks, axis=3),
        delay=delay,
        lag=lag,
    )
