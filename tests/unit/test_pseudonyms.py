"""The edges of a store with a vault: names are lost on the way in and put back on the way out."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from tamid.adapters.memory import MemorySink
from tamid.adapters.memory_source import MemorySource
from tamid.adapters.vault import Vault
from tamid.config import Config
from tamid.core.errors import UsageError
from tamid.ports import Parcel
from tamid.pseudonyms import UnveiledSink, VeiledSource, key_in, vault_in

NOW = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    """An empty vault."""
    return Vault(tmp_path)


def read(vault: Vault, frame: pl.DataFrame) -> pl.DataFrame:
    """Return a frame as it comes out of a veiled source."""
    put = MemorySource()
    put.put("batch", frame, NOW)
    source = VeiledSource(put, "id", vault)
    (batch,) = source.batches()
    return source.read(batch)


def test_the_same_entity_is_one_however_it_is_written(vault: Vault) -> None:
    """7, 7.0 and "7" are one; the other columns come as they are."""
    forms = (pl.Series([7]), pl.Series([7.0]), pl.Series(["7"]))
    found = [read(vault, pl.DataFrame({"id": form, "x": [1.5]})) for form in forms]
    assert len({frame["id"][0] for frame in found}) == 1
    assert found[0]["id"][0] != "7"
    assert found[0]["x"].to_list() == [1.5]


def test_what_is_no_entity_is_left_to_the_contract(vault: Vault) -> None:
    """Missing and empty ones stay what they are; a batch without the column comes as it is."""
    found = read(vault, pl.DataFrame({"id": ["anna", None, ""]}))
    assert found["id"].to_list()[1:] == [None, ""]
    assert read(vault, pl.DataFrame({"x": [1]})).columns == ["x"]


def test_rows_of_an_erased_entity_do_not_come_in(vault: Vault) -> None:
    """The others do."""
    vault.erase("anna")
    found = read(vault, pl.DataFrame({"id": ["anna", "berta", None], "x": [1, 2, 3]}))
    assert found["x"].to_list() == [2, 3]


def test_a_target_is_told_names_and_no_erased_one(vault: Vault) -> None:
    """Sorted by name, as every parcel is."""
    made = vault.pseudonyms(["anna", "berta", "clara"])
    vault.erase("berta")
    frame = pl.DataFrame({"entity": sorted(str(p) for p in made.values()), "as_of": [NOW] * 3})
    inner = MemorySink()
    parcel = Parcel(key="k", model="m", period="2026-03-01", revision=1, frame=frame)
    UnveiledSink(inner, vault).deliver(parcel)
    (taken,) = inner.periods.values()
    assert taken.frame["entity"].to_list() == ["anna", "clara"]


def config(root: Path, entities: str) -> Config:
    """Return a workspace that asks for entities in a way."""
    return Config(root=root, store=root, contracts=(), entities=entities)


def test_a_store_keeps_the_way_it_was_begun(tmp_path: Path) -> None:
    """Plain ids and pseudonyms under one roof would be two entities each."""
    assert vault_in(config(tmp_path, "plain"), used=False) is None
    assert key_in(tmp_path) == b""
    with pytest.raises(UsageError, match="holds entities as they were given"):
        vault_in(config(tmp_path, "pseudonyms"), used=True)
    made = vault_in(config(tmp_path, "pseudonyms"), used=False)
    assert made is not None
    assert key_in(tmp_path) == made.key
    assert vault_in(config(tmp_path, "pseudonyms"), used=True) is not None
    with pytest.raises(UsageError, match="holds pseudonyms"):
        vault_in(config(tmp_path, "plain"), used=True)
