"""What every target does to a parcel: names for files, digests of content, safe cells."""

from __future__ import annotations

import re
from pathlib import Path

import polars as pl

from tamid.core.errors import UsageError
from tamid.core.values import canonical_json, digest_bytes
from tamid.ports import Parcel

# Signs with which a spreadsheet begins a formula, their full-width twins, and what may hide them
# (OWASP ASVS 1.2.10): such a text gets an apostrophe in front. Numbers stay as they are.
_FORMULA = r"^[\s\x00\p{Cf}]*[=+\-@\t\r\n\x00\x{FF1D}\x{FF0B}\x{FF0D}\x{FF20}]"
_NUMBER = r"^[+-]?[0-9]+(?:[.,][0-9]+)?$"
_PERIOD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")


def target_of(template: str, parcel: Parcel) -> Path:
    """Return the file of a parcel's period: `{period}` replaced, or put before the ending.

    Raises:
        UsageError: the period's name is not fit for a file name.
    """
    if _PERIOD.match(parcel.period) is None:
        raise UsageError(f"{parcel.period!r} cannot be part of a file name")
    if "{period}" in template:
        return Path(template.replace("{period}", parcel.period))
    path = Path(template)
    return path.with_name(f"{path.stem}_{parcel.period}{path.suffix}")


def plain(frame: pl.DataFrame) -> pl.DataFrame:
    """Return a frame of columns that every format can hold: no categories, no nameless types."""
    return frame.with_columns(
        [
            pl.col(name).cast(pl.String if kind in _TEXTUAL else pl.Int64)
            for name, kind in frame.schema.items()
            if kind in _TEXTUAL or kind.is_unsigned_integer()
        ]
    )


_TEXTUAL = (pl.Categorical, pl.Enum, pl.Null)


def safe_cells(frame: pl.DataFrame) -> pl.DataFrame:
    """Return a frame whose texts (and headers) no spreadsheet takes for a formula."""
    texts = [name for name, kind in frame.schema.items() if kind == pl.String]
    guarded = frame.with_columns(_guarded(pl.col(name)) for name in texts)
    names = pl.DataFrame({"name": frame.columns}, schema={"name": pl.String})
    return guarded.rename(
        dict(zip(frame.columns, names.select(_guarded(pl.col("name"))).to_series(), strict=True))
    )


def content_digest(parcel: Parcel) -> str:
    """Return the digest of what a parcel says, whatever the format: its receipt's last part."""
    head = [parcel.key, parcel.model, parcel.period, parcel.revision, parcel.frame.columns]
    rows = plain(parcel.frame).write_ndjson()
    return digest_bytes(f"{canonical_json(head)}\n{rows}".encode())


def _guarded(text: pl.Expr) -> pl.Expr:
    risky = text.str.contains(_FORMULA) & ~text.str.contains(_NUMBER)
    return pl.when(risky).then(pl.concat_str(pl.lit("'"), text)).otherwise(text).name.keep()
