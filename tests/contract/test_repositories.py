"""Every repository keeps the laws of its port."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tamid.adapters.git import GitRepository
from tamid.adapters.memory_repository import MemoryRepository
from tamid.ports import Repository
from tamid.testing.repository_suite import RepositorySuite, Tree

BEGUN = {"contract.yaml": "tamid: 1\n", "features.py": "x = 0\n"}


class InMemory:
    """The files of a repository in memory."""

    def __init__(self, repository: MemoryRepository) -> None:
        self._repository = repository

    def write(self, name: str, text: str) -> None:
        self._repository.files[name] = text

    def remove(self, name: str) -> None:
        del self._repository.files[name]

    def commit(self) -> None:
        self._repository.commit()


class OnDisk:
    """The files of a folder under git."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text)

    def remove(self, name: str) -> None:
        (self.folder / name).unlink()

    def commit(self) -> None:
        self.git("add", "-A", ".")
        self.git("commit", "-qm", "more")

    def git(self, *words: str) -> None:
        who = ["-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", *who, *words], cwd=self.folder, check=True, capture_output=True)


class TestMemoryRepository(RepositorySuite):
    """A repository in memory."""

    @pytest.fixture
    def repository(self) -> MemoryRepository:
        return MemoryRepository(BEGUN)

    @pytest.fixture
    def tree(self, repository: MemoryRepository) -> Tree:
        return InMemory(repository)


class TestGitRepository(RepositorySuite):
    """A folder below the top of a real repository."""

    @pytest.fixture
    def tree(self, tmp_path: Path) -> OnDisk:
        top = OnDisk(tmp_path)
        top.git("init", "-q")
        below = OnDisk(tmp_path / "models")
        below.folder.mkdir()
        for name, text in BEGUN.items():
            below.write(name, text)
        below.commit()
        return below

    @pytest.fixture
    def repository(self, tree: OnDisk) -> Repository:
        return GitRepository(tree.folder)

    def test_a_renamed_file_is_named_by_what_it_is_now(
        self, repository: Repository, tree: OnDisk
    ) -> None:
        """Git tells both names of a rename; the old one is not taken for another entry."""
        tree.git("mv", "features.py", "made.py")
        found = repository.standing(self.FILES, "contract.yaml")
        assert found is not None
        assert found.changed == ("made.py",)

    def test_a_name_with_a_blank_and_other_letters_is_read_whole(
        self, repository: Repository, tree: OnDisk
    ) -> None:
        """Git would quote it otherwise."""
        tree.write("תכונות two.py", "x = 1\n")
        found = repository.standing(self.FILES, "contract.yaml")
        assert found is not None
        assert found.changed == ("תכונות two.py",)

    def test_a_repository_without_a_commit_knows_no_commit(self, tmp_path: Path) -> None:
        """What was added and never committed is changed."""
        folder = OnDisk(tmp_path / "fresh")
        folder.folder.mkdir()
        folder.git("init", "-q")
        folder.write("contract.yaml", "tamid: 1\n")
        folder.git("add", "contract.yaml")
        found = GitRepository(folder.folder).standing(self.FILES, "contract.yaml")
        assert found is not None
        assert (found.commit, found.changed) == ("", ("contract.yaml",))

    def test_a_folder_without_a_repository_has_no_standing(self, tmp_path: Path) -> None:
        """Nor does one that is not there."""
        (tmp_path / "contract.yaml").write_text("tamid: 1\n")
        assert GitRepository(tmp_path).standing(self.FILES, "contract.yaml") is None
        assert GitRepository(tmp_path / "none").standing(self.FILES, "contract.yaml") is None
