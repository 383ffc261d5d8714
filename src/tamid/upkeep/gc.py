"""What nobody needs any more: found, said with the reason for what stays, then cleared away.

The ledger is told first what can no longer be read, and only then is anything deleted: killed
half-way, the same command finds what is left. All models stand still meanwhile.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from tamid.core.errors import UsageError
from tamid.core.events import Collected
from tamid.core.fold import LOGS
from tamid.core.retention import NOW, Plan, Replaced, needed, plan
from tamid.core.values import Role, TablePin, canonical_json, digest_of
from tamid.stages.audit import UNREAD
from tamid.stages.feeds import VIEWS
from tamid.upkeep.rows import ORDER, outlived_rows, span_of

if TYPE_CHECKING:
    from tamid.app import App
    from tamid.core.chain import Recorded

AUDIT = "audit"
# Younger things that nothing names may be about to be named.
_GRACE = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What may go of one model: versions and rows by table; what stays though it is old."""

    model: str
    plans: Mapping[str, Plan] = field(default_factory=dict)
    rows: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    stays: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleared:
    """What went (or would go): by model, and loose files by kind, with the bytes they held."""

    models: tuple[Found, ...]
    files: Mapping[str, tuple[int, int]]

    @property
    def bytes(self) -> int:
        """Return how many bytes all files held."""
        return sum(size for _, size in self.files.values())


def collect(app: App, *, actor: str, role: Role, reason: str, dry_run: bool = False) -> Cleared:
    """Clear away what nobody needs; all models must stand still.

    Raises:
        UsageError: `[retention]` or `[keep]` names a table that no model has, or `[keep]` one whose
            rows all stay.
    """
    _known_names(app)
    now = app.clock.now()
    found = tuple(_found(app, model, now) for model in app.models() if app.state(model).contract)
    if not dry_run:
        for one in found:
            _tell(app, one, now, actor=actor, role=role, reason=reason)
    files = dict(_files(app, found, now, dry_run=dry_run))
    counts: dict[str, tuple[int, int]] = {}
    for kind, paths in files.items():
        counts[kind] = (len(paths), sum(path.stat().st_size for path in paths))
        for path in paths if not dry_run else ():
            path.unlink(missing_ok=True)
    return Cleared(models=found, files={k: v for k, v in counts.items() if v[0]})


def _found(app: App, model: str, now: datetime) -> Found:
    state, records = app.state(model), app.records(model)
    audit = app.config.retention.get(AUDIT)
    since = None if audit is None else now - audit
    unread = {f"{model}.{name}" for name in UNREAD}
    needs = needed(state, records, since, unread)
    plans, stays = {}, []
    for table, versions in _pasts(app, model):
        keep = span_of(app.config.retention, table)
        log = table.removeprefix(f"{model}.") in LOGS
        # Of a table that loses rows no version stays longer than somebody needs it.
        loses = log or span_of(app.config.keep, table) is not None
        before = now - keep if keep is not None and not log else now if loses else None
        # Runs name the log, too, and read it no more: labels by id were joined when they came.
        asked = {p: w for p, w in needs.items() if not log or w == NOW}
        mine = {pin.version: why for pin, why in asked.items() if pin.table == table}
        made = plan(versions, mine, before)
        plans[table] = made
        for why in sorted(set(made.kept.values())):
            old = sum(reason == why for reason in made.kept.values())
            stays.append(f"{old} old versions of {table}: {why}")
    aged = outlived_rows(app, model, state, now)
    return Found(model=model, plans=plans, rows=aged.periods, stays=(*stays, *aged.stays))


def _pasts(app: App, model: str) -> Iterator[tuple[str, list[Replaced]]]:
    """Yield the tables of a model with those of their versions that are still there."""
    from tamid.adapters._delta_past import past
    from tamid.adapters.rewriting import tables_below
    from tamid.stages.naming import cleared

    root = app.config.store / "tables"
    gone = cleared(app.records(model), app.blobs)
    for table in tables_below(root):
        if not table.startswith(f"{model}."):
            continue
        known = list(past(root / table))
        # The next version took its place when it was written.
        until = [datetime.fromtimestamp(p.written / 1000, UTC) for p in known[1:]]
        ends = (*until, None)
        yield (
            table,
            [
                Replaced(version=p.version, until=end)
                for p, end in zip(known, ends, strict=True)
                if (table, p.version) not in gone
            ],
        )


