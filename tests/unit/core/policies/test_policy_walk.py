"""What the walk decides in worlds where the right answer is plain."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tamid.core.policies.account import compare
from tamid.core.policies.board import board
from tamid.core.policies.measure import measure
from tamid.core.policies.policy import ReplayPolicy, calendar, never, standard
from tamid.core.policies.staleness import staleness
from tamid.core.policies.tensor import Tensor, simple_tensor
from tamid.core.policies.walk import walk
from tamid.core.stats.arrays import Floats
from tamid.core.verdict import Outcome

WEEKS = 80
ORIGINS = list(range(20, WEEKS))


def _ages() -> Floats:
    ages = np.arange(WEEKS) - np.array(ORIGINS)[:, None, None]
    return np.asarray(np.maximum(ages, 0), dtype=np.float64)


def _noisy(values: Floats, **kinds: object) -> Tensor:
    """Return a tensor whose blocks differ a little, so that standard errors are not zero."""
    found = simple_tensor(values, ORIGINS, **kinds)  # type: ignore[arg-type]
    rng = np.random.default_rng(1)
    factor = 1 + 0.02 * rng.standard_normal((1, 1, WEEKS, found.sums.shape[3]))
    sums = found.sums.copy()
    sums[..., 2] = np.clip(sums[..., 2] * factor, 0, sums[..., 1])
    return replace(found, sums=sums)


def _broken_at(week: int, *, fall: float = 0.1) -> Floats:
    """Models fitted before a break lose; those that know two weeks of what follows do not."""
    knows = np.array(ORIGINS)[:, None, None] - 2 >= week + 2
    after = np.arange(WEEKS)[None, None] >= week
    return 0.85 - np.where(after & ~knows, fall, 0.0)


def test_a_stable_world_needs_nothing() -> None:
    """Where nothing changes the performance trigger is silent, and regret has no yardstick."""
    found = compare(_noisy(np.full((60, 1, WEEKS), 0.85), delay=2), list(standard().values()))
    assert found["quality"].runs == found["never"].runs == 0
    assert found["default"].false_alarms == 0
    assert np.isnan(found["weekly"].regret)
    assert not found.telling


def test_a_break_is_answered_once_its_labels_are_in() -> None:
    """The first run comes after the delay and not before, and what follows it is as good as new."""
    found = compare(_noisy(_broken_at(40), delay=2), [*standard().values()])
    one = found["quality"]
    first = one.walk.runs[0]
    assert 40 + 2 < first.week <= 40 + 2 + 4
    assert one.harmful == one.false_alarms == 0
    assert found["never"].overall < one.overall < found.best
    assert 0 < one.regret < 0.5
    assert found["never"].regret == 1.0
    assert found.telling


def test_a_gate_keeps_what_is_worse_away() -> None:
    """Candidates that are worse are taken by the ungated policy, and held by the gated one."""
    worse = 0.85 - 0.03 * (np.array(ORIGINS)[:, None, None] > 40) * np.ones((1, 1, WEEKS))
    tensor = _noisy(worse, delay=1)
    gated = ReplayPolicy(name="gated", on=frozenset({"age"}), max_age=20)
    found = compare(tensor, [gated, replace(gated, name="open", gate=False)])
    assert found["open"].harmful == 1
    assert found["gated"].harmful == 0
    assert Outcome.HELD in {r.outcome for r in found["gated"].walk.runs}


def test_the_window_is_switched_once_and_with_reason() -> None:
    """Auto stays with the default until another window is better by more than its error."""
    values = np.full((60, 2, WEEKS), 0.85)
    values[:, 1] = np.where(np.arange(WEEKS) < 45, 0.80, 0.90)
    tensor = _noisy(values, windows=("all", "short"), delay=1)
    one = walk(board(tensor), replace(calendar("auto", 4), window="auto"))
    taken = [r.window for r in one.runs]
    assert taken == sorted(taken)
    assert taken[0] == 0
    assert taken[-1] == 1
    assert all(r.window == 0 for r in one.runs if r.week - 1 <= 45)


def _with_luck(values: Floats, *, seed: int) -> Tensor:
    """Return a tensor in which each model has a luck of its own in every week."""
    luck = np.random.default_rng(seed).normal(size=(1, values.shape[1], WEEKS))
    return _noisy(values + 0.03 * luck, windows=("all", "long", "short", "decay"), delay=1)


def test_the_luck_of_weeks_changes_no_window() -> None:
    """Four equal windows, whose rows tell each week's luck exactly: with the error of rows 60 % of
    the choices left all data, with that of weeks a sixth at most.
    """
    equal = np.full((60, 4, WEEKS), 0.85)
    chosen = [board(_with_luck(equal, seed=seed)).choice[5:] > 0 for seed in range(8)]
    assert float(np.mean(chosen)) < 0.16


def test_a_window_has_to_be_shown_anew_at_every_run() -> None:
    """As good as all data again, after it was better: all data comes back, and does so at once."""
    values = np.full((60, 2, WEEKS), 0.85)
    values[:, 1] = np.where((np.arange(WEEKS) >= 40) & (np.arange(WEEKS) < 55), 0.90, 0.85)
    tensor = _noisy(values, windows=("all", "short"), delay=1)
    one = walk(board(tensor), replace(calendar("auto", 4), window="auto"))
    taken = {r.week: r.window for r in one.runs}
    assert [week for week, window in taken.items() if window] == [44, 48, 52, 56]


def test_one_good_week_takes_no_candidate() -> None:
    """A gain that one week of four made is not told from luck; one that all made is taken."""
    for last, wanted in ((4, Outcome.PROMOTE), (1, Outcome.KEEP)):
        values = np.full((60, 1, WEEKS), 0.80)
        young = np.array(ORIGINS)[:, None, None] > 20
        good = (np.arange(WEEKS) >= 40 - last) & (np.arange(WEEKS) < 40)
        values = values + np.where(young & good, 0.08, np.where(young, -0.01, 0.0))
        policy = ReplayPolicy(name="one", on=frozenset({"age"}), max_age=20, window="all")
        first = walk(board(_noisy(values, delay=0)), policy).runs[0]
        assert (first.week, first.outcome) == (40, wanted)


def test_few_judged_rows_change_the_window_only_after_a_fall() -> None:
    """A tenth of the rows: the calendar keeps the window, a break takes the better one."""
    values = np.full((60, 2, WEEKS), 0.85)
    values[:, 0] = _broken_at(40, fall=0.2)[:, 0]
    values[:, 0, 40:] = 0.65
    whole = _noisy(values, windows=("all", "short"), delay=1)
    few = replace(whole, sums=whole.sums / 10)
    asked = {kind: replace(calendar(kind, 4), on=frozenset({kind}), window="auto")
             for kind in ("age", "quality")}  # fmt: skip
    taken = {kind: [r.window for r in walk(board(few), p).runs] for kind, p in asked.items()}
    assert set(taken["age"]) == {0}
    # One week of four shows the break at first, and that is no proof.
    assert taken["quality"] == [0, 1]
    assert {r.window for r in walk(board(whole), asked["age"]).runs} == {0, 1}


def test_a_window_without_the_coming_season_is_left_out() -> None:
    """A short window looks best in summer and is refused for the autumn that only `all` knows."""
    values = np.full((60, 2, WEEKS), 0.85)
    values[:, 1] = 0.90
    tensor = _noisy(values, windows=("all", "short"), delay=0)
    season = np.arange(WEEKS) // 13 % 4
    begins = np.stack([np.zeros(60), np.array(ORIGINS) - 8], axis=1).astype(np.int64)
    tables = board(replace(tensor, season=season, begins=begins))
    place = ORIGINS.index(64)  # the coming month reaches into season 1, seen in weeks 13 to 25
    assert tables.choice[place] == 1
    assert tables.guarded[place] == 0
    assert tables.guarded[ORIGINS.index(70)] == 1  # autumn has begun, and short knows it


def test_the_price_of_a_run_raises_the_bar() -> None:
    """A fall that costs less than a run is not answered; a cheaper run is."""
    tensor = _noisy(_broken_at(40, fall=0.04), delay=2)
    dear = ReplayPolicy(name="dear", on=frozenset({"quality"}), gate=False, price=10_000)
    tables = board(tensor)
    assert walk(tables, dear).runs == ()
    assert walk(tables, replace(dear, price=100)).runs != ()


def test_staleness_falls_with_age() -> None:
    """In a world that loses half a point a week the curve loses as much, whatever the weather."""
    weather = 0.05 * np.sin(np.arange(WEEKS) / 7)
    tensor = _noisy(0.85 - 0.005 * _ages() + weather, delay=1)
    curve = staleness(board(tensor))
    assert curve[1].quality - curve[21].quality == pytest.approx(0.1, abs=0.01)
    assert curve[1].weeks > curve[50].weeks > 0


def test_errors_are_better_when_small() -> None:
    """For a regression the sign turns: the aged model's larger error is the regret."""
    tensor = _noisy(0.2 + 0.01 * _ages(), metric="mae", delay=1)
    found = compare(tensor, [never(), calendar("weekly", 1)])
    assert found["weekly"].overall < found["never"].overall
    assert found["weekly"].regret < 0.01


