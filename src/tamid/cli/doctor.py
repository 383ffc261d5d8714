"""`tamid doctor`: is everything there that the loop needs? Each line says ok, warn or fail."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tamid.cli.desk import add_example, opened, scene
from tamid.core.errors import TamidError

if TYPE_CHECKING:
    from tamid.app import App
    from tamid.cli.output import Output
    from tamid.core.contract.model import Contract
    from tamid.core.view.scene import Scene
    from tamid.ports import Sink
    from tamid.stages.rig import Rig

LOOP = (
    "dataframely", "deltalake", "lightgbm", "numpy", "onnxruntime", "optuna", "polars",
    "scikit-learn", "skops", "sqlalchemy",
)  # fmt: skip
CORE = ("cryptography", "numpy", "rich", "ruamel.yaml")
# Below this a training run or a table may fill the disk.
LEAST_FREE_GB = 1.0
# Older SQLite may lose data in WAL mode (fixed in 3.51.3); the ledger uses a rollback journal.
LEAST_SQLITE = (3, 35, 0)
# A worker that needs longer than this to start makes every run slow; a cold disk may.
SLOW_START_S = 20.0
LONGEST_START_S = 120.0

State = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at."""

    state: State
    what: str
    fix: str = ""


Check = Callable[[], Iterator[Finding]]


def add_doctor(parser: ArgumentParser) -> None:
    """Declare the arguments of `doctor`."""
    add_example(parser, "tamid doctor", "tamid doctor --json")


def doctor(args: Namespace, out: Output) -> int:
    """Look at the machine and the workspace; 1 if something fails."""
    findings = [*_guarded("machine", _machine)]
    try:
        with opened(args, out) as app:
            findings += _guarded("workspace", lambda: _workspace(app))
            for model in app.models():
                findings += _guarded(f"model {model}", lambda m=model: _model(app, m))  # type: ignore[misc]
    except TamidError as error:
        findings.append(_failed("workspace", error))
    failed = any(f.state == "fail" for f in findings)
    out.json({"fit": not failed, "findings": findings})
    for finding in findings:
        out.text(f"{finding.state:<5} {finding.what}")
        if finding.fix and finding.state != "ok":
            out.text(f"      do: {finding.fix}")
    return 1 if failed else 0


def _guarded(what: str, check: Check) -> Iterator[Finding]:
    """Run a check; an error of its own becomes its last line."""
    try:
        yield from check()
    except TamidError as error:
        yield _failed(what, error)


def _failed(what: str, error: TamidError) -> Finding:
    return Finding(state="fail", what=f"{what}: {error.told}", fix=error.remedy)


def _judged(good: bool, what: str, fix: str, bad: State = "fail") -> Finding:
    return Finding(state="ok" if good else bad, what=what, fix=fix)


