"""`tamid doctor` names what the loop of a workspace lacks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from shop import Shop

from tamid.cli.main import main
from tamid.testing.life import CONTRACT

ASKED = "to: [{csv: out/scores.csv}, {webhook: 'https://example.com/in'}]"


def findings(shop: Shop, capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, list[str]]]:
    """Return doctor's exit status, and what it said by state."""
    status = main(["-C", str(shop.root), "-q", "doctor", "--json"])
    told: dict[str, list[str]] = {}
    for found in json.loads(capsys.readouterr().out)["findings"]:
        told.setdefault(found["state"], []).append(f"{found['what']} | {found['fix']}")
    return status, told


def test_a_webhook_without_its_secret_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The missing variable stands there, with what it is for; once it is set the target is fit."""
    monkeypatch.delenv("TAMID_WEBHOOK_SECRET", raising=False)
    shop = Shop(tmp_path, CONTRACT.replace("to: [{csv: out/scores.csv}]", ASKED)).live()
    status, told = findings(shop, capsys)
    (lacking,) = [t for t in told["fail"] if "webhook" in t]
    assert status == 1
    assert "TAMID_WEBHOOK_SECRET" in lacking
    assert "nothing is sent unsigned" in lacking
    monkeypatch.setenv("TAMID_WEBHOOK_SECRET", "sixteen bytes or more")
    status, told = findings(shop, capsys)
    assert not [t for t in told.get("fail", []) if "webhook" in t]
    assert any("target 2-webhook is set up" in t for t in told["ok"])


def test_a_database_whose_folder_is_missing_is_not_set_up(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is made by the question; with the folder there the target is fit."""
    place = tmp_path / "dwh" / "scores.db"
    target = f"to: [{{sql: 'sqlite:///{place}', table: scores}}]"
    shop = Shop(tmp_path / "shop", CONTRACT.replace("to: [{csv: out/scores.csv}]", target)).live()
    status, told = findings(shop, capsys)
    (lacking,) = [t for t in told["fail"] if "target 1-sql" in t]
    assert status == 1
    assert f"the folder {place.parent} does not exist" in lacking
    place.parent.mkdir()
    assert any("target 1-sql is set up" in t for t in findings(shop, capsys)[1]["ok"])
    assert not place.exists()


def test_a_code_file_that_is_gone_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The next turn would leave the contract in force; doctor says so before."""
    named = CONTRACT.replace("training:", "features: {code: 'features.py:build'}\ntraining:")
    shop = Shop(tmp_path, named).live()
    (lacking,) = [t for t in findings(shop, capsys)[1]["fail"] if "features.py" in t]
    assert "Add the file." in lacking
    (tmp_path / "features.py").write_text("def build(rows):\n    return rows\n")
    assert any("and 1 file of code can be read" in t for t in findings(shop, capsys)[1]["ok"])
