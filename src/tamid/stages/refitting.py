"""What each possible next step would bring, measured in a worker: refits judged on the same rows.

Every variant of the recipe is fitted, tuned and judged as the recipe was, on rows that nothing was
chosen on, and compared with it by the statistics of the gates. Nothing of it becomes a candidate.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from tamid.core.contract.metrics import quality_metric
from tamid.core.contract.model import Contract
from tamid.core.learning.advice import Ask, Finding, Study
from tamid.core.learning.choice import Tuned, tune
from tamid.core.learning.model import Bools, FeatureTable, Floats, Ints, Model
from tamid.core.learning.splits import Fold, thinned, window_weights
from tamid.core.stats.compare import Comparison, compare
from tamid.core.stats.intervals import metric_interval
from tamid.core.stats.metrics import Terms, terms
from tamid.core.values import PERIOD, TIME
from tamid.ports import GivenModel, Progress, TrainingJob
from tamid.stages.answering import calibrated, try_feature_code
from tamid.stages.evidence import ALPHA, groups_of
from tamid.stages.fitting import Bench, Tools
from tamid.stages.handed import judged_as_it_is

# As in training: more rows would not change how variants compare.
_MOST_ROWS_TUNING = 100_000
# Two models for one variant: one to tune it, one to judge it.
FITS = 2
NO_TIME = "the time asked for was over: give it more with --minutes"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tried:
    """One variant of the recipe on the judged rows: its terms, and what answered."""

    terms: Terms
    score: Floats
    model: Model
    chosen: Tuned


class Lab:
    """The recipe that is looked into, and the fits of its variants, within a budget."""

    def __init__(
        self, job: TrainingJob, contract: Contract, tools: Tools, ask: Ask, progress: Progress
    ) -> None:
        self.began = tools.seconds()
        if tools.code is not None:
            try_feature_code(job.frame, contract, tools.code)
        self.bench = Bench(job, contract, tools)
        self.ask, self.contract, self.tools = ask, contract, tools
        self.metric = quality_metric(contract)
        self.window = ask.window if ask.window in self.bench.windows else "all"
        self.rng = tools.generator(job.seed)
        self.fits, self._progress, self._steps, self._fitting = 0, progress, 0, 0.0
        self.measured: list[tuple[Finding, Terms]] = []
        self.missing: dict[str, str] = {}
        self._degraded = job.degraded
        # A model that was handed over, and that nobody can fit the like of anew.
        given = job.given if tools.recipe is None else None
        self.finished = given is not None
        self.fold, own = self._subject(given)
        self.rows = job.frame.filter(pl.Series(self.fold.seen))
        self.groups = groups_of(self.rows)
        self.base = self._needed(self.recipe()) if own is None else self._tried(*own)

    @property
    def y(self) -> Floats:
        """The judged rows' labels."""
        return self.bench.y[self.fold.seen]

    def say(self, text: str, share: float) -> None:
        """Say how far the study is; it never goes back."""
        self._steps = max(self._steps, round(100 * share))
        self._progress.step(text, self._steps, 100)

    def room(self, fits: int) -> bool:
        """Say whether so many more fits keep within the budget."""
        spent = self.tools.seconds() - self.began
        return spent + fits * self._fitting / max(self.fits, 1) <= self.ask.seconds

    def recipe(
        self,
        keep: Bools | None = None,
        *,
        without: tuple[str, ...] = (),
        window: str = "",
    ) -> Tried | None:
        """Fit, tune and judge a variant: on some rows, without some features, on another window.

        None: it has too few rows or classes to be fitted.
        """
        window, bench = window or self.window, self.bench
        table = _narrowed(bench.table, without)
        keep = np.ones(len(bench.rows), dtype=bool) if keep is None else keep
        judging, tuning = bench.plan.judging(window), bench.plan.tuning(window)
        if any(bench.scarce(f.fit & keep) for f in (judging, *tuning)):
            return None
        parts = []
        for fold in tuning:
            most = _MOST_ROWS_TUNING // len(tuning)
            rows, carried = thinned(fold.fit & keep, bench.new, most, self.rng)
            raw = self.fit(table, rows, window, carried).predict(table.take(fold.seen))
            parts.append((bench.y[fold.seen], raw, bench.weight[fold.seen]))
        y, raw, weight = (np.concatenate(column) for column in zip(*parts, strict=True))
        chosen = tune(self.contract, window, y, raw, weight)
        return self._tried(self.fit(table, judging.fit & keep, window), chosen, table)

    def fit(self, table: FeatureTable, rows: Bools, window: str, carried: float = 1.0) -> Model:
        """Fit the recipe on some rows, weighed as in training."""
        bench, started = self.bench, self.tools.seconds()
        weight = np.where(bench.new[rows], 1.0, carried) * bench.fit_weight[rows]
        weight = window_weights(window, bench.rows.period[rows], bench.new[rows], weight)
        learner = self.tools.recipe or self.tools.learner
        params = dict(bench.job.params or self.contract.training.params)
        model = learner.fit(table.take(rows), bench.y[rows], weight, params, bench.job.seed)
        self.fits += 1
        self._fitting += self.tools.seconds() - started
        return model

    def judged(
        self, score: Floats, threshold: float | Floats, weight: Floats | None = None
    ) -> Terms:
        """Return the terms of scores of the judged rows, under their own weights or others."""
        return terms(
            self.metric, self.contract.task, self.y, score, threshold=threshold,
            weights=self.bench.weight[self.fold.seen] if weight is None else weight,
        )  # fmt: skip

    def dealt(self, rows: Bools, parts: int) -> Ints:
        """Deal the entities of some rows into equal parts; return each row's part."""
        codes = np.unique(self.bench.rows.entity[rows], return_inverse=True)[1]
        return np.asarray((self.rng.permutation(int(codes.max(initial=-1)) + 1) % parts)[codes])

    def against(self, tried: Terms, alpha: float = ALPHA) -> Comparison:
        """Compare a variant with the recipe, as the gates compare two candidates."""
        return compare(
            self.base.terms, tried, self.groups, margin=0.0, alpha=alpha,
            rng=self.tools.generator(self.bench.job.seed), degraded=self._degraded,
        )  # fmt: skip

    def add(self, finding: Finding, tried: Terms) -> None:
        """Put down a step with what it brings against the recipe."""
        self.measured.append((replace(finding, gain=self.against(tried).difference), tried))

    def variant(
        self,
        name: str,
        *,
        without: tuple[str, ...] = (),
        window: str = "",
        keep: Bools | None = None,
    ) -> Tried | None:
        """Fit a variant, or put down why it is not measured."""
        if not self.room(FITS):
            self.missing[name] = NO_TIME
            return None
        tried = self.recipe(keep, without=without, window=window)
        if tried is None:
            self.missing[name] = "too few rows or classes are left"
        return tried

    def study(self, findings: tuple[Finding, ...]) -> Study:
        """Return all that was found."""
        self.say("done", 1.0)
        base = metric_interval(self.base.terms, clusters=self.groups.entity, level=1 - 2 * ALPHA)
        return Study(
            metric=self.metric,
            base=base,
            judged=self.rows.height,
            fitted=int(self.fold.fit.sum()),
            fits=self.fits,
            seconds=round(self.tools.seconds() - self.began, 3),
            findings=findings,
            not_measured=self.missing,
            given="" if self.bench.job.given is None else self.bench.job.given.name,
        )

    def periods(self) -> tuple[int, float]:
        """Return how many periods the recipe was fitted on, and how many rows one brings."""
        frame = self.bench.job.frame.filter(pl.Series(self.fold.fit))
        timeless = frame.get_column(TIME).null_count() > 0
        count = 0 if timeless else frame.get_column(PERIOD).n_unique()
        return count, frame.height / count if count else 0.0

    def _subject(self, given: GivenModel | None) -> tuple[Fold, tuple[Model, Tuned] | None]:
        """Return who is fitted and who judges; with a finished model, nobody is, and the model."""
        if given is None:
            fold = self.bench.plan.judging(self.window)
            self.bench.enough(fold, "judging")
            return fold, None
        model, chosen, fold = judged_as_it_is(self.bench, given)
        return Fold(fit=np.zeros_like(fold.fit), seen=fold.seen), (model, chosen)

    def _needed(self, tried: Tried | None) -> Tried:
        assert tried is not None  # Bench.enough has said so
        return tried

    def _tried(self, model: Model, chosen: Tuned, table: FeatureTable | None = None) -> Tried:
        raw = model.predict((table or self.bench.table).take(self.fold.seen))
        score = calibrated(raw, chosen.calibration)
        return Tried(
            terms=self.judged(score, chosen.threshold), score=score, model=model, chosen=chosen
        )


def holm(lab: Lab) -> Iterator[Finding]:
    """Yield the measured steps, each marked if its gain is shown: the clearest at alpha / m first.

    What is left out only to see what it is worth (the best features) is no step, and shares none.

    Source: Holm (1979), Scandinavian Journal of Statistics 6.
    """
    measured = lab.measured
    left = [i for i, (f, _) in enumerate(measured) if not f.only_worth]
    shown: set[int] = set()
    while left:
        level = ALPHA / len(left)
        clear = [i for i in left if lab.against(measured[i][1], level).difference.low > 0]
        if not clear:
            break
        shown |= set(clear)
        left = [i for i in left if i not in shown]
    for place, (finding, _) in enumerate(measured):
        yield replace(finding, shown=place in shown)


def _narrowed(table: FeatureTable, without: tuple[str, ...]) -> FeatureTable:
    if not without:
        return table
    places = [i for i, f in enumerate(table.features) if f.name not in without]
    return FeatureTable(
        features=tuple(table.features[i] for i in places), values=table.values[:, places]
    )
