"""A life that is mirrored on a tracking server, whatever becomes of the server meanwhile."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from itertools import count

import pytest
import toy
from small_world import Stores

from tamid.adapters.keys import Keys
from tamid.adapters.memory_clock import SimulatedClock
from tamid.adapters.memory_mirror import MemoryMirror
from tamid.core import events as ev
from tamid.core.chain import Draft, Recorded, chain
from tamid.core.errors import IntegrityError, MirrorDown
from tamid.core.fold import fold
from tamid.core.values import Role
from tamid.ports import Edition, Exhibit
from tamid.pyfunc import opened_folder
from tamid.stages import mirroring
from tamid.stages.exhibits import home_of, key_of
from tamid.stages.loop import adopt, tick
from tamid.stages.mirroring import Gallery, mirrored
from tamid.workshop import parse


class Life:
    """The toy's life, and its ledger by the end of each turn."""

    def __init__(self, signer: Keys) -> None:
        self.stores, self.ends = Stores(toy.MODEL, signer, toy.SALT), list[int]()
        for number, turn in enumerate(toy.life()):
            for source, files in ((self.stores.rows, turn.rows), (self.stores.labels, turn.labels)):
                for name, frame in files.items():
                    source.put(name, frame, turn.at)
            rig = self.stores.opened(SimulatedClock(turn.at))
            tick(rig, f"process {number}", adopt(rig, turn.contract, {}, turn.at))
            self.ends.append(len(self.records))

    @property
    def records(self) -> Sequence[Recorded]:
        """All events."""
        return self.stores.ledger.read(toy.MODEL)

    def gallery(self, mirror: MemoryMirror) -> Gallery:
        """What is shown, on a mirror."""
        return Gallery(
            model=toy.MODEL,
            mirror=mirror,
            blobs=self.stores.blobs,
            signer=self.stores.signer,
            parse=parse,
        )

    def shown(self, mirror: MemoryMirror, until: int = 0, after: int = 0) -> int:
        """Show events `after` to `until`; return how far it came."""
        records = self.records[: until or None]
        return [after, *mirrored(self.gallery(mirror), records, after)][-1]


@pytest.fixture(scope="module")
def life(keys: Keys) -> Life:
    """The life that is mirrored."""
    return Life(keys)


@pytest.fixture(scope="module")
def whole(life: Life) -> MemoryMirror:
    """All of it on a server that was always there, turn by turn."""
    mirror, place = MemoryMirror(), 0
    for end in life.ends:
        place = life.shown(mirror, end, place)
    return mirror


def same(one: MemoryMirror, two: MemoryMirror) -> None:
    """Compare two servers part by part."""
    assert one.aliases == two.aliases
    assert one.editions.keys() == two.editions.keys()
    assert one.files == two.files
    assert one.work.keys() == two.work.keys()
    for key, piece in one.work.items():
        other = two.work[key]
        assert sorted(map(repr, piece.readings)) == sorted(map(repr, other.readings)), key
        assert (piece.status, piece.params, piece.tags) == (
            other.status, other.params, other.tags,
        ), key  # fmt: skip


def test_every_run_is_shown(life: Life, whole: MemoryMirror) -> None:
    """Runs with outcome, metrics and reports; what was tried in them; numbers of production."""
    state = fold(life.records)
    assert len(state.runs) >= 3
    home = home_of(life.records)
    for run in state.runs.values():
        name = key_of(home, run.started.run)
        shown = whole.work[name]
        assert run.finished is not None
        assert run.judged is not None
        assert shown.status == "finished"
        assert shown.tags["outcome"] == run.judged.outcome
        values = {r.name: r.value for r in shown.readings}
        assert dict(run.finished.metrics).items() <= values.items()
        cases = {
            f"case-{n}.json" for n, c in state.cases.items() if c.opened.run == run.started.run
        }
        assert set(whole.files[name]) == {"report.json", "judgement.json", *cases}
        assert [p for p in whole.work.values() if p.parent == name]
    assert any(name.startswith("case-") for files in whole.files.values() for name in files)
    production = whole.work[key_of(home, "production/1")]
    told = {r.event.period for r in life.records if isinstance(r.event, ev.Measured)
            and (r.event.signal, r.event.model_version) == ("quality", 1)}  # fmt: skip
    assert len({r.step for r in production.readings if r.name == "quality"}) == len(told) > 3


def test_versions_and_aliases_follow(life: Life, whole: MemoryMirror) -> None:
    """Each registered version is an edition in order, and the champion's overlay has the alias."""
    state = fold(life.records)
    numbers = [e.number for e in whole.editions.values()]
    assert sorted(set(numbers)) == sorted(state.versions)
    assert numbers == sorted(numbers)
    champion = state.versions[state.champion].registered
    assert whole.aliases == {"champion": champion.ref.overlay}
    assert whole.editions[champion.ref.overlay].run == key_of(home_of(life.records), champion.run)


