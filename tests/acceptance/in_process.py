"""A workspace or a command in this process, which has all imported."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from tamid.app import App
from tamid.cli.main import main
from tamid.config import find
from tamid.ports import Beside, Clock, Scorer, Trainer
from tamid.stages.rig import Rig
from tamid.workshop import inline_scorer, inline_trainer


class HastyScorer:
    """A scorer that measures three rows where the gates ask for two hundred."""

    def __init__(self, scorer: Scorer) -> None:
        self.score, self._probe = scorer.score, scorer.probe

    def probe(
        self,
        bundle: str,
        overlay: str,
        frame: pl.DataFrame,
        repeats: int,
        beside: Beside | None = None,
    ) -> Mapping[str, float]:
        """Measure a few rows."""
        return self._probe(bundle, overlay, frame, min(repeats, 3), beside)


def inline(rig: Rig, trainer: Trainer | None = None) -> Rig:
    """Return a rig with everything in this process; the learner, if none is given, needs only numpy
    and knows no other kind of model."""
    scorer = inline_scorer(rig.blobs, rig.signer)
    return replace(
        rig,
        trainer=trainer or inline_trainer(tiny=True),
        scorer=HastyScorer(scorer),
        rules=scorer,
    )


def whole(rig: Rig) -> Rig:
    """Return a rig with everything in this process, and every learner."""
    return inline(rig, inline_trainer())


class InProcess(App):
    """An opened workspace whose ports are made once of those that would spawn workers."""

    def __init__(self, root: Path, clock: Clock, change: Callable[[Rig], Rig] = inline) -> None:
        super().__init__(find(root), clock=clock)
        self._change = change
        self._inline: dict[str, tuple[Rig, Rig]] = {}

    def rig(self, model: str) -> Rig:
        """Return the ports of one model."""
        opened = super().rig(model)
        if model not in self._inline or self._inline[model][0] is not opened:
            self._inline[model] = (opened, self._change(opened))
        return self._inline[model][1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """How a command ended and what it said."""

    returncode: int
    stdout: str
    stderr: str


def here(root: Path, *words: str) -> Said:
    """Run a command of `tamid` in this process; workers that it needs are spawned all the same."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = main(["-C", str(root), "-q", *words])
    return Said(returncode=code, stdout=out.getvalue(), stderr=err.getvalue())
