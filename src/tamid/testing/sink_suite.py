"""Laws of the Sink port; a subclass gives the fixtures `sink` and `seen`.

`seen(period)` returns what a consumer finds for a period: score by entity, or None if nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

import polars as pl

from tamid.ports import AnsweringSink, Parcel, Sink

Seen = Callable[[str], Mapping[str, float | None] | None]

ONE, TWO = "2026-01-04", "2026-01-11"
_AS_OF = datetime(2026, 1, 4, 6, tzinfo=UTC)


def parcel(
    scores: Mapping[str, float | None], *, period: str = ONE, revision: int = 1, sink: str = "1-x"
) -> Parcel:
    """Return a parcel as deliveries make it, with texts, moments, booleans and missing values."""
    names = list(scores)
    frame = pl.DataFrame(
        {
            "entity": names,
            "as_of": [_AS_OF + timedelta(days=n) for n in range(len(names))],
            "period": [period] * len(names),
            "revision": [revision] * len(names),
            "score": list(scores.values()),
            "band": ["high" if (s or 0) > 0.5 else "low" for s in scores.values()],
            "decision": [None if s is None else int(s > 0.5) for s in scores.values()],
            "treat": [(s or 0) > 0.5 for s in scores.values()],
            "reason_1": ["שימוש" if (s or 0) > 0.5 else None for s in scores.values()],
        },
        schema={
            "entity": pl.String,
            "as_of": pl.Datetime("us", "UTC"),
            "period": pl.String,
            "revision": pl.Int64,
            "score": pl.Float64,
            "band": pl.String,
            "decision": pl.Int64,
            "treat": pl.Boolean,
            "reason_1": pl.String,
        },
    )
    key = f"churn/{period}/{revision}/{sink}"
    return Parcel(key=key, model="churn", period=period, revision=revision, frame=frame)


class SinkSuite:
    """What every target of deliveries keeps."""

    def test_nothing_is_seen_before_a_delivery(self, sink: Sink, seen: Seen) -> None:
        """A new target shows nothing."""
        assert seen(ONE) is None

    def test_asking_whether_it_is_there_delivers_nothing(self, sink: Sink, seen: Seen) -> None:
        """Where a target can be asked at all: before and after a delivery it is as it was."""
        if not isinstance(sink, AnsweringSink):
            return
        sink.reach()
        assert seen(ONE) is None
        sink.deliver(parcel({"a": 0.5}))
        sink.reach()
        assert seen(ONE) == {"a": 0.5}

    def test_a_delivered_parcel_is_seen_whole(self, sink: Sink, seen: Seen) -> None:
        """Every entity is there with its exact score; Hebrew names and missing scores survive."""
        scores = {"a": 0.1 + 0.2, "לקוח 7": 0.875, "c": None, "d": 1e-9}
        assert sink.deliver(parcel(scores))
        assert seen(ONE) == scores

    def test_repeating_a_parcel_changes_nothing(self, sink: Sink, seen: Seen) -> None:
        """The same key again gives the same receipt and no second copy."""
        first = sink.deliver(parcel({"a": 0.5, "b": 0.25}))
        assert sink.deliver(parcel({"a": 0.5, "b": 0.25})) == first
        assert seen(ONE) == {"a": 0.5, "b": 0.25}

    def test_a_correction_replaces_the_whole_period(self, sink: Sink, seen: Seen) -> None:
        """A higher revision takes the place of the lower: changed, new and gone entities alike."""
        first = sink.deliver(parcel({"a": 0.5, "gone": 0.25}))
        second = sink.deliver(parcel({"a": 0.75, "new": 0.125}, revision=2))
        assert second != first
        assert seen(ONE) == {"a": 0.75, "new": 0.125}

    def test_a_late_older_revision_does_not_come_back(self, sink: Sink, seen: Seen) -> None:
        """What was overtaken while it waited in the outbox does not undo the correction."""
        sink.deliver(parcel({"a": 0.75}, revision=2))
        sink.deliver(parcel({"a": 0.5}, revision=1))
        assert seen(ONE) == {"a": 0.75}

    def test_periods_stand_side_by_side(self, sink: Sink, seen: Seen) -> None:
        """A new period leaves the earlier ones as they are, whatever the order."""
        sink.deliver(parcel({"a": 0.75}, period=TWO))
        sink.deliver(parcel({"a": 0.5}, period=ONE))
        assert seen(ONE) == {"a": 0.5}
        assert seen(TWO) == {"a": 0.75}

    def test_a_period_of_nobody_is_delivered_too(self, sink: Sink, seen: Seen) -> None:
        """An empty parcel is taken; a correction to nothing removes what was there."""
        sink.deliver(parcel({"a": 0.5}))
        sink.deliver(parcel({}, revision=2))
        assert not seen(ONE)

    def test_a_column_added_later_is_taken(self, sink: Sink, seen: Seen) -> None:
        """A parcel of a newer contract may hold a further column."""
        sink.deliver(parcel({"a": 0.5}))
        more = parcel({"a": 0.75}, period=TWO)
        wider = Parcel(
            key=more.key,
            model=more.model,
            period=more.period,
            revision=more.revision,
            frame=more.frame.with_columns(pl.lit("נוסף").alias("reason_2")),
        )
        sink.deliver(wider)
        assert seen(TWO) == {"a": 0.75}
        assert seen(ONE) == {"a": 0.5}

    def test_thousands_of_rows_arrive(self, sink: Sink, seen: Seen) -> None:
        """A large period arrives whole."""
        scores: dict[str, float | None] = {f"e{n}": n / 8192 for n in range(6000)}
        sink.deliver(parcel(scores))
        assert seen(ONE) == scores
