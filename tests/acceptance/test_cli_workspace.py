"""The operators' commands as real processes on a small workspace that really trained."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from in_process import here
from processes import PATIENCE_S, WEEKLY, eventually, make_shop, put_week, sunday, tamid

from tamid.adapters.memory_clock import SimulatedClock
from tamid.app import App
from tamid.cli.turning import turn
from tamid.config import find
from tamid.core import events as ev
from tamid.core.chain import Recorded
from tamid.core.values import Role

CONTRACT = WEEKLY.replace(", fallback: [previous, last_score: 30d, default: 0.3]", "").replace(
    "{every: 7d, quality", "{every: 1d, quality"
)
# Training with these features takes until somebody lets it go on.
WAITS = """\
import time
from pathlib import Path

def build(rows):
    while not Path({gate!r}).exists():
        time.sleep(0.02)
    return rows.select("minutes", "calls")
"""
TAMID = [sys.executable, "-m", "tamid"]


def make(root: Path) -> Path:
    """Make a workspace with ten weeks of rows and labels."""
    return make_shop(root, CONTRACT, range(11, 1, -1))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace after its first tick: version 1 is live."""
    root = make(tmp_path_factory.mktemp("tamid") / "trained")
    done = tamid(root, "tick")
    assert done.returncode == 0, done.stderr
    assert "make version 1 champion" in done.stdout
    return root


@pytest.fixture
def shop(trained: Path, tmp_path: Path) -> Path:
    """A copy of the trained workspace that a test may change."""
    return shutil.copytree(trained, tmp_path / "shop")


