"""The vault: one pseudonym an entity, whoever asks; what is erased is gone from the disk."""

from __future__ import annotations

from pathlib import Path

from tamid.adapters.vault import FILE, KEY, Vault


def test_an_entity_has_one_pseudonym_for_good(tmp_path: Path) -> None:
    """Asked again, by another process, under the same key: the same; and it leads back."""
    first = Vault(tmp_path)
    made = first.pseudonyms(["anna", "berta", "anna"])
    second = Vault(tmp_path)
    assert second.pseudonyms(["berta", "anna"]) == made
    assert len(set(made.values())) == 2
    assert second.names([made["anna"] or "", "nobody"]) == {made["anna"]: "anna"}


def test_another_store_has_other_pseudonyms(tmp_path: Path) -> None:
    """The key is the store's own: what leaks from one says nothing about another."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    here, there = (Vault(tmp_path / name).pseudonyms(["anna"]) for name in "ab")
    assert here != there


def test_key_and_map_are_closed_to_others(tmp_path: Path) -> None:
    """Both files may be read by their owner alone."""
    Vault(tmp_path).pseudonyms(["anna"])
    assert {(tmp_path / name).stat().st_mode & 0o777 for name in (KEY, FILE)} == {0o600}


def test_what_is_erased_is_gone_and_stays_gone(tmp_path: Path) -> None:
    """No byte of the name is left in the file; the mark makes later batches go without it."""
    vault, other = Vault(tmp_path), Vault(tmp_path)
    made = other.pseudonyms(["anna-the-first", "berta"])
    pseudonym = vault.erase("anna-the-first")
    assert pseudonym == made["anna-the-first"]
    for each in (vault, other, Vault(tmp_path)):
        assert each.pseudonyms(["anna-the-first"]) == {"anna-the-first": None}
        assert each.names([pseudonym]) == {}
        assert each.pseudonyms(["berta"]) == {"berta": made["berta"]}
    for path in tmp_path.iterdir():
        assert b"anna-the-first" not in path.read_bytes()


def test_who_was_never_seen_can_be_erased_beforehand(tmp_path: Path) -> None:
    """Then nothing of it is ever taken in."""
    vault = Vault(tmp_path)
    vault.erase("clara")
    assert vault.pseudonyms(["clara"]) == {"clara": None}
