"""The edges of a store that knows entities by pseudonym: sources give them, targets get names back.

What lies between works on pseudonyms without knowing it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tamid.core.errors import UsageError

if TYPE_CHECKING:
    import polars as pl

    from tamid.adapters.vault import Vault
    from tamid.config import Config
    from tamid.core.contract.model import Contract
    from tamid.ports import Batch, Parcel, Sink, Source


class VeiledSource:
    """A source whose entities come as pseudonyms; rows of erased ones do not come at all."""

    def __init__(self, source: Source, column: str, vault: Vault) -> None:
        self._source, self._column, self._vault = source, column, vault

    def batches(self) -> Sequence[Batch]:
        """Return what is there now."""
        return self._source.batches()

    def read(self, batch: Batch) -> pl.DataFrame:
        """Return a batch's rows; what is no entity stays as it is, for the contract to judge."""
        # On use: the model server asks this module for a key, and loads no tables.
        import polars as pl

        from tamid.stages.reading import name_of

        frame = self._source.read(batch)
        if self._column not in frame.columns:
            return frame
        names = name_of(frame.get_column(self._column)).values
        known = self._vault.pseudonyms(n for n in names.unique().to_list() if n)
        veiled = [known.get(n, n) if n else n for n in names.to_list()]
        kept = pl.Series([not n or v is not None for n, v in zip(names, veiled, strict=True)])
        column = pl.Series(self._column, veiled, dtype=pl.String)
        return frame.with_columns(column).filter(kept)


class UnveiledSink:
    """A target that is told names; an erased entity is told to nobody."""

    def __init__(self, sink: Sink, vault: Vault) -> None:
        self.sink, self._vault = sink, vault

    def deliver(self, parcel: Parcel) -> str:
        """Put the names back and hand the parcel over."""
        import polars as pl

        entities = parcel.frame.get_column("entity")
        names = self._vault.names(entities.unique().to_list())
        told = pl.Series("entity", [names.get(p) for p in entities.to_list()], dtype=pl.String)
        frame = parcel.frame.with_columns(told).filter(told.is_not_null())
        return self.sink.deliver(replace(parcel, frame=frame.sort("entity", "as_of")))


def veiled(
    contract: Contract, sources: Mapping[str, Source], vault: Vault | None
) -> dict[str, Source]:
    """Return the sources of a contract as a store with a vault reads them."""
    data = contract.data
    found = dict(sources)
    for name, source in sources.items():
        column = data.tables[name].entity if name in data.tables else data.entity
        if vault is not None and column is not None:
            found[name] = VeiledSource(source, column, vault)
    return found


def unveiled(contract: Contract, sinks: Mapping[str, Sink], vault: Vault | None) -> dict[str, Sink]:
    """Return the targets of a contract as a store with a vault hands over to them."""
    if vault is None or contract.data.entity is None:
        return dict(sinks)
    return {name: UnveiledSink(sink, vault) for name, sink in sinks.items()}


def vault_in(config: Config, used: bool) -> Vault | None:
    """Return the vault of a workspace, made with it; None where entities are stored as given.

    Raises:
        UsageError: the store (`used`: it holds something) was begun the other way.
    """
    from tamid.adapters.vault import KEY, Vault

    begun, wanted = (config.store / KEY).exists(), config.entities == "pseudonyms"
    if begun != wanted and (begun or used):
        has = "pseudonyms" if begun else "entities as they were given"
        raise UsageError(
            f"the store {config.store} holds {has}",
            why=f"{config.root / 'tamid.toml'} asks for entities as {config.entities}",
            fix="Take the change back, or begin a new store and take the history in anew.",
        )
    return Vault(config.store) if wanted else None


def key_in(store: Path) -> bytes:
    """Return the key of a store's pseudonyms, empty where it has none; nothing is made."""
    from tamid.adapters.vault import KEY

    path = store / KEY
    return path.read_bytes() if path.exists() else b""