def events(root: Path) -> list[Recorded]:
    """Return the ledger of a workspace."""
    app = App(find(root))
    return list(app.ledger.read("churn"))


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start commands that run on, with their words in a file; kill what is left at the end."""
    running: list[subprocess.Popen[str]] = []

    def begin(root: Path, *words: str) -> subprocess.Popen[str]:
        said = (tmp_path / f"said-{len(running)}").open("w")
        process = subprocess.Popen(
            [*TAMID, "-C", str(root), *words], stdout=said, stderr=subprocess.STDOUT, text=True
        )
        said.close()
        running.append(process)
        return process

    yield begin
    for process in running:
        if process.poll() is None:
            process.kill()
        process.wait()


def said(tmp_path: Path, number: int) -> str:
    """Return what a started command has said so far."""
    return (tmp_path / f"said-{number}").read_text()


def test_a_whole_workspace_is_verified_and_audited(shop: Path) -> None:
    """Chains, blobs, tables and signatures hold; every decision comes out the same again."""
    proof = json.loads(tamid(shop, "verify", "--json").stdout)
    assert proof["whole"]
    assert proof["models"]["churn"]["bundles"] == 1
    assert proof["models"]["churn"]["tables"] >= 20
    audit = tamid(shop, "replay", "--audit", "--json")
    assert audit.returncode == 0, audit.stderr
    body = json.loads(audit.stdout)
    assert body["same"]
    assert body["models"]["churn"]["decisions"] == 4
    assert body["models"]["churn"]["rests"] >= 1


def test_altered_content_is_found_and_named(shop: Path) -> None:
    """A changed table file, a removed blob: each is listed with the event that names it; 6."""
    promoted = next(r for r in events(shop) if isinstance(r.event, ev.Promoted))
    assert isinstance(promoted.event, ev.Promoted)
    digest = promoted.event.evidence.removeprefix("sha256:")
    blobs = [p for p in (shop / ".tamid/blobs").rglob("*") if p.is_file()]
    (blob,) = [p for p in blobs if digest in str(p).replace("/", "")]
    blob.unlink()
    folder = next(p for p in (shop / ".tamid/tables").iterdir() if "rows" in p.name)
    next(folder.rglob("*.parquet")).unlink()
    result = here(shop, "verify")
    assert result.returncode == 6
    assert f"event {promoted.seq}: blob sha256:{digest}" in result.stdout
    assert "table churn.rows" in result.stdout


def test_an_altered_event_is_found(shop: Path) -> None:
    """One word changed in the ledger breaks the chain from there on; 6."""
    with sqlite3.connect(shop / ".tamid/ledger.sqlite") as db:
        db.execute(
            "UPDATE events SET body = replace(body, 'first release', 'second release')"
            " WHERE body LIKE '%\"Promoted\"%'"
        )
    db.close()
    result = here(shop, "verify")
    assert result.returncode == 6
    assert "was altered at event" in result.stdout
    assert here(shop, "status").returncode == 6


def test_a_cut_tail_is_found_by_the_signed_head(shop: Path, tmp_path: Path) -> None:
    """A chain cannot tell that its end is missing; the head that was sealed before can."""
    head = tmp_path / "kept-elsewhere.json"
    assert here(shop, "verify", "--seal", str(head)).returncode == 0
    with sqlite3.connect(shop / ".tamid/ledger.sqlite") as db:
        db.execute("DELETE FROM events WHERE seq = (SELECT max(seq) FROM events)")
    db.close()
    (shop / ".tamid/head.json").unlink()
    assert here(shop, "verify").returncode == 0
    result = here(shop, "verify", "--head", str(head))
    assert result.returncode == 6
    assert "signed were" in result.stdout


def test_a_turn_that_rested_too_early_fails_the_audit(shop: Path) -> None:
    """A recorded rest at a moment when something was to be done is a difference too; 6."""
    app = App(find(shop))
    records = app.ledger.read("churn")
    decided = next(r for r in records if isinstance(r.event, ev.Decided))
    from tamid.adapters.memory import MemoryLedger  # the ledger up to the first decision
    from tamid.core.chain import Draft
    from tamid.stages.audit import audit

    ledger = MemoryLedger()
    before = [r for r in records if r.seq < decided.seq]
    rest = ev.Ticked(key="tick/forged", tick="forged")
    drafts = [
        Draft(event=r.event, at=r.at, actor=r.actor, role=r.role, reason=r.reason) for r in before
    ]
    ledger.append("churn", [*drafts, Draft(event=rest, at=decided.at)], expected=0, token=0)
    found = audit(app.rig("churn"), ledger.read("churn"))
    assert found.first is not None
    assert found.first.seq == decided.seq
    assert found.first.repeated != "[]"


def test_a_changed_decision_fails_the_audit(shop: Path) -> None:
    """If the contract that was in force decided otherwise, the first difference is shown; 6."""
    app = App(find(shop))
    records = app.ledger.read("churn")
    decided = next(r for r in records if isinstance(r.event, ev.Decided))
    assert isinstance(decided.event, ev.Decided)
    forged = ev.Decided(
        key="forged",
        tick=decided.event.tick,
        round=9,
        signals=decided.event.signals.replace("2026", "2025"),
        actions=decided.event.actions,
        policy=decided.event.policy,
    )
    from tamid.core.values import Role

    app.record("churn", forged, role=Role.CONTROLLER, actor="tamid", reason="")
    result = here(shop, "replay", "--audit")
    assert result.returncode == 6
    assert f"event {len(records) + 1}" in result.stdout
    assert "made by rules 0 of an older Tamid" in result.stdout
    assert "tamid verify" in result.stdout
    assert "recorded:" in result.stdout


def test_doctor_finds_a_fit_machine_and_an_open_store(shop: Path) -> None:
    """Every line ok or warn on a sound workspace; an open store is a warning with its cure."""
    (shop / ".tamid").chmod(0o755)
    result = here(shop, "doctor", "--json")
    assert result.returncode == 0, result.stdout
    findings = json.loads(result.stdout)["findings"]
    assert {f["state"] for f in findings} <= {"ok", "warn"}
    assert any(f["state"] == "warn" and "chmod 700" in f["fix"] for f in findings)
    assert any("a worker starts in" in f["what"] for f in findings)
    assert any("source rows (rows/*.csv) has 10 batch(es)" in f["what"] for f in findings)


def test_a_dry_run_tries_the_code_and_records_no_run(shop: Path) -> None:
    """The features are named, nothing is fitted."""
    result = here(shop, "train", "--dry-run", "--json")
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["dry_run"]["rows"] == 1500
    assert sum(isinstance(r.event, ev.RunStarted) for r in events(shop)) == 1


def test_a_run_for_a_case_that_is_not_open_is_refused(shop: Path) -> None:
    """A mistyped case costs no training."""
    result = here(shop, "train", "--case", "9")
    assert result.returncode == 2
    assert "case 9 is not open" in result.stderr


def test_score_delivers_what_is_due_once(shop: Path) -> None:
    """This week's rows are scored and delivered; the second time nothing is due."""
    put_week(shop, sunday(0))
    first = tamid(shop, "score")
    assert first.returncode == 0, first.stderr
    assert f"score {sunday(0).date()}, revision 1" in first.stdout
    assert (shop / "out" / f"{sunday(0).date()}.csv").is_file()
    assert "nothing is due" in here(shop, "score").stdout
    status = json.loads(here(shop, "status", "--json").stdout)["models"][0]
    assert status["service"]["reply"] == "yes"
    assert status["deliveries"][-1]["rungs"] == {"champion": 150}


