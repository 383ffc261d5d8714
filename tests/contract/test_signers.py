"""Keys in a folder keep the laws of the Signer port."""

from __future__ import annotations

from pathlib import Path

import pytest

from tamid.adapters.keys import Keys
from tamid.testing.signer_suite import SignerSuite


class TestKeys(SignerSuite):
    """Ed25519 keys of a workspace."""

    @pytest.fixture
    def signer(self, tmp_path: Path) -> Keys:
        made = Keys(tmp_path / "mine")
        made.create()
        return made

    @pytest.fixture
    def stranger(self, tmp_path: Path) -> Keys:
        made = Keys(tmp_path / "theirs")
        made.create()
        return made
