"""The tensor of a made-up history: who learns from what, who is scored on what, what it costs."""

from __future__ import annotations

import dataclasses
import sys
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from tamid.adapters.inline import TinyLearner
from tamid.app import Quiet
from tamid.core.contract.model import Contract
from tamid.core.errors import DataError
from tamid.core.learning.model import Feature, FeatureTable, Floats
from tamid.core.policies.account import compare
from tamid.core.policies.policy import ReplayPolicy, standard
from tamid.core.policies.tensor import Tensor, simple_tensor
from tamid.core.values import Task
from tamid.stages.fits import Bench
from tamid.stages.matrix import BLOCKS, Matrix, narrow, vocabulary
from tamid.stages.tensor import Layout, Made, layout, tensor
from tamid.wiring import load_contract
from tamid.workshop.tools import learner_of

WEEK = 7 * 86_400_000_000
SMALLEST = Path(__file__).parents[2] / "assets" / "contracts" / "smallest.yaml"


def _contract(**training: object) -> Contract:
    found = load_contract(SMALLEST)
    made = dataclasses.replace(found.training, **training)  # type: ignore[arg-type]
    return dataclasses.replace(found, task=Task.BINARY, training=made)


def made_up(
    weeks: int = 30, a_week: int = 80, *, features: int = 4, slow: bool = False, seed: int = 0
) -> Matrix:
    """A binary history whose rule turns slowly; with `slow`, labels come up to ten weeks late."""
    rng = np.random.default_rng(seed)
    n = weeks * a_week
    week = np.repeat(np.arange(weeks), a_week)
    values = rng.normal(size=(n, features))
    values[:, -1] = np.where(week < weeks // 2, 0, rng.integers(0, 3, n))  # a word comes up later
    turn = week / weeks
    chance = 1 / (1 + np.exp(-2 * (values[:, 0] * (1 - turn) + values[:, 1] * turn)))
    moment = (week * WEEK + np.tile(np.linspace(0, WEEK - 1, a_week), weeks)).astype(np.int64)
    wait = rng.integers(0, 10 * WEEK, n) if slow else WEEK // 2
    known = moment + wait
    named = [Feature(name=f"x{i}") for i in range(features - 1)]
    return Matrix(
        contract=_contract(),
        weeks=tuple(f"{2020 + i // 52}-{1 + i % 52 * 12 // 52:02d}-{i:04d}" for i in range(weeks)),
        starts=np.arange(weeks + 1) * WEEK,
        offsets=np.arange(weeks + 1) * a_week,
        week=week,
        block=((moment % WEEK) * BLOCKS // WEEK).astype(np.int64),
        told=known // WEEK if slow else week,
        row_known=moment,
        label_known=known,
        time=moment,
        y=(rng.uniform(size=n) < chance).astype(np.float64),
        table=FeatureTable(
            features=(*named, Feature(name="c", kind="category", categories=("a", "b", "c"))),
            values=values,
        ),
        classes=2,
        delay=9 if slow else 1,
        slow=slow,
        season=np.zeros(weeks, dtype=np.int64),
        digest=f"made up {weeks} {a_week} {features} {slow} {seed}",
    )


def bench() -> Bench:
    """The learner that needs only numpy."""
    return Bench(learner=TinyLearner(Task.BINARY), params={}, seed=1, seconds=time.process_time)


def built(rows: Matrix, plan: Layout, kept: dict[str, bytes] | None = None) -> Made:
    """The tensor of a history."""
    return tensor(rows, plan, bench(), Quiet(), kept)


def test_newer_models_are_better_where_the_rule_turns() -> None:
    """Sums add up to the rows, and training anew pays where the world moves."""
    rows = made_up(weeks=40, a_week=300)
    made = built(rows, Layout(first=12, step=2))
    one = made.tensor
    weekly = one.weekly()[..., one.terms.index("rows")]
    assert (weekly[0, 0, 11:] == 300).all()
    assert weekly[0, 0, :11].sum() == 0
    found = compare(one, list(standard().values()))
    assert found["weekly"].overall > found["never"].overall + 0.03
    assert made.seconds >= made.bare > 0
    assert made.stored_bytes > 0


@pytest.mark.parametrize("slow", [False, True])
def test_later_labels_change_no_earlier_model(slow: bool) -> None:
    """Labels that were not known at an origin may be anything: what it answers stays the same."""
    rows = made_up(slow=slow)
    origin = 16
    hidden = rows.label_known > origin * WEEK
    if not slow:
        hidden = rows.week >= origin - rows.delay
    other = dataclasses.replace(rows, y=np.where(hidden, 1 - rows.y, rows.y), digest="other")
    plan = Layout(first=origin, step=50, lag=0)
    one, two = (built(r, plan).tensor for r in (rows, other))
    called = [
        t.sums[..., t.terms.index("tp")] + t.sums[..., t.terms.index("fp")] for t in (one, two)
    ]
    np.testing.assert_array_equal(called[0], called[1])
    np.testing.assert_array_equal(one.psi, two.psi)
    assert one.sums[..., :origin, :, 0].sum() == (0 if slow else 4 * rows.delay * 80)


def test_a_model_knows_no_word_of_its_future() -> None:
    """The vocabulary is that of the rows learnt from; a later word is missing, as in scoring."""
    features = (Feature(name="c", kind="category", categories=("a", "b", "c")),)
    values = np.array([[0.0], [2.0], [np.nan], [1.0]])
    places, narrowed = vocabulary(values[:2], features)
    assert narrowed[0].categories == ("a", "c")
    np.testing.assert_array_equal(
        narrow(values, features, places), [[0.0], [1.0], [np.nan], [np.nan]]
    )


def test_windows_that_are_one_are_fitted_once() -> None:
    """With eleven weeks of labels `long` and `decay` are `all`, and only `short` is another fit."""
    rows = made_up(weeks=24)
    made = built(rows, Layout(first=12, step=50, lag=0))
    assert made.fits - 1 <= 2 + 2  # two models, and one more each for their thresholds
    np.testing.assert_array_equal(made.tensor.sums[0, 0], made.tensor.sums[0, 1])
    np.testing.assert_array_equal(made.tensor.sums[0, 0], made.tensor.sums[0, 3])
    assert (made.tensor.begins[0] == [0, 0, 3, 0]).all()


def test_a_window_by_weights_is_another_model_of_the_same_rows() -> None:
    """With twenty weeks `decay` begins where `all` does, and answers otherwise."""
    made = built(made_up(weeks=24), Layout(first=20, step=50, lag=0, windows=("all", "decay")))
    assert (made.tensor.begins[0] == [0, 0]).all()
    assert not np.array_equal(made.tensor.sums[0, 0], made.tensor.sums[0, 1])


def test_a_cut_off_calculation_goes_on() -> None:
    """Parts that were kept are taken, the rest is made, and the whole is as it would have been."""
    rows, plan = made_up(), Layout(first=14, step=4)
    kept: dict[str, bytes] = {}
    whole = built(rows, plan, kept)
    some = dict(list(kept.items())[:2])
    again = built(rows, plan, some)
    assert again.kept == 2
    np.testing.assert_allclose(again.tensor.sums, whole.tensor.sums)
    assert len(some) == len(kept)


def test_a_history_that_is_too_short_is_refused() -> None:
    """The message says how many weeks there are and how many a first model takes."""
    with pytest.raises(DataError, match="12 weeks"):
        layout(made_up(weeks=12))
    assert layout(made_up(weeks=60)).first == 14
    assert layout(made_up(weeks=200, a_week=20)).step == 3


def _size(one: Tensor) -> int:
    parts: list[Floats | None] = [one.sums, one.psi, one.estimate]
    return sum(part.nbytes for part in parts if part is not None)


@pytest.mark.bench
def test_the_tensor_costs_little_beyond_fits_and_predictions() -> None:
    """With boosted trees less than 15 % of computing time goes into anything else."""
    rows = made_up(weeks=80, a_week=500, features=20)
    contract = _contract(model="lightgbm", threads=1)
    worker = dataclasses.replace(bench(), learner=learner_of(contract, {}, 2))
    made = tensor(rows, Layout(first=20, step=4), worker, Quiet())
    sys.stdout.write(f"\ntensor: {made.fits} fits, overhead {made.seconds / made.bare - 1:.1%}")
    assert made.seconds / made.bare < 1.15


@pytest.mark.bench
def test_memory_is_flat_in_the_number_of_weeks() -> None:
    """The same rows in four times as many weeks need no more memory, the result itself apart."""
    peaks = []
    for weeks in (40, 160):
        rows = made_up(weeks=weeks, a_week=64_000 // weeks)
        tracemalloc.start()
        made = built(rows, Layout(first=weeks // 4, step=weeks // 20))
        peaks.append(tracemalloc.get_traced_memory()[1] - 2 * _size(made.tensor))
        tracemalloc.stop()
    sys.stdout.write(
        f"\ntensor: {peaks[0] / 1e6:.1f} MB over 40 weeks, {peaks[1] / 1e6:.1f} MB over 160"
    )
    assert peaks[1] < 1.25 * peaks[0]


@pytest.mark.bench
def test_a_thousand_policies_are_walked_at_once() -> None:
    """1,000 different policies over 104 weeks and three windows, walked and settled."""
    rng = np.random.default_rng(0)
    origins = np.arange(26, 130)
    age = np.maximum(np.arange(130) - origins[:, None, None], 0)
    values = 0.85 - 0.002 * age + rng.normal(0, 0.01, (len(origins), 3, 130))
    one = simple_tensor(values, origins.tolist(), windows=("all", "long", "short"), delay=4)
    policies = [
        ReplayPolicy(name=str(i), max_age=4 + i % 40, tolerance=0.005 * (1 + i % 7),
                     cooldown=i % 5, gate=i % 2 == 0)
        for i in range(1000)
    ]  # fmt: skip
    began = time.process_time()
    found = compare(one, policies)
    spent = time.process_time() - began
    began = time.process_time()
    looked = [values[week, 0, 26 + week] < policy.tolerance for policy in policies
              for week in range(104)]  # fmt: skip
    bare = time.process_time() - began
    sys.stdout.write(
        f"\npolicies: 1,000 over 104 weeks in {spent:.2f} s of processor time; looking at each of "
        f"the {len(looked):,} weeks {bare:.2f} s: {spent / bare:.1f} times"
    )
    assert len(found.accounts) == 1000
    assert spent < 50 * bare
