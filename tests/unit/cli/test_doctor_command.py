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
