"""The laws of a RowModel: one suite for every engine."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence

import pytest

from tamid.core.compiled.lane import Laid, Rule
from tamid.core.errors import DataError
from tamid.ports import LanedModel, RowLane, RowModel

Row = Mapping[str, float | int | str | bool | None]
# Sums may round otherwise in another order.
_ROUNDING = 1e-12


class RowModelSuite:
    """Fixtures to give: `model`; `rows` (a dozen or more, all inputs known to the model), `wanted`
    (the stored model's own scores of them), `number` and `word` (names of inputs of that kind);
    `rounding` where a model adds in fewer bits than 64."""

    @pytest.fixture
    def rounding(self) -> float:
        """How far sums may be apart that were added in another order."""
        return _ROUNDING

    def test_a_row_gets_the_score_of_the_stored_model(
        self, model: RowModel, rows: Sequence[Row], wanted: Sequence[float], rounding: float
    ) -> None:
        """Row by row, the scores are those that a batch would get."""
        found = [model.score(row) for row in rows]
        assert found == pytest.approx(list(wanted), rel=rounding, abs=rounding)

    def test_many_rows_get_what_each_gets(
        self, model: RowModel, rows: Sequence[Row], rounding: float
    ) -> None:
        """A batch, in any order and of any size, gives each row its own score."""
        alone = [model.score(row) for row in rows]
        assert model.scores(rows) == pytest.approx(alone, rel=rounding, abs=rounding)
        turned = model.scores(rows[::-1])[::-1]
        assert turned == pytest.approx(alone, rel=rounding, abs=rounding)
        assert model.scores([]) == []

    def test_the_same_row_gets_the_same_bits(self, model: RowModel, rows: Sequence[Row]) -> None:
        """Nothing is remembered from one row to the next."""
        first = [model.score(row) for row in rows]
        model.scores(rows)
        assert [model.score(row) for row in rows] == first

    def test_chances_tell_the_score(self, model: RowModel, rows: Sequence[Row]) -> None:
        """One number is the score itself; of several, which sum to one, the score is the best."""
        for row in rows:
            chances = model.chances(row)
            if len(chances) == 1:
                assert chances[0] == model.score(row)
            else:
                assert math.fsum(chances) == pytest.approx(1.0)
                assert chances.index(max(chances)) == model.score(row)

    def test_more_than_the_inputs_changes_nothing(
        self, model: RowModel, rows: Sequence[Row]
    ) -> None:
        """Columns that the model does not read are ignored, in whatever order they come."""
        for row in rows:
            more = {"_else": "x", **dict(reversed(list(row.items())))}
            assert model.score(more) == model.score(row)

    def test_a_word_never_seen_counts_as_missing(
        self, model: RowModel, rows: Sequence[Row], word: str
    ) -> None:
        """A category that training never saw gets what a missing one gets."""
        for row in rows:
            assert model.score({**row, word: "never seen"}) == model.score({**row, word: None})

    def test_what_is_wrong_with_a_row_is_said(
        self, model: RowModel, rows: Sequence[Row], number: str
    ) -> None:
        """A missing input and a text for a number are refused by the input's name."""
        without = {name: value for name, value in rows[0].items() if name != number}
        for wrong in (without, {**rows[0], number: "1.5"}, {**rows[0], number: 10**400}):
            with pytest.raises(DataError, match=number):
                model.score(wrong)
            with pytest.raises(DataError, match=number):
                model.scores([rows[0], wrong])

    def test_a_lane_is_a_shorter_way_to_the_same_score(
        self, model: RowModel, rows: Sequence[Row], number: str, word: str
    ) -> None:
        """Tuples get the model's own score; what is not plainly allowed gets None."""
        lane = _lane(model, rows[0], number, word)
        if lane is None:
            return
        plain = [tuple(row.values()) for row in rows if _plain(row)]
        wanted = [model.score(row) for row in rows if _plain(row)]
        assert plain
        assert [lane.score(values) for values in plain] == wanted
        assert lane.scores(plain) == wanted
        place = {name: i for i, name in enumerate(rows[0])}
        for name, value in ((number, "1.5"), (number, True), (number, 1e400), (word, 1.0)):
            odd = list(plain[0])
            odd[place[name]] = value
            assert lane.score(tuple(odd)) is None
            assert lane.scores([plain[0], tuple(odd)]) == [wanted[0], None]

    def test_a_form_reads_from_bytes_what_its_lane_reads_from_values(
        self, model: RowModel, rows: Sequence[Row], number: str, word: str
    ) -> None:
        """The score of each plain row; nothing of a row that breaks a rule, or of other bytes."""
        lane = _lane(model, rows[0], number, word)
        width = len(rows[0])
        between = (b"[", *[b","] * (width - 1), b"]")
        form = None if lane is None else lane.form(Laid(between, tuple(range(width))))
        if lane is None or form is None:
            return
        for row in filter(_plain, rows):
            body = json.dumps(list(row.values()), ensure_ascii=False, separators=(",", ":"))
            assert form.read(body.encode(), 0)
            assert form.score() == lane.score(tuple(row.values()))
            for other in (f" {body}", f"{body} ", body[:-1], body.replace(",", ", ", 1)):
                assert not form.read(other.encode(), 0)
            odd = json.dumps([True, *list(row.values())[1:]], separators=(",", ":"))
            assert not form.read(odd.encode(), 0)

    def test_contributions_name_the_features(self, model: RowModel, rows: Sequence[Row]) -> None:
        """Each feature gets a number, and something moves some row."""
        found = [model.contributions(row) for row in rows]
        assert all(set(f) == set(found[0]) for f in found)
        assert all(math.isfinite(v) for f in found for v in f.values())
        assert any(v != 0 for f in found for v in f.values())


def _lane(model: RowModel, row: Row, number: str, word: str) -> RowLane | None:
    """Return the lane of a model whose inputs may all be missing."""
    if not isinstance(model, LanedModel):
        return None
    kinds = {True: "category", False: "number"}
    rules = [Rule(name=name, kind=kinds[isinstance(v, str)]) for name, v in row.items()]
    assert {number, word} <= {rule.name for rule in rules}
    return model.lane(rules, object())


def _plain(row: Row) -> bool:
    return not any(isinstance(v, (bool, int)) for v in row.values())
