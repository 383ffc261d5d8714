"""A missing library is answered with its install line."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tamid.adapters._optional import need
from tamid.core.errors import MissingExtra


def test_an_installed_library_is_returned() -> None:
    """What is there is simply imported."""
    assert need("json.decoder", "loop").__name__ == "json.decoder"


def test_a_missing_library_is_answered_with_the_install_line() -> None:
    """The error names the library and the exact command, and ends with status 2."""
    with pytest.raises(MissingExtra, match="no_such_library is not installed") as caught:
        need("no_such_library.part", "kafka")
    assert caught.value.remedy == "pip install 'tamid[kafka]'"
    assert caught.value.exit_code == 2


def test_a_library_that_is_broken_inside_is_not_called_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the library itself lacks something, that is what is reported."""
    (tmp_path / "half_there.py").write_text("import no_such_library\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    with pytest.raises(ModuleNotFoundError, match="no_such_library"):
        need("half_there", "kafka")
