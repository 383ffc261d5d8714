"""From a file in an empty folder to a champion: by real commands, as a newcomer types them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from tamid.app import App
from tamid.cli.main import main
from tamid.config import find

# Enough for 100 positives among the judged quarter.
ROWS = 2000
HEBREW = {
    "customerID": "מספר לקוח", "gender": "מין", "tenure": "ותק", "Contract": "חוזה",
    "InternetService": "אינטרנט", "PaymentMethod": "אמצעי תשלום", "MonthlyCharges": "חיוב חודשי",
    "TotalCharges": "סך חיובים", "Churn": "נטש",
}  # fmt: skip


def tamid(folder: Path, *words: str, status: int = 0) -> str:
    """Run a command in a folder, nobody at a terminal; return what it said."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "tamid", *words],
        cwd=folder, env=environment, capture_output=True, text=True, check=False,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout


def drawn(folder: Path) -> None:
    """Let the same rows be judged in every run: who is drawn hangs on the workspace's secret."""
    (folder / ".tamid").mkdir(mode=0o700, exist_ok=True)
    (folder / ".tamid" / "salt").write_text("5a" * 32)


def champion(folder: Path) -> int:
    """Return the version that answers in a workspace."""
    app = App(find(folder))
    (model,) = app.models()
    state = app.state(model)
    assert not state.refused
    return state.champion


def test_a_parquet_file_becomes_a_champion(tmp_path: Path, test_data: Path) -> None:
    """Three commands from the file to the scores of every customer."""
    pl.read_parquet(test_data / "telco_churn.parquet").head(ROWS).write_parquet(
        tmp_path / "telco_churn.parquet"
    )
    tamid(tmp_path, "adopt", "telco_churn.parquet", "--label", "Churn")
    assert "judged at once" in tamid(tmp_path, "plan")
    drawn(tmp_path)
    told = tamid(tmp_path, "tick")
    assert champion(tmp_path) == 1, told
    (scores,) = (tmp_path / "out").glob("*.csv")
    assert pl.read_csv(scores).height == ROWS


def test_a_hebrew_spreadsheet_becomes_a_champion(
    tmp_path: Path,
    test_data: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Names in cp1255, semicolons, decimal commas, blanks: asked for the label, and for no more."""
    rows = pl.read_parquet(test_data / "telco_churn.parquet", columns=list(HEBREW)).head(ROWS)
    words = rows.rename(HEBREW).with_columns(
        pl.col("נטש").replace({"Yes": "כן", "No": "לא"}),
        pl.col("חיוב חודשי", "סך חיובים").cast(pl.String).str.replace(".", ",", literal=True),
    )
    text = words.fill_null(" ").write_csv(separator=";", line_terminator="\r\n")
    (tmp_path / "לקוחות.csv").write_bytes(text.encode("cp1255"))
    monkeypatch.chdir(tmp_path)
    assert main(["adopt", "לקוחות.csv"]) == 2
    assert "--label נטש" in capsys.readouterr().out
    assert not (tmp_path / "contract.yaml").exists()
    assert main(["adopt", "לקוחות.csv", "--label", "נטש"]) == 0
    drawn(tmp_path)
    assert main(["tick"]) == 0
    assert champion(tmp_path) == 1, capsys.readouterr().out
    (scores,) = (tmp_path / "out").glob("*.csv")
    assert pl.read_csv(scores).height == ROWS
