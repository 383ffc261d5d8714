"""The model server and the version in force as a container image: `tamid export image`, wired.

What the image holds of the workspace is an excerpt: the events by which the version answers, its
bundle, and the public keys. Neither tables nor history, and no secret.
"""

from __future__ import annotations

import platform
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tamid.config import Config
from tamid.core.errors import MissingExtra, UsageError
from tamid.core.values import Role, VersionRef, instant

if TYPE_CHECKING:
    from tamid.adapters._entries import Entry
    from tamid.core.chain import Draft
    from tamid.core.contract.model import Contract
    from tamid.core.ladder import Step
    from tamid.core.state import State
    from tamid.serving.brain.loading import World

HOME = "/srv/tamid"
USER = 10001
PORT = 8620
_KERNEL = "/opt/tamid/kernel"
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}
# What a server writes, and what the loop may lay there for it.
_WRITTEN = ("spool", "reports", "online")
_PASSWD = f"root:x:0:0:root:/:/bin/false\ntamid:x:{USER}:{USER}:tamid:{HOME}:/bin/false\n"
_GROUP = f"root:x:0:\ntamid:x:{USER}:\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """What was written: `digest` is the image's, `needs` names what must be mounted to it.

    `small`: the version answers compiled, so that neither Polars nor a machine learning library is
    in the image.
    """

    model: str
    version: int
    file: str
    name: str
    digest: str
    size: int
    small: bool
    needs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Subject:
    """What is put into the image: the version in force, and the one before if it may answer."""

    model: str
    world: World
    state: State
    contract: Contract
    steps: tuple[Step, ...]

    @property
    def numbers(self) -> list[int]:
        from tamid.core.ladder import PREVIOUS

        older = self.state.previous if any(s.rung == PREVIOUS for s in self.steps) else 0
        return [n for n in (older, self.state.champion) if n]

    @property
    def refs(self) -> list[VersionRef]:
        return [self.state.versions[n].registered.ref for n in self.numbers]


def export_image(config: Config, model: str | None, file: Path, name: str = "") -> Exported:
    """Write the server with a model's version in force as an OCI archive; same inputs, same digest.

    Raises:
        NotFound: there is no such model; UsageError: nothing to serve, or this Tamid cannot be
            packed; IntegrityError: a signature or a digest of the version does not hold.
    """
    from tamid.adapters.interpreter import package_entries, python_entries, zone_entries
    from tamid.adapters.oci import write_image

    subject = _subject(config, model)
    kernel = _kernel()
    small = bool(kernel) and _compiled(subject)
    number = subject.state.champion
    version = subject.state.versions[number]
    name = name or f"localhost/{subject.model.lower()}:{number}"
    machine = platform.machine()
    with tempfile.TemporaryDirectory() as folder:
        layers = (
            [*_bare(), *python_entries(), *zone_entries(subject.contract.calendar.timezone)],
            [*package_entries(["serve"] if small else ["serve", "loop"]), *kernel],
            list(_workspace(config, subject, Path(folder))),
        )
        made = write_image(
            file,
            layers,
            _started_with(subject, kernel=bool(kernel)),
            name=name,
            created=instant(version.at),
            machine=_MACHINES.get(machine, machine),
        )
    return Exported(
        model=subject.model,
        version=number,
        file=str(file),
        name=name,
        digest=made.digest,
        size=made.size,
        small=small,
        needs=_needs(config, subject),
    )


def _subject(config: Config, model: str | None) -> _Subject:
    from tamid.core.fold import fold
    from tamid.core.ladder import ladder
    from tamid.serving.wiring import one_model, world_of

    name = one_model(config, model)
    world = world_of(config, name, lambda text: None)
    state = fold(world.ledger.read(name))
    if state.retired or not state.champion:
        raise UsageError(
            f"there is nothing of {name} to serve",
            why="it was retired" if state.retired else "no version was released yet",
            fix="See `tamid status`.",
        )
    contract = world.parse(world.blobs.get(state.contract).decode())
    return _Subject(
        model=name,
        world=world,
        state=state,
        contract=contract,
        steps=ladder(contract.service.fallback, state.rung),
    )


def _compiled(subject: _Subject) -> bool:
    """Say whether all that answers does so without a worker; check signatures and digests."""
    from tamid.core.ladder import RULE_RUNG
    from tamid.serving.wiring import row_model_of

    found = [subject.world.verified(ref) for ref in subject.refs]
    rule = any(step.rung == RULE_RUNG for step in subject.steps)
    return not rule and all(row_model_of(one) is not None for one in found)


def _kernel() -> list[Entry]:
    """Return this machine's kernel where the image looks for it; nothing where it has none."""
    from tamid.adapters._entries import Entry
    from tamid.adapters.engines.kernel import shipped
    from tamid.adapters.interpreter import INCLUDE

    try:
        name, content = shipped(Path(INCLUDE))
    except MissingExtra:
        return []
    # A kernel is only loaded out of a folder of one's own.
    return [
        Entry(path=_KERNEL, mode=0o555, owner=USER),
        Entry(path=f"{_KERNEL}/{name}", mode=0o555, owner=USER, content=content),
    ]