def _machine() -> Iterator[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    yield _judged(sys.version_info >= (3, 11), f"Python {version}", "Install Python 3.11.")
    yield _packages(CORE, "core", "pip install tamid", "fail")
    yield _packages(LOOP, "loop", "pip install 'tamid[loop]'", "fail")
    number = sqlite3.sqlite_version_info
    yield _judged(
        number >= LEAST_SQLITE,
        f"SQLite {sqlite3.sqlite_version}, used with a rollback journal",
        "Use a Python with SQLite 3.35 or newer.",
    )
    yield _worker()


def _packages(names: tuple[str, ...], group: str, fix: str, bad: State) -> Finding:
    from importlib.metadata import PackageNotFoundError, version

    found, missing = [], []
    for name in names:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            missing.append(name)
    if missing:
        return Finding(state=bad, what=f"packages of {group}: no {', '.join(missing)}", fix=fix)
    return Finding(state="ok", what=f"packages of {group}: {', '.join(found)}")


def _worker() -> Finding:
    """Start a process as a worker is started, and let it load what it needs."""
    code = "import tamid.workshop, polars, sklearn"
    started = time.monotonic()
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-c", code],
            capture_output=True,
            text=True,
            timeout=LONGEST_START_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return Finding(state="fail", what=f"a worker does not start: {error}", fix="Free memory.")
    took = time.monotonic() - started
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        return Finding(
            state="fail", what=f"a worker does not start: {last}", fix="pip install 'tamid[loop]'"
        )
    slow = "Close other programs, or use a faster disk."
    return _judged(took < SLOW_START_S, f"a worker starts in {took:.1f} s", slow, "warn")


def _workspace(app: App) -> Iterator[Finding]:
    store = app.config.store
    yield Finding(state="ok", what=f"workspace {app.config.root}, {len(app.models())} model(s)")
    mode = stat.S_IMODE(store.stat().st_mode)
    yield _judged(
        not mode & 0o077,
        f"store {store}, mode {mode:o}",
        f"chmod 700 {store}: it holds a secret and pseudonyms",
        "warn",
    )
    yield _judged(os.access(store, os.W_OK), "the store may be written", f"chown {store}")
    free = shutil.disk_usage(store).free / 1e9
    yield _judged(free >= LEAST_FREE_GB, f"{free:.1f} GB of disk free", "Free some space.", "warn")
    yield from _ledger(app)
    yield from _keys(app)
    yield from _mirror(app)


def _ledger(app: App) -> Iterator[Finding]:
    streams = app.ledger.streams()
    events = {s: app.ledger.read(s) for s in streams}  # reading checks the chain
    total = sum(map(len, events.values()))
    yield Finding(state="ok", what=f"ledger: {len(streams)} stream(s), {total} events, chain whole")
    now = app.clock.now()
    last = max((r[-1].at for r in events.values() if r), default=now)
    latest = f"the last event is of {last:%Y-%m-%d %H:%M}" if total else "no event yet"
    yield _judged(
        last <= now,
        f"clock: {now:%Y-%m-%d %H:%M} UTC, {latest}",
        "Set the machine's clock: it is behind the ledger.",
        "warn",
    )


def _keys(app: App) -> Iterator[Finding]:
    signer = app.rig(next(iter(app.models()))).signer
    signature = signer.sign(b"doctor")
    signer.verify(b"doctor", signature)
    key, _, _ = signature.rpartition(":")
    yield Finding(state="ok", what=f"keys: signs and verifies with {key}")
    private = [p for p in (app.config.store / "keys").rglob("*") if _open_to_others(p)]
    if private:
        names = ", ".join(str(p) for p in private)
        yield Finding(state="fail", what=f"keys: others may read {names}", fix=f"chmod 600 {names}")


def _mirror(app: App) -> Iterator[Finding]:
    """Say how far the workspace is shown on a tracking server, if one is set."""
    from tamid.tracking import standing, uri_of

    if not uri_of(app.config):
        return
    for model in app.models():
        shown = standing(app.config, model, app.state(model).seq)
        yield _judged(
            shown.place == shown.last,
            f"mirror {shown.uri}: {shown.place} of {shown.last} events of {model} are shown",
            "Run `tamid mirror`: it says what keeps the rest.",
            "warn",
        )


def _open_to_others(path: Path) -> bool:
    secret = path.is_file() and "PRIVATE" in path.read_text("utf-8", errors="replace")
    return secret and bool(stat.S_IMODE(path.stat().st_mode) & 0o077)


def _model(app: App, model: str) -> Iterator[Finding]:
    rig, here = app.rig(model), scene(app, model)
    yield from _guarded(f"{model}: what the folder holds", lambda: _written(app, model))
    yield from _sources(app.usable(model), here, rig)
    yield from _targets(model, rig.sinks)
    yield from _guarded(f"{model}: the champion", lambda: _environment(app, here))
    last = here.state.last_tick
    fix = "Run `tamid tick`, or start `tamid watch` or a cron job."
    if last is None:
        yield Finding(state="warn", what=f"{model}: no tick was made yet", fix=fix)
        return
    from tamid.core.view.build import turning
    from tamid.core.view.scene import moment

    late = turning(here).overdue
    yield _judged(not late, f"{model}: last tick {moment(last)}", fix, "warn")


def _written(app: App, model: str) -> Iterator[Finding]:
    """Say whether contract and code in the folder can come into force."""
    from tamid.core.view.scene import count
    from tamid.wiring import written_in

    _, code = written_in(path := app.models()[model])
    read = f"{path.name} and {count(len(code), 'file')} of code" if code else path.name
    yield Finding(state="ok", what=f"{model}: {read} can be read")


def _sources(contract: Contract, here: Scene, rig: Rig) -> Iterator[Finding]:
    """Say what lies in each source; what was due by now and is missing fails."""
    from tamid.core.events import AlarmRaised
    from tamid.stages.feeds import NotReady, listed
    from tamid.stages.missing import missing, path_of
    from tamid.stages.unseen import quiet

    empty: list[NotReady] = []
    for name, source in sorted(rig.sources.items()):
        path = path_of(contract, name)
        found = len(listed(source, name, path, empty))
        said = f"has {found} batch(es)" if found else f"has nothing: {empty[-1].reason}"
        yield _judged(
            bool(found),
            f"{here.model}: source {name} ({path}) {said}",
            "Correct the path in the contract, or wait for the producer.",
            "warn",
        )
    told = [a.raised for n, a in here.state.open_alarms.items() if n.startswith("source/")]
    silent = quiet(rig.tables, contract, here.state, here.now)
    fresh = missing(contract, here.state, here.now, empty, silent=silent)
    for alarm in (*told, *(e for e in fresh if isinstance(e, AlarmRaised))):
        fix = "Correct the path in the contract, or ask the producer; the next tick sees it."
        yield Finding(state="fail", what=f"{here.model}: {alarm.message}", fix=fix)


def _environment(app: App, here: Scene) -> Iterator[Finding]:
    """Say whether what is installed here is what the champion was made with."""
    from tamid.core.learning.environment import changed, decisive, in_short
    from tamid.stages.packaging import environment_of
    from tamid.wiring import environment_here

    if not here.state.champion:
        return
    ref = here.state.versions[here.state.champion].registered.ref
    there = environment_of(ref.bundle, app.blobs)
    changes = changed(there, environment_here())
    what = f"{here.model}: the champion was made with the packages that are installed here"
    if changes:
        what = f"{here.model}: since the champion was made, {in_short(changes)}"
    fix = "Scores may differ: `tamid train` makes a candidate here, which the gates compare."
    yield _judged(not decisive(changes), what, fix, "warn")


def _targets(model: str, sinks: Mapping[str, Sink]) -> Iterator[Finding]:
    """Say which targets can be handed scores, and what the others lack, such as a secret."""
    from tamid.targets import out_of_reach

    if not sinks:
        what = f"{model}: the scores go nowhere"
        yield Finding(state="warn", what=what, fix="Name targets in delivery.to.")
    for name, sink in sorted(sinks.items()):
        lacking = out_of_reach(sink)
        if lacking is not None:
            yield _failed(f"{model}: target {name} cannot be reached", lacking)
        else:
            yield Finding(state="ok", what=f"{model}: target {name} is set up")
