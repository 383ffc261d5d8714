"""Laws of the walk: no peeking, and the ends of the scale are where they belong."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tamid.core.policies.account import compare, overall
from tamid.core.policies.board import board
from tamid.core.policies.policy import ReplayPolicy, calendar, never
from tamid.core.policies.tensor import Tensor, simple_tensor
from tamid.core.policies.walk import Run, walk

_WINDOWS = ("all", "long", "short")


# A world is named by its seed: a counterexample is then one number.
_worlds = st.integers(0, 2**32)


def _world(seed: int) -> Tensor:
    """Invent a history: falls, noise, windows of different worth, weekly or rarer origins."""
    rng = np.random.default_rng(seed)
    weeks, first = int(rng.integers(20, 45)), int(rng.integers(3, 10))
    origins = np.arange(first, weeks, rng.choice([1, 2, 3]))
    delay, lag = int(rng.integers(0, 5)), int(rng.integers(0, 3))
    shape = (len(origins), len(_WINDOWS), weeks)
    age = np.maximum(np.arange(weeks) - origins[:, None, None], 0)
    value = 0.85 - float(rng.choice([0.0, 0.002, 0.01])) * age
    value = value + rng.normal(0, 0.02, (1, 1, weeks)) + rng.normal(0, 0.01, shape)
    found = simple_tensor(
        np.clip(value, 0.01, 0.99), origins.tolist(), windows=_WINDOWS, delay=delay, lag=lag
    )
    mass = found.sums[..., 1]
    noise = np.clip(found.sums[..., 2] * rng.uniform(0.5, 1.5, mass.shape), 0, mass)
    sums = np.stack([mass, mass, noise], axis=-1)
    psi = rng.uniform(0, 0.5, shape)
    begins = np.maximum(origins[:, None] - delay - np.array([[99, 12, 4]]), 0)
    season = np.arange(weeks) // 13 % 4
    return replace(
        found, sums=sums, psi=psi, estimate=value + rng.normal(0, 0.01, shape), begins=begins,
        season=season,
    )  # fmt: skip


_policies = st.builds(
    ReplayPolicy,
    name=st.just("tried"),
    on=st.sets(
        st.sampled_from(["quality", "age", "new_data", "drift", "estimate"]), min_size=1
    ).map(frozenset),
    max_age=st.integers(1, 20),
    window=st.sampled_from(["auto", *_WINDOWS]),
    gate=st.booleans(),
    cooldown=st.integers(0, 4),
    per_year=st.integers(0, 30),
    tolerance=st.sampled_from([0.0, 0.01, 0.02]),
    errors=st.sampled_from([0.0, 1.0, 2.0]),
    new_rows=st.sampled_from([0, 2000]),
    price=st.sampled_from([0.0, 50.0]),
    season_guard=st.booleans(),
)


def _decided(tensor: Tensor, policy: ReplayPolicy, week: int) -> list[Run]:
    return [run for run in walk(board(tensor), policy).runs if run.week <= week]


@settings(max_examples=40, deadline=None)
@given(_worlds, _policies, st.data())
def test_no_future_cell_changes_an_earlier_decision(
    seed: int, policy: ReplayPolicy, data: st.DataObject
) -> None:
    """What is not known at week t - labels of the last weeks, later weeks, later models - may be
    anything: all decisions up to t stay."""
    world = _world(seed)
    week = data.draw(st.integers(int(world.origins[0]), len(world.weeks) - 1))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    mass = world.sums[..., 1]
    other = rng.uniform(0, 1, mass.shape) * mass
    weeks = np.arange(len(world.weeks))
    unknown = (weeks >= week - world.delay) | (world.origins > week)[:, None, None]
    unknown = np.broadcast_to(unknown, mass.shape[:3])
    sums = world.sums.copy()
    sums[..., 2] = np.where(unknown[..., None], other, sums[..., 2])
    unseen = np.broadcast_to((weeks >= week) | (world.origins > week)[:, None, None], unknown.shape)
    assert world.psi is not None
    assert world.estimate is not None
    changed = replace(
        world,
        sums=sums,
        psi=np.where(unseen, 9.0, world.psi),
        estimate=np.where(unseen, 0.0, world.estimate),
    )
    assert _decided(changed, policy, week) == _decided(world, policy, week)


@settings(max_examples=15, deadline=None)
@given(_worlds, _policies)
def test_a_shorter_history_is_decided_alike(seed: int, policy: ReplayPolicy) -> None:
    """Cut off at a week, the history gives the decisions that the whole one gives up to there."""
    world = _world(seed)
    week = (int(world.origins[0]) + len(world.weeks) + 1) // 2
    short = walk(board(world.until(week)), policy).runs
    assert list(short) == [r for r in walk(board(world), policy).runs if r.week < week]


@settings(max_examples=15, deadline=None)
@given(_worlds)
def test_never_is_row_zero(seed: int) -> None:
    """Never training gives the first model's own quality, week by week, and regret 1."""
    world = _world(seed)
    found = compare(world, [never()])
    account = found["never"]
    alone = world.measure.of(world.weekly()[0, 0, world.first :])
    np.testing.assert_allclose(account.quality, alone)
    assert account.runs == account.releases == 0
    if found.best > found.never:
        assert account.regret == 1.0


@settings(max_examples=15, deadline=None)
@given(_worlds)
def test_the_best_fixed_policy_has_no_regret(seed: int) -> None:
    """The best of the grid is its own yardstick, and no member of the grid is better."""
    world = _world(seed)
    tables = board(world)
    grid = [calendar(f"{w} {n}", n, w) for n in (1, 4, 8, 13, 26) for w in _WINDOWS]
    found = compare(tables, grid)
    assert found.best == max(overall(tables, a.walk) for a in found.accounts)
    if found.best > found.never:
        assert min(a.regret for a in found.accounts) == 0.0


@settings(max_examples=20, deadline=None)
@given(_worlds, _policies)
def test_cooldown_cap_and_lag_are_kept(seed: int, policy: ReplayPolicy) -> None:
    """Runs keep their distance, never exceed the cap in 52 weeks, and serve only after the lag."""
    world = _world(seed)
    one = walk(board(world), policy)
    weeks = [run.week for run in one.runs]
    assert all(b - a >= max(policy.cooldown, 1) for a, b in pairwise(weeks))
    assert all(sum(w - 52 < v <= w for v in weeks) <= policy.per_year for w in weeks)
    for place in range(len(one.origin)):
        origin = int(world.origins[one.origin[place]])
        assert origin + world.lag <= one.first + place
