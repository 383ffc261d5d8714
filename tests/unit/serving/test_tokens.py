"""Tokens in a file: what is one, and what holds while the file is wrong."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tamid.core.errors import UsageError
from tamid.serving import tokens
from tamid.serving.tokens import TokenFile, tokens_in

ONE, TWO = "a" * 16, "b" * 20


def test_one_token_a_line(tmp_path: Path) -> None:
    """Blanks around it, empty lines and remarks are none."""
    file = tmp_path / "tokens"
    file.write_text(f"# of the shop\n{ONE}\n\n  {TWO}  \n")
    assert tokens_in(file) == (ONE, TWO)


@pytest.mark.parametrize("text", ["", "# nothing\n", "short\n", "נ" * 16, f"{ONE}\n" * 21, "\xff"])
def test_what_is_no_token_is_refused_and_not_repeated(tmp_path: Path, text: str) -> None:
    """Also a file that is not there."""
    file = tmp_path / "tokens"
    file.write_bytes(text.encode("latin-1" if text == "\xff" else "utf-8"))
    with pytest.raises(UsageError) as refused:
        tokens_in(file)
    assert not text.strip() or text.strip() not in f"{refused.value.what} {refused.value.why}"
    with pytest.raises(UsageError, match="cannot be read"):
        tokens_in(tmp_path / "other")


def test_a_wrong_file_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """New tokens are admitted once; while the file is wrong that is said once, and nothing else."""
    monkeypatch.setattr(tokens, "_EVERY", 0.01)
    file, heard, said = tmp_path / "tokens", list[tuple[str, ...]](), list[str]()
    file.write_text(ONE)

    async def play() -> None:
        follower = TokenFile(file, (ONE,), heard.append, said.append)
        follower.begin()
        for text, about in ((TWO, heard), ("", said), (ONE, heard)):
            many = len(about)
            beside = tmp_path / "beside"
            beside.write_text(text)
            beside.replace(file)
            while len(about) == many:
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.1)
        await follower.close()

    asyncio.run(asyncio.wait_for(play(), 60))
    assert heard == [(TWO,), (ONE,)]
    assert len(said) == 3
    assert "those read before hold" in said[1]
