"""Laws of the Reports port; a subclass gives the fixture `reports` of an empty store."""

from __future__ import annotations

from dataclasses import replace

from tamid.core.trial import ArmCounts
from tamid.ports import Reports, ServerReport, TrialReport

ONE = ServerReport(process="p1", began="2026-01-04T06:00:00Z", at="2026-01-04T06:00:05Z")
COUNTS = ArmCounts(rows=7, failed=1, same=2, called=3, scores={3: 2, -4: 4}, times={40: 6})


class ReportsSuite:
    """What every keeper of reports keeps."""

    def test_nobody_told(self, reports: Reports) -> None:
        """A model that nobody serves has no reports."""
        assert not reports.heard("churn")

    def test_what_was_told_is_heard(self, reports: Reports) -> None:
        """A report comes back unchanged, with its counts by bin."""
        trial = TrialReport(
            number=3, stage="canary 5%", since="s", arms={"canary": COUNTS}, stopped="too slow"
        )
        told = replace(ONE, champion=2, rungs={"champion": 9}, changes=("ראשון",), trial=trial)
        reports.tell("churn", told)
        assert list(reports.heard("churn")) == [told]

    def test_the_newest_replaces_the_one_before(self, reports: Reports) -> None:
        """One report a process, in the order of their names; models do not mix."""
        reports.tell("churn", replace(ONE, process="p2"))
        reports.tell("churn", ONE)
        reports.tell("churn", replace(ONE, restarts=4))
        reports.tell("fraud", ONE)
        assert [(r.process, r.restarts) for r in reports.heard("churn")] == [("p1", 4), ("p2", 0)]
