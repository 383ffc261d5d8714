"""Everything that a workspace knows about one entity, or about one answered request.

Rows, labels and predictions as they stand, who decided on the version that answered, what moved the
answer, and where else the entity is found: in every version of every table, in look-ups and logs.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

import polars as pl

from tamid.core.errors import IntegrityError, MissingExtra, NotFound, Uncompilable
from tamid.core.ladder import CHAMPION, PREVIOUS
from tamid.core.pseudonym import pseudonym
from tamid.core.spool import ROWS
from tamid.core.values import ENTITY, PERIOD, TIME, instant

if TYPE_CHECKING:
    from tamid.app import App
    from tamid.core.contract.model import Contract
    from tamid.core.state import State
    from tamid.stages.rig import Rig

_ANOTHER = "said of the last answer of a model only; give this one's id"
_SERVED, _PREDICTIONS = "served", "predictions"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One answer about the entity; `online`: to a request, else with a period's delivery.

    `decided_by`: by whose act its version answered. `moved`: what each feature added to the answer,
    strongest first; `silent`: why that cannot be said.
    """

    id: str
    online: bool
    at: str
    period: str
    score: float | None
    decision: int | None
    version: int
    rung: str
    reason: str = ""
    revision: int = 0
    decided_by: str = ""
    moved: Mapping[str, float] = field(default_factory=dict)
    silent: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the entity is found in a table: files, and the versions that read them."""

    table: str
    files: int
    rows: int
    first: int
    last: int
    now: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Dossier:
    """What is known under one model; `tables`: the rows of each table as they stand now."""

    model: str
    stored_as: str
    tables: Mapping[str, Sequence[Mapping[str, Any]]]
    answers: tuple[Answer, ...]
    places: tuple[Place, ...]
    looked_up: Mapping[str, Any] | None
    waiting: int
    erased: bool


def explain(app: App, asked: str, models: Sequence[str]) -> tuple[Dossier, ...]:
    """Return what is known of an entity, or of the entity of an answer; one value a model.

    Raises:
        NotFound: neither an entity nor an answer of this name is stored.
    """
    found = tuple(d for model in models if (d := _about(app, model, asked)) is not None)
    if not found:
        raise NotFound(
            f"nothing is stored about {asked!r}",
            why="no table, look-up or log has an entity or an answer of this name",
            fix="Name the entity as its source does, or the id of an answer.",
        )
    return found


def _about(app: App, model: str, asked: str) -> Dossier | None:
    state = app.state(model)
    if not state.contract:
        return None
    rig, only = app.rig(model), ""
    stored = _stored_as(app, asked)
    if (owner := _owner(rig, state, asked)) is not None:
        stored, only = owner, asked
    places = tuple(_places(app, model, state, stored))
    waiting, looked = waiting_for(app, model, stored), _looked_up(app, model, stored)
    erased = stored in state.erased
    if not places and not waiting and looked is None and not erased:
        return None
    tables = dict(_rows(rig, state, stored))
    answers = tuple(_answers(rig, state, tables, only))
    return Dossier(
        model=model,
        stored_as=stored,
        tables=tables,
        answers=answers,
        places=places,
        looked_up=looked,
        waiting=waiting,
        erased=erased,
    )


def _stored_as(app: App, name: str) -> str:
    """Return the name under which an entity is stored; a pseudonym may be given as it is."""
    vault = app.edges.vault
    if vault is None or vault.names([name]) or vault.erased([name]):
        return name
    return pseudonym(name, vault.key)


def _owner(rig: Rig, state: State, answer: str) -> str | None:
    """Return the entity of an answer with this id, None if there is none."""
    for name in (_SERVED, _PREDICTIONS):
        pin = state.pins.get(rig.table(name))
        if pin is not None:
            held = rig.tables.read(pin, columns=["id", ENTITY]).filter(pl.col("id") == answer)
            if held.height:
                return str(held.get_column(ENTITY)[0])
    return None


def _rows(rig: Rig, state: State, stored: str) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    for table, pin in sorted(state.pins.items()):
        frame = rig.tables.read(pin)
        if ENTITY not in frame.columns:
            continue
        mine = frame.filter(pl.col(ENTITY).cast(pl.String) == stored)
        if mine.height:
            order = [c for c in (TIME, "asked_at") if c in mine.columns]
            yield table, [_plain(row) for row in mine.sort(order).iter_rows(named=True)]


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    return {k: instant(v) if isinstance(v, datetime) and v.tzinfo else v for k, v in row.items()}


def _answers(
    rig: Rig, state: State, tables: Mapping[str, Sequence[Mapping[str, Any]]], only: str
) -> Iterator[Answer]:
    """Yield the answers, oldest first; what moved an answer is said of the last, or of one."""
    listed = [(row, False) for row in tables.get(rig.table(_PREDICTIONS), ())]
    listed += [(row, True) for row in tables.get(rig.table(_SERVED), ())]
    if only:
        listed = [(row, online) for row, online in listed if row["id"] == only]
    listed.sort(key=lambda pair: str(pair[0].get("asked_at") or pair[0][TIME]))
    by_model = [n for n, (row, _) in enumerate(listed) if row["rung"] in (CHAMPION, PREVIOUS)]
    asked = max(by_model, default=len(listed) - 1)
    for place, (row, online) in enumerate(listed):
        moved: Mapping[str, float] = {}
        silent = "" if place == asked else _ANOTHER
        if not silent:
            moved, silent = _moved(rig, state, row, online)
        yield Answer(
            id=row["id"],
            online=online,
            at=str(row.get("asked_at") or row[TIME]),
            period=row[PERIOD],
            score=row["score"],
            decision=row["decision"],
            version=row["version"],
            rung=row["rung"],
            reason=row.get("reason") or "",
            revision=row.get("revision") or 0,
            decided_by=_decided_by(state, row["version"]),
            moved=moved,
            silent=silent,
        )


def _decided_by(state: State, number: int) -> str:
    reign = next((r for r in reversed(state.reigns) if r.number == number), None)
    if reign is None:
        return ""
    return f"{reign.actor} ({reign.role}) on {reign.since.date()}: {reign.reason}"


def _moved(
    rig: Rig, state: State, row: Mapping[str, Any], online: bool
) -> tuple[Mapping[str, float], str]:
    """Return what each feature added to an answer, strongest first; else why it cannot be said."""
    from tamid.stages.packaging import unpack
    from tamid.workshop import open_row_model

    version = state.versions.get(row["version"])
    if row["rung"] not in (CHAMPION, PREVIOUS) or version is None:
        return {}, f"no model answered, but the rung {row['rung']}"
    ref = version.registered.ref
    try:
        opened = unpack(ref.bundle, ref.overlay, rig.blobs, rig.signer)
        model = open_row_model(opened.files, opened.overlay)
        inputs = _inputs(rig, state, row, online, opened.manifest.schema.inputs)
        if inputs is None:
            return {}, "the row that it was made of is not stored any more"
        found = model.contributions(inputs)
    except (Uncompilable, MissingExtra, IntegrityError) as error:
        return {}, f"version {row['version']} cannot say: {error.what}"
    return dict(sorted(found.items(), key=lambda pair: -abs(pair[1]))), ""


def _inputs(
    rig: Rig, state: State, row: Mapping[str, Any], online: bool, names: Sequence[str]
) -> dict[str, Any] | None:
    """Return what the model was given: as it was logged, or the stored row of that moment."""
    if online:
        given = json.loads(row["inputs"])
        return {name: given.get(name) for name in names}
    from tamid.stages import joining

    version = state.versions[row["version"]].registered
    contract: Contract = rig.contract(version.contract)
    moment = rig.clock.now()
    frame = joining.joined(rig.tables, contract, state.pins, [row[PERIOD]], moment)
    at = pl.col(TIME).dt.strftime("%Y-%m-%dT%H:%M:%S%.6fZ")
    # Rows of a contract without a time have no moment; their answers have that of the scoring.
    then = at.is_null() if contract.data.time is None else at == row[TIME]
    mine = frame.filter((pl.col(ENTITY).cast(pl.String) == row[ENTITY]) & then)
    if not mine.height or any(name not in mine.columns for name in names):
        return None
    plain = _plain(mine.select(list(names)).row(0, named=True))
    return {k: None if isinstance(v, float) and v != v else v for k, v in plain.items()}


def _places(app: App, model: str, state: State, stored: str) -> Iterator[Place]:
    """Yield where the entity is found, in whichever version."""
    from tamid.adapters._delta_past import past
    from tamid.adapters.rewriting import frames_of, tables_below

    root = app.config.store / "tables"
    for table in tables_below(root):
        if not table.startswith(f"{model}.") and table not in state.pins:
            continue
        found: dict[str, int] = {}
        for path, frame in frames_of(root, table, (ENTITY,)):
            hits = frame.filter(pl.col(ENTITY).cast(pl.String) == stored).height
            if hits:
                found[f"{path.parent.name}/{path.name}"] = hits
        if not found:
            continue
        known = list(past(root / table))
        readers = [one.version for one in known if set(one.files.values()) & set(found)]
        pin = state.pins.get(table)
        yield Place(
            table=table,
            files=len(found),
            rows=sum(found.values()),
            first=min(readers, default=0),
            last=max(readers, default=0),
            now=(known[-1].version if pin is None else pin.version) in readers,
        )


def _looked_up(app: App, model: str, stored: str) -> Mapping[str, Any] | None:
    from tamid.core.values import jsonable
    from tamid.wiring import lookup_in

    known = lookup_in(app.config.store, model).get(stored)
    body = jsonable(known._asdict()) if known is not None else None
    assert body is None or isinstance(body, dict)
    return body


def waiting_for(app: App, model: str, stored: str) -> int:
    """Return how many answers to the entity stand in the servers' log and are not taken in yet."""
    from tamid.core.spool import read_segment

    folder = app.config.store / "spool" / model
    paths = [p for p in folder.rglob("*") if p.suffix in (".seg", ".open")]
    return sum(
        asked.get(ENTITY) == stored
        for path in sorted(paths)
        for body in read_segment(path.read_bytes()).of(ROWS)
        for _, asked, _ in body["rows"]
    )
