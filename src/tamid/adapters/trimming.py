"""What is cleared out of a store: slices of a table, files that no version reads, loose content.

Nobody may write meanwhile. Each call may be killed and made again.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path

from deltalake import CommitProperties, DeltaTable, PostCommitHookProperties, Transaction
from deltalake.transaction import RemoveAction

from tamid.adapters._delta_log import DeltaState, commit_path, metadata_of, state_of, sync
from tamid.adapters._delta_past import LOG, past
from tamid.core.values import PERIOD, TablePin

_NO_HOOKS = PostCommitHookProperties(create_checkpoint=False, cleanup_expired_logs=False)
# What stands under such a name is written to, or was left by a writer that died.
_HALF = (".new-", ".part")


def drop_slices(root: Path, pin: TablePin, periods: Collection[str], key: str) -> TablePin:
    """Write a version of a table without some periods, and return it; again: the same one."""
    folder = root / pin.table
    opened = DeltaTable(str(folder))
    known = opened.transaction_version(key)
    if known is not None:
        opened = DeltaTable(str(folder), version=known)
        return _pin(pin.table, state_of(opened, folder, known))
    old = state_of(opened, folder, opened.version())
    new = DeltaState(
        version=old.version + 1,
        token=old.token,
        schema=old.schema,
        files={p: f for p, f in old.files.items() if p not in periods},
        digests={p: d for p, d in old.digests.items() if p not in periods},
    )
    now = int(time.time() * 1000)
    gone = [(p, old.files[p]) for p in sorted(periods) if p in old.files]
    opened.create_write_transaction(
        [RemoveAction(path, True, now, size, {PERIOD: period}) for period, (path, size) in gone],
        "append",
        opened.schema(),
        partition_by=[PERIOD],
        commit_properties=CommitProperties(
            # All digests: walking back further would find those of the periods that are gone.
            custom_metadata=metadata_of(new, new.digests, True, key),
            app_transactions=[Transaction(key, new.version)],
            max_commit_retries=0,
        ),
        post_commithook_properties=_NO_HOOKS,
    )
    sync(commit_path(folder, new.version))
    return _pin(pin.table, new)


def unread_files(root: Path, table: str, gone: Collection[int], before: float) -> Iterator[Path]:
    """Yield the files of a table that only versions in `gone` read, or none at all.

    `before`: seconds since 1970; a file that no version reads and is younger may be being written.
    """
    folder = root / table
    kept, read = set[str](), set[str]()
    for one in past(folder):
        read.update(one.files.values())
        if one.version not in gone:
            kept.update(one.files.values())
    for path in sorted(folder.glob("*/*.parquet")):
        name = f"{path.parent.name}/{path.name}"
        if path.parent.name == LOG or name in kept:
            continue
        if name in read or path.stat().st_mtime < before:
            yield path


def half_written(store: Path, before: float) -> Iterator[Path]:
    """Yield what writers that died left behind, older than `before` (seconds since 1970)."""
    for path in sorted(store.rglob("*")):
        if not (path.name.startswith(_HALF) or path.name.endswith(_HALF)):
            continue
        with suppress(FileNotFoundError):
            if path.is_file() and path.stat().st_mtime < before:
                yield path


def loose_blobs(root: Path, named: Collection[str], before: float) -> Iterator[Path]:
    """Yield contents that nothing names, older than `before` (seconds since 1970)."""
    for path in sorted(root.glob("??/*")):
        digest = f"sha256:{path.parent.name}{path.name}"
        if path.name.startswith(".") or digest in named:
            continue
        if path.stat().st_mtime < before:
            yield path


def _pin(table: str, state: DeltaState) -> TablePin:
    return TablePin(table=table, version=state.version, digest=state.root)
