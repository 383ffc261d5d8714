"""Commands that only look: status, why, which, models, runs, log."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from shop import Shop

from tamid.cli.main import command_parser, main
from tamid.cli.table import TABLE


def run(shop: Shop, *words: str) -> int:
    """Run a command in the workspace."""
    return main(["-C", str(shop.root), "-q", *words])


@pytest.fixture
def fallen(tmp_path: Path) -> Shop:
    """Version 1 is live and has fallen; a candidate was held and case 1 is open."""
    return Shop(tmp_path).fallen()


def test_status_opens_with_the_two_questions(
    fallen: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    """First the service, then the model, each with number, interval and date."""
    assert run(fallen, "status") == 0
    lines = capsys.readouterr().out.splitlines()
    first, second = lines.index("Is the service healthy?"), lines.index("Is the model still right?")
    assert 0 < first < second < 14
    period = fallen.life.period(1)
    assert lines[second + 1].startswith("  No: f1 of version 1 is 0.700 (0.680 to 0.720)")
    assert lines[second + 2].endswith(f"as of {period}, interval at 95%")


def test_status_names_champion_alarm_case_and_what_is_awaited(
    fallen: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    """Everything that is open stands on one page."""
    run(fallen, "status", "churn")
    text = capsys.readouterr().out
    for part in (
        "champion    version 1, live since",
        "alarm       quality/1/",
        "confirmed cause: concept drift",
        "case 1      for ml_developer",
        "run-0002",
        "awaited     of ml_developer: work on case 1",
    ):
        assert part in text


def test_status_as_json_is_the_snapshot(fallen: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    """One object on stdout, nothing else."""
    assert run(fallen, "status", "--json") == 0
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    (snap,) = json.loads(out)["models"]
    assert snap["model"] == "churn"
    assert snap["quality"]["reply"] == "no"
    assert snap["quality"]["interval"]["level"] == 0.95
    assert snap["cases"][0]["number"] == 1


def test_looking_changes_nothing(fallen: Shop) -> None:
    """Reading commands append no event."""
    before = fallen.app.ledger.read("churn")
    for words in (["status"], ["why"], ["models"], ["runs"], ["log"], ["cases"]):
        assert run(fallen, *words) == 0
    assert fallen.app.ledger.read("churn") == before


def test_status_of_a_fresh_workspace(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Before the first tick nothing is known, and that is said."""
    assert run(Shop(tmp_path), "status") == 0
    text = capsys.readouterr().out
    assert text.count("Not known yet") == 2
    assert "has not turned yet" in text


def test_status_outside_a_workspace_is_an_error_of_three_lines(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What, why, what to do."""
    assert main(["-C", str(tmp_path), "status"]) == 2
    err = capsys.readouterr().err.splitlines()
    assert len(err) == 3
    assert "tamid init" in err[2]


def test_why_shows_the_gates_with_their_numbers(
    fallen: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    """A held run is explained by the gate that failed, from the stored report."""
    assert run(fallen, "why", "run", "run-0002") == 0
    text = capsys.readouterr().out
    assert "gate minimum f1: fail; f1 0.71, demanded 0.75, on 4 200 rows" in text
    assert f"evidence {fallen.digests['gates']}" in text


def test_why_as_json_keeps_numbers_and_hashes(
    fallen: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every step carries its place and hash; verdicts stay numbers."""
    assert run(fallen, "why", "case", "1", "--json") == 0
    body = json.loads(capsys.readouterr().out)
    records = {r.seq: r.hash for r in fallen.app.ledger.read("churn")}
    assert body["steps"]
    assert all(records[s["line"]["seq"]] == s["hash"] for s in body["steps"])
    (verdicts,) = body["verdicts"].values()
    assert {v["gate"] for v in verdicts} == {"minimum f1", "calibration"}


def test_why_shortens_a_long_run_of_the_same(
    fallen: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    """Many measurements in one tick are told by the first and the last."""
    from tamid.core import events as ev

    for day in range(20):
        fallen.life.say(ev.Measured(signal="score_psi", period=f"day-{day:02d}", value=0.1))
    fallen.life.say(ev.Ticked(tick="long"))
    fallen.keep()
    assert run(fallen, "why", "tick", "long") == 0
    text = capsys.readouterr().out
    assert "18 more of this kind" in text
    assert "day-00" in text
    assert "day-19" in text
    assert "day-07" not in text


def test_which_says_version_person_and_evidence(
    fallen: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    """The version of a date with the digest of the evidence and of the record."""
    assert run(fallen, "which", "--on", fallen.life.period(1)) == 0
    text = capsys.readouterr().out
    assert text.startswith("churn: version 1, live from")
    assert f"evidence {fallen.digests['gates']}" in text
    assert fallen.app.ledger.read("churn")[6].hash in text


def test_which_before_the_first_release(fallen: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody was live: an answer, with the date of the first release."""
    assert run(fallen, "which", "--on", "2001-01-01", "churn") == 0
    assert "no version was live on 2001-01-01; the first release was on" in capsys.readouterr().out


def test_models_and_runs_list_what_there_is(
    fallen: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line a version, one line a run with its outcome."""
    run(fallen, "models")
    assert "live" in capsys.readouterr().out
    run(fallen, "runs")
    text = capsys.readouterr().out
    assert [line.split()[1] for line in text.splitlines()[1:]] == ["run-0001", "run-0002"]
    assert "held" in text


def test_log_is_filtered_by_kind(fallen: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    """Only the kinds asked for, whatever the case of letters."""
    assert run(fallen, "log", "--kind", "promoted", "--kind", "AlarmRaised") == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert "Version 1 became champion" in lines[0]
    assert "Alarm quality/1/" in lines[1]


def test_log_knows_only_kinds_that_exist(fallen: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    """A mistyped kind lists the right ones."""
    assert run(fallen, "log", "--kind", "promotion") == 2
    assert "Promoted" in capsys.readouterr().err


def test_log_shows_the_last_events(fallen: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    """--last keeps the end, in order."""
    assert run(fallen, "log", "--last", "2", "--json") == 0
    events = json.loads(capsys.readouterr().out)["events"]
    assert [e["kind"] for e in events] == ["Judged", "CaseOpened"]


@pytest.mark.parametrize(
    "command", [c for group in TABLE for c in group.commands], ids=lambda c: c.name
)
def test_every_operator_command_explains_itself(command: object) -> None:
    """Each help has a summary and, for the commands of this page, an example."""
    from tamid.cli.table import Command

    assert isinstance(command, Command)
    text = command_parser(command).format_help()
    assert command.summary in text
    if not command.target.startswith("tamid.cli.contract:"):
        assert f"tamid {command.name}" in text.partition("examples:")[2]


def test_which_cannot_tell_the_future(fallen: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    """A day that has not come yet is a mistake, not "still is"."""
    assert run(fallen, "which", "--on", "2999-01-01") == 2
    assert "has not come yet" in capsys.readouterr().err
