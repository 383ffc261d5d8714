"""Worker processes: killed, hung, noisy or orphaned, they lose nothing and tell why."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from processes import gone

from tamid.adapters.spawn import SpawnTrainer
from tamid.adapters.spawn.worker import Worker
from tamid.core.errors import SystemFailure, UserCodeError, WorkerDied
from tamid.testing.candidates import Steps, contract_text, history, job, unlabelled

AMPLE_S = 300.0
SOON = timedelta(seconds=AMPLE_S)
PLAIN = contract_text(features="{}")
ROWS = unlabelled(history(20, 2, seed=5))


def command(body: str) -> tuple[str, ...]:
    """Return a worker that knows a few acts besides."""
    return (
        sys.executable, "-P", "-c",
        "import os, signal, sys, time\n"
        "from tamid.adapters.spawn.child import serve\n"
        f"{body}\n"
        "serve({'act': act})\n",
    )  # fmt: skip


@pytest.fixture
def worker() -> Iterator[Callable[[str], Worker]]:
    """Start workers whose `act` is the body given; end them afterwards."""
    made: list[Worker] = []

    def start(body: str) -> Worker:
        made.append(Worker(command("def act(request, channel):\n    " + body)))
        return made[-1]

    yield start
    for each in made:
        each.close()


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("os.kill(os.getpid(), signal.SIGKILL)", "SIGKILL .often: out of memory."),
        ("os.kill(os.getpid(), signal.SIGSEGV)", "SIGSEGV"),
        ("print('last words', file=sys.stderr, flush=True); os._exit(7)", "exited with code 7"),
    ],
)
def test_a_death_is_told_with_its_reason(
    worker: Callable[[str], Worker], body: str, told: str
) -> None:
    """Signal or exit code, the act it died in, and its last words stand in the error."""
    doomed = worker(body)
    with pytest.raises(WorkerDied, match=told) as caught:
        doomed.ask({"op": "act"}, AMPLE_S)
    assert "during act after" in caught.value.why
    assert "MB at most" in caught.value.why
    assert ("last words" in caught.value.why) == ("last words" in body)
    assert not doomed.alive
    assert not doomed.folder.exists()
    with pytest.raises(WorkerDied):
        doomed.ask({"op": "act"}, 1.0)


def test_a_deadline_kills_the_whole_group(worker: Callable[[str], Worker]) -> None:
    """What hangs is killed with every process that it started."""
    body = (
        "global child\n"
        "    if 'hang' in request: time.sleep(600)\n"
        "    import subprocess; child = subprocess.Popen(['sleep', '600'])\n"
        "    return {'pid': child.pid}"
    )
    hung = worker(body)
    grandchild = hung.ask({"op": "act"}, AMPLE_S).value["pid"]
    with pytest.raises(WorkerDied, match="took longer than"):
        hung.ask({"op": "act", "hang": True}, 1.0)
    assert gone(grandchild)


def test_noise_on_standard_output_disturbs_nobody(worker: Callable[[str], Worker]) -> None:
    """Code may print and write to descriptor 1 as it likes."""
    noisy = worker(
        "print('x' * 200_000); os.write(1, b'{\"kind\": \"done\"}\\n'); return {'sum': 3}"
    )
    assert noisy.ask({"op": "act"}, AMPLE_S).value == {"sum": 3}
    assert noisy.ask({"op": "act"}, AMPLE_S).value == {"sum": 3}


def test_workers_see_no_secrets(
    worker: Callable[[str], Worker], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The controller's environment does not reach the user's code."""
    monkeypatch.setenv("MARKETING_SECRET", "hunter2")
    curious = worker("return dict(os.environ)")
    seen = curious.ask({"op": "act"}, AMPLE_S).value
    assert "MARKETING_SECRET" not in seen
    assert seen["OMP_WAIT_POLICY"] == "PASSIVE"


def test_a_crash_of_our_own_is_a_system_failure(worker: Callable[[str], Worker]) -> None:
    """An unexpected error is told with its place; the worker goes on."""
    failing = worker("return [1][request['index']]")
    with pytest.raises(SystemFailure, match="IndexError"):
        failing.ask({"op": "act", "index": 5}, AMPLE_S)
    assert failing.alive


def test_an_orphan_ends_itself(tmp_path: Path) -> None:
    """When the controller is killed, its worker does not stay behind."""
    script = (
        "import os, signal\n"
        "from tamid.adapters.spawn.worker import Worker\n"
        "w = Worker()\n"
        f"open({str(tmp_path / 'pid')!r}, 'w').write(str(w.pid))\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    env = {**os.environ, "TMPDIR": str(tmp_path)}
    subprocess.run([sys.executable, "-c", script], check=False, env=env, timeout=AMPLE_S)
    assert gone(int((tmp_path / "pid").read_text()))
    assert list(tmp_path.glob("tamid-worker-*")) == []


def test_a_killed_training_can_be_tried_again(tmp_path: Path) -> None:
    """A trainer whose worker was killed trains with the next one, and says what it cost."""
    trainer = SpawnTrainer(tmp_path / "studies", warm=True)
    fatal = "import os\n\ndef build(frame):\n    os.kill(os.getpid(), 9)\n"
    with pytest.raises(WorkerDied, match="SIGKILL"):
        trainer.train(job(code={"features.py": fatal}), SOON, Steps())
    result = trainer.train(job(contract=PLAIN), SOON, Steps())
    assert result.metrics["auc"] > 0.7
    assert result.peak_mb > 20
    trainer.close()


def test_hanging_code_is_killed_at_its_deadline(tmp_path: Path) -> None:
    """Code that waits for ten minutes costs its deadline and no more: nobody waits for its end."""
    trainer = SpawnTrainer(tmp_path / "studies")
    hung = "import time\n\ndef build(frame):\n    time.sleep(600)\n"
    with pytest.raises(WorkerDied, match="took longer than 5 s"):
        trainer.train(job(code={"features.py": hung}), timedelta(seconds=5), Steps())


def test_a_dry_run_names_the_step_without_fitting(tmp_path: Path) -> None:
    """`--dry-run` loads, tries and checks in a worker, and fits nothing."""
    trainer = SpawnTrainer(tmp_path / "studies")
    found = trainer.try_out(job(), SOON)
    assert found == {"features": ["age", "calls", "minutes", "plan", "strain"], "rows": 2400}
    model = (
        "from sklearn.base import BaseEstimator\n"
        "class Mine(BaseEstimator):\n"
        "    def fit(self, x, y): raise SystemExit('fitted')\n"
        "def build():\n"
        "    return Mine()\n"
    )
    text = contract_text(model="model.py:build", features="{}")
    with pytest.raises(UserCodeError, match=r"step 'model': model\.Mine"):
        trainer.try_out(job(contract=text, code={"model.py": model}), SOON)