def test_a_server_that_was_away_gets_it_all(life: Life, whole: MemoryMirror) -> None:
    """A mirror that was down for some turns, or came only in the end, shows the same."""
    late = MemoryMirror()
    assert life.shown(late) == life.ends[-1]
    same(late, whole)
    flaky, place = MemoryMirror(), 0
    for number, end in enumerate(life.ends):
        flaky.down = number % 4 in (1, 2)
        try:
            place = life.shown(flaky, end, place)
        except MirrorDown:
            assert flaky.down
    flaky.down = False
    assert life.shown(flaky, 0, place) == life.ends[-1]
    same(flaky, whole)


def test_showing_all_again_changes_nothing(life: Life, whole: MemoryMirror) -> None:
    """A bookmark that was lost costs time and nothing else."""
    again = MemoryMirror()
    life.shown(again)
    life.shown(again)
    same(again, whole)


class Dying(MemoryMirror):
    """A server that breaks off at one call, before or after it took it."""

    def __init__(self, at: int) -> None:
        super().__init__()
        self._left, self._calls = at, count(1)

    def show(self, work: Sequence[Exhibit]) -> None:
        """Show, or break off after half of it."""
        half = len(work) // 2
        super().show(work[:half])
        self._step()
        super().show(work[half:])

    def attach(self, key: str, files: Mapping[str, bytes]) -> None:
        """Take it and break off."""
        super().attach(key, files)
        self._step()

    def publish(self, edition: Edition) -> None:
        """Break off before it."""
        self._step()
        super().publish(edition)

    def point(self, alias: str, overlay: str) -> None:
        """Take it and break off."""
        super().point(alias, overlay)
        self._step()

    def _step(self) -> None:
        if next(self._calls) == self._left:
            raise MirrorDown("broken off")


def test_it_may_break_off_at_any_call(
    life: Life, whole: MemoryMirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever the server breaks off, the next mirror goes on and comes to the same end."""
    monkeypatch.setattr(mirroring, "CHUNK", 40)
    met = 0
    for at in count(1):
        server, places = Dying(at), [0]
        try:
            places.extend(mirrored(life.gallery(server), life.records, 0))
            break
        except MirrorDown:
            met += 1
        life.shown(server, 0, places[-1])
        same(server, whole)
    assert met > 20


def test_a_rollback_moves_the_alias_back(life: Life) -> None:
    """After a rollback the alias names who answers again; of a retired model it names nobody."""
    mirror = MemoryMirror()
    place = life.shown(mirror)
    state = fold(life.records)
    back = ev.RolledBack(key="back", number=state.champion, back_to=state.previous, reason="worse")
    at = life.records[-1].at + timedelta(hours=1)
    draft = Draft(event=back, at=at, actor="ops", role=Role.MLOPS_ENGINEER, reason="worse")
    stores = life.stores
    records = [*life.records]
    records.append(chain(toy.MODEL, len(records) + 1, draft, records[-1].hash))
    (end,) = mirrored(life.gallery(mirror), records, place)
    assert end == len(records)
    before = state.versions[state.previous].registered.ref.overlay
    assert mirror.aliases["champion"] == before
    assert stores.ledger.read(toy.MODEL)[-1].seq == place
    gone = Draft(event=ev.Retired(key="gone", champion=state.previous), at=at, reason="over")
    records.append(chain(toy.MODEL, end + 1, gone, records[-1].hash))
    assert list(mirrored(life.gallery(mirror), records, end)) == [end + 1]
    assert not mirror.aliases


def test_what_nobody_trusts_is_not_published(
    life: Life, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Bundles whose signature does not hold are not shown, and no alias names them."""
    foreign = Keys(tmp_path_factory.mktemp("foreign"))
    foreign.create()
    mirror = MemoryMirror()
    gallery = Gallery(
        model=toy.MODEL, mirror=mirror, blobs=life.stores.blobs, signer=foreign, parse=parse
    )
    assert list(mirrored(gallery, life.records, 0))[-1] == len(life.records)
    assert not mirror.editions
    assert not mirror.aliases
    assert mirror.work


def test_a_published_bundle_is_opened_whole_or_not_at_all(
    life: Life, whole: MemoryMirror, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The loader checks every file, and signatures where keys are given."""
    state = fold(life.records)
    edition = whole.editions[state.versions[state.champion].registered.ref.overlay]
    folder = tmp_path_factory.mktemp("bundle")
    for path, content in edition.files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    assert opened_folder(folder, "").overlay.bundle == edition.bundle
    keys = tmp_path_factory.mktemp("trust")
    (keys / "trusted").mkdir()
    with pytest.raises(IntegrityError, match="not trusted"):
        opened_folder(folder, str(keys))
    signer = life.stores.signer
    for info in signer.known():
        (keys / "trusted" / f"{info.id}.pem").write_bytes(signer.export(info.id))
    assert opened_folder(folder, str(keys)).overlay.bundle == edition.bundle
    (folder / "card.md").write_text("another card")
    with pytest.raises(IntegrityError, match=r"card\.md"):
        opened_folder(folder, "")
    (folder / "card.md").write_bytes(edition.files["card.md"])
    (folder / "more.py").write_text("1")
    with pytest.raises(IntegrityError, match=r"more\.py"):
        opened_folder(folder, "")