def test_exit_code_speaks_only_when_asked(tmp_path: Path) -> None:
    """A workspace without data waits: 4 with --exit-code, 0 without."""
    root = tmp_path / "empty"
    root.mkdir()
    (root / "contract.yaml").write_text(CONTRACT, encoding="utf-8")
    assert here(root, "tick").returncode == 0
    result = here(root, "tick", "--exit-code")
    assert (result.returncode, "waits: " in result.stdout) == (4, True)


def test_an_overdue_turn_leaves_an_alarm_of_its_own(shop: Path) -> None:
    """Three days without a tick: the next one says so, as a failure of the system that is over."""
    clock = SimulatedClock(datetime.now(UTC) + timedelta(days=3))
    app = App(find(shop), clock=clock)
    try:
        turn(app, "churn")
        (alarm,) = [a for a in app.state("churn").alarms.values() if a.raised.signal == "tick"]
        assert alarm.raised.failure == "system_failure"
        assert alarm.cleared == "the loop turns again"
        before = len(app.ledger.read("churn"))
        turn(app, "churn")
        late = [r for r in app.ledger.read("churn")[before:] if isinstance(r.event, ev.AlarmRaised)]
        assert not late
    finally:
        app.close()


def test_a_second_watch_takes_over_when_the_first_is_killed(
    shop: Path, tmp_path: Path, start: Callable[..., subprocess.Popen[str]]
) -> None:
    """Two watches: one leads, one waits; after SIGKILL the other leads, wakes for data, and leaves
    with 0 on SIGTERM."""
    first = start(shop, "watch", "--poll", "300ms")
    eventually(lambda: "this watch leads" in said(tmp_path, 0), "the first watch")
    second = start(shop, "watch", "--poll", "300ms")
    eventually(lambda: "another watch leads" in said(tmp_path, 1), "the second watch to wait")
    before = len(events(shop))
    first.send_signal(signal.SIGKILL)
    first.wait()
    eventually(lambda: "this watch leads" in said(tmp_path, 1), "the second watch to lead")
    assert f"{first.pid} is gone" in said(tmp_path, 1)
    put_week(shop, sunday(0))
    eventually(lambda: "a tick, new data" in said(tmp_path, 1), "the early tick")
    eventually(lambda: "deliver" in said(tmp_path, 1), "the delivery")
    second.send_signal(signal.SIGTERM)
    assert second.wait(PATIENCE_S) == 0
    kinds = [type(r.event).__name__ for r in events(shop)[before:]]
    assert kinds.count("Scored") == kinds.count("Delivered") == 1
    assert "Traceback" not in said(tmp_path, 1)


def test_sigterm_finishes_the_act_in_hand(
    tmp_path: Path, start: Callable[..., subprocess.Popen[str]]
) -> None:
    """Told to stop while it trains, a watch finishes the run, judges nothing, and leaves with 0;
    the next tick goes on from there."""
    root, gate = make(tmp_path / "fresh"), tmp_path / "gate"
    (root / "contract.yaml").write_text(CONTRACT + 'features: {code: "features.py:build"}\n')
    (root / "features.py").write_text(WAITS.format(gate=str(gate)))
    process = start(root, "watch")
    store = root / ".tamid/ledger.sqlite"
    eventually(lambda: store.exists() and _has(root, ev.RunStarted), "the run to start")
    process.send_signal(signal.SIGTERM)
    gate.touch()
    assert process.wait(PATIENCE_S) == 0
    assert _has(root, ev.RunFinished)
    assert not _has(root, ev.Judged)
    assert not _has(root, ev.Ticked)
    assert tamid(root, "tick").returncode == 0
    assert App(find(root)).state("churn").champion == 1
    assert sum(isinstance(r.event, ev.RunStarted) for r in events(root)) == 1


@pytest.mark.integration
def test_a_killed_tick_is_continued_at_once(
    tmp_path: Path, start: Callable[..., subprocess.Popen[str]]
) -> None:
    """The lease of a process that is gone keeps nobody waiting; the run is started again."""
    root = make(tmp_path / "killed")
    process = start(root, "tick")
    store = root / ".tamid/ledger.sqlite"
    eventually(lambda: store.exists() and _has(root, ev.RunStarted), "the run to start")
    process.send_signal(signal.SIGKILL)
    process.wait()
    result = tamid(root, "tick")
    assert result.returncode == 0, result.stderr
    state = App(find(root)).state("churn")
    assert state.champion == 1
    assert [run.attempts for run in state.runs.values()] == [2]
    assert len(state.versions) == 1


