"""The edges of a store that knows entities by pseudonym: sources give them, targets get names back.

What lies between works on pseudonyms without knowing it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from tamid.core.errors import UsageError
from tamid.core.spool import ROWS, Block
from tamid.core.values import ENTITY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import polars as pl

    from tamid.adapters.marks import Marks
    from tamid.adapters.vault import Vault
    from tamid.config import Config
    from tamid.core.contract.model import Contract
    from tamid.core.spool import Segment
    from tamid.ports import Batch, Claim, Parcel, Sink, Source, Spool

    # Which of some names or pseudonyms stand for nobody any more.
    Erased = Callable[[Iterable[str]], frozenset[str]]


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


class ForgettingSource:
    """A source of a store of names: rows of erased entities do not come."""

    def __init__(self, source: Source, column: str, marks: Marks) -> None:
        self._source, self._column, self._marks = source, column, marks

    def batches(self) -> Sequence[Batch]:
        """Return what is there now."""
        return self._source.batches()

    def read(self, batch: Batch) -> pl.DataFrame:
        """Return a batch's rows without those of erased entities."""
        from tamid.stages.reading import name_of

        frame = self._source.read(batch)
        if self._column not in frame.columns:
            return frame
        names = name_of(frame.get_column(self._column)).values
        gone = self._marks.erased(name for name in names.unique().to_list() if name)
        return frame.filter(~names.is_in(sorted(gone)).fill_null(value=False)) if gone else frame


class ForgettingSpool:
    """What servers wrote: answers to erased entities name nobody, not even by pseudonym."""

    def __init__(self, spool: Spool, column: str, erased: Erased) -> None:
        self._spool, self._column, self._erased = spool, column, erased

    def claim(self) -> Claim | None:
        """Return the claim; an answer to an erased entity stands under its own id."""
        found = self._spool.claim()
        if found is None:
            return None
        told = {name: self._told(segment) for name, segment in found.segments.items()}
        return replace(found, segments=told)

    def discard(self, claim: str) -> None:
        """Forget a claim's segments."""
        self._spool.discard(claim)

    def _told(self, segment: Segment) -> Segment:
        blocks = (self._nameless(b) if b.kind == ROWS else b for b in segment.blocks)
        return replace(segment, blocks=tuple(blocks))

    def _nameless(self, block: Block) -> Block:
        keys = (ENTITY, self._column)
        named = {str(row[1][k]) for row in block.body["rows"] for k in keys if k in row[1]}
        gone = self._erased(named)
        if not gone:
            return block
        rows = [
            [at, {k: v for k, v in asked.items() if k not in keys}, answer]
            if any(str(asked.get(k)) in gone for k in keys)
            else [at, asked, answer]
            for at, asked, answer in block.body["rows"]
        ]
        return replace(block, body={**block.body, "rows": rows})


@dataclass(frozen=True, slots=True, kw_only=True)
class Edges:
    """Where names come in and go out: by the vault of a store of pseudonyms, or by marks."""

    vault: Vault | None = None
    marks: Marks | None = None

    def sources(self, contract: Contract, sources: Mapping[str, Source]) -> dict[str, Source]:
        """Return the sources of a contract as this store reads them."""
        found = veiled(contract, sources, self.vault)
        data = contract.data
        for name, source in found.items() if self.marks is not None else ():
            column = data.tables[name].entity if name in data.tables else data.entity
            if column is not None:
                assert self.marks is not None
                found[name] = ForgettingSource(source, column, self.marks)
        return found

    def sinks(self, contract: Contract, sinks: Mapping[str, Sink]) -> dict[str, Sink]:
        """Return the targets of a contract as this store hands over to them."""
        return unveiled(contract, sinks, self.vault)

    def spool(self, contract: Contract, spool: Spool) -> Spool:
        """Return what servers wrote as this store takes it in."""
        who = self.vault or self.marks
        if who is None or contract.data.entity is None:
            return spool
        return ForgettingSpool(spool, contract.data.entity, who.erased)


def edges_in(config: Config, salt: str, *, used: bool) -> Edges:
    """Return the edges of a workspace's store. Raises UsageError as :func:`vault_in`."""
    from tamid.adapters.marks import Marks

    vault = vault_in(config, used)
    return Edges(vault=vault, marks=None if vault else Marks(config.store, salt))


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
