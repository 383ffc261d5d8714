"""The commands for keys: list, rotate, revoke, trust, export."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tamid.cli.main import main


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """A workspace that has a contract and nothing else."""
    (tmp_path / "contract.yaml").write_text("name: churn\n")
    return tmp_path


def listed(workspace: Path, capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    """Return the keys as `keys --json` lists them."""
    assert main(["-C", str(workspace), "keys", "--json"]) == 0
    found: list[dict[str, object]] = json.loads(capsys.readouterr().out)["keys"]
    return found


def test_rotation_makes_a_new_signing_key_and_keeps_the_old_one_trusted(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """After a rotation both keys are trusted and only the new one signs."""
    first = listed(workspace, capsys)
    assert main(["-C", str(workspace), "keys", "rotate", "--as", "mlops_engineer"]) == 0
    capsys.readouterr()
    after = {k["id"]: k for k in listed(workspace, capsys)}
    assert len(after) == 2
    assert after[first[0]["id"]]["signs"] is False
    assert not any(k["revoked"] for k in after.values())


def test_revoked_key_is_listed_as_revoked(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Revoking needs the engineer's role and shows in the list."""
    key = str(listed(workspace, capsys)[0]["id"])
    main(["-C", str(workspace), "keys", "rotate", "--as", "mlops_engineer"])
    assert main(["-C", str(workspace), "keys", "revoke", key]) == 2
    assert main(["-C", str(workspace), "keys", "revoke", key, "--as", "mlops_engineer"]) == 0
    capsys.readouterr()
    assert [k["revoked"] for k in listed(workspace, capsys) if k["id"] == key] == [True]


def test_exported_key_is_the_public_half(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The file holds a public key and nothing private; an unknown key is a usage error."""
    key = str(listed(workspace, capsys)[0]["id"])
    file = workspace / "key.pem"
    assert main(["-C", str(workspace), "keys", "export", key, str(file)]) == 0
    assert "BEGIN PUBLIC KEY" in file.read_text()
    assert main(["-C", str(workspace), "keys", "export", "nobody", str(file)]) == 2


def test_another_workspaces_key_is_trusted(
    workspace: Path, tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    """Only by the engineer, only a public key; it signs nothing here, and revoked stays revoked."""
    other = tmp_path_factory.mktemp("other")
    (other / "contract.yaml").write_text("name: churn\n")
    key, file = str(listed(other, capsys)[0]["id"]), other / "key.pem"
    assert main(["-C", str(other), "keys", "export", key, str(file)]) == 0
    trust = ["-C", str(workspace), "keys", "trust"]
    assert main([*trust, str(file)]) == 2
    assert main([*trust, str(file), "--as", "mlops_engineer"]) == 0
    assert main([*trust, str(file) + "x", "--as", "mlops_engineer"]) == 2
    assert main([*trust, str(other / "contract.yaml"), "--as", "mlops_engineer"]) == 2
    capsys.readouterr()
    (mine,) = (k for k in listed(workspace, capsys) if k["id"] == key)
    assert (mine["signs"], mine["revoked"]) == (False, False)
    main(["-C", str(workspace), "keys", "revoke", key, "--as", "mlops_engineer"])
    assert main([*trust, str(file), "--as", "mlops_engineer"]) == 0
    assert "but revoked" in capsys.readouterr().out
