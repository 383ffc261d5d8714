"""Laws of the Repository port; a subclass gives the fixtures `repository` and `tree`."""

from __future__ import annotations

from typing import Protocol

from tamid.ports import Repository


class Tree(Protocol):
    """The files of the repository under test."""

    def write(self, name: str, text: str) -> None:
        """Put a file down."""
        ...

    def remove(self, name: str) -> None:
        """Take a file away."""
        ...

    def commit(self) -> None:
        """Commit all that there is."""
        ...


class RepositorySuite:
    """What every repository keeps. `tree` begins with contract.yaml and features.py, committed."""

    FILES = ("*.py", "contract.yaml")

    def test_committed_files_have_a_commit_and_nothing_changed(
        self, repository: Repository, tree: Tree
    ) -> None:
        """Forty letters, no file, no difference; what nobody asked for does not count."""
        tree.write("rows.csv", "a\n")
        found = repository.standing(self.FILES, "contract.yaml")
        assert found is not None
        assert len(found.commit) == 40
        assert (found.changed, found.diff) == ((), "")
        assert found.branch

    def test_changed_new_and_removed_files_are_named(
        self, repository: Repository, tree: Tree
    ) -> None:
        """In the order of their names, and the difference says which."""
        tree.write("contract.yaml", "tamid: 2\n")
        tree.write("alpha.py", "x = 1\n")
        tree.remove("features.py")
        found = repository.standing(self.FILES, "contract.yaml")
        assert found is not None
        assert found.changed == ("alpha.py", "contract.yaml", "features.py")
        assert "contract.yaml" in found.diff

    def test_a_commit_makes_the_tree_clean_and_is_another_one(
        self, repository: Repository, tree: Tree
    ) -> None:
        """The same files, committed."""
        before = repository.standing(self.FILES, "contract.yaml")
        tree.write("features.py", "y = 2\n")
        tree.commit()
        after = repository.standing(self.FILES, "contract.yaml")
        assert before is not None
        assert after is not None
        assert after.changed == ()
        assert after.commit != before.commit

    def test_an_anchor_that_it_does_not_know_has_no_standing(
        self, repository: Repository, tree: Tree
    ) -> None:
        """A file beside the repository's own is none of its business."""
        tree.write("other.yaml", "tamid: 1\n")
        assert repository.standing(self.FILES, "other.yaml") is None
