"""What each gate says about evidence that is made for it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from tamid.core.stats.arrays import Floats
from tamid.core.values import ENTITY, LABEL, PERIOD, STATIC_PERIOD, TIME, WEIGHT
from tamid.core.verdict import GateOutcome, GateVerdict, Outcome
from tamid.stages.evidence import Evidence
from tamid.stages.gates import Judgement, judge
from tamid.workshop import parse

NOW = datetime(2026, 6, 1, tzinfo=UTC)
SUNDAY = datetime(2026, 1, 4, tzinfo=UTC)
CONTRACT = """\
tamid: 1
name: m
task: binary
data:
  source: {{path: rows.csv}}
  entity: id
  time: week
  label: {{column: left, positive: 1, horizon: 7d}}
  schema:
    plan: {{type: category, allowed: [basic, plus]}}
    sex: {{type: category, allowed: [f, m]}}
gates: {gates}
"""
PROBE = dict.fromkeys(("p99_ms", "memory_mb", "size_mb", "start_s", "golden_difference"), 0.0)
PASS, FAIL, OPEN = GateOutcome.PASS, GateOutcome.FAIL, GateOutcome.UNDECIDED


def evidence(
    y: Floats,
    score: Floats,
    *,
    gates: str = "{baselines: [], calibration: {max_ece: 1}}",
    champion: Floats | None = None,
    baseline: Floats | None = None,
    weeks: int = 8,
    plan: list[str] | None = None,
    sex: list[str] | None = None,
    threshold: float = 0.5,
) -> Evidence:
    """Return evidence on rows of different customers, dealt over some weeks (0: without time)."""
    n = len(y)
    times = [SUNDAY + timedelta(weeks=k * max(weeks, 1) // n) for k in range(n)]
    rows = pl.DataFrame(
        {
            ENTITY: [f"c{k}" for k in range(n)],
            TIME: pl.Series(times if weeks else [None] * n, dtype=pl.Datetime("us", "UTC")),
            PERIOD: [t.date().isoformat() for t in times] if weeks else [STATIC_PERIOD] * n,
            LABEL: y,
            WEIGHT: np.ones(n),
            "score": score,
            "baseline_majority": np.zeros(n) if baseline is None else baseline,
            "plan": plan or ["basic"] * n,
            "sex": sex or ["f", "m"] * (n // 2) + ["f"] * (n % 2),
        }
    )
    return Evidence(
        contract=parse(CONTRACT.format(gates=gates)),
        rows=rows,
        threshold=threshold,
        champion=None if champion is None else pl.Series("champion", champion, nan_to_null=True),
        champion_threshold=threshold,
        probe=PROBE,
        degraded=False,
        attempt=1,
        report=json.dumps({"parity": {"largest_difference": 0.0, "rows": n}}),
        rng=np.random.default_rng(0),
        now=NOW,
    )


def named(found: Judgement, gate: str) -> GateVerdict:
    """Return the verdict of one gate."""
    (one,) = [v for v in found.verdicts if v.gate == gate]
    return one


def world(n: int, seed: int = 0, noise: float = 0.3) -> tuple[Floats, Floats]:
    """Return labels and scores that are right in most rows."""
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < 0.3).astype(np.float64)
    return y, np.clip(0.15 + 0.7 * y + noise * rng.normal(size=n), 0.0, 1.0)


def test_a_minimum_on_few_positives_says_how_many_and_until_when() -> None:
    """The rate of positives tells after how many weeks it can be told."""
    y = np.zeros(400)
    y[::20] = 1.0  # 20 positives over 8 weeks: 2.5 a week
    gates = "{minimum: {f1: 0.75}, calibration: {max_ece: 1}}"
    found = judge(evidence(y, np.where(y > 0, 0.9, 0.1), gates=gates))
    assert found.outcome is Outcome.UNDECIDED
    assert "20 positives of 100 needed" in named(found, "minimum f1").message
    assert found.periods_missing == 3 * 32, "a third of all periods is judged"
    later = (NOW + 96 * timedelta(weeks=1)).date().isoformat()
    assert found.decidable_at == f"after 96 more weeks of labels, about {later}"
    static = judge(evidence(y, np.where(y > 0, 0.9, 0.1), gates=gates, weeks=0))
    assert (static.periods_missing, static.decidable_at) == (0, "")


def test_a_minimum_that_is_out_of_reach_fails_on_few_rows_too() -> None:
    """When even the best end of the interval is too low nothing has to be waited for."""
    y, score = world(240, noise=0.6)
    found = judge(evidence(y, score, gates="{minimum: {f1: 0.95}, baselines: []}"))
    verdict = named(found, "minimum f1")
    assert verdict.interval is not None
    assert verdict.interval.high < 0.95
    assert verdict.outcome is FAIL
    assert "too low" in verdict.message
    assert "needed" not in verdict.message


def test_a_baseline_fails_only_when_it_is_shown() -> None:
    """A candidate that looks slightly worse on few rows waits; one that is worse is held."""
    gates = "{baselines: [majority]}"
    y, score = world(120)
    rng = np.random.default_rng(1)
    other = np.clip(score + 0.02 * rng.normal(size=120), 0, 1)
    other[np.flatnonzero(y)[:2]] = 0.9  # luck in two rows
    near = judge(evidence(y, score, gates=gates, baseline=other))
    assert named(near, "baseline majority").outcome is OPEN
    assert near.outcome is Outcome.UNDECIDED
    bad = judge(evidence(y, 1 - score, gates=gates, baseline=score))
    assert named(bad, "baseline majority").outcome is FAIL
    same = judge(evidence(y, score, gates=gates, baseline=score))
    assert named(same, "baseline majority").outcome is FAIL, "the same is never better"


@pytest.mark.parametrize("n", [150, 600])
def test_calibrated_scores_are_not_held_for_chance(n: int) -> None:
    """With 150 rows chance alone leaves an error above the limit in most samples."""
    failed = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        p = rng.beta(1.2, 4, n)
        y = (rng.random(n) < p).astype(np.float64)
        found = judge(evidence(y, p, gates="{baselines: [], calibration: {max_ece: 0.05}}"))
        failed += named(found, "calibration").outcome is FAIL
    assert failed <= 3


def test_scores_that_mean_something_else_are_held() -> None:
    """A bias of 20 points is proven on a thousand rows."""
    rng = np.random.default_rng(0)
    p = rng.beta(2, 4, 1000)
    y = (rng.random(1000) < p).astype(np.float64)
    found = judge(evidence(y, np.clip(p + 0.2, 0, 1), gates="{baselines: []}"))
    assert named(found, "calibration").outcome is FAIL
    worse = judge(evidence(y, np.clip(p + 0.1, 0, 1), champion=p))
    assert named(worse, "calibration against the champion").outcome is FAIL
    fine = judge(evidence(y, p, champion=np.clip(p + 0.1, 0, 1)))
    assert named(fine, "calibration against the champion").outcome is PASS


def test_rows_that_the_champion_has_learnt_are_no_evidence() -> None:
    """In its own rows it is perfect; only the others count, and they speak for the candidate."""
    y, score = world(2000)
    champion = np.clip(score + 0.2 * np.random.default_rng(3).normal(size=2000), 0, 1)
    fresh = np.arange(2000) % 2 == 0
    with_all = judge(evidence(y, score, champion=np.where(fresh, champion, y)))
    assert with_all.outcome is Outcome.HELD
    fair = judge(evidence(y, score, champion=np.where(fresh, champion, np.nan)))
    assert fair.outcome is Outcome.PROMOTE
    assert fair.report["comparison"]["n"] == 1000


def test_without_a_row_to_compare_on_it_is_undecided() -> None:
    """The champion knows all: nothing is called worse, and it says from when on it can be told."""
    y, score = world(800)
    found = judge(evidence(y, score, champion=np.full(800, np.nan)))
    assert found.outcome is Outcome.UNDECIDED
    assert found.periods_missing == 5
    assert any("learnt from all" in r for r in found.reasons)


def test_small_slices_are_named() -> None:
    """Nobody drops out in silence, with a champion or without."""
    y, score = world(1000)
    plan = ["plus" if k % 50 == 0 else "basic" for k in range(1000)]
    gates = "{baselines: [], slices: {by: [plan], max_drop: 0.03}}"
    for champion in (None, score):
        found = judge(evidence(y, score, gates=gates, plan=plan, champion=champion))
        small = named(found, "slices of plan too small")
        assert small.outcome is OPEN
        assert "plus" in small.message
        assert "of 100 positives needed" in small.message
        assert named(found, "slice plan=basic").outcome is PASS


def test_a_first_run_tells_how_far_a_slice_stays_behind() -> None:
    """There is no champion to be worse than, so it is told and not held."""
    rng = np.random.default_rng(0)
    y, score = world(2000, noise=0.2)
    plan = np.where(np.arange(2000) % 2, "plus", "basic")
    score = np.where(plan == "plus", rng.random(2000), score)
    gates = "{baselines: [], slices: {by: [plan], max_drop: 0.03}, calibration: {max_ece: 1}}"
    found = judge(evidence(y, score, gates=gates, plan=plan.tolist()))
    verdict = named(found, "slice plan=plus")
    assert verdict.outcome is OPEN
    assert "behind" in verdict.message
    assert found.outcome is Outcome.PROMOTE


def test_a_slice_that_is_let_down_holds_the_candidate() -> None:
    """Better on the whole, proven worse for one plan."""
    rng = np.random.default_rng(0)
    y, good = world(4000, noise=0.1)
    poor = np.clip(good + 0.5 * rng.normal(size=4000), 0, 1)
    plan = np.where(np.arange(4000) % 4, "basic", "plus")
    gates = "{baselines: [], slices: {by: [plan], max_drop: 0.03}, calibration: {max_ece: 1}}"
    found = judge(
        evidence(
            y,
            np.where(plan == "basic", good, poor),
            champion=np.where(plan == "basic", poor, good),
            gates=gates,
            plan=plan.tolist(),
        )
    )
    assert found.failed == ("slice plan=plus",)
    assert found.outcome is Outcome.HELD


def test_slices_share_alpha_as_holm_says() -> None:
    """Six slices without a difference: in few of many draws any of them is called worse."""
    gates = "{baselines: [], slices: {by: [plan], max_drop: 0}, calibration: {max_ece: 1}}"
    failed = 0
    for seed in range(8):
        rng = np.random.default_rng(seed)
        y, base = world(2100, seed)
        mine, theirs = (np.clip(base + 0.2 * rng.normal(size=2100), 0, 1) for _ in range(2))
        plan = [f"p{k % 6}" for k in range(2100)]
        found = judge(evidence(y, mine, champion=theirs, gates=gates, plan=plan))
        failed += any(v.outcome is FAIL for v in found.verdicts if v.gate.startswith("slice "))
    assert failed <= 2


def test_a_wider_gap_than_the_champion_s_is_held() -> None:
    """Above the limit and shown to be wider: low power for the gap alone is no excuse."""
    rng = np.random.default_rng(0)
    n = 600
    y = (rng.random(n) < 0.4).astype(np.float64)
    sex = np.where(rng.random(n) < 0.25, "f", "m")
    champion = np.where(y > 0, 0.9, 0.1)
    missed = (sex == "f") & (y > 0) & (rng.random(n) < 0.15)
    gates = "{baselines: [], fairness: {protected: [sex], max_gap: 0.1}, calibration: {max_ece: 1}}"
    given = evidence(
        y, np.where(missed, 0.1, champion), champion=champion, gates=gates, sex=sex.tolist()
    )
    found = judge(given)
    alone = named(found, "fairness sex")
    assert alone.outcome is PASS
    assert "low power" in alone.message
    assert named(found, "fairness sex against the champion").outcome is FAIL
    same = judge(replace(given, champion=given.rows.get_column("score")))
    assert named(same, "fairness sex against the champion").outcome is PASS


def test_a_group_too_small_to_judge_is_named_beside_the_others() -> None:
    """A third group of ten is not hidden behind two large ones."""
    y, score = world(1200)
    sex = ["d" if k < 10 else "fm"[k % 2] for k in range(1200)]
    gates = "{baselines: [], fairness: {protected: [sex]}}"
    found = judge(evidence(y, score, gates=gates, sex=sex))
    assert "d too small to judge" in named(found, "fairness sex").message


def test_a_second_wide_gap_is_named_beside_the_worst() -> None:
    """Of three groups one is let down most; the next is not hidden behind it."""
    rng = np.random.default_rng(0)
    y = np.ones(3000)
    sex = rng.choice(["d", "f", "m"], 3000)
    missed = rng.random(3000) < np.select([sex == "d", sex == "f"], [0.5, 0.3], 0.0)
    gates = "{baselines: [], fairness: {protected: [sex], max_gap: 0.05}}"
    found = judge(evidence(y, np.where(missed, 0.1, 0.9), gates=gates, sex=sex.tolist()))
    told = named(found, "fairness sex")
    assert told.outcome is FAIL
    groups = {g for g in "dfm" if f" {g} " in told.message or f"of {g}:" in told.message}
    assert len(groups) >= 2, told.message


@pytest.mark.parametrize(
    ("n", "moved", "told"), [(2000, 0.3, OPEN), (2000, 0.0, PASS), (900, 0.3, None)]
)
def test_scores_spread_otherwise_than_the_champion_s_are_told(
    n: int, moved: float, told: GateOutcome | None
) -> None:
    """Told to a person and never failed; on few rows nothing is said."""
    y, score = world(n)
    found = judge(evidence(y, np.clip(score + moved, 0, 1), champion=score, threshold=0.6))
    said = [v for v in found.verdicts if v.gate == "scores against the champion"]
    assert [v.outcome for v in said] == ([] if told is None else [told])
    assert not any(v.blocking for v in said)


def test_alpha_is_shared_among_challengers() -> None:
    """What one challenger passes, the tenth on the same weeks does not."""
    y, score = world(400)
    rng = np.random.default_rng(5)
    champion = np.clip(score + 0.16 * rng.normal(size=400), 0, 1)
    first = evidence(y, score, champion=champion)
    lows = [
        judge(replace(first, attempt=k, rng=np.random.default_rng(0))).difference for k in (1, 10)
    ]
    assert lows[0] is not None
    assert lows[1] is not None
    assert lows[1].low < lows[0].low


def test_a_refresh_that_nothing_tells_from_the_champion_is_the_contract_s_to_take() -> None:
    """It is kept unless the contract says otherwise; no second try, no same answers, no fall."""
    y, clean = world(600)
    noise = 0.1 * np.random.default_rng(3).normal(size=(2, 600))
    champion, score = np.clip(clean + noise, 0, 1)
    usual = replace(evidence(y, score, champion=champion), refresh=True)
    assert judge(usual).outcome is Outcome.KEEP
    spec = replace(usual.contract.retraining, equal="release")
    taking = replace(usual, contract=replace(usual.contract, retraining=spec))
    found = judge(taking)
    assert found.outcome is Outcome.PROMOTE
    assert "retraining.equal: release" in found.reasons[-1]
    assert judge(replace(taking, refresh=False)).outcome is Outcome.KEEP
    assert judge(replace(taking, attempt=2)).outcome is Outcome.KEEP
    assert judge(replace(taking, degraded=True)).outcome is Outcome.HELD
    same = replace(taking, rows=taking.rows.with_columns(score=pl.Series(champion)))
    assert judge(same).outcome is Outcome.KEEP
    worse = replace(taking, rows=taking.rows.with_columns(score=pl.Series(champion[::-1])))
    assert judge(worse).outcome is Outcome.HELD


def test_periods_that_are_known_to_be_wrong_decide_nothing() -> None:
    """A better candidate on a broken week waits."""
    y, score = world(1000)
    given = evidence(y, score, champion=np.random.default_rng(0).random(1000))
    assert judge(given).outcome is Outcome.PROMOTE
    found = judge(replace(given, buggy=("2026-01-04",)))
    assert found.outcome is Outcome.UNDECIDED
    assert "2026-01-04" in found.reasons[0]


def test_a_candidate_that_takes_much_longer_than_the_champion_is_told_and_not_held() -> None:
    """Beyond one and a half times; without a champion or a measurement nothing is said."""
    y = np.tile([0.0, 1.0], 200)
    mine = evidence(y, y * 0.8 + 0.1, champion=y * 0.7 + 0.15)
    name = "service latency against the champion"

    def told(times: float | None, champion: bool = True) -> GateVerdict | None:
        probe = PROBE if times is None else {**PROBE, "times_as_long": times}
        given = replace(mine, probe=probe, champion=mine.champion if champion else None)
        return next((v for v in judge(given).verdicts if v.gate == name), None)

    alike, slow = told(1.2), told(1.7)
    assert alike is not None
    assert slow is not None
    assert (alike.outcome, slow.outcome, slow.blocking) == (PASS, OPEN, False)
    assert "1.70 times as long" in slow.message
    assert told(None) is None
    assert told(1.7, champion=False) is None
    assert (
        judge(replace(mine, probe={**PROBE, "times_as_long": 9.0})).outcome is judge(mine).outcome
    )
