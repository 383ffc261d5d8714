"""The demo as a person runs it, and all acts of its year pressed into few weeks."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from tamid.app import App
from tamid.cli.main import main
from tamid.core.values import ENTITY, PERIOD, TIME
from tamid.examples.telecom import Story
from tamid.examples.telecom.demo import Options, Played, Told, play
from tamid.examples.telecom.demo_acts import acts
from tamid.examples.telecom.demo_policies import left_alone

# Whichever test comes first plays the year for all of them.
pytestmark = pytest.mark.timeout(1800)

KEYS = {
    "f1_at_release", "f1_lowest", "f1_recovered", "days_onset_to_alarm",
    "days_alarm_to_new_champion", "f1_weeks_lost", "f1_weeks_lost_never_retraining",
    "f1_weeks_lost_manual", "bug_weeks_trained_on", "held_cases", "cases_closed", "deliveries",
    "duplicate_deliveries", "false_alarms", "churn_reduction", "money_saved", "wall_s", "peak_mb",
    "report",
}  # fmt: skip
# The acts up to the outage, one shortly after the other; the second drift lies beyond.
SHORT = Story(
    history_weeks=14, live_weeks=7, offer_week=1, bug_week=4, outage_week=5, billing_week=20
)
# All acts of the year.
PRESSED = Story(
    history_weeks=14, live_weeks=14, offer_week=1, bug_week=5, outage_week=6, billing_week=8
)


def played(folder: Path, story: Story, customers: int = 8_000) -> tuple[Played, list[Told]]:
    """Return a year that was played, and what was told of it."""
    told: list[Told] = []
    options = Options(folder=folder, customers=customers, weeks=story.live_weeks, story=story)
    return play(options, told.append), told


@pytest.fixture(scope="module")
def year(tmp_path_factory: pytest.TempPathFactory) -> tuple[Played, list[Told]]:
    """The first acts, played once for all tests of this file."""
    return played(tmp_path_factory.mktemp("year"), SHORT)


def test_the_first_acts_hold(year: tuple[Played, list[Told]]) -> None:
    """Each act ends as it should: repaired, refused, answered by a lower rung."""
    body = year[0].body()
    assert set(body) >= KEYS
    assert body["f1_at_release"] > 0.80 > body["f1_lowest"]
    assert body["f1_recovered"] > 0.80
    assert body["days_alarm_to_new_champion"] <= 3
    assert body["bug_weeks_trained_on"] == body["held_cases"] == 0
    assert body["cases_closed"] == 1
    assert body["duplicate_deliveries"] == body["false_alarms"] == body["cases_open"] == 0
    beyond = {name for name, held in body["acts"].items() if held is None}
    assert beyond == {"held_case"}
    assert set(body["acts"].values()) == {True, None}
    assert "champion" not in body["outage_rungs"]
    assert sum(body["outage_rungs"].values()) > 0
    assert body["f1_weeks_lost"] < body["f1_weeks_lost_never_retraining"]
    low, high = body["churn_reduction_interval"]
    assert low < body["churn_reduction"] < high
    assert body["peak_mb"] < 2_000


@pytest.mark.integration
def test_the_story_holds(tmp_path: Path) -> None:
    """The whole year: a second drift is held, answered by the developer, and cured."""
    body = played(tmp_path / "y", PRESSED)[0].body()
    assert body["f1_at_release"] > 0.80 > body["f1_lowest"]
    assert body["f1_recovered"] > 0.80
    assert body["days_alarm_to_new_champion"] <= 3
    assert body["bug_weeks_trained_on"] == 0
    assert body["held_cases"] == 1
    assert body["cases_closed"] == 2
    assert body["duplicate_deliveries"] == body["false_alarms"] == body["cases_open"] == 0
    assert set(body["acts"].values()) == {True}
    lost = [body[f"f1_weeks_lost{k}"] for k in ("", "_manual", "_never_retraining")]
    # So few weeks tell the loop from the others, not the others from each other.
    assert lost[0] < min(lost[1:])
    assert body["money_saved"] > 0


def test_a_plain_week_is_judged_as_monitoring_judges_it(
    year: tuple[Played, list[Told]],
) -> None:
    """Where the champion answered once, the demo's figures are those that the loop acted on."""
    weeks = year[0].figures.weeks
    points = {p: i.point for p, i in year[0].figures.intervals.items()}
    assert len(points) > 3
    assert {p: weeks.f1["ours"][p] for p in points} == pytest.approx(points)


def test_weeks_of_lower_rungs_count(year: tuple[Played, list[Told]]) -> None:
    """The bug week and the outage week are judged by what was really delivered in them."""
    figures = year[0].figures
    weeks = figures.weeks
    bug, down = (str(day) for day in (figures.bug and figures.bug.day, figures.outage_day))
    assert list(weeks.f1["ours"]) == list(weeks.periods)
    for week in (bug, down):
        first, last = weeks.answered[week]
        assert "champion" not in first
        assert set(last) == {"champion"}
    # Three days of last week's scores cost more than one day of them.
    assert weeks.f1["ours"][bug] < weeks.f1["ours"][down] < max(weeks.f1["ours"].values())


def test_the_log_tells_what_each_role_saw(year: tuple[Played, list[Told]]) -> None:
    """The loop, both roles and marketing each have their lines."""
    seen = {told.who for told in year[1]}
    assert seen == {"the loop", "ML developer", "MLOps engineer", "marketing", "the world"}