def _has(root: Path, kind: type[ev.Event]) -> bool:
    return any(isinstance(r.event, kind) for r in events(root))


def test_init_makes_a_private_workspace(tmp_path: Path) -> None:
    """The store is closed to others, the draft is a contract without problems, nothing is lost."""
    root = tmp_path / "mine"
    result = here(tmp_path, "init", "mine")
    assert result.returncode == 0, result.stderr
    assert (root / ".tamid").stat().st_mode & 0o777 == 0o700
    assert here(root, "contract", "check").returncode == 0
    assert "tamid tick" in result.stdout
    again = here(tmp_path, "init", "mine")
    assert again.returncode == 2
    assert "contract.yaml" in again.stderr


def test_the_telecom_example_begins_with_its_history(tmp_path: Path) -> None:
    """Contract, the code it names, and thirty weeks of files that end now."""
    result = here(tmp_path, "init", "shop", "--example", "telecom")
    assert result.returncode == 0, result.stderr
    root = tmp_path / "shop"
    assert sorted(p.name for p in root.glob("*.py")) == ["features.py", "rules.py"]
    assert here(root, "contract", "check").returncode == 0
    weeks = sorted(p.stem for p in (root / "data/usage").glob("*.parquet"))
    assert len(weeks) >= 30
    assert (
        datetime.fromisoformat(weeks[-1]).date() >= (datetime.now(UTC) - timedelta(days=8)).date()
    )


def test_adopting_is_signed_by_the_role_that_owns_the_block(shop: Path) -> None:
    """The developer may change the model, not where scores are delivered."""
    path = shop / "contract.yaml"
    path.write_text(CONTRACT.replace("out/{period}", "elsewhere/{period}"))
    refused = here(shop, "contract", "adopt", "--as", "ml_developer")
    assert refused.returncode == 2
    assert "delivery" in refused.stderr
    done = here(shop, "contract", "adopt", "--as", "mlops_engineer", "--reason", "a new folder")
    assert done.returncode == 0, done.stderr
    last = events(shop)[-1]
    assert isinstance(last.event, ev.ContractAdopted)
    assert (last.role.value, last.reason) == ("mlops_engineer", "a new folder")
    assert last.actor == os.environ.get("USER", last.actor)


def test_a_drift_of_the_scores_is_taken_for_the_new_normal(shop: Path) -> None:
    """One command ends the alarm and moves the signed reference; the ledger says who and why."""
    put_week(shop, sunday(0))
    assert here(shop, "score").returncode == 0
    app = App(find(shop))
    period = max(app.state("churn").scored)
    name = f"score_psi/1/{period}"
    raised = ev.AlarmRaised(
        key=f"alarm/{name}", alarm=name, signal="score_psi", failure="model_failure",
        severity="warning", period=period, periods=(period,), noticed_by="spread of the scores",
        message="the scores of version 1 moved", budget="at most 1 false alarm a year expected",
    )  # fmt: skip
    app.record("churn", raised, role=Role.CONTROLLER, actor="test", reason="")
    app.close()
    before = here(shop, "status").stdout
    assert name in before
    assert "budget: at most 1 false alarm a year expected" in before
    why = "the new tariff: checked with sales"
    done = here(shop, "accept-normal", name, "--as", "ml_developer", "--reason", why, "--json")
    assert done.returncode == 0, done.stderr
    body = json.loads(done.stdout)
    assert body["said"].startswith(f"{name} is the new normal: the reference of version 1 of churn")
    accepted = events(shop)[-1]
    assert isinstance(accepted.event, ev.NormalAccepted)
    assert (accepted.role, accepted.reason) == (Role.ML_DEVELOPER, why)
    assert accepted.event.periods == (period,)
    assert accepted.event.overlay != raised_overlay(shop)
    assert "alarms      none open; at most 1 false alarm a year" in here(shop, "status").stdout
    assert here(shop, "verify").returncode == 0
    again = here(shop, "accept-normal", name, "--as", "ml_developer", "--reason", why)
    assert again.returncode != 0
    assert "is over" in again.stderr
    assert here(shop, "tick").returncode == 0


def raised_overlay(root: Path) -> str:
    """Return the policy overlay that version 1 was registered with."""
    (registered,) = (r.event for r in events(root) if isinstance(r.event, ev.VersionRegistered))
    return registered.ref.overlay
