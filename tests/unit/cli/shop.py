"""A workspace on disk whose ledger tells a story: for tests of commands."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from tamid.app import App
from tamid.config import find
from tamid.core.values import canonical_json
from tamid.testing import scenes
from tamid.testing.life import CONTRACT, Life, digest

GATES = {
    "verdicts": [
        {"gate": "minimum f1", "outcome": "fail", "n": 4200, "message": "f1 0.71, demanded 0.75"},
        {"gate": "calibration", "outcome": "pass", "measured": 0.02, "threshold": 0.05},
    ]
}
CASE = {"markdown": "# Case 1: no candidate is good enough\n\nRead the slices.\n"}


def last_sunday(weeks: int) -> datetime:
    """Return the Sunday so many weeks before the last one, so that stories end about now."""
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return today - timedelta(days=(today.weekday() + 1) % 7, weeks=weeks)


class Shop:
    """One workspace of the model `churn`; `digests` name what really lies among the blobs."""

    def __init__(self, root: Path, contract: str = CONTRACT, weeks: int = 3) -> None:
        self.root = root
        root.mkdir(parents=True, exist_ok=True)
        (root / "contract.yaml").write_text(contract, encoding="utf-8")
        (root / "tamid.toml").write_text('[workspace]\nmodels = ["contract.yaml"]\n')
        self.life = Life(last_sunday(weeks))
        self.app = App(find(root))
        put = self.app.blobs.put
        self.digests = {
            "contract": put(contract.encode()),
            "gates": put(canonical_json(GATES).encode()),
            "case": put(canonical_json(CASE).encode()),
            "report": put(b"{}"),
            "bundle": digest("bundle"),
            "overlay": digest("overlay"),
        }
        self._kept = 0

    def keep(self) -> Shop:
        """Write what the story told since the last time into the ledger."""
        fresh = self.life.drafts[self._kept :]
        self.app.ledger.append("churn", fresh, self._kept, 0)
        self._kept += len(fresh)
        return self

    def live(self) -> Shop:
        """Tell of a first release and two served weeks, one of them measured."""
        scenes.first_release(self.life, self.digests)
        scenes.served(self.life, 0)
        scenes.served(self.life, 1)
        scenes.measured(self.life, 0, 0.83)
        return self.keep()

    def fallen(self) -> Shop:
        """Tell of a fall of quality and a held candidate."""
        self.live()
        scenes.held(self.life, scenes.fall(self.life, 1), self.digests)
        return self.keep()

    def pending(self) -> Shop:
        """Tell of a fall of quality and of version 2 in shadow."""
        self.live()
        scenes.fall(self.life, 1)
        scenes.challenger(self.life, self.digests)
        return self.keep()
