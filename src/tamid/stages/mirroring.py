"""Mirroring: the ledger as a tracking server shows it, event for event, in the ledger's order.

The ledger itself is the outbox: what was not shown yet stands behind the last event that was. All
showing may be repeated, so a mirror that died anywhere, or met a dead server, goes on from there.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from tamid.core import events as ev
from tamid.core.chain import Recorded
from tamid.core.contract.model import Contract
from tamid.core.errors import IntegrityError, NotFound
from tamid.core.fold import fold
from tamid.core.learning.bundle import Manifest, read_manifest
from tamid.core.state import State
from tamid.core.values import Task, VersionRef
from tamid.ports import Blobs, Edition, Mirror, Signer, Slot
from tamid.stages.exhibits import home_of, key_of, production_shown, run_shown, trials_shown
from tamid.stages.golden import CONTRACT, GOLDEN
from tamid.stages.packaging import carry

# Events that are shown before it is noted how far the mirror is.
CHUNK = 500
CHAMPION, CHALLENGER = "champion", "challenger"
_ABOUT_RUNS = (ev.RunStarted, ev.RunFinished, ev.RunFailed, ev.Judged, ev.VersionRegistered)
_ABOUT_RELEASES = (
    ev.VersionRegistered, ev.StageEntered, ev.Promoted, ev.RolledBack, ev.ReleaseStopped,
    ev.ApprovalRefused, ev.ThresholdMoved, ev.NormalAccepted, ev.Retired, ev.Reinstated,
)  # fmt: skip
_KINDS: Mapping[str, str] = {
    "text": "text", "boolean": "boolean", "datetime": "moment", "naive": "moment", "date": "moment",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Gallery:
    """What a mirror shows of one model, and where; `signer` says whose bundles are trusted."""

    model: str
    mirror: Mirror
    blobs: Blobs
    signer: Signer
    parse: Callable[[str], Contract]


@dataclass(slots=True)
class _Told:
    """The story up to some event: the state, and when runs came to an end.

    `home` stands before each key: two workspaces may show models of one name on one server.
    """

    home: str
    state: State = field(default_factory=State)
    ended: dict[str, datetime] = field(default_factory=dict)

    def hear(self, records: Sequence[Recorded]) -> None:
        self.state = fold(records, self.state)
        for r in records:
            if isinstance(r.event, (ev.RunFinished, ev.RunFailed)):
                self.ended[r.event.run] = r.at


def mirrored(gallery: Gallery, records: Sequence[Recorded], after: int) -> Iterator[int]:
    """Show what happened after event `after`; yield how far it is shown, again and again.

    Raises:
        MirrorDown: the server did not take it; what was yielded last is shown.
    """
    told = _Told(home=home_of(records))
    told.hear([r for r in records if r.seq <= after])
    fresh = [r for r in records if r.seq > after]
    for i in range(0, len(fresh), CHUNK):
        chunk = fresh[i : i + CHUNK]
        told.hear(chunk)
        _show(gallery, told, chunk)
        yield chunk[-1].seq


def _show(gallery: Gallery, told: _Told, chunk: Sequence[Recorded]) -> None:
    """Show a chunk: the work, then its files, then versions, then who answers."""
    state, mirror = told.state, gallery.mirror
    runs = dict.fromkeys(r.event.run for r in chunk if isinstance(r.event, _ABOUT_RUNS))
    finished = [r for r in chunk if isinstance(r.event, ev.RunFinished)]
    work = [run_shown(told.home, state, state.runs[run], told.ended.get(run)) for run in runs]
    for r in finished:
        assert isinstance(r.event, ev.RunFinished)
        work += trials_shown(told.home, gallery.blobs, r.event, r.at)
    work += production_shown(told.home, state, chunk)
    if work:
        mirror.show(work)
    for r in chunk:
        if isinstance(r.event, ev.RunFinished):
            _attach(gallery, key_of(told.home, r.event.run), "report.json", r.event.report)
        elif isinstance(r.event, ev.Judged):
            _attach(gallery, key_of(told.home, r.event.run), "judgement.json", r.event.report)
        elif isinstance(r.event, ev.CaseOpened) and r.event.run:
            key = key_of(told.home, r.event.run)
            _attach(gallery, key, f"case-{r.event.case}.json", r.event.report)
        elif (ref := _published(state, r.event)) is not None:
            _publish(gallery, told, ref, r.at)
    if any(isinstance(r.event, _ABOUT_RELEASES) for r in chunk):
        for alias, number in ((CHAMPION, state.champion), (CHALLENGER, state.challenger)):
            # Of a model that is out of service nothing is to be loaded.
            mirror.point(alias, _answering(gallery, told, 0 if state.retired else number))


def _attach(gallery: Gallery, key: str, name: str, digest: str) -> None:
    try:
        gallery.mirror.attach(key, {name: gallery.blobs.get(digest)})
    except NotFound:  # what was cleared away here cannot be shown there
        return


def _published(state: State, event: ev.Event) -> VersionRef | None:
    """Return the pair of bundle and overlay that an event made, if it made one."""
    if isinstance(event, ev.VersionRegistered):
        return event.ref
    if isinstance(event, (ev.ThresholdMoved, ev.NormalAccepted)) and event.overlay:
        ref = state.versions[event.number].registered.ref
        return dataclasses.replace(ref, overlay=event.overlay)
    return None


def _publish(gallery: Gallery, told: _Told, ref: VersionRef, at: datetime) -> bool:
    """Publish a pair whose signatures hold, and say so; another one is not for anybody to load."""
    registered = told.state.versions[ref.number].registered
    try:
        files = carry(ref.bundle, ref.overlay, gallery.blobs, gallery.signer)
    except IntegrityError:
        return False
    manifest = read_manifest(files["manifest.json"])
    gallery.mirror.publish(
        Edition(
            number=ref.number,
            bundle=ref.bundle,
            overlay=ref.overlay,
            run=key_of(told.home, registered.run),
            made=at,
            files=files,
            inputs=_inputs(manifest, files, gallery.parse(files[CONTRACT].decode())),
            outputs=_outputs(manifest),
            tags={"contract": registered.contract, "trained_through": registered.trained_through},
        )
    )
    return True


def _inputs(manifest: Manifest, files: Mapping[str, bytes], contract: Contract) -> list[Slot]:
    """Return the columns that a bundle reads, in the types of training."""
    kinds = {c["name"]: c["type"] for c in json.loads(files[GOLDEN])["columns"]}
    found = []
    for name in manifest.schema.inputs:
        column = contract.data.schema.get(name)
        kind = _KINDS.get(kinds.get(name, ""), "number")
        needed = column is None or not column.nullable
        found.append(Slot(name=name, kind=kind, required=needed))  # type: ignore[arg-type]
    return found


def _outputs(manifest: Manifest) -> list[Slot]:
    schema = manifest.schema
    names = ["score", *(f"class_{name}" for name in schema.classes)]
    if schema.task is Task.BINARY:
        names.append("decision")
    return [Slot(name=name) for name in names]


def _answering(gallery: Gallery, told: _Told, number: int) -> str:
    """Return the overlay under which a version is published; "" where there is nothing to load."""
    if not number:
        return ""
    version = told.state.versions[number]
    ref = version.registered.ref
    return ref.overlay if _publish(gallery, told, ref, version.at) else ""
