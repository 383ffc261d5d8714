"""`tamid mirror`: show on an MLflow server what happened; and the same beside the loop."""

from __future__ import annotations

import subprocess
import sys
import time
from argparse import ArgumentParser, Namespace
from contextlib import suppress
from typing import TYPE_CHECKING

from tamid.cli.desk import add_example, add_model, chosen, opened
from tamid.core.errors import TamidError

if TYPE_CHECKING:
    from pathlib import Path

    from tamid.app import App
    from tamid.cli.output import Output

# Seconds that a command waits for the mirror; it then goes on without the command.
PATIENCE_S = 30.0
# Seconds before a server that did not answer is asked again by a watch.
AGAIN_S = 60.0
# Seconds in which a mirror that is told to end does so; what is unfinished is shown again.
_ENDS_S = 5.0


def add_mirror(parser: ArgumentParser) -> None:
    """Declare the arguments of `mirror`."""
    add_model(parser)
    parser.add_argument(
        "--again",
        action="store_true",
        help="show everything from the first event on, for a server that lost it",
    )
    parser.add_argument(
        "--standing", action="store_true", help="only say how far it is, and ask no server"
    )
    add_example(
        parser,
        "MLFLOW_TRACKING_URI=http://127.0.0.1:5000 tamid mirror",
        "tamid mirror --model churn --again",
    )


def mirror(args: Namespace, out: Output) -> int:
    """Show what is not shown yet; a server that is away loses nothing."""
    from tamid.tracking import catch_up, standing

    failed: TamidError | None = None
    results = []
    with opened(args, out) as app:
        for model in chosen(app, args.model):
            try:
                if args.standing:
                    shown = standing(app.config, model, app.state(model).seq)
                else:
                    shown = catch_up(app.config, model, again=args.again)
            except TamidError as error:  # one model's trouble must not keep the others waiting
                if len(app.models()) == 1 or args.model:
                    raise
                out.error(error)
                failed = failed or error
                continue
            results.append(shown)
            new = "" if args.standing else f"{shown.events} events shown, "
            out.text(f"{model}: {new}{shown.place} of {shown.last} are on {shown.uri}")
    out.json({"mirrors": results})
    return failed.exit_code if failed else 0


class Beside:
    """The mirror as a process beside a command: whatever becomes of it, the command goes on."""

    def __init__(self, app: App, out: Output) -> None:
        self._app, self._out = app, out
        self._process: subprocess.Popen[bytes] | None = None
        self._tried = -AGAIN_S
        self._told = ""

    def nudge(self, *, now: bool = False) -> None:
        """Start it if there is something to show; `now`: without a pause after a failure."""
        self._heard()
        late = time.monotonic() - self._tried >= AGAIN_S
        if self._process is None and (now or late) and self._behind():
            self._tried = time.monotonic()
            words = ["-C", str(self._app.config.root), "-q", "mirror"]
            try:
                with self._log().open("wb") as log:
                    self._process = subprocess.Popen(
                        [sys.executable, "-P", "-m", "tamid", *words],
                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log,
                        start_new_session=True,
                    )  # fmt: skip
            except OSError as error:
                self._out.note(f"the mirror cannot be started: {error}")

    def wait(self) -> None:
        """Wait for it a little, and say what came of it."""
        if self._process is not None:
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(PATIENCE_S)
            self._heard()
            if self._process is not None:
                self._out.note("the mirror is not done yet; it goes on by itself")

    def end(self) -> None:
        """Tell it to end; what it was at is shown again by the next one."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(_ENDS_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None

    def _behind(self) -> bool:
        from tamid.tracking import standing, uri_of

        if not uri_of(self._app.config):
            return False
        try:
            now = [
                standing(self._app.config, m, self._app.state(m).seq) for m in self._app.models()
            ]
        except TamidError as error:
            self._out.note(f"the mirror is left out: {error.what}")
            return False
        return any(shown.place < shown.last for shown in now)

    def _heard(self) -> None:
        """Say once why a mirror that ended did not come to its end."""
        if self._process is None or self._process.poll() is None:
            return
        status, self._process = self._process.returncode, None
        said = ""
        if status:
            lines = self._log().read_text("utf-8", errors="replace").strip().splitlines()
            said = next((text for text in lines if text.startswith("error ")), "")
            said = said or (lines[-1] if lines else f"it ended with {status}")
        if said and said != self._told:
            self._out.note(f"the mirror waits ({said}); nothing is lost: see `tamid mirror`")
        self._told = said

    def _log(self) -> Path:
        folder = self._app.config.store / "mirror"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder / "last.log"
