"""Batches as objects in a store: `s3://`, `az://` and `gs://` URLs with a glob behind the prefix.

Objects are written whole, so that a name is there or is not. An object's fingerprint is its ETag:
on S3 a digest of what was put in one piece. What is read is exactly what was listed, else it is not
ready. Credentials and endpoint come from the environment, as each store's own tools read them
(AWS_ACCESS_KEY_ID, AWS_ENDPOINT_URL, AZURE_STORAGE_ACCOUNT_NAME, GOOGLE_APPLICATION_CREDENTIALS).
"""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from tamid.adapters._batches import Format, is_finished, kind_of, rows_of
from tamid.adapters._optional import need
from tamid.core.errors import BatchNotReady, SystemFailure, UsageError
from tamid.ports import Batch

if TYPE_CHECKING:
    import polars as pl

    from tamid.core.contract.csvform import CsvForm
    from tamid.ports import Source

SCHEMES = ("s3", "az", "gs")
_URL = re.compile(r"(?P<scheme>[a-z0-9]+)://(?P<bucket>[^/*?\[]+)(?:/(?P<path>.+))?\Z")
_MAGIC = re.compile(r"[*?\[]")
# A store that is gone is told of at this turn; the next one asks again.
_PATIENCE = timedelta(seconds=20)
_RETRIES = 3


def is_url(path: str) -> bool:
    """Say whether a source's path names an object store.

    >>> is_url("s3://shop/rows/*.parquet"), is_url("rows/*.csv")
    (True, False)
    """
    return path.partition("://")[0] in SCHEMES and "://" in path


class ObjectSource:
    """Objects that match a URL with a glob, each one batch, named by its key below the prefix.

    `*` stays within a folder, `**/` reaches below any. Raises UsageError: the URL names no object.
    """

    def __init__(
        self,
        url: str,
        kind: Format = "auto",
        hidden: Sequence[str] = (),
        *,
        csv: CsvForm | None = None,
        kinds: Mapping[str, str] | None = None,
        store: Any = None,
    ) -> None:
        found = _URL.match(url)
        if found is None or not found["path"] or kind == "delta":
            raise UsageError(
                f"{url} names no objects",
                why="it must be like s3://bucket/folder/*.parquet, of CSV or Parquet files",
                fix="Name the objects by a glob; Delta tables are read from folders only.",
            )
        self._url, self._kind, self._hidden = url, kind, frozenset(hidden)
        self._csv, self._kinds = csv, kinds
        self._prefix, pattern = _cut(found["path"])
        self._fits = _matcher(pattern)
        self._root = f"{found['scheme']}://{found['bucket']}"
        self._opened = store

    def batches(self) -> Sequence[Batch]:
        """Return the objects that are there, oldest first. Raises SystemFailure: no answer."""
        obstore = need("obstore", "objects")
        try:
            listed = obstore.list(self._store(), self._prefix or None)
            metas = [meta for chunk in listed for meta in chunk]
        except obstore.exceptions.NotFoundError:
            return []
        except (obstore.exceptions.BaseError, OSError) as error:
            raise self._silent(error) from error
        found = [batch for meta in metas if (batch := self._batch(meta))]
        return sorted(found, key=lambda batch: (batch.modified, batch.name))

    def read(self, batch: Batch) -> pl.DataFrame:
        """Return an object's rows; columns of a CSV file are texts."""
        obstore = need("obstore", "objects")
        kind = kind_of(batch.name, self._kind)
        try:
            got = obstore.get(self._store(), self._prefix + batch.name)
            content, meta = bytes(got.bytes()), got.meta
        except obstore.exceptions.NotFoundError as error:
            raise BatchNotReady(f"{batch.name} is gone") from error
        except (obstore.exceptions.BaseError, OSError) as error:
            raise BatchNotReady(f"{batch.name} cannot be read", why=_said(error)) from error
        if _mark(meta) != batch.fingerprint:
            raise BatchNotReady(f"{batch.name} changed since it was listed")
        return rows_of(batch.name, content, kind, self._hidden, form=self._csv, kinds=self._kinds)

    def _batch(self, meta: Any) -> Batch | None:
        name = str(meta["path"]).removeprefix(self._prefix)
        if not self._fits(name) or not is_finished(name):
            return None
        return Batch(
            name=name,
            fingerprint=_mark(meta),
            size=int(meta["size"]),
            modified=meta["last_modified"],
        )

    def _store(self) -> Any:
        if self._opened is None:
            from_url = need("obstore.store", "objects").from_url
            # A store in one's own house may speak HTTP, if the endpoint says so in plain words.
            endpoint = os.environ.get("AWS_ENDPOINT_URL", "")
            plain = self._url.startswith("s3://") and endpoint.startswith("http://")
            self._opened = from_url(
                self._root,
                client_options={"allow_http": plain, "timeout": _PATIENCE},
                retry_config={"max_retries": _RETRIES, "retry_timeout": _PATIENCE},
            )
        return self._opened

    def _silent(self, error: Exception) -> SystemFailure:
        return SystemFailure(
            f"{self._url} cannot be listed",
            why=_said(error),
            fix="Look at the bucket's name, the credentials in the environment and the network.",
        )


def _mark(meta: Any) -> str:
    """Return what tells one content of an object from another."""
    return str(meta["e_tag"] or f"{meta['size']}@{meta['last_modified'].isoformat()}")


def _said(error: Exception) -> str:
    """Return the first line of what a store said: what follows may name signed requests."""
    return str(error).partition("\n")[0][:200]


def _cut(path: str) -> tuple[str, str]:
    """Return the fixed folder, with its slash, and the pattern below it.

    >>> _cut("shop/rows/*.csv"), _cut("*.csv"), _cut("shop/all.parquet")
    (('shop/rows/', '*.csv'), ('', '*.csv'), ('shop/', 'all.parquet'))
    """
    found = _MAGIC.search(path)
    fixed = path[: found.start()] if found else path
    folder = fixed[: fixed.rfind("/") + 1]
    return folder, path[len(folder) :]


def _matcher(pattern: str) -> Any:
    """Return a test of names; a star does not cross a slash, two stars do."""
    parts = []
    for part in pattern.split("/"):
        if part == "**":
            parts.append("(?:[^/]+/)*")
            continue
        one = fnmatch.translate(part).removeprefix("(?s:").removesuffix(")\\Z")
        parts.append(one.replace(".*", "[^/]*") + "/")
    return re.compile("".join(parts).removesuffix("/")).fullmatch


if TYPE_CHECKING:
    _source: Source = ObjectSource("")
