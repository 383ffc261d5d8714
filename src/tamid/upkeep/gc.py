"""What nobody needs any more: found, said with the reason for what stays, then cleared away.

The ledger is told first what can no longer be read, and only then is anything deleted: killed
half-way, the same command finds what is left. All models stand still meanwhile.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from tamid.core.events import Collected
from tamid.core.fold import LOGS, OF_RUNS, ROWS
from tamid.core.retention import NOW, Plan, Replaced, needed, plan
from tamid.core.values import PERIOD, Role, TablePin, canonical_json, digest_of
from tamid.stages.audit import UNREAD
from tamid.stages.feeds import VIEWS
from tamid.stages.naming import cleared, newest_named
from tamid.upkeep.events import shared_slices
from tamid.upkeep.rows import outlived_rows
from tamid.upkeep.rules import AUDIT, refuse_unknown, rules_of, span_of, view_rule
from tamid.upkeep.singly import without, young_judged

if TYPE_CHECKING:
    from tamid.app import App
    from tamid.core.chain import Recorded

# Younger things that nothing names may be about to be named.
_GRACE = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What may go of one model: versions, rows by period and single rows, by table.

    `stays`: what stays though it is old. `rules`: by table how long what is in it stays.
    """

    model: str
    plans: Mapping[str, Plan] = field(default_factory=dict)
    rows: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    left: Mapping[str, int] = field(default_factory=dict)
    stays: tuple[str, ...] = ()
    rules: Mapping[str, str] = field(default_factory=dict)


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
        UsageError: `[retention]` or `[keep]` names a table that no model has, or `[keep]` one that
            goes by another rule.
    """
    refuse_unknown(app)
    now = app.clock.now()
    models = [model for model in app.models() if app.state(model).contract]
    needs = {model: _needs(app, model, now) for model in models}
    each = [_found(app, model, needs[model], now) for model in models]
    found = tuple(_with_shared(app, each, needs, now))
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


def _needs(app: App, model: str, now: datetime) -> dict[TablePin, str]:
    """Return every version that somebody needs of what a model reads, with the reason."""
    state, audit = app.state(model), app.config.retention.get(AUDIT)
    since = None if audit is None else now - audit
    needs = needed(state, app.records(model), since, {f"{model}.{name}" for name in UNREAD})
    spans = {name: span_of(app.config.keep, f"{model}.{name}") for name in OF_RUNS}
    return {**young_judged(state, spans, now), **needs}


def _found(app: App, model: str, needs: Mapping[TablePin, str], now: datetime) -> Found:
    plans, stays = {}, []
    gone = cleared(app.records(model), app.blobs)
    for table in (t for t in _tables(app) if t.startswith(f"{model}.")):
        keep = span_of(app.config.retention, table)
        log = table.removeprefix(f"{model}.") in LOGS
        # Of a table that loses rows no version stays longer than somebody needs it.
        loses = log or span_of(app.config.keep, table) is not None
        before = now - keep if keep is not None and not log else now if loses else None
        # Runs name the log, too, and read it no more: labels by id were joined when they came.
        asked = {p: w for p, w in needs.items() if not log or w == NOW}
        plans[table], why = _planned(app, table, gone, asked, before)
        stays += why
    aged = outlived_rows(app, model, app.state(model), now)
    return Found(
        model=model,
        plans=plans,
        rows=aged.periods,
        left={table: cut.rows for table, cut in aged.cuts.items()},
        stays=(*stays, *aged.stays),
        rules=rules_of(app, model),
    )


def _with_shared(
    app: App, found: list[Found], needs: Mapping[str, Mapping[TablePin, str]], now: datetime
) -> list[Found]:
    """Return the same with the tables of feature views, told to every model that names them."""
    named = {one.model: newest_named(app.records(one.model)) for one in found}
    told = {m: cleared(app.records(m), app.blobs) for m in named}
    leaving = {one.model: one.rows.get(f"{one.model}.{ROWS}", ()) for one in found}
    for table in (t for t in _tables(app) if t.startswith(VIEWS)):
        users = [m for m, tables in named.items() if table in tables]
        if not users:
            continue
        view = VIEWS + table.removeprefix(VIEWS).partition(".")[0]
        kept, old = span_of(app.config.keep, view), span_of(app.config.retention, view)
        before = now - old if old is not None else now if kept is not None else None
        gone = frozenset.intersection(*(told[m] for m in users))
        asked = {pin: why for some in needs.values() for pin, why in some.items()}
        made, stays = _planned(app, table, gone, asked, before)
        periods: tuple[str, ...] = ()
        if table == view and kept is not None:
            periods, why = shared_slices(app, table, kept, leaving, now)
            stays += why
        rule = {table: view_rule(kept, old)} if table == view else {}
        found = [
            replace(
                one,
                plans={**one.plans, table: made},
                rows={**one.rows, **({table: periods} if _reads(app, one, table, periods) else {})},
                stays=tuple(dict.fromkeys((*one.stays, *stays))),
                rules={**one.rules, **rule},
            )
            if one.model in users
            else one
            for one in found
        ]
    return found


def _reads(app: App, one: Found, table: str, periods: tuple[str, ...]) -> bool:
    """Say whether a model has to be told that a table stands without some periods.

    Whom a call that died has told already reads the table as it stands.
    """
    state = app.state(one.model)
    if not periods or table not in state.pins or state.retired:
        return False
    held = app.tables.read(state.pins[table], columns=[PERIOD]).get_column(PERIOD)
    return bool(set(held) & set(periods))


def _planned(
    app: App,
    table: str,
    gone: Collection[tuple[str, int]],
    needs: Mapping[TablePin, str],
    before: datetime | None,
) -> tuple[Plan, list[str]]:
    """Return which versions of a table may go, and in words which old ones stay."""
    mine = {pin.version: why for pin, why in needs.items() if pin.table == table}
    made = plan(_versions(app, table, gone), mine, before)
    return made, [
        f"{sum(reason == why for reason in made.kept.values())} old versions of {table}: {why}"
        for why in sorted(set(made.kept.values()))
    ]


def _versions(app: App, table: str, gone: Collection[tuple[str, int]]) -> list[Replaced]:
    """Return those versions of a table that are still there."""
    from tamid.adapters._delta_past import past

    known = list(past(app.config.store / "tables" / table))
    # The next version took its place when it was written.
    later = [datetime.fromtimestamp(p.written / 1000, UTC) for p in known[1:]]
    ends = [*later, None][: len(known)]
    return [
        Replaced(version=p.version, until=end)
        for p, end in zip(known, ends, strict=True)
        if (table, p.version) not in gone
    ]


def _tables(app: App) -> list[str]:
    from tamid.adapters.rewriting import tables_below

    return tables_below(app.config.store / "tables")


def _tell(app: App, found: Found, now: datetime, *, actor: str, role: Role, reason: str) -> None:
    """Write down what can no longer be read, before any of it goes."""
    from tamid.adapters.trimming import drop_slices

    pins = []
    state, lost = app.state(found.model), dict(found.rows)
    cuts = outlived_rows(app, found.model, state, now).cuts if found.left else {}
    for table, periods in found.rows.items():
        pin = state.pins[table]
        key = f"gc/{digest_of([table, pin.version, periods])[7:31]}"
        pins.append(drop_slices(app.config.store / "tables", pin, periods, key))
    for table, cut in cuts.items():
        pins.append(without(app, cut))
        lost |= {table: cut.emptied} if cut.emptied else {}
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
        periods=lost,
        rows=found.left,
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
    from tamid.stages.naming import blobs_named

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
