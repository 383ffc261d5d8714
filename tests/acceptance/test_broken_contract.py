"""A contract that is edited badly must not stop a model that works."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tamid.adapters.memory_clock import SimulatedClock
from tamid.app import App
from tamid.core.errors import ContractError

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
