"""`tamid serve`: what it says when it cannot begin."""

from __future__ import annotations

from pathlib import Path

import pytest

from tamid.cli.main import main

_CONTRACT = "tamid: 1\nname: m\n"


def test_without_a_ledger_it_says_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A folder where nothing was released is no server, and gets no ledger by asking."""
    (tmp_path / "contract.yaml").write_text(_CONTRACT)
    assert main(["-C", str(tmp_path), "serve"]) == 2
    assert "tamid tick" in capsys.readouterr().err
    assert not (tmp_path / ".tamid").exists()


@pytest.mark.parametrize("text", ["0ms", "soon"])
def test_a_deadline_is_some_time(
    tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """None at all would be taken for the contract's."""
    assert main(["-C", str(tmp_path), "serve", "--deadline", text]) == 2
    assert "--deadline" in capsys.readouterr().err


@pytest.mark.parametrize("token", ["secret-on-the-command-line", "env:TAMID_NO_SUCH_NAME"])
def test_tokens_come_from_the_environment(
    tmp_path: Path, token: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A token on the command line, or one that is not there, is refused."""
    assert main(["-C", str(tmp_path), "serve", "--token", token]) == 2
    assert "token" in capsys.readouterr().err
