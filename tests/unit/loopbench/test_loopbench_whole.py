"""A small folder of every task runs from end to end and ends in one line of JSON."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from bench_worlds import a_world, write_set

from tamid.core.policies.board import board
from tamid.core.policies.policy import ReplayPolicy, calendar
from tamid.core.policies.walk import walk
from tamid.core.values import Task
from tamid.loopbench.__main__ import main
from tamid.loopbench.checks import Rows, labels_broken, late
from tamid.loopbench.events import Event, Kind, inject
from tamid.loopbench.fits import Fits, losses
from tamid.loopbench.natural import natural
from tamid.loopbench.service import served
from tamid.loopbench.tables import Table, course, fill_all, origins_of
from tamid.loopbench.usual import LOSS
from tamid.loopbench.watching import Watch
from tamid.loopbench.world import World
from tamid.workshop import bare_learner


def _fits(world: World) -> Fits:
    return Fits(learner=bare_learner(world.task, world.classes), clock=lambda: 0.0)


def test_every_task_runs_within_its_budget(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Binary, multiclass and regression; a row each, progress aside, JSON last, cuts said."""
    for task in Task:
        write_set(tmp_path, task.value, task)
    assert main([str(tmp_path), "--minutes", "0.03", "--jobs", "1", "--seeds", "1"]) == 0
    out, err = capsys.readouterr()
    lines = out.strip().splitlines()
    for task in Task:
        assert any(line.startswith(task.value) for line in lines[1:4])
        assert f"{task.value}: " in err
    found = json.loads(lines[-1])
    assert set(found["sets"]) == {task.value for task in Task}
    for part in ("score", "regret", "retrains_per_year", "false_alarms_per_year",
                 "harmful_promotions_per_year", "mean_ttd_injected", "route_accuracy"):  # fmt: skip
        assert isinstance(found[part], (int, float)), part
    assert found["cut"]


def test_a_bad_folder_is_an_error_in_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No traceback: what is wrong, why, and what to do."""
    (tmp_path / "bad.json").write_text("{", encoding="utf-8")
    assert main([str(tmp_path)]) == 1
    err = capsys.readouterr().err
    assert "bad.json is not JSON" in err
    assert "fix:" in err


def test_a_lazy_table_walks_as_a_full_one() -> None:
    """Filling only what a policy asks for changes no decision of it; and the window that only the
    grid has is never taken by the policy."""
    world = a_world(weeks=36)
    flipped = replace(world, y=np.where(np.arange(len(world.y)) < 1500, world.y, 1 - world.y))
    world = replace(flipped, told=flipped.y)
    policy = ReplayPolicy(name="default")
    full = Table(world=world, fits=_fits(world), origins=origins_of(world, 2))
    fill_all(full, lambda: False, lambda done, of: None)
    lazy = Table(world=world, fits=_fits(world), origins=origins_of(world, 2))
    ours = course(lazy, policy)
    assert ours.runs == walk(board(full.tensor()), policy).runs
    assert natural(full, policy).course.loss.tolist() == served(lazy, ours).loss.tolist()
    assert len(ours.runs) >= 1
    assert lazy.fits.made < full.fits.made


def test_when_time_is_over_nothing_more_is_trained() -> None:
    """Runs up to then stand; later ones are not walked, and their models are never made."""
    world = a_world()
    table = Table(world=world, fits=_fits(world), origins=origins_of(world, 2))
    looks = iter([False, False, False])
    walked = course(table, calendar("often", 1), lambda: next(looks, True))
    whole = Table(world=world, fits=_fits(world), origins=origins_of(world, 2))
    before = course(whole, calendar("often", 1)).runs
    assert walked.runs == tuple(r for r in before if r.week < table.ended)
    assert 0 < len(walked.runs) < len(before)
    assert table.fits.made < whole.fits.made
    later = Table(world=world, fits=table.fits, origins=table.origins, ended=table.ended)
    assert course(later, calendar("often", 1)).runs == walked.runs


def test_training_ends_with_the_run_that_there_was_no_time_for() -> None:
    """Its model is there, the one that it is judged by is not: what lies before it stays open."""
    world = a_world()
    whole = Table(world=world, fits=_fits(world), origins=origins_of(world, 2))
    runs = course(whole, calendar("often", 6)).runs
    kept, last = runs[:2], runs[2]
    table = Table(world=world, fits=whole.fits, origins=whole.origins)
    for run in kept:
        table.fill(table.unfilled(run.origin))
    table.fill([last.origin])
    assert table.unfilled(last.origin)[0] < last.origin
    assert course(table, calendar("often", 6), lambda: True).runs == kept
    assert table.ended == table.origins[last.origin]


@pytest.mark.parametrize("words", [["--minutes", "0"], ["--jobs", "-1"], ["--seeds", "none"]])
def test_senseless_amounts_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    """Wrong use ends with status 2 and says which number was meant."""
    with pytest.raises(SystemExit, match="2"):
        main([str(tmp_path), *words])
    assert "number above 0" in capsys.readouterr().err


def test_fits_are_shared_by_content() -> None:
    """A world with an event shares every fit before it with its twin."""
    world = a_world()
    event = Event(kind="unit", seed=1, onset=30, until=40)
    other, _ = inject(world, event, np.array([0.7, 0.2, 0.1]), np.random.default_rng(0))
    fits = _fits(world)
    first = fits.fitted(world, range(20))
    assert fits.fitted(other, range(20)) is first
    assert fits.made == 1
    fits.fitted(other, range(31))
    assert fits.made == 2
    assert losses(world, fits.answers(world, first, 25), 25).mean() < 0.3


def test_barred_weeks_are_learnt_from_by_no_later_model() -> None:
    """Weeks known to be broken are left out from then on; earlier models keep what they learnt."""
    world = a_world()
    table = Table(world=world, fits=_fits(world), origins=origins_of(world, 1)[:8])
    place = 5
    now = int(table.origins[place])
    table.bar([now - 6], now)
    assert now - 6 not in table.known(place)
    assert now - 6 in table.known(place - 1)
    table.close(now, now + 2)
    assert course(table, calendar("often", 1)).runs
    assert all(run.week not in (now, now + 1) for run in course(table, calendar("o", 1)).runs)


@pytest.mark.parametrize("kind", ["unit", "nulls", "stuck", "recode", "offset"])
def test_broken_rows_are_noticed_in_their_first_week(kind: Kind) -> None:
    """What a column's values prove is suspected at once; sound weeks before it are not."""
    event = Event(kind=kind, seed=1, onset=30, until=40)
    importance = np.array([0.7, 0.2, 0.1])
    other, event = inject(a_world(), event, importance, np.random.default_rng(1))
    rows = Rows(world=other)
    assert [week for week in range(20, 30) if rows.check(week, importance)] == []
    found = rows.check(30, importance)
    assert found is not None
    assert event.columns[0] in found.reason


