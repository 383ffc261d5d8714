"""Scores as rows of a table in any database that SQLAlchemy speaks to."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import polars as pl
import sqlalchemy as sa

from tamid.adapters._parcels import content_digest, plain
from tamid.core.errors import SinkDown
from tamid.ports import Parcel

# The table beside the scores that says which revision of which period they are.
DELIVERIES = "tamid_deliveries"
# Rows sent to the database at once; keeps the memory of a large period bounded.
_ROWS = 5000


class SqlSink:
    """A table with the columns of the parcels beside `model`, made when it is first needed.

    A period is replaced in one transaction, together with its line in `tamid_deliveries`: readers
    see the old rows or the new ones. `url` may hold a password: it is never shown. The file of a
    SQLite database lies in `folder` where `url` gives no absolute path.
    """

    def __init__(self, url: str, table: str, folder: Path | None = None) -> None:
        self._url = url
        self._folder = folder
        self._name = table
        self._lock = threading.Lock()
        self._engine: sa.Engine | None = None

    def deliver(self, parcel: Parcel) -> str:
        """Replace the period's rows and return the receipt."""
        receipt = f"sql {self._name} {content_digest(parcel)}"
        try:
            with self._lock:
                if self._engine is None:
                    self._engine = _engine(self._address())
            self._replace(self._engine, parcel, receipt)
        except (sa.exc.SQLAlchemyError, ModuleNotFoundError) as error:
            raise SinkDown(
                f"the table {self._name!r} could not be written: {_cause(error)}"
            ) from None
        return receipt

    def reach(self) -> None:
        """Ask whether the database answers, and leave it as it is. Raises SinkDown."""
        try:
            url = self._address()
            if url.get_backend_name() != "sqlite":
                with _engine(url).connect():
                    return
        except (sa.exc.SQLAlchemyError, ModuleNotFoundError) as error:
            raise SinkDown(f"the database does not answer: {_cause(error)}") from None
        # To connect would make the file.
        place = Path(url.database or ".").absolute()
        if not place.parent.is_dir():
            raise SinkDown(
                f"the folder {place.parent} does not exist",
                why="a database of SQLite is a file in it, and only the file is made",
                fix="Make the folder, or correct the address in delivery.to.",
            )

    def close(self) -> None:
        """Close all connections."""
        if self._engine is not None:
            self._engine.dispose()

    def _address(self) -> sa.URL:
        url = sa.make_url(self._url)
        place = url.database or ""
        in_memory = place.startswith((":memory:", "file:")) or not place
        if self._folder is None or url.get_backend_name() != "sqlite" or in_memory:
            return url
        return url.set(database=str(self._folder / place))

    def _replace(self, engine: sa.Engine, parcel: Parcel, receipt: str) -> None:
        frame = plain(parcel.frame).with_columns(
            pl.lit(parcel.model).alias("model"), pl.lit(parcel.period).alias("period")
        )
        meta = sa.MetaData()
        done, scores = _deliveries(meta), _scores(meta, self._name, frame)
        with engine.begin() as db:
            meta.create_all(db)
            _widen(db, scores)
            here = (
                done.c.target == self._name,
                done.c.model == parcel.model,
                done.c.period == parcel.period,
            )
            before = db.execute(sa.select(done.c.revision).where(*here).with_for_update()).scalar()
            if before is not None and before >= parcel.revision:
                return
            db.execute(
                scores.delete().where(
                    scores.c.model == parcel.model, scores.c.period == parcel.period
                )
            )
            for part in frame.iter_slices(_ROWS):
                db.execute(scores.insert(), part.rows(named=True))
            line = {"revision": parcel.revision, "receipt": receipt}
            if before is None:
                place = {"target": self._name, "model": parcel.model, "period": parcel.period}
                db.execute(done.insert().values(**place, **line))
            else:
                db.execute(done.update().where(*here).values(**line))


def _engine(url: sa.URL) -> sa.Engine:
    # Parameters hold people's scores: they must not get into error texts. A pool would keep a
    # connection open all week for one delivery.
    return sa.create_engine(url, hide_parameters=True, poolclass=sa.pool.NullPool)


def _deliveries(meta: sa.MetaData) -> sa.Table:
    return sa.Table(
        DELIVERIES,
        meta,
        sa.Column("target", sa.String(200), primary_key=True),
        sa.Column("model", sa.String(200), primary_key=True),
        sa.Column("period", sa.String(64), primary_key=True),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("receipt", sa.String(400), nullable=False),
    )


def _scores(meta: sa.MetaData, name: str, frame: pl.DataFrame) -> sa.Table:
    columns = [sa.Column(c, _type(kind), index=c == "period") for c, kind in frame.schema.items()]
    return sa.Table(name, meta, *columns)


def _widen(db: sa.Connection, table: sa.Table) -> None:
    """Add the columns that the stored table does not have yet."""
    stored = {column["name"] for column in sa.inspect(db).get_columns(table.name)}
    for column in table.columns:
        if column.name not in stored:
            name = db.dialect.identifier_preparer.format_table(table)
            added = sa.schema.CreateColumn(column).compile(dialect=db.dialect)
            db.exec_driver_sql(f"ALTER TABLE {name} ADD COLUMN {added}")


def _type(kind: pl.DataType) -> sa.types.TypeEngine[Any]:
    if kind.is_integer():
        return sa.BigInteger()
    if kind.is_float():
        return sa.Double()
    if kind == pl.Boolean:
        return sa.Boolean()
    if isinstance(kind, pl.Datetime):
        return sa.DateTime(timezone=kind.time_zone is not None)
    return sa.Date() if kind == pl.Date else sa.Text()


def _cause(error: Exception) -> str:
    """Return the database's own first line, without statement, parameters or address."""
    original = getattr(error, "orig", None) or error
    first = str(original).strip().partition("\n")[0]
    return f"{type(original).__name__}: {first[:200]}"
