"""Laws of the Lookup port; a subclass gives the fixture `lookup`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tamid.ports import Known, Lookup


def known(entity: str, score: float | None = 0.5) -> Known:
    """Return an entry."""
    inputs = '{"calls":1.5,"plan":"סיב"}'
    return Known(
        entity=entity, as_of=10.0, inputs=inputs, score=score, version=3 if score else 0, made=20.0
    )


class LookupSuite:
    """What every look-up keeps."""

    def test_nothing_is_known_before_the_first_content(self, lookup: Lookup) -> None:
        """No key, nobody known."""
        assert lookup.key() == ""
        assert lookup.get("a") is None

    def test_what_was_written_is_found(self, lookup: Lookup) -> None:
        """By entity, whole; nobody else."""
        lookup.write("one", [known("לקוח"), known("b", None)])
        assert lookup.key() == "one"
        assert lookup.get("לקוח") == known("לקוח")
        assert lookup.get("b") == known("b", None)
        assert lookup.get("c") is None

    def test_a_new_content_replaces_all(self, lookup: Lookup) -> None:
        """Nothing of the one before is left."""
        lookup.write("one", [known("a")])
        lookup.write("two", [known("b", 0.25)])
        assert lookup.key() == "two"
        assert lookup.get("a") is None
        assert lookup.get("b") == known("b", 0.25)

    def test_what_could_not_be_made_leaves_the_one_before(self, lookup: Lookup) -> None:
        """An error amid the entries changes nothing."""
        lookup.write("one", [known("a")])

        def broken() -> Iterator[Known]:
            yield known("b")
            raise RuntimeError

        with pytest.raises(RuntimeError):
            lookup.write("two", broken())
        assert lookup.key() == "one"
        assert lookup.get("a") == known("a")
        assert lookup.get("b") is None
