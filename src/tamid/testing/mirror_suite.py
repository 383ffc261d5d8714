"""Laws of the Mirror port; a subclass gives the fixtures `mirror` and `wall`.

`wall()` returns what a person finds on the server of one model that nothing was shown of before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest

from tamid.core.errors import MirrorDown
from tamid.core.values import digest_of
from tamid.ports import Edition, Exhibit, Mirror, Reading, Slot

BEGAN = datetime(2026, 1, 4, 6, tzinfo=UTC)
RUN = Exhibit(
    key="run-1",
    title="run-1",
    began=BEGAN,
    params={"trigger": "first", "window": "26w"},
    tags={"git": "c0ffee", "note": "שלום"},
)
# Columns may have any name, and become part of the names of metrics.
NAMES = ("f1", "column_drift/גיל", "p99 (ms) of 'plan'@3", "p99 (ms) of 'plan'#3")


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A piece of work as found: its readings are (value, step) by the metric's name, sorted."""

    status: str
    parent: str
    params: Mapping[str, str]
    tags: Mapping[str, str]
    readings: Mapping[str, list[tuple[float, int]]]
    files: Mapping[str, bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wall:
    """What is found: work by its key, (number, run, files) by overlay, overlays by alias."""

    work: Mapping[str, Piece]
    editions: Mapping[str, tuple[int, str, Mapping[str, bytes]]]
    aliases: Mapping[str, str]


Look = Callable[[], Wall]


def edition(number: int, text: str = "", run: str = "run-1") -> Edition:
    """Return an edition with a few files; `text` tells overlays of one version apart."""
    files = {
        "manifest.json": f'{{"number": {number}}}'.encode(),
        "overlay.json": b"{}",
        "contract.yaml": b"tamid: 1\n",
        "model/model.txt": b"tree " * 50,
    }
    return Edition(
        number=number,
        bundle=digest_of([number]),
        overlay=digest_of([number, text]),
        run=run,
        made=BEGAN,
        files=files,
        inputs=[Slot(name="גיל", required=False), Slot(name="plan", kind="text")],
        outputs=[Slot(name="score")],
        tags={"outcome": "promote"},
    )


class MirrorSuite:
    """What every mirror keeps."""

    def test_nothing_is_there_at_first(self, mirror: Mirror, wall: Look) -> None:
        """Of a model that nothing was shown of there is nothing, and no alias to take away."""
        mirror.point("champion", "")
        assert wall() == Wall(work={}, editions={}, aliases={})

    def test_a_run_is_shown_as_it_is(self, mirror: Mirror, wall: Look) -> None:
        """Parameters, tags and state are found as they were given, Hebrew among them."""
        mirror.show([RUN])
        piece = wall().work["run-1"]
        assert (piece.status, piece.parent) == ("running", "")
        assert piece.params == RUN.params
        assert dict(RUN.tags).items() <= piece.tags.items()

    def test_showing_again_changes_nothing(self, mirror: Mirror, wall: Look) -> None:
        """A piece of work shown twice is there once."""
        done = replace(
            RUN, status="finished", ended=BEGAN + timedelta(hours=1), readings=readings(1)
        )
        mirror.show([done])
        once = wall()
        mirror.show([done])
        assert wall() == once

    def test_what_is_known_by_now_replaces(self, mirror: Mirror, wall: Look) -> None:
        """A run that failed, began again and finished is finished; parameters stay the first."""
        mirror.show([RUN])
        mirror.show([replace(RUN, status="failed", ended=BEGAN, tags={"error": "no memory"})])
        assert wall().work["run-1"].status == "failed"
        mirror.show([replace(RUN, params={"trigger": "other", "rows": "900"})])
        assert wall().work["run-1"].status == "running"
        mirror.show([replace(RUN, status="finished", ended=BEGAN, tags={"outcome": "keep"})])
        piece = wall().work["run-1"]
        assert piece.status == "finished"
        assert piece.params == {"trigger": "first", "window": "26w", "rows": "900"}
        assert {"error": "no memory", "outcome": "keep", "git": "c0ffee"}.items() <= (
            piece.tags.items()
        )

    def test_trials_belong_to_their_run(self, mirror: Mirror, wall: Look) -> None:
        """Children name their parent; many come in one go."""
        trials = [
            Exhibit(
                key=f"run-1/trial/{n}",
                title=f"trial {n}",
                began=BEGAN,
                status="finished",
                ended=BEGAN,
                parent="run-1",
                params={"leaves": str(n)},
                readings=readings(n),
            )
            for n in range(7)
        ]
        mirror.show([RUN, *trials])
        mirror.show(trials)
        work = wall().work
        assert set(work) == {"run-1", *(t.key for t in trials)}
        assert {work[t.key].parent for t in trials} == {"run-1"}
        assert work["run-1/trial/6"].readings["f1"] == [(6.0, 6)]

    def test_readings_add_up(self, mirror: Mirror, wall: Look) -> None:
        """Each reading is kept with its step; names of columns do not run into one another."""
        for step in (1, 3, 2):
            mirror.show([replace(RUN, readings=readings(step))])
        found = wall().work["run-1"].readings
        assert len(found) == len(NAMES)
        assert all(points == [(1.0, 1), (2.0, 2), (3.0, 3)] for points in found.values())
        assert found["f1"]

    def test_thousands_of_readings_arrive(self, mirror: Mirror, wall: Look) -> None:
        """More than any server takes at once comes in batches, with many parameters and tags."""
        many = [Reading(name="f1", value=n / 8, at=BEGAN, step=n) for n in range(2300)]
        params = {f"p{n}": "v" * 700 for n in range(130)}
        tags = {f"t{n}": "w" * 900 for n in range(130)}
        mirror.show([replace(RUN, params=params, tags=tags, readings=many)])
        piece = wall().work["run-1"]
        assert piece.readings["f1"] == [(n / 8, n) for n in range(2300)]
        assert piece.params == params
        assert tags.items() <= piece.tags.items()

    def test_files_lie_beside_their_work(self, mirror: Mirror, wall: Look) -> None:
        """Files are found under their paths, replaced by a later one, never by none."""
        mirror.show([RUN])
        mirror.attach("run-1", {"report.json": b"{}", "deep/er.json": b"[1]"})
        mirror.attach("run-1", {"report.json": b'{"a": 1}'})
        assert wall().work["run-1"].files == {"report.json": b'{"a": 1}', "deep/er.json": b"[1]"}

    def test_a_version_is_published_once(self, mirror: Mirror, wall: Look) -> None:
        """An edition is found with its files and its run, however often it is published."""
        mirror.show([RUN])
        for _ in range(2):
            mirror.publish(edition(1))
        given = edition(1)
        assert wall().editions == {given.overlay: (1, "run-1", given.files)}

    def test_another_overlay_is_another_edition(self, mirror: Mirror, wall: Look) -> None:
        """A moved threshold is published beside the version that it was moved of."""
        mirror.show([RUN])
        for one in (edition(1), edition(1, "moved"), edition(2)):
            mirror.publish(one)
        assert sorted(number for number, _, _ in wall().editions.values()) == [1, 1, 2]

    def test_aliases_follow(self, mirror: Mirror, wall: Look) -> None:
        """An alias names one edition at a time, goes back, and can be taken away."""
        mirror.show([RUN])
        one, two = edition(1), edition(2)
        mirror.publish(one)
        mirror.publish(two)
        mirror.point("champion", one.overlay)
        mirror.point("challenger", two.overlay)
        assert wall().aliases == {"champion": one.overlay, "challenger": two.overlay}
        mirror.point("champion", two.overlay)
        mirror.point("challenger", "")
        mirror.point("challenger", "")
        assert wall().aliases == {"champion": two.overlay}
        mirror.point("champion", one.overlay)
        assert wall().aliases == {"champion": one.overlay}

    def test_an_alias_needs_an_edition(self, mirror: Mirror, wall: Look) -> None:
        """What was never published cannot be pointed at; the alias stays where it was."""
        mirror.show([RUN])
        mirror.publish(edition(1))
        mirror.point("champion", edition(1).overlay)
        with pytest.raises(MirrorDown):
            mirror.point("champion", edition(9).overlay)
        assert wall().aliases == {"champion": edition(1).overlay}


def readings(step: int) -> list[Reading]:
    """Return a reading of each name at a step."""
    at = BEGAN + timedelta(days=step)
    return [Reading(name=name, value=float(step), at=at, step=step) for name in NAMES]
