"""Optuna as a searcher: trials in a journal file, so that a search that died goes on."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

from tamid.adapters._optional import need
from tamid.core.learning.model import Param, Range, Trial

if TYPE_CHECKING:
    from tamid.core.learning.model import Searcher

# Trials at random before the sampler begins to learn from them.
_RANDOM_TRIALS = 8


class OptunaSearcher:
    """Tree-structured Parzen search; one study a run, in one journal file a study."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def search(
        self,
        study: str,
        space: Mapping[str, Range],
        loss: Callable[[Mapping[str, Param]], float],
        trials: int,
        seed: int,
        timeout: float | None,
    ) -> Sequence[Trial]:
        """Return all trials; the n-th suggestion depends on the seed and the trials before it."""
        optuna: Any = need("optuna", "loop")
        storages: Any = need("optuna.storages", "loop")
        journal: Any = need("optuna.storages.journal", "loop")
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f"{study}.journal"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            storage = storages.JournalStorage(journal.JournalFileBackend(str(path)))
            running = optuna.create_study(
                study_name=study, storage=storage, load_if_exists=True, direction="minimize"
            )
            for left in running.get_trials(states=[optuna.trial.TrialState.RUNNING]):
                # Cut off by a death; the sampler would take it for one that still runs.
                running.tell(left.number, state=optuna.trial.TrialState.FAIL)
            started = monotonic()
            while (done := len(_complete(running))) < trials:
                if timeout is not None and done and monotonic() - started > timeout:
                    break
                # A fresh sampler a trial: its draws do not depend on when the search was cut off.
                running.sampler = optuna.samplers.TPESampler(
                    seed=(seed * 10_007 + done) % 2**32, n_startup_trials=_RANDOM_TRIALS
                )
                asked = running.ask()
                params = {name: _suggest(asked, name, span) for name, span in space.items()}
                running.tell(asked, loss(params))
        return _complete(running)


def _suggest(trial: Any, name: str, span: Range) -> Param:
    if span.whole:
        return int(trial.suggest_int(name, int(span.low), int(span.high), log=span.log))
    return float(trial.suggest_float(name, span.low, span.high, log=span.log))


def _complete(study: Any) -> list[Trial]:
    done = [t for t in study.get_trials(deepcopy=False) if t.value is not None]
    return [Trial(number=i, params=dict(t.params), loss=float(t.value)) for i, t in enumerate(done)]


if TYPE_CHECKING:
    _searcher: Searcher = OptunaSearcher(Path())