def test_a_model_is_never_scored_on_what_it_learnt() -> None:
    """Sums in weeks before the origin's last known one are refused."""
    tensor = simple_tensor(np.full((60, 1, WEEKS), 0.8), ORIGINS, delay=2)
    sums = tensor.sums.copy()
    sums[5, 0, ORIGINS[5] - 3] = 1.0
    with pytest.raises(ValueError, match="learnt from"):
        replace(tensor, sums=sums)


def test_every_metric_is_read_from_its_sums() -> None:
    """F1, macro F1, rmse and r2 come out of named sums as they do out of rows."""
    terms = ("rows", "mass", "loss", "square", "spread", "tp:0", "fp:0", "fn:0", "tp:1", "fp:1",
             "fn:1")  # fmt: skip
    sums = np.array([4.0, 4.0, 2.0, 9.0, 18.0, 1.0, 1.0, 1.0, 3.0, 0.0, 0.0])
    assert measure("rmse", terms).of(sums) == 1.5
    assert measure("r2", terms).of(sums) == 0.5
    assert measure("macro_f1", terms).of(sums) == 0.75
    with pytest.raises(ValueError, match="needs the sums fn"):
        measure("f1", ("rows", "mass", "loss"))


def test_an_unknown_window_or_trigger_is_named() -> None:
    """A policy's words are checked where they are used."""
    tables = board(simple_tensor(np.full((60, 1, WEEKS), 0.8), ORIGINS))
    with pytest.raises(ValueError, match="no window 'short'"):
        walk(tables, calendar("x", 4, "short"))
    with pytest.raises(ValueError, match="unknown trigger 'moon'"):
        ReplayPolicy(name="x", on=frozenset({"moon"}))