def test_the_report_stands_alone(year: tuple[Played, list[Told]]) -> None:
    """Report and picture are complete and fetch nothing."""
    page = year[0].report.read_text("utf-8")
    assert page.rstrip().endswith("</html>")
    assert "$" not in page
    assert "held" in page
    assert "src=" not in page
    assert "<script" not in page
    assert (year[0].report.parent / "year.svg").read_text("utf-8").startswith("<svg")


def test_four_policies_are_walked(year: tuple[Played, list[Told]]) -> None:
    """Replay tells what four policies would have brought, in the figures and in the report."""
    found = year[0].body()["policies"]
    assert [row.policy for row in found.rows] == ["never", "4-weekly", "quarterly", "contract"]
    never, monthly, *_ = found.rows
    assert (never.runs, monthly.runs, monthly.releases) == (0, 1, 1)
    assert never.by_week.keys() == monthly.by_week.keys()
    assert found.first == min(never.by_week) == year[0].figures.weeks.periods[0]
    for row in found.rows:
        assert 0.4 < row.f1 < 1
        assert row.cost > 0
    page = year[0].report.read_text("utf-8")
    assert f"{found.walked:,} rows" in page
    assert f"{never.cost:,} ILS" in page
    # Nobody who was walked was ever made an offer in his week.
    app = App.open(year[0].report.parent)
    rig, pins, contract = app.rig("churn"), app.state("churn").pins, app.contract("churn")
    rows = rig.tables.read(pins["churn.rows"], columns=[ENTITY, TIME, PERIOD])
    some = left_alone(rows, contract, rig.salt, 0.2)
    assert some.height / rows.height == pytest.approx(0.2, abs=0.02)
    told = rig.tables.read(pins["churn.predictions"], columns=[ENTITY, PERIOD, "treated"])
    seen = told.join(some, on=[ENTITY, PERIOD], how="semi").get_column("treated")
    assert len(seen) > 0
    assert not seen.any()
    app.close()


def test_the_lift_of_the_calls_is_what_tamid_actions_tells(
    year: tuple[Played, list[Told]], capsys: pytest.CaptureFixture[str]
) -> None:
    """Marketing hands over whom it called; report, figures and command tell one lift of it."""
    campaign, folder = year[0].figures.campaign, year[0].report.parent
    assert campaign is not None
    assert campaign.lift is not None
    assert main(["-C", str(folder), "actions", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    (file,), (lift,) = told["files"], told["lifts"]
    assert (file["new"], file["unknown"], file["held_back"]) == (campaign.calls, 0, 0)
    assert lift["lift"]["point"] == pytest.approx(campaign.lift.lift.point)
    assert lift["word"] == "helps", "a quarter of those who are called stay because of it"
    assert lift["reached"] == 1
    assert lift["lift"]["low"] > 0
    page = year[0].report.read_text("utf-8")
    assert f"{campaign.calls:,} calls when the year was over" in page
    assert any(t.who == "marketing" and "helps" in t.text for t in year[1])


def test_a_bug_that_is_trained_on_fails_the_act(year: tuple[Played, list[Told]]) -> None:
    """Whatever else became of the file: one run that learnt from it, and the act has failed."""
    figures = year[0].figures
    assert figures.bug is not None
    learnt = replace(figures, bug=replace(figures.bug, trained_on=1))
    assert (acts(figures)["bug"], acts(learnt)["bug"]) == (True, False)


def test_a_bug_within_every_range_is_not_learnt_from(tmp_path: Path) -> None:
    """Values that no range refuses are suspected: their owner gets a case, and nothing is trained
    although quality fell; that the act failed cannot be said before the supplier had his days."""
    story = Story(
        history_weeks=8, live_weeks=3, offer_week=1, bug_week=1, bug_factor=4.0,
        bug_repaired_after=timedelta(days=40),
    )  # fmt: skip
    outcome = played(tmp_path / "y", story, customers=4_000)[0]
    bug, body = outcome.figures.bug, outcome.body()
    assert bug is not None
    assert (bug.refused, bug.trained_on, bug.case_closed) == (False, 0, False)
    assert body["alarms"] > 0
    assert (body["bug_weeks_trained_on"], body["cases_open"]) == (0, 1)
    assert body["acts"]["bug"] is None


@pytest.mark.parametrize(
    "words",
    [["--seed", "-1"], ["--weeks", "4", "--slow-labels"], ["--dir", "/proc/nope/x"],
     ["--dir", __file__], ["--dir", str(Path(__file__).parent)]],
)  # fmt: skip
def test_a_world_that_cannot_be_played_is_refused(words: list[str]) -> None:
    """Arguments that give nothing to judge end with what is wrong, before anything is written."""
    done = subprocess.run(
        [sys.executable, "-m", "tamid", "demo", *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "T000" not in done.stderr
    assert words[-1] in done.stderr or "slow labels" in done.stderr


def test_the_command_ends_with_one_json_object(tmp_path: Path) -> None:
    """`tamid demo --json` prints the figures as the last line of stdout, the log on stderr."""
    words = ["demo", "--json", "--weeks", "5", "--customers", "2000", "--slow-labels"]
    words += ["--dir", str(tmp_path / "y")]
    done = subprocess.run(
        [sys.executable, "-m", "tamid", *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    body = json.loads(done.stdout.splitlines()[-1])
    assert set(body) >= KEYS
    assert Path(body["report"]).is_file()
    assert "the loop" in done.stderr
