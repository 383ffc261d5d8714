"""The learning curve: fits on halves, quarters and eighths, and what twice the rows would bring."""

from __future__ import annotations

import numpy as np

from tamid.core.learning.advice import Finding
from tamid.core.learning.model import Floats, Ints
from tamid.core.stats.arrays import codes_of, group_sums
from tamid.core.stats.blocks import Groups
from tamid.core.stats.bootstrap import bootstrap_sums
from tamid.core.stats.learningcurve import fit_curves
from tamid.core.stats.metrics import Terms
from tamid.core.values import Interval
from tamid.stages.evidence import ALPHA
from tamid.stages.refitting import FITS, NO_TIME, Lab

# Sizes below the whole: three halvings show whether the curve still falls.
_SHARES = (0.5, 0.25, 0.125)
_DRAWS = 1000
# Weeks that are fewer than this are no sample of weeks.
_FEWEST_BLOCKS = 5


def curve(lab: Lab) -> tuple[Finding, ...]:
    """Fit on samples of the entities, each size several times, and extrapolate to the double."""
    tried: dict[float, list[tuple[int, Terms]]] = {}
    everybody = np.ones(len(lab.bench.rows), dtype=bool)
    seeds = max(lab.ask.seeds, 1)
    for number in range(seeds):
        part = lab.dealt(everybody, round(1 / _SHARES[-1]))  # eighths: each size holds the smaller
        for share in _SHARES:
            if not lab.room(FITS):
                break
            keep = part < round(share / _SHARES[-1])
            found = lab.recipe(np.asarray(keep))
            if found is not None:
                rows = int((lab.fold.fit & keep).sum())
                tried.setdefault(share, []).append((rows, found.terms))
            lab.say("learning curve", 0.6 + 0.3 * (number + 1) / seeds)
    if len(tried) < 2:
        why = "half of the rows, or a quarter, is too little to fit on"
        lab.missing["more_data"] = why if lab.room(FITS) else NO_TIME
        return ()
    return (_doubled(lab, tried),)


def _doubled(lab: Lab, tried: dict[float, list[tuple[int, Terms]]]) -> Finding:
    """Return what twice the rows would bring, by a power law through all sizes.

    Entities, and weeks, are drawn once for all models, and one sample of each size with them: the
    interval holds what judged rows and samples leave open, not whether the law goes on.
    """
    full, metric = int(lab.fold.fit.sum()), lab.base.terms.metric
    groups = [[lab.base.terms], *([t for _, t in found] for found in tried.values())]
    sizes = np.array([full, *(np.mean([n for n, _ in found]) for found in tried.values())])
    best = metric.high if metric.higher_is_better else 0.0
    values = np.array([np.mean([t.point() for t in group]) for group in groups])
    gain = float(fit_curves(sizes, metric.sign() * (best - values)[None]).gain(2.0)[0])
    bounds = [_bounds(lab, codes, groups, sizes, best) for codes in _units(lab.groups)]
    _, rate = lab.periods()
    wait = f"; {full / rate:.0f} more periods of {rate:.0f} rows" if rate else ""
    shown = ", ".join(f"{v:.4f} from {n:.0f}" for n, v in zip(sizes, values, strict=True))
    last = float(metric.sign() * (values[0] - values[1]))
    return Finding(
        kind="more_data",
        name="twice the rows",
        evidence=f"{metric.name} {shown} rows; the last doubling brought {last:+.4f}{wait}",
        gain=Interval(
            point=gain,
            low=min(gain, *(low for low, _ in bounds)),
            high=max(gain, *(high for _, high in bounds)),
            level=1 - 2 * ALPHA,
        ),
        basis="extrapolated",
        numbers={"rows": full, "last_doubling": last, "rows_a_period": rate}
        | {f"at_{n:.0f}": float(v) for n, v in zip(sizes, values, strict=True)},
    )


def _bounds(
    lab: Lab, codes: Ints, groups: list[list[Terms]], sizes: Floats, best: float
) -> tuple[float, float]:
    """Return the bounds of the gain over draws of units, and of samples within each size."""
    units, flat = int(codes.max()) + 1, [t for group in groups for t in group]
    width, metric = flat[0].rows.shape[1], flat[0].metric
    summed = group_sums(np.concatenate([t.rows for t in flat], axis=1), codes, units)
    totals = bootstrap_sums(summed, lab.rng, _DRAWS)
    each = [t.value(totals[:, i * width : (i + 1) * width]) for i, t in enumerate(flat)]
    drawn, begin, rows = [], 0, np.arange(_DRAWS)
    for group in groups:
        among = np.stack(each[begin : begin + len(group)])
        drawn.append(among[lab.rng.integers(0, len(group), _DRAWS), rows])
        begin += len(group)
    errors = metric.sign() * (best - np.stack(drawn, axis=1))
    errors = errors[np.isfinite(errors).all(axis=1)]
    if not len(errors):
        return -np.inf, np.inf
    low, high = np.quantile(fit_curves(sizes, errors).gain(2.0), [ALPHA, 1 - ALPHA])
    return float(low), float(high)


def _units(groups: Groups) -> list[Ints]:
    found = [codes_of(c) for c in (groups.entity, groups.week) if c is not None]
    enough = [codes for codes, count in found if count >= _FEWEST_BLOCKS]
    return enough or [found[0][0]]
