"""A retired model answers nobody, costs nobody, and can be read back for ever."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
from first_workspace import LEFT, MODEL, at, unpacked
from in_process import here
from processes import eventually
from serving_world import ROW, Server, World, contract

from tamid.core import events as ev
from tamid.core.decide import decide
from tamid.core.errors import ModelRetired, TamidError
from tamid.core.fold import fold
from tamid.core.policy import policy_of
from tamid.core.signals import Signals
from tamid.core.values import Role
from tamid.stages.audit import audit, prove
from tamid.stages.byhand import score_now

AS = ("--as", "mlops_engineer", "--reason", "replaced")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A workspace whose model was retired by the operator."""
    folder = unpacked(tmp_path)
    done = here(folder, "retire", MODEL, *AS)
    assert done.returncode == 0, done.stderr
    return folder


def test_a_retired_model_is_left_alone(root: Path) -> None:
    """Later turns take in nothing, decide nothing and write nothing, however late it gets."""
    with at(root, LEFT + timedelta(weeks=6)) as app:
        before = app.state(MODEL)
        (root / "rows" / "week-7.parquet").write_bytes(b"anything")
        report = app.tick(MODEL)
        assert report.records == ()
        assert report.waiting[0].startswith("nothing: the model was retired on ")
        assert app.state(MODEL).seq == before.seq
        with pytest.raises(ModelRetired):
            score_now(app.rig(MODEL), "somebody:1")


def test_nothing_is_decided_for_it(root: Path) -> None:
    """The rules are not even asked; before it was retired they would have acted."""
    with at(root) as app:
        state, contract = app.state(MODEL), app.contract(MODEL)
        records = app.records(MODEL)
    late = LEFT + timedelta(weeks=6)
    signals = Signals(due=("2026-05-31",), trainable=("2026-05-31",))
    assert decide(policy_of(contract), state, signals, late).actions == ()
    alive = fold(r for r in records if not isinstance(r.event, ev.Retired))
    assert decide(policy_of(contract), alive, signals, late).actions


@pytest.mark.parametrize(
    "words",
    [("pause", *AS), ("rollback", *AS), ("retire", MODEL, *AS), ("train", *AS), ("score",)],
    ids=lambda words: words[0],
)
def test_nobody_acts_on_it_by_hand(root: Path, words: tuple[str, ...]) -> None:
    """Each act says that the model is retired, since when and why, and how to bring it back."""
    done = here(root, *words)
    assert done.returncode == 2
    assert "was retired on" in done.stderr
    assert "replaced" in done.stderr
    assert "--undo" in done.stderr


def test_its_record_is_read_back(root: Path) -> None:
    """Status says it first; log, which and the proof still tell all, and the audit agrees."""
    assert "RETIRED on " in here(root, "status").stdout
    assert f"{MODEL} was retired on " in here(root, "models").stdout
    told = here(root, "log", "--kind", "Retired").stdout
    assert "The model was retired" in told
    assert "mlops_engineer: replaced" in told, "who, in which role, and why"
    which = json.loads(here(root, "which", "--on", "2026-04-01", "--json").stdout)
    assert which["models"][MODEL][0]["number"] == 1
    with at(root) as app:
        records = app.records(MODEL)
        assert prove(app.rig(MODEL), records).faults == ()
        assert audit(app.rig(MODEL), records).same


def test_the_exit_code_of_a_tick_is_calm(root: Path) -> None:
    """A cron job that asks is not told of a degraded service for ever."""
    assert here(root, "tick", "--exit-code").returncode == 0


def test_only_the_operator_retires_and_brings_back(root: Path) -> None:
    """The other role may not; a model in service cannot be brought back."""
    why = ("--reason", "no")
    assert here(root, "retire", MODEL, "--undo", "--as", "ml_developer", *why).returncode == 2
    assert here(root, "retire", MODEL, "--undo", *AS).returncode == 0
    again = here(root, "retire", MODEL, "--undo", *AS)
    assert again.returncode == 5
    assert "is in service" in again.stderr
    with at(root) as app:
        assert app.state(MODEL).retired is None
        assert app.tick(MODEL).state.seq > 0


def test_a_turn_under_way_is_overtaken(tmp_path: Path) -> None:
    """A person may retire a model while a controller acts: what it chose after that is void."""
    with at(unpacked(tmp_path), LEFT + timedelta(weeks=1)) as app:
        state = app.state(MODEL)
        event = ev.Retired(key="retire/x", champion=state.champion)
        app.record(MODEL, event, role=Role.MLOPS_ENGINEER, actor="ada", reason="now")
        with pytest.raises(TamidError):
            app.ledger.append(MODEL, (), state.seq, 0)
        assert app.tick(MODEL).actions == ()


def test_a_server_answers_410_until_it_is_back(tmp_path: Path) -> None:
    """Servers follow the ledger: no score of a retired model leaves any of their doors."""
    world = World(tmp_path / "served", contract(fallback="[default: 0.05]"))
    world.release(1, world.pack(tiny=False))
    with Server(world.root) as server:
        assert server.predict(ROW)[0] == 200
        world.say(ev.Retired(key="retire", champion=1))
        eventually(lambda: server.predict(ROW)[0] == 410, "the refusal")
        _, told = server.predict(ROW)
        assert told["error"]["code"] == "retired"
        assert "was retired on" in told["error"]["message"]
        assert server.call("GET", "/readyz")[0] == 503
        world.say(ev.Reinstated(key="back"))
        eventually(lambda: server.predict(ROW)[0] == 200, "an answer")
        assert server.predict(ROW)[1]["version"] == 1