def _tell(app: App, found: Found, now: datetime, *, actor: str, role: Role, reason: str) -> None:
    """Write down what can no longer be read, before any of it goes."""
    from tamid.adapters.trimming import drop_slices

    pins = []
    state = app.state(found.model)
    for table, periods in found.rows.items():
        key = f"gc/{digest_of([table, periods])[7:31]}"
        pins.append(drop_slices(app.config.store / "tables", state.pins[table], periods, key))
    versions = {table: list(one.gone) for table, one in found.plans.items() if one.gone}
    for pin in pins:  # of a log that lost rows, no version that has them stays
        if pin.table.removeprefix(f"{found.model}.") not in LOGS:
            continue
        versions[pin.table] = sorted({*versions.get(pin.table, ()), *_before(app, pin)})
    if not versions and not pins:
        return
    report = app.blobs.put(canonical_json({"versions": versions}).encode())
    event = Collected(
        key=f"gc/{state.seq}",
        report=report,
        versions=sum(len(v) for v in versions.values()),
        pins=tuple(pins),
        periods=found.rows,
    )
    app.record(found.model, event, role=role, actor=actor, reason=reason)


def _before(app: App, pin: TablePin) -> list[int]:
    from tamid.adapters._delta_past import past

    known = past(app.config.store / "tables" / pin.table)
    return [one.version for one in known if one.version < pin.version]


def _files(
    app: App, found: tuple[Found, ...], now: datetime, *, dry_run: bool
) -> Iterator[tuple[str, list[Path]]]:
    """Yield the files that may go, by kind."""
    from tamid.adapters.rewriting import tables_below
    from tamid.adapters.trimming import half_written, loose_blobs, unread_files
    from tamid.stages.naming import blobs_named, cleared

    store, before = app.config.store, (now - _GRACE).timestamp()
    streams = {name: app.ledger.read(name) for name in app.ledger.streams()}
    records: list[Recorded] = [r for some in streams.values() for r in some]
    gone = cleared(records, app.blobs)
    if dry_run:
        gone |= {(t, v) for one in found for t, p in one.plans.items() for v in p.gone}
    for table in tables_below(store / "tables"):
        mine = {version for name, version in gone if name == table}
        paths = set(unread_files(store / "tables", table, mine, before))
        if dry_run:
            periods = {p for one in found for p in one.rows.get(table, ())}
            folders = (store / "tables" / table / f"_period={p}" for p in periods)
            held = {path for folder in folders for path in folder.glob("*.parquet")}
            paths |= held if table.rpartition(".")[2] in LOGS else set()
        yield table, sorted(paths)
    named = blobs_named(records, app.blobs)
    yield "content that nothing names", list(loose_blobs(store / "blobs", named, before))
    yield "half-written files", list(half_written(store, before))
    yield "searches of runs that ended", _studies(app, store / "studies")
    yield "servers' logs of retired models", list(_spools(app, before))


def _studies(app: App, folder: Path) -> list[Path]:
    open_runs = {
        run.started.run
        for model in app.models()
        for run in app.state(model).runs.values()
        if run.open
    }
    paths = sorted(folder.glob("*.journal*")) if folder.is_dir() else []
    return [p for p in paths if not any(name in p.name for name in open_runs)]


def _spools(app: App, before: float) -> Iterator[Path]:
    """Yield what servers wrote for models that are retired: nobody takes it in any more."""
    for model in app.models():
        state = app.state(model)
        if not state.retired or not state.contract:
            continue
        keep = app.contract(model).service.log.keep.total_seconds()
        for path in sorted((app.config.store / "spool" / model).rglob("*.seg")):
            if path.stat().st_mtime < before - keep:
                yield path


def _known_names(app: App) -> None:
    from tamid.adapters.rewriting import tables_below

    tables = set(tables_below(app.config.store / "tables"))
    known = {AUDIT, "rows", "labels", "predictions", "judged", *LOGS, *tables}
    known |= {table.partition(".")[2] for table in tables}
    ours = {*ORDER, *(f"{model}.{name}" for model in app.models() for name in ORDER)}
    for section, named, there in (
        ("retention", app.config.retention, known),
        ("keep", app.config.keep, ours),
    ):
        for name in sorted(set(named) - there):
            if name in known and name != AUDIT:
                raise _keeps_all(name)
            near = difflib.get_close_matches(name, sorted(there), n=1)
            raise UsageError(
                f"[{section}] names {name!r}, which is no table of this kind"
                + (f"; did you mean {near[0]!r}?" if near else ""),
                why=f"there are {', '.join(sorted(there))}",
                fix="Correct tamid.toml.",
            )


def _keeps_all(name: str) -> UsageError:
    """Say why `[keep]` cannot be said of a table that there is."""
    if name.rpartition(".")[2] in LOGS:
        why = "what servers answered goes by the contract's `service.log.keep`"
        fix = f"Change that, or give {name} a time in [retention]; take it out of [keep]."
    else:
        many = ", those of a view for several models" if name.startswith(VIEWS) else ""
        why = f"what rests on its rows is computed again at any moment{many}"
        fix = (
            f"Take {name} out of [keep]. What was replaced in it goes by [retention], and one "
            "entity's rows by `tamid erase`."
        )
    return UsageError(f"[keep] names {name!r}, whose rows all stay", why=why, fix=fix)
