"""Laws of the Trainer port; a subclass gives the fixture `trainer`."""

from __future__ import annotations

from datetime import timedelta
from typing import cast

import polars as pl
import pytest

from tamid.core.errors import DataError, UserCodeError
from tamid.core.learning.advice import Ask
from tamid.core.values import ENTITY, LABEL, PERIOD, TIME, WEIGHT
from tamid.ports import Studier, Trainer, TrainingJob, TrainingResult
from tamid.testing.candidates import Steps, contract_text, history, job

LIMIT = timedelta(seconds=100)


def train(trainer: Trainer, given: TrainingJob) -> TrainingResult:
    """Train without looking at the steps."""
    return trainer.train(given, LIMIT, Steps())


class TrainerSuite:
    """What every place to train keeps."""

    def test_the_same_job_gives_the_same_files(self, trainer: Trainer) -> None:
        """Trained twice, every file of the bundle is the same to the byte."""
        one, two = train(trainer, job()), train(trainer, job())
        assert sorted(one.files) == sorted(two.files)
        assert [p for p in one.files if one.files[p] != two.files[p]] == []
        assert one.overlay == two.overlay
        assert one.judged.equals(two.judged)

    def test_judged_rows_are_the_holdout(self, trainer: Trainer) -> None:
        """Every row of the holdout is judged once, and no other, with scores between 0 and 1."""
        given = job(contract=contract_text(gates="{baselines: [majority]}"))
        result = train(trainer, given)
        columns = [ENTITY, TIME, PERIOD, LABEL, WEIGHT, "score", "baseline_majority"]
        assert result.judged.columns == columns
        held = given.frame.filter(pl.col(PERIOD).is_in(list(given.holdout)))
        assert result.judged.select(ENTITY, PERIOD).equals(held.select(ENTITY, PERIOD))
        assert result.judged.get_column("score").is_between(0, 1).all()
        assert result.metrics["auc"] > 0.7

    def test_the_result_tells_its_costs(self, trainer: Trainer) -> None:
        """Rows and seconds are real, and progress was told on the way."""
        steps = Steps()
        result = trainer.train(job(), LIMIT, steps)
        assert result.rows > 0
        assert result.seconds > 0
        assert "final fit" in steps.seen

    def test_failing_feature_code_is_named_with_its_line(self, trainer: Trainer) -> None:
        """The user's file, line and text stand in the error."""
        code = {"features.py": "def build(frame):\n    return frame['nowhere']\n"}
        with pytest.raises(UserCodeError) as caught:
            train(trainer, job(code=code))
        assert "features.py:2 in build: return frame['nowhere']" in caught.value.why

    def test_feature_code_of_another_length_is_refused(self, trainer: Trainer) -> None:
        """Code that filters rows is told how many it returned."""
        code = {"features.py": "def build(frame):\n    return frame.head(3)\n"}
        with pytest.raises(UserCodeError, match="returned 3 rows for"):
            train(trainer, job(code=code))

    def test_feature_code_never_sees_the_label(self, trainer: Trainer) -> None:
        """Neither the label column nor any of Tamid's own is there to be read."""
        text = (
            "def build(frame):\n"
            "    wrong = [c for c in frame.columns if c == 'left' or c.startswith('_')]\n"
            "    assert not wrong, wrong\n"
            "    return frame\n"
        )
        assert train(trainer, job(code={"features.py": text})).rows > 0

    def test_one_class_is_too_little_to_learn_from(self, trainer: Trainer) -> None:
        """Labels that are all alike are a clear error about the data."""
        rows = history().with_columns(pl.lit(0.0).alias(LABEL))
        with pytest.raises(DataError, match=r"all \d+ labels are 0"):
            train(trainer, job(rows))

    def test_a_study_says_what_each_step_would_bring(self, trainer: Trainer) -> None:
        """Places that can look into a recipe give findings with gains, and the labels in doubt."""
        if not hasattr(trainer, "study"):
            pytest.skip("this place to train offers no study")
        place = cast("Studier", trainer)
        found, suspects = place.study(job(), Ask(seconds=600.0, seeds=1), LIMIT, Steps())
        assert found.fits > 5
        assert {f.kind for f in found.findings} >= {"more_data", "features", "threshold"}
        assert all(f.gain is not None for f in found.findings)
        assert {ENTITY, "_better", "chance_given"} <= set(suspects.columns)
