"""A git repository's word on files, by its own command; without git it knows nothing."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

from tamid.ports import Standing

# A repository that needs longer hangs: on a lock, or on a disk that is gone.
_TIMEOUT_S = 30.0


class GitRepository:
    """The repository that a folder lies in; names of files are relative to that folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def standing(self, files: Sequence[str], anchor: str) -> Standing | None:
        """Return what git knows of the files; see the port."""
        if not self._asked("ls-files", "--", anchor):
            return None
        commit = self._asked("rev-parse", "HEAD").strip()
        told = self._asked("status", "--porcelain", "-z", "--untracked-files=all", "--", *files)
        changed = tuple(sorted(self._here(told)))
        diff = self._asked("diff", "HEAD", "--", *files) if changed and commit else ""
        return Standing(
            commit=commit,
            branch=self._asked("symbolic-ref", "--short", "-q", "HEAD").strip(),
            changed=changed,
            diff=diff,
        )

    def _here(self, told: str) -> set[str]:
        """Read `status -z`: two letters, a space, the path from the top; a rename has two paths."""
        prefix = self._asked("rev-parse", "--show-prefix").strip()
        entries, found = iter(told.split("\0")), set()
        for entry in entries:
            if len(entry) > 3:
                found.add(entry[3:].removeprefix(prefix))
                if entry[0] in "RC":
                    next(entries, "")
        return found

    def _asked(self, *words: str) -> str:
        """Return what git says, "" where there is no git or it refuses."""
        try:
            found = subprocess.run(
                ["git", *words],
                cwd=self._folder,
                capture_output=True,
                check=True,
                timeout=_TIMEOUT_S,
            )
        except (OSError, subprocess.SubprocessError):
            return ""
        return found.stdout.decode(errors="replace")