def _bare() -> list[Entry]:
    """Return what a system has besides programs: a place for temporary files, names of users."""
    from tamid.adapters._entries import Entry

    return [
        Entry(path="/tmp", mode=0o1777),  # noqa: S108 - the image's own
        Entry(path="/etc/passwd", content=_PASSWD.encode()),
        Entry(path="/etc/group", content=_GROUP.encode()),
    ]


def _workspace(config: Config, subject: _Subject, folder: Path) -> Iterator[Entry]:
    """Yield a workspace that can serve and nothing else."""
    from tamid.adapters._entries import Entry
    from tamid.adapters.blobs import FileBlobs
    from tamid.adapters.sqlite import SqliteLedger

    ledger, blobs = SqliteLedger(folder / "ledger.sqlite"), FileBlobs(folder / "blobs")
    ledger.append(subject.model, _excerpt(subject), 0, 0)
    ledger.close()
    source = subject.world.blobs
    text = source.get(subject.state.contract)
    blobs.put(text)
    for ref in subject.refs:
        found = subject.world.verified(ref)
        for digest in (ref.bundle, ref.overlay, *found.opened.manifest.files.values()):
            blobs.put(source.get(digest))
    store = f"{HOME}/.tamid"
    # The journal is over: a ledger that was closed is whole without it.
    whole = (p for p in folder.rglob("*") if p.is_file() and not p.name.endswith("-journal"))
    for path in sorted(whole):
        yield Entry(path=f"{store}/{path.relative_to(folder).as_posix()}", content=path)
    keys = config.store / "keys"
    for path in (*sorted((keys / "trusted").glob("*.pem")), keys / "revoked.txt"):
        if path.is_file():
            yield Entry(path=f"{store}/keys/{path.relative_to(keys).as_posix()}", content=path)
    yield Entry(path=f"{HOME}/contract.yaml", content=text)
    entities = f'[workspace]\nentities = "{config.entities}"\n'
    yield Entry(path=f"{HOME}/tamid.toml", content=entities.encode())
    for name in _WRITTEN:
        yield Entry(path=f"{store}/{name}", mode=0o755, owner=USER)
        yield Entry(path=f"{store}/{name}/{subject.model}", mode=0o755, owner=USER)


def _excerpt(subject: _Subject) -> Sequence[Draft]:
    """Return the events by which the versions answer, with their own moments and reasons."""
    from tamid.core import events as ev
    from tamid.core.chain import Draft

    state = subject.state
    first = state.versions[subject.numbers[0]].at
    drafts = [Draft(event=ev.ContractAdopted(key="adopt", contract=state.contract), at=first)]
    before = 0
    for number in subject.numbers:
        version = state.versions[number]
        # Registered with the overlay that is in force now: a threshold may have moved since.
        drafts.append(Draft(event=version.registered, at=version.at))
        reign = next(r for r in reversed(state.reigns) if r.number == number)
        promoted = ev.Promoted(
            key=f"promote/{number}", number=number, previous=before, reason=reign.reason,
            evidence=reign.evidence,
        )  # fmt: skip
        drafts.append(
            Draft(
                event=promoted, at=reign.since, actor=reign.actor, role=Role(reign.role),
                reason=reign.reason,
            )
        )  # fmt: skip
        before = number
    if state.rung != "champion":
        moved = ev.RungSet(key="rung", rung=state.rung, reason="moved by the loop")
        drafts.append(Draft(event=moved, at=drafts[-1].at))
    return drafts


def _started_with(subject: _Subject, *, kernel: bool) -> dict[str, object]:
    import tamid
    from tamid.adapters.engines.kernel import CACHE
    from tamid.adapters.interpreter import PYTHON

    ref = subject.refs[-1]
    environment = {
        "PATH": f"{PYTHON.rpartition('/')[0]}:/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "HOME": "/tmp",  # noqa: S108 - the image's own
        "PYTHONDONTWRITEBYTECODE": "1",
        CACHE: _KERNEL if kernel else "off",
    }
    serve = ["serve", subject.model, "--host", "0.0.0.0", "--port", str(PORT)]  # noqa: S104
    return {
        "User": f"{USER}:{USER}",
        "WorkingDir": HOME,
        "Env": [f"{name}={text}" for name, text in sorted(environment.items())],
        "Entrypoint": [PYTHON, "-P", "-m", "tamid", "-C", HOME, *serve],
        "ExposedPorts": {f"{PORT}/tcp": {}},
        "StopSignal": "SIGTERM",
        "Labels": {
            "org.opencontainers.image.title": subject.model,
            "org.opencontainers.image.version": str(subject.state.champion),
            "tamid.bundle": ref.bundle,
            "tamid.overlay": ref.overlay,
            "tamid.version": tamid.__version__,
        },
    }


def _needs(config: Config, subject: _Subject) -> tuple[str, ...]:
    """Return the secrets of the store that the server needs and no image may hold."""
    names = ["vault.key"] if config.entities == "pseudonyms" else []
    if subject.contract.delivery.control_group:
        names.append("salt")
    return tuple(f"{HOME}/.tamid/{name}" for name in names)
