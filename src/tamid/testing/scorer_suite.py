"""Laws of the Scorer port; a subclass gives the fixtures `scorer` and `packed`.

`packed` is the default job of `tamid.testing.candidates`, trained and packed where `scorer` looks.
"""

from __future__ import annotations

from datetime import timedelta

import polars as pl
import pytest

from tamid.core.errors import DataError, IntegrityError, TamidError, UserCodeError
from tamid.ports import Beside, RuleRunner, Scorer
from tamid.stages.packaging import Packed
from tamid.testing.candidates import history, unlabelled

LIMIT = timedelta(seconds=100)


def ask(scorer: Scorer, packed: Packed, rows: pl.DataFrame, reasons: int = 0) -> pl.DataFrame:
    """Score rows."""
    return scorer.score(packed.bundle, packed.overlay, rows, reasons=reasons, timeout=LIMIT).frame


@pytest.fixture(scope="module")
def rows() -> pl.DataFrame:
    """Rows to score."""
    return unlabelled(history(60, 2, seed=5))


class ScorerSuite:
    """What every scorer keeps."""

    def test_each_row_gets_its_score_in_order(
        self, scorer: Scorer, packed: Packed, rows: pl.DataFrame
    ) -> None:
        """Scores lie in 0..1, and follow the rows when these are turned around."""
        found = ask(scorer, packed, rows)
        assert found.columns == ["score"]
        assert found.height == rows.height
        assert found.get_column("score").is_between(0, 1).all()
        turned = ask(scorer, packed, rows.reverse())
        assert turned.reverse().equals(found)

    def test_reasons_name_features_once_each(
        self, scorer: Scorer, packed: Packed, rows: pl.DataFrame
    ) -> None:
        """Each row's reasons are different features; asking for them changes no score."""
        found = ask(scorer, packed, rows, reasons=3)
        assert found.columns == ["score", "reason_1", "reason_2", "reason_3"]
        assert found.select("score").equals(ask(scorer, packed, rows))
        named = {n for c in ("reason_1", "reason_2", "reason_3") for n in found.get_column(c)}
        assert named - {None} <= {"calls", "minutes", "age", "plan", "strain"}
        first, second = found.get_column("reason_1"), found.get_column("reason_2")
        assert not (first == second).any()

    def test_a_lone_row_scores_as_among_others(
        self, scorer: Scorer, packed: Packed, rows: pl.DataFrame
    ) -> None:
        """A row's score does not depend on the rows beside it."""
        whole = ask(scorer, packed, rows).get_column("score")
        alone = ask(scorer, packed, rows.slice(3, 1)).get_column("score")
        assert alone[0] == pytest.approx(whole[3], abs=1e-12)

    def test_unseen_words_and_missing_values_are_answered(
        self, scorer: Scorer, packed: Packed, rows: pl.DataFrame
    ) -> None:
        """A word that training never saw counts as missing, in whatever script."""
        strange = rows.with_columns(
            pl.lit("סיבים").alias("plan"), pl.lit(None, dtype=pl.Float64).alias("age")
        )
        missing = strange.with_columns(pl.lit(None, dtype=pl.String).alias("plan"))
        assert ask(scorer, packed, strange).equals(ask(scorer, packed, missing))

    def test_no_rows_give_no_scores(
        self, scorer: Scorer, packed: Packed, rows: pl.DataFrame
    ) -> None:
        """An empty period is no error."""
        assert ask(scorer, packed, rows.clear(), reasons=2).height == 0

    def test_a_missing_column_is_named(
        self, scorer: Scorer, packed: Packed, rows: pl.DataFrame
    ) -> None:
        """The error says which column the model reads and does not get."""
        with pytest.raises(DataError, match="'minutes'"):
            ask(scorer, packed, rows.drop("minutes"))
        assert ask(scorer, packed, rows).height == rows.height

    def test_an_unknown_bundle_or_overlay_is_refused(
        self, scorer: Scorer, packed: Packed, rows: pl.DataFrame
    ) -> None:
        """Nothing answers for an address that holds no signed pair."""
        for bundle, overlay in (
            (packed.bundle, "sha256:" + "0" * 64),
            (packed.overlay, packed.overlay),
        ):
            with pytest.raises(IntegrityError):
                scorer.score(bundle, overlay, rows, reasons=0, timeout=LIMIT)

    def test_a_probe_measures(self, scorer: Scorer, packed: Packed, rows: pl.DataFrame) -> None:
        """A probe tells start, latency, memory, size, and that golden rows score as trained."""
        found = scorer.probe(packed.bundle, packed.overlay, rows.head(5), 20)
        assert set(found) == {
            "start_s", "p50_ms", "p99_ms", "memory_mb", "size_mb", "golden_difference",
        }  # fmt: skip
        assert 0 < found["p50_ms"] <= found["p99_ms"]
        assert found["golden_difference"] <= 1e-9

    def test_a_probe_asks_another_version_in_turns(
        self, scorer: Scorer, packed: Packed, rows: pl.DataFrame
    ) -> None:
        """Beside itself a version takes about as long; what else is measured stays the same."""
        other = Beside(bundle=packed.bundle, overlay=packed.overlay, frame=rows.head(3))
        found = scorer.probe(packed.bundle, packed.overlay, rows.head(5), 20, other)
        assert 0.5 < found["times_as_long"] < 2.0
        assert 0 < found["p50_ms"] <= found["p99_ms"]


class RuleSuite:
    """What everything that runs rules keeps."""

    def test_a_rule_scores_each_row(
        self, scorer: RuleRunner, packed: Packed, rows: pl.DataFrame
    ) -> None:
        """The bundle's own rule answers without a model."""
        found = scorer.rule(packed.bundle, "rules.py:score", rows, timeout=LIMIT).frame
        expected = rows.get_column("calls").is_between(0, 1).cast(pl.Float64) * 0.5
        assert found.get_column("score").to_list() == expected.to_list()

    def test_a_rule_that_is_not_there_is_named(
        self, scorer: RuleRunner, packed: Packed, rows: pl.DataFrame
    ) -> None:
        """A missing file or function is the user's error, not a crash."""
        for code in ("nowhere.py:score", "rules.py:nothing"):
            with pytest.raises(UserCodeError, match=code.partition(":")[0]):
                scorer.rule(packed.bundle, code, rows, timeout=LIMIT)

    def test_a_rule_of_an_unknown_bundle_is_refused(
        self, scorer: RuleRunner, rows: pl.DataFrame
    ) -> None:
        """No code runs that no manifest names."""
        with pytest.raises(TamidError):
            scorer.rule("sha256:" + "1" * 64, "rules.py:score", rows, timeout=LIMIT)
