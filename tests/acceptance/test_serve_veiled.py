"""A server of a store of pseudonyms: callers say names, nothing that is written does."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from in_process import here
from processes import WEEKLY, eventually, make_shop, serve_weeks
from serving_world import Server

from tamid.app import App
from tamid.config import find
from tamid.core.pseudonym import pseudonym
from tamid.pseudonyms import key_in

AS = ("--as", "mlops_engineer", "--reason", "asked for")
GIVEN = {"minutes": 100.0, "calls": 3.0}
_NAMED = re.compile(rb'"(c\d+|stranger)"')


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with a champion and two served weeks."""
    root = make_shop(
        tmp_path_factory.mktemp("veiled") / "shop", WEEKLY, range(14, 3, -1), "pseudonyms"
    )
    serve_weeks(root, 4, 3)
    return root


def _served(root: Path) -> dict[str, str]:
    app = App(find(root))
    try:
        frame = app.tables.read(app.state("churn").pins["churn.served"])
        return dict(frame.select("id", "_entity").iter_rows())
    finally:
        app.close()


def _named(root: Path) -> list[str]:
    """Return the files of a store, but for the vault, that hold a name as a text."""
    paths = (p for p in (root / ".tamid").rglob("*") if p.is_file() and p.name != "vault.sqlite")
    return [p.name for p in paths if _NAMED.search(p.read_bytes())]


def test_names_are_asked_for_and_pseudonyms_are_written(shop: Path) -> None:
    """By name alone, by name and row, and of a stranger; then one of them is erased meanwhile."""
    key = key_in(shop / ".tamid")
    asked: dict[str, dict[str, Any]] = {
        "c7": {"customer": "c7"},
        "c8": {"customer": "c8", **GIVEN},
        "stranger": {"customer": "stranger"},
    }
    with Server(shop) as server:
        told = {name: server.predict(row)[1] for name, row in asked.items()}
        assert [told[n]["rung"] for n in asked] == ["champion", "champion", "default"]
        assert "features_age" in told["c7"]
        done = here(shop, "erase", "c7", *AS)
        assert done.returncode == 0, done.stderr
        assert "look-ups of churn: taken out" in done.stdout
        eventually(
            lambda: server.predict(asked["c7"])[1]["rung"] == "default", "look-ups without it"
        )
        late = server.predict({"customer": "c7", **GIVEN})[1]
        assert late["rung"] == "champion", "a row that is given can be answered"
        assert server.predict({"customer": "c9"})[1]["rung"] == "champion"
    assert _named(shop) == []
    assert here(shop, "tick").returncode == 0
    assert here(shop, "verify").returncode == 0
    stored = _served(shop)
    assert stored[told["c8"]["id"]] == pseudonym("c8", key)
    assert stored[late["id"]] == late["id"], "an erased entity is nobody's, from then on"
    assert pseudonym("c7", key) not in stored.values()
    assert _named(shop) == []
