"""Laws of the Tables port; a subclass gives the fixture `tables`, one empty store."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any, Literal

import polars as pl
import pytest

from tamid.core.errors import DataError, IntegrityError, LeaseLost, NotFound
from tamid.core.values import PERIOD, TablePin
from tamid.ports import Tables

ONE, TWO, THREE = "2026-01-04", "2026-01-11", "2026-01-18"
_HIGH, _LOW = 2**63, 7

Mode = Literal["append", "slice"]

# The digest of one small slice of every type, for ever.
RECORDED = "sha256:2be71360b00c3aa4d783955acc8ef89cfeb35a2358cecd8c831ac9f64df2a355"


def frame(period: str, **columns: list[Any]) -> pl.DataFrame:
    """Return rows of one period."""
    return pl.DataFrame(columns).with_columns(pl.lit(period).alias(PERIOD))


def rows(read: pl.DataFrame) -> list[dict[str, Any]]:
    """Return rows in an order of their own, whatever order they were read in."""
    return sorted(read.to_dicts(), key=str)


class TablesSuite:
    """What every store of tables keeps."""

    def put(
        self, tables: Tables, part: pl.DataFrame, key: str, mode: Mode = "append", token: int = 0
    ) -> TablePin:
        """Write to the one table of these tests."""
        return tables.write("churn.rows", part, key=key, token=token, mode=mode)

    def test_an_unknown_table_has_no_version(self, tables: Tables) -> None:
        """Nothing is there before the first write."""
        assert tables.latest("churn.rows") is None
        assert tables.find("churn.rows", "k") is None

    def test_rows_are_read_back_as_written(self, tables: Tables) -> None:
        """A pinned version gives its rows, all slices together or some, all columns or some."""
        pin = self.put(tables, pl.concat([frame(ONE, x=[1, 2]), frame(TWO, x=[3])]), "k")
        assert tables.latest("churn.rows") == pin
        assert sorted(tables.read(pin).get_column("x")) == [1, 2, 3]
        assert tables.read(pin, periods=[TWO]).to_dicts() == [{"x": 3, PERIOD: TWO}]
        assert tables.read(pin, periods=[THREE]).is_empty()
        assert tables.read(pin, columns=["x"]).columns == ["x"]
        assert tables.read(pin, columns=[PERIOD]).get_column(PERIOD).to_list() == [ONE, ONE, TWO]
        with pytest.raises(NotFound, match="no column y"):
            tables.read(pin, columns=["x", "y"])

    def test_a_pinned_version_never_changes(self, tables: Tables) -> None:
        """What comes later is in later versions only."""
        first = self.put(tables, frame(ONE, x=[1]), "k1")
        second = self.put(tables, frame(ONE, x=[2]), "k2")
        third = self.put(tables, frame(ONE, x=[9]), "k3", mode="slice")
        assert [sorted(tables.read(p).get_column("x")) for p in (first, second, third)] == [
            [1],
            [1, 2],
            [9],
        ]
        assert len({first.digest, second.digest, third.digest}) == 3

    def test_a_slice_is_replaced_alone(self, tables: Tables) -> None:
        """Replacing one slice leaves the others as they are."""
        self.put(tables, pl.concat([frame(ONE, x=[1]), frame(TWO, x=[2])]), "k1")
        pin = self.put(tables, frame(TWO, x=[5]), "k2", mode="slice")
        assert rows(tables.read(pin)) == [{"x": 1, PERIOD: ONE}, {"x": 5, PERIOD: TWO}]

    def test_a_key_is_written_once(self, tables: Tables) -> None:
        """The same key again gives the version it made and writes nothing."""
        first = self.put(tables, frame(ONE, x=[1]), "k1")
        self.put(tables, frame(ONE, x=[2]), "k2")
        assert self.put(tables, frame(ONE, x=[7]), "k1") == first
        assert tables.find("churn.rows", "k1") == first
        assert sorted(tables.read(self._newest(tables)).get_column("x")) == [1, 2]

    def test_many_keys_are_found(self, tables: Tables) -> None:
        """Every one of many versions is found by its key and reads what was there then."""
        pins = [self.put(tables, frame(ONE, x=[n]), f"k{n}") for n in range(60)]
        assert [tables.find("churn.rows", f"k{n}") for n in range(60)] == pins
        assert tables.read(pins[30]).height == 31

    def test_a_digest_depends_on_content_alone(self, tables: Tables) -> None:
        """Order of rows, columns and writes is no content; a value is."""
        whole = frame(ONE, x=[1, 2, 3], y=["a", None, "ג"])
        one = tables.write("a", whole, key="k", token=0, mode="append")
        two = tables.write(
            "b", whole.reverse().select("y", PERIOD, "x"), key="q", token=0, mode="append"
        )
        tables.write("c", whole[:1], key="k1", token=0, mode="append")
        three = tables.write("c", whole[1:], key="k2", token=0, mode="append")
        other = whole.with_columns(pl.lit(4).alias("x"))
        four = tables.write("d", other, key="k", token=0, mode="append")
        assert one.digest == two.digest == three.digest != four.digest

    def test_digests_are_the_same_in_every_store(self, tables: Tables) -> None:
        """A digest that was recorded with one store holds with another, and with later releases."""
        part = frame(
            ONE,
            _entity=["7", "8"],
            at=[datetime(2026, 1, 4, 6, tzinfo=UTC), None],
            n=[1, -5],
            x=[-0.0, float("nan")],
            on=[True, None],
            plan=["בסיס", ""],
        )
        pin = self.put(tables, part, "k")
        assert pin.digest == RECORDED

    def test_a_column_may_be_added(self, tables: Tables) -> None:
        """Older rows have no value in it, and older slices keep their digest."""
        first = self.put(tables, frame(ONE, x=[1]), "k1")
        second = self.put(tables, frame(TWO, x=[2], y=["new"]), "k2")
        assert rows(tables.read(second)) == [
            {"x": 1, PERIOD: ONE, "y": None},
            {"x": 2, PERIOD: TWO, "y": "new"},
        ]
        third = self.put(tables, frame(TWO, x=[2]), "k3", mode="slice")
        assert tables.read(first).columns == ["x", PERIOD]
        tables.verify(third)

    def test_a_column_may_be_left_out(self, tables: Tables) -> None:
        """Rows that come without a column have no value in it."""
        self.put(tables, frame(ONE, x=[1], y=["a"]), "k1")
        pin = self.put(tables, frame(ONE, x=[2]), "k2")
        assert rows(tables.read(pin))[1] == {"x": 2, "y": None, PERIOD: ONE}

    @pytest.mark.parametrize(
        ("given", "stored"),
        [
            (pl.Series([1, None], dtype=pl.UInt8), pl.Series([1, None], dtype=pl.Int64)),
            (pl.Series([_LOW], dtype=pl.UInt64), pl.Series([_LOW], dtype=pl.Int64)),
            (pl.Series([1.5], dtype=pl.Float32), pl.Series([1.5], dtype=pl.Float64)),
            (pl.Series(["a", "b"], dtype=pl.Categorical), pl.Series(["a", "b"])),
            (pl.Series(["a"], dtype=pl.Enum(["a", "b"])), pl.Series(["a"])),
            (pl.Series([None, None], dtype=pl.Null), pl.Series([None, None], dtype=pl.String)),
            (pl.Series([date(2026, 1, 4)]), pl.Series([date(2026, 1, 4)])),
            (pl.Series([b"\x00", None]), pl.Series([b"\x00", None])),
            (
                pl.Series([timedelta(seconds=2)], dtype=pl.Duration("ms")),
                pl.Series([2_000_000], dtype=pl.Int64),
            ),
            (
                pl.Series([datetime(2026, 1, 4, 8)], dtype=pl.Datetime("ns")),  # noqa: DTZ001
                pl.Series([datetime(2026, 1, 4, 8)], dtype=pl.Datetime("us")),  # noqa: DTZ001
            ),
            (
                pl.Series(
                    [datetime(2026, 1, 4, 8, tzinfo=timezone(timedelta(hours=2)))],
                    dtype=pl.Datetime("ms", "Asia/Jerusalem"),
                ),
                pl.Series([datetime(2026, 1, 4, 6, tzinfo=UTC)], dtype=pl.Datetime("us", "UTC")),
            ),
        ],
        ids=lambda series: str(series.dtype),
    )
    def test_types_are_stored_by_one_map(
        self, tables: Tables, given: pl.Series, stored: pl.Series
    ) -> None:
        """Each type of column comes back as the documented stored type, values unchanged."""
        part = pl.DataFrame({"x": given, PERIOD: [ONE] * given.len()})
        read = tables.read(self.put(tables, part, "k")).get_column("x")
        assert read.dtype == stored.dtype
        assert sorted(map(str, read)) == sorted(map(str, stored))

    @pytest.mark.parametrize(
        "given",
        [
            pl.Series([_HIGH], dtype=pl.UInt64),
            pl.Series([[1]], dtype=pl.List(pl.Int64)),
            pl.Series([{"a": 1}], dtype=pl.Struct({"a": pl.Int64})),
        ],
        ids=lambda series: str(series.dtype),
    )
    def test_what_cannot_be_stored_is_named(self, tables: Tables, given: pl.Series) -> None:
        """A column of another type is refused by name, and nothing is written."""
        with pytest.raises(DataError, match="'odd'"):
            self.put(tables, pl.DataFrame({"odd": given, PERIOD: [ONE]}), "k")
        assert tables.latest("churn.rows") is None

    def test_a_column_keeps_its_type(self, tables: Tables) -> None:
        """Numbers that come as texts are refused; whole numbers fit a column of numbers."""
        self.put(tables, frame(ONE, x=[1.5]), "k1")
        pin = self.put(tables, frame(ONE, x=[2]), "k2")
        assert tables.read(pin).schema["x"] == pl.Float64
        with pytest.raises(DataError, match="'x'"):
            self.put(tables, frame(ONE, x=["1,5"]), "k3")
        assert self._newest(tables) == pin

    def test_rows_without_a_period_are_refused(self, tables: Tables) -> None:
        """A table is cut by period, so every row needs one."""
        with pytest.raises(DataError, match=PERIOD):
            self.put(tables, pl.DataFrame({"x": [1]}), "k")

    def test_an_older_token_is_fenced_off(self, tables: Tables) -> None:
        """A controller that lost its lease writes nothing more; a person's act is not fenced."""
        self.put(tables, frame(ONE, x=[1]), "k1", token=3)
        with pytest.raises(LeaseLost):
            self.put(tables, frame(ONE, x=[2]), "k2", token=2)
        pin = self.put(tables, frame(ONE, x=[3]), "k3", token=0)
        assert sorted(tables.read(pin).get_column("x")) == [1, 3]
        with pytest.raises(LeaseLost):
            self.put(tables, frame(ONE, x=[2]), "k2", token=2)

    def test_a_version_that_is_not_there_is_named(self, tables: Tables) -> None:
        """A pin from elsewhere is an error, not an empty table."""
        with pytest.raises(NotFound, match="version 7"):
            tables.read(TablePin(table="churn.rows", version=7, digest="sha256:00"))

    def test_content_is_verified(self, tables: Tables) -> None:
        """A version fits its own digest and no other."""
        pin = self.put(tables, frame(ONE, x=[1, 2]), "k")
        tables.verify(pin)
        with pytest.raises(IntegrityError):
            tables.verify(TablePin(table=pin.table, version=pin.version, digest="sha256:00"))

    def _newest(self, tables: Tables) -> TablePin:
        pin = tables.latest("churn.rows")
        assert pin is not None
        return pin
