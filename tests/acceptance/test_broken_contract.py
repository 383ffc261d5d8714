"""A contract that is edited badly must not stop a model that works."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tamid.adapters.memory_clock import SimulatedClock
from tamid.app import App
from tamid.cli.main import main
from tamid.core.errors import ContractError
from tamid.core.events import DataRefused

GOOD = """\
tamid: 1
name: churn
task: binary
data:
  source: rows/*.csv
  entity: customer
  time: week
  label: {column: left, positive: 1, horizon: 7d}
  schema:
    minutes: {type: number, min: 0}
"""
BAD = GOOD.replace("horizon: 7d", "horizon: soon")


def test_broken_contract_leaves_the_adopted_one_in_force(tmp_path: Path) -> None:
    """The loop goes on under the contract in force and says what is wrong with the new one."""
    contract = tmp_path / "contract.yaml"
    contract.write_text(GOOD)
    clock = SimulatedClock(datetime(2026, 1, 4, tzinfo=UTC))
    app = App.open(tmp_path, clock=clock)
    before = app.tick("churn").state.contract
    contract.write_text(BAD)
    clock.advance(timedelta(days=1))
    fresh = App.open(tmp_path, clock=clock)
    for opened in (app, fresh):
        report = opened.tick("churn")
        assert report.state.contract == before
        assert "the contract in force stays" in report.waiting[-1]
        clock.advance(timedelta(days=1))
    contract.write_text(GOOD + "owners: {ml_developer: us}\n")
    assert app.tick("churn").state.contract != before
    app.close()
    fresh.close()


def test_broken_contract_that_was_never_adopted_is_an_error(tmp_path: Path) -> None:
    """Without a contract in force the problems are the answer."""
    (tmp_path / "contract.yaml").write_text(BAD)
    app = App.open(tmp_path)
    with pytest.raises(ContractError, match="horizon"):
        app.tick("churn")
    app.close()


def test_a_contract_that_was_wrong_about_the_data_is_corrected(tmp_path: Path) -> None:
    """What it refused is judged anew under the next one, and once more only under a third."""
    contract, rows = tmp_path / "contract.yaml", tmp_path / "rows" / "a.csv"
    wrong = GOOD + "    calls: {type: number, min: 0}\n"
    contract.write_text(wrong)
    rows.parent.mkdir()
    rows.write_text(
        "customer,week,minutes,left\n" + "".join(f"c{n},2026-01-04,5,\n" for n in range(9))
    )
    clock = SimulatedClock(datetime(2026, 1, 5, tzinfo=UTC))
    app = App.open(tmp_path, clock=clock)

    def turned() -> tuple[list[str], int, int]:
        clock.advance(timedelta(hours=1))
        state = app.tick("churn").state
        told = [r for r in app.records("churn") if isinstance(r.event, DataRefused)]
        return list(state.refused), len(told), len(state.open_cases)

    assert turned() == (["rows/a.csv"], 1, 1)
    assert turned() == (["rows/a.csv"], 1, 1), "under the same contract nothing is read again"
    contract.write_text(wrong.replace("calls", "visits"))
    assert turned() == (["rows/a.csv"], 2, 1), "wrong again: told again, one case"
    contract.write_text(GOOD)
    assert turned() == ([], 2, 0)
    assert app.state("churn").batches["rows"].keys() == {"a.csv"}
    app.close()


def test_code_cannot_be_tested_on_rows_that_were_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command says what is wrong with the rows, and waits."""
    (tmp_path / "contract.yaml").write_text(GOOD + "    calls: {type: number, min: 0}\n")
    (tmp_path / "rows").mkdir()
    (tmp_path / "rows" / "a.csv").write_text("customer,week,minutes,left\nc1,2026-01-04,5,\n")
    assert main(["test", "-C", str(tmp_path)]) == 4
    said = capsys.readouterr().err
    assert "no rows were taken in yet to test on" in said
    assert "column 'calls' is missing" in said
