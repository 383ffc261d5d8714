"""Scores as a Delta table that consumers read: a higher revision replaces a period's rows."""

from __future__ import annotations

import polars as pl
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake
from deltalake.exceptions import DeltaError, TableNotFoundError

from tamid.adapters._parcels import content_digest, plain
from tamid.core.errors import SinkDown
from tamid.ports import Parcel


class DeltaSink:
    """A Delta table with the columns of the parcels beside `model`; safe to read at any moment.

    What was delivered stands in the table's own log, as the transaction of an application: its name
    is model and period, its number the revision.
    """

    def __init__(self, target: str) -> None:
        self._target = target

    def deliver(self, parcel: Parcel) -> str:
        """Replace the period's rows in one commit and return the receipt."""
        receipt = f"delta {content_digest(parcel)}"
        application = f"tamid/{parcel.model}/{parcel.period}"
        try:
            table = self._table()
            done = table.transaction_version(application) if table is not None else None
            if done is None or done < parcel.revision:
                self._write(table, parcel, Transaction(application, parcel.revision))
        except (DeltaError, OSError, pl.exceptions.PolarsError) as error:
            kind = type(error).__name__
            raise SinkDown(
                f"the Delta table {self._target} could not be written: {kind}"
            ) from error
        return receipt

    def _table(self) -> DeltaTable | None:
        try:
            return DeltaTable(self._target)
        except TableNotFoundError:
            return None

    def _write(self, table: DeltaTable | None, parcel: Parcel, done: Transaction) -> None:
        frame = plain(parcel.frame).with_columns(
            pl.lit(parcel.model).alias("model"), pl.lit(parcel.period).alias("period")
        )
        properties = CommitProperties(app_transactions=[done])
        if table is None:
            write_deltalake(self._target, frame, mode="error", commit_properties=properties)
            return
        write_deltalake(
            table,
            frame,
            mode="overwrite",
            predicate=f"model = {_quoted(parcel.model)} AND period = {_quoted(parcel.period)}",
            schema_mode="merge",
            commit_properties=properties,
        )


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
