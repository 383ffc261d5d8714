"""An entity forgotten wherever it is stored, with a proof that names it nowhere.

In a store of pseudonyms the one row of the vault goes. In a store of names every file of every
table is rewritten, whichever version reads it; each change stands in the ledger by the digests of
the slice before and after, so that what is whole is told from what was altered.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from typing import TYPE_CHECKING

import polars as pl

from tamid.core.errors import IntegrityError
from tamid.core.events import EntityErased
from tamid.core.pseudonym import pseudonym
from tamid.core.values import ENTITY, Role, canonical_json
from tamid.store import refuse_without_secrets

if TYPE_CHECKING:
    from tamid.adapters.marks import Mark
    from tamid.app import App
    from tamid.core.chain import Recorded
    from tamid.ports import Progress

# What is logged of a row that servers answered, as JSON.
_INPUTS = "inputs"
# Ids of predictions are made of the entity: who knows the name could make them again.
_ID = "id"


@dataclass(frozen=True, slots=True, kw_only=True)
class Erased:
    """What was done: what stands for the entity now, files and rows by table, look-ups, models.

    `left`: where the name still stands, and cannot be taken out. `known`: whether there was any.
    """

    stands: str
    tables: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    lookups: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    known: bool = True


def erase(app: App, name: str, *, actor: str, role: Role, reason: str) -> Erased:
    """Forget an entity. All models must stand still; killed half-way, the same call goes on.

    Raises:
        IntegrityError: something was rewritten that no erasure vouches for.
    """
    refuse_without_secrets(app.config.store, "erase an entity")
    if app.edges.vault is not None:
        known = bool(app.edges.vault.names([pseudonym(name, app.edges.vault.key)]))
        stands = app.edges.vault.erase(name)
        found = Erased(stands=stands, lookups=_out_of_lookups(app, stands), known=known)
        said = {"store": "pseudonyms", "stands": stands, "lookups": found.lookups}
        return _told(app, found, said, actor, role, reason)
    marks = app.edges.marks
    assert marks is not None
    if not marks.unfinished() and (loose := unvouched(app)):
        raise _altered(loose)
    mark = marks.begin(name)
    found = _out_of_tables(app, name, mark, app.progress)
    fresh = unvouched(app)
    proof: dict[str, object] = {
        "store": "names",
        "stands": mark.stands,
        "lookups": found.lookups,
        "slices": fresh,
    }
    done = _told(app, found, proof, actor, role, reason)
    marks.done(mark)
    return done


def unvouched(app: App) -> dict[str, dict[str, str]]:
    """Return the changes of tables that no event of the ledger tells of, by table."""
    from tamid.adapters._redactions import redactions
    from tamid.adapters.rewriting import tables_below

    vouched = _vouched(app)
    root, found = app.config.store / "tables", {}
    for table in tables_below(root):
        mine = vouched.get(table, {})
        loose = {o: n for o, n in redactions(root / table).items() if mine.get(o) != n}
        if loose:
            found[table] = loose
    return found


def _vouched(app: App) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for stream in app.ledger.streams():
        for record in app.ledger.read(stream):
            event = record.event
            if isinstance(event, EntityErased) and event.report:
                slices = json.loads(app.blobs.get(event.report)).get("slices", {})
                for table, changes in slices.items():
                    found.setdefault(table, {}).update(changes)
    return found


def _out_of_tables(app: App, name: str, mark: Mark, progress: Progress) -> Erased:
    from tamid.adapters.rewriting import rewrite, tables_below

    root = app.config.store / "tables"
    columns = _entity_columns(app)
    done: dict[str, tuple[int, int]] = {}
    tables = tables_below(root)
    for number, table in enumerate(tables, 1):
        made = rewrite(root, table, lambda frame: nameless(frame, name, mark, columns))
        if made.files:
            done[table] = (made.files, made.rows)
        progress.step("tables rewritten", number, len(tables))
    lookups, left = _out_of_lookups(app, name), _left(app, name)
    return Erased(
        stands=mark.stands,
        tables=done,
        lookups=lookups,
        left=left,
        known=bool(done or lookups or left),
    )


def nameless(
    frame: pl.DataFrame, name: str, mark: Mark, columns: Sequence[str]
) -> pl.DataFrame | None:
    """Return a slice in which something else stands for a name; None if the name is not in it."""
    there = pl.lit(value=False)
    own = [c for c in columns if c in frame.columns]
    for column in own:
        there |= pl.col(column).cast(pl.String) == name
    rows = frame.select(there.fill_null(value=False)).to_series()
    if not rows.any():
        return None
    changed = [
        pl.when(pl.lit(rows) & (pl.col(c).cast(pl.String) == name))
        .then(pl.lit(mark.stands if frame.schema[c] == pl.String else None))
        .otherwise(pl.col(c))
        .cast(frame.schema[c])
        .alias(c)
        for c in own
    ]
    found = frame.with_columns(changed)
    for column, to in ((_ID, _renamed(mark)), (_INPUTS, _without(columns))):
        if column in frame.columns:
            values = zip(frame.get_column(column).to_list(), rows.to_list(), strict=True)
            told = [to(value) if hit and value else value for value, hit in values]
            found = found.with_columns(pl.Series(column, told, dtype=pl.String))
    return found


def _renamed(mark: Mark) -> Callable[[str], str]:
    def renamed(old: str) -> str:
        h = blake2b(old.encode(), key=bytes.fromhex(mark.key), digest_size=16).hexdigest()
        return f"{h[:8]}-{h[8:12]}-8{h[13:16]}-a{h[17:20]}-{h[20:]}"

    return renamed


def _without(columns: Sequence[str]) -> Callable[[str], str]:
    def without(text: str) -> str:
        given = json.loads(text)
        return canonical_json({k: v for k, v in given.items() if k not in columns})

    return without


def _entity_columns(app: App) -> tuple[str, ...]:
    """Return every column that holds entities, in any contract that ever was in force."""
    from tamid.core.events import ContractAdopted
    from tamid.workshop import parse

    digests = {
        record.event.contract
        for stream in app.ledger.streams()
        for record in app.ledger.read(stream)
        if isinstance(record.event, ContractAdopted)
    }
    found = {ENTITY}
    for digest in digests:
        data = parse(app.blobs.get(digest).decode()).data
        found |= {c for c in (data.entity, *(t.entity for t in data.tables.values())) if c}
    return tuple(sorted(found))


def _out_of_lookups(app: App, name: str) -> tuple[str, ...]:
    from tamid.wiring import lookup_in

    store = app.config.store
    files = sorted((store / "online").glob("*.sqlite")) if (store / "online").is_dir() else []
    shutil.rmtree(store / "tensors", ignore_errors=True)  # can be computed again
    return tuple(f.stem for f in files if lookup_in(store, f.stem).forget(name))


def _left(app: App, name: str) -> tuple[str, ...]:
    """Return where the name still stands as a text of its own: in events, and in reports."""
    from tamid.stages.naming import named_blobs

    mark, found = json.dumps(name, ensure_ascii=False), list[str]()
    named: set[str] = set()
    for stream in app.ledger.streams():
        for record in app.ledger.read(stream):
            if mark in record.body or f"{name!r}" in record.body:
                found.append(f"event {record.seq} of {stream}")
            named.update(d for d in named_blobs(record.event) if d)
    for digest in sorted(named):
        if app.blobs.has(digest) and mark.encode() in app.blobs.get(digest):
            found.append(f"content {digest}")
    return tuple(found)


def _told(
    app: App, found: Erased, proof: Mapping[str, object], actor: str, role: Role, reason: str
) -> Erased:
    """Write the proof down, and tell every model of it."""
    report = app.blobs.put(canonical_json({**proof, "left": found.left}).encode())
    told = []
    for model in app.models():
        if not app.state(model).contract:
            continue
        key = f"erase/{found.stands}/{report[-12:]}"
        if not _said(app.records(model), key):
            event = EntityErased(key=key, pseudonym=found.stands, report=report)
            app.record(model, event, role=role, actor=actor, reason=reason)
        told.append(model)
    return replace(found, models=tuple(told))


def _said(records: Sequence[Recorded], key: str) -> bool:
    return any(r.event.key == key for r in records)


def _altered(loose: Mapping[str, Mapping[str, str]]) -> IntegrityError:
    return IntegrityError(
        f"{', '.join(sorted(loose))}: slices were rewritten that no erasure tells of",
        why="an erasure would vouch for a change that nobody asked for",
        fix="Restore these tables from a backup.",
    )