def test_broken_and_late_labels_are_noticed() -> None:
    """A feed that defaults is seen when its labels come, one that stopped when they are due."""
    world = a_world()
    event = Event(kind="label_default", seed=1, onset=30, until=40)
    other, _ = inject(world, event, np.ones(3), np.random.default_rng(1))
    usual = float(world.y.mean())
    assert labels_broken(other, np.arange(36), usual)
    assert not labels_broken(world, np.arange(36), usual)
    slow, _ = inject(
        world, replace(event, kind="label_delay"), np.ones(3), np.random.default_rng(1)
    )
    assert late(slow, 33)
    assert not late(world, 33)


def test_weeks_before_a_model_was_live_tell_of_it() -> None:
    """The world turns after what it learnt: labels of weeks that another answered say so."""
    world = a_world()
    table = Table(world=world, fits=_fits(world), origins=origins_of(world, 1))
    known = table.known(10)
    since, turned = int(table.origins[10]) + 1, int(known[-1]) + 1
    y = np.where(np.arange(len(world.y)) < world.start[turned], world.y, 1 - world.y)
    other = replace(world, y=y, told=y)
    watch, rows = Watch(fits=table.fits, seed=0), Rows(world=other)
    champion = watch.begin(rows, table.model(10, 0), known, since)
    pages = [p for now in (since + 1, since + 2) for p in watch.check(champion, rows, now)]
    assert [p.week for p in pages if p.signal == LOSS] == [since - 2]
    assert since - 2 >= turned


def test_one_set_that_cannot_be_measured_costs_no_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """If no set can be measured, that is an error which names each reason, to programs as well."""
    write_set(tmp_path, "short", Task.BINARY, rows=200)
    assert main([str(tmp_path), "--minutes", "0.01", "--jobs", "1"]) == 1
    out, err = capsys.readouterr()
    assert "too few" in err
    found = json.loads(out)
    assert found["score"] is None
    assert "too few" in found["failed"]["short"]