def test_below_what_is_owed_no_price_keeps_a_run_back() -> None:
    """A promise is kept whatever it costs; above it the price decides."""
    tensor = _noisy(_broken_at(40, fall=0.04), delay=2)
    dear = ReplayPolicy(name="dear", on=frozenset({"quality"}), gate=False, price=10_000)
    tables = board(tensor)
    assert walk(tables, replace(dear, owed=0.84)).runs != ()
    assert walk(tables, replace(dear, owed=0.70)).runs == ()


def test_a_share_more_to_learn_from_trains_ever_more_rarely() -> None:
    """With 20 weeks a tenth more are two weeks, with 100 ten."""
    tables = board(simple_tensor(np.full((100, 1, 121), 0.8), list(range(20, 121))[:100]))
    policy = ReplayPolicy(name="grown", on=frozenset({"new_data"}), grown=0.1, gate=False)
    weeks = np.array([run.week for run in walk(tables, policy).runs])
    assert weeks[0] == 22
    assert (np.diff(weeks) >= 0.1 * weeks[:-1]).all()
    assert np.diff(weeks)[-1] >= 9
    assert len(weeks) <= 19


def test_an_equal_refresh_is_taken_and_a_worse_one_is_not() -> None:
    """Models of one worth, told apart by chance alone; then all later ones are worse."""
    rng = np.random.default_rng(4)
    values = np.full((60, 1, WEEKS), 0.8)
    tensor = simple_tensor(values, ORIGINS)
    sums = tensor.sums.copy()
    noise = rng.normal(scale=1.0, size=(60, 1, WEEKS, sums.shape[3]))
    sums[..., 2] = np.clip(sums[..., 2] + noise, 0, sums[..., 1])
    on = frozenset({"new_data"})
    keeping = ReplayPolicy(name="x", on=on, grown=0.15)
    taking = replace(keeping, equal_taken=True)
    tables = board(replace(tensor, sums=sums))
    kept, taken = walk(tables, keeping), walk(tables, taking)
    assert Outcome.KEEP in {run.outcome for run in kept.runs}
    assert Outcome.KEEP not in {run.outcome for run in taken.runs}
    assert taken.releases > kept.releases
    worse = values - np.where(np.array(ORIGINS)[:, None, None] > ORIGINS[0], 0.1, 0.0)
    runs = walk(board(_noisy(worse)), replace(taking, grown=0.3)).runs
    assert {run.outcome for run in runs} == {Outcome.HELD}
