"""`tamid adopt`: what it shows, what it asks, and that it writes nothing before all is decided."""

from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import sys
import time
from datetime import date
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import polars as pl
import pytest

from tamid.cli.main import main
from tamid.wiring import load_contract, sources_of

ROWS = 600
# Seconds that a process may say nothing; the machine may be busy.
PATIENCE_S = 600.0


def table(weeks: int = 0) -> pl.DataFrame:
    """Return customers of whom those with few months and many complaints leave."""
    rng = np.random.default_rng(7)
    months, complaints = rng.integers(1, 60, ROWS), rng.poisson(1.0, ROWS)
    left = rng.random(ROWS) < np.where((months < 25) & (complaints > 0), 0.9, 0.05)
    frame = pl.DataFrame(
        {
            "customer_id": [f"c{n}" for n in range(ROWS)],
            "months": months,
            "complaints": complaints,
            "plan": rng.choice(["basic", "plus"], ROWS),
            "fee": (rng.random(ROWS) * 90 + 10).round(2),
            "left": np.where(left, "Yes", "No"),
        }
    )
    at = [f"{1 + n % 28:02d}/{1 + n // 28 % 12:02d}/2025" for n in range(ROWS)]
    return frame.with_columns(at=pl.Series(at)) if weeks else frame


def put(folder: Path, frame: pl.DataFrame, name: str = "shop.csv", **more: Any) -> str:
    """Write a file and return its path."""
    frame.write_csv(folder / name, **more)
    return str(folder / name)


def told(capsys: pytest.CaptureFixture[str], *words: str, status: int = 0) -> dict[str, Any]:
    """Run `tamid adopt --json`, and return what it says on stdout."""
    assert main(["adopt", "--json", "-q", *words]) == status
    body = json.loads(capsys.readouterr().out)
    assert isinstance(body, dict)
    return body


def test_a_file_that_may_still_be_written_is_waited_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before anything of it is shown; the draft is then of rows that the loop takes in at once."""
    path = Path(put(tmp_path, table()))
    path.write_bytes(path.read_bytes().rstrip())
    written = time.time() - 58.5
    os.utime(path, (written, written))
    # The folder behind the options: where a user who adds it last writes it.
    assert main(["adopt", str(path), "--label", "left", str(tmp_path / "new")]) == 0
    said = capsys.readouterr()
    assert said.err.index("shop.csv ends in the middle of a line") < said.err.index("baseline")
    assert time.time() - written >= 60
    assert (tmp_path / "new" / "contract.yaml").is_file()


def test_a_file_that_is_written_to_all_the_time_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line says that it is waited for, one why it is not read; no row was shown."""
    path = Path(put(tmp_path, table()))
    path.write_bytes(path.read_bytes().rstrip())
    ahead = time.time() + 3600  # never quiet, as one that is written to all the time
    os.utime(path, (ahead, ahead))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tamid.adoption.settling._PATIENCE_S", 0.1)
        assert main(["adopt", str(path), "--label", "left", "-C", str(tmp_path / "new")]) == 1
    said = capsys.readouterr()
    assert "still being written" in said.err
    assert not said.out
    assert not (tmp_path / "new").exists()


def test_a_plain_file_becomes_a_contract(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Label given, all else inferred; the demanded level is below what the baseline reached."""
    root = tmp_path / "new"
    root.mkdir()
    body = told(capsys, put(root, table()), str(root), "--label", "left")
    assert body["files"] == [".gitignore", "contract.yaml", "tamid.toml"]
    contract = load_contract(root / "contract.yaml")
    assert contract.data.source.path == "shop.csv"
    assert contract.data.entity == "customer_id"
    schema = contract.data.schema
    assert schema["plan"].allowed == ("basic", "plus")
    assert (schema["months"].type, schema["months"].min, schema["months"].max) == (
        "integer",
        0,
        None,
    )
    assert schema["left"].nullable
    assert "f1 of logistic" in body["baseline"]
    assert not contract.gates.minimum or 0.3 < contract.gates.minimum["f1"] < 0.95


def test_five_rows_are_shown_as_they_were_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Decimal commas, days and Hebrew: the reader sees what the loop will see."""
    hebrew = table(1).rename({"fee": "תשלום", "at": "תאריך"})
    hebrew = hebrew.with_columns(
        pl.col("תשלום").cast(pl.String).str.replace(".", ",", literal=True)
    )
    text = hebrew.write_csv(separator=";").encode("cp1255")
    (tmp_path / "a.csv").write_bytes(text)
    body = told(capsys, str(tmp_path / "a.csv"), str(tmp_path), status=2)
    assert body["columns"]["תשלום"] == "number"
    assert body["columns"]["תאריך"] == "datetime"
    assert body["first_rows"]["תאריך"][:2] == ["2025-01-01", "2025-01-02"]
    assert all(len(rows) == 5 for rows in body["first_rows"].values())
    assert all("," not in value for value in body["first_rows"]["תשלום"])
    assert [q["option"] for q in body["questions"]] == ["--label", "--time", "--horizon"]


@pytest.mark.parametrize(
    ("content", "option"),
    [
        (b"id;price;left\n" + b"a;1,234;Yes\nb;5,678;No\n" * 3, "--decimal"),
        (b"at,left\n3/4/2026,Yes\n5/6/2026,No\n", "--dates"),
        (b"name,left\n\xeb\xef,Yes\n\xec\xe0,No\n", "--encoding"),
        (b"a,b;left,c\n1,2;Yes,3\n1,2;No,3\n", "--separator"),
    ],
    ids=["comma", "day or month", "letters", "separator"],
)
def test_an_ambiguous_file_is_not_guessed_at(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes, option: str
) -> None:
    """Status 2, the option with its choices, and nothing is written."""
    (tmp_path / "a.csv").write_bytes(content)
    root = tmp_path / "new"
    body = told(capsys, str(tmp_path / "a.csv"), str(root), "--label", "left", status=2)
    asked = {q["option"]: q["choices"] for q in body["questions"]}
    assert len(asked[option]) >= 2
    assert not root.exists()


def test_a_leak_is_asked_about_and_dropped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A column that is the outcome by another name, and one that is named like a reason."""
    leaky = table().with_columns(
        code=pl.when(pl.col("left") == "Yes").then(9).otherwise(1),
        exit_reason=pl.lit("moved"),
    )
    data = put(tmp_path, leaky.with_columns(exit_reason=pl.col("plan")))
    body = told(capsys, data, str(tmp_path), "--label", "left", status=2)
    assert {q["about"] for q in body["questions"]} == {"code", "exit_reason"}
    words = ["--label", "left", "--drop", "code", "--keep", "exit_reason"]
    told(capsys, data, str(tmp_path), *words)
    contract = load_contract(tmp_path / "contract.yaml")
    assert contract.data.forbidden == ("code",)
    assert "code" not in contract.data.schema
    assert "exit_reason" in contract.data.schema


def test_a_history_of_days_is_read_by_the_loops_own_source(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Several files, days first, decimal commas: the contract reads them as adopt did."""
    whole = table(1).with_columns(pl.col("fee").cast(pl.String).str.replace(".", ",", literal=True))
    for part in range(2):
        put(tmp_path, whole[part::2], f"shop-{part}.csv", separator=";")
    words = ["--label", "left", "--time", "at", "--horizon", "7d", "--lag", "2d"]
    body = told(capsys, str(tmp_path / "shop-*.csv"), str(tmp_path), *words)
    assert body["model"] == "shop"
    assert "f1 of logistic" in body["baseline"]
    contract = load_contract(tmp_path / "contract.yaml")
    assert contract.data.source.path == "shop-*.csv"
    form = contract.data.source.csv
    assert form is not None
    assert (form.separator, form.decimal, form.dates) == (";", ",", "dmy")
    (source,) = sources_of(contract, tmp_path).values()
    rows = pl.concat(source.read(b) for b in source.batches())
    assert rows.height == ROWS
    assert rows.get_column("fee").cast(pl.Float64).min() >= 10  # type: ignore[operator]
    assert rows.get_column("at").str.to_date().max() == date(2025, 12, 28)


def test_numbers_with_a_currency_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """They are words to a contract, and the reader learns it before a model does."""
    priced = table().with_columns(pl.format("{} €", "fee").alias("fee"))
    body = told(capsys, put(tmp_path, priced), str(tmp_path / "new"), status=2)
    assert any("fee is read as words (not only numbers" in note for note in body["notes"])


def test_people_read_what_is_open(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The questions stand on stdout with their options, the error on stderr names them."""
    data = put(tmp_path, table())
    assert main(["adopt", data, str(tmp_path / "new")]) == 2
    said = capsys.readouterr()
    assert "--label left | plan" in said.out
    assert "error T100: 1 thing cannot be inferred" in said.err
    assert "Nothing was written" in said.err


def test_nothing_of_the_user_is_overwritten(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A folder that has a contract is refused before anything is read."""
    (tmp_path / "contract.yaml").write_text("mine", "utf-8")
    assert main(["adopt", "nothing.csv", str(tmp_path)]) == 2
    assert "contract.yaml already" in capsys.readouterr().err
    assert (tmp_path / "contract.yaml").read_text("utf-8") == "mine"


@pytest.mark.parametrize(
    ("name", "content", "what"),
    [
        ("none.csv", None, "is not there"),
        ("book.xlsx", b"PK\x03\x04rest", "spreadsheet's own file"),
        ("zero.csv", b"a,b\n\x00,1", "is no text"),
        ("keys.csv", b"PK,b\n1,2\n3,4\n", "which column is to be foretold?"),
        ("rows.json", b"[]", "name of neither a CSV nor a Parquet file"),
        ("empty.csv", b"a,b\n", "one line only"),
        ("twice.csv", b"a,a\n1,2\n", "names a column twice"),
        ("half.parquet", b"PAR1xx", "half-written"),
    ],
)
def test_what_is_no_table_is_said(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    name: str,
    content: bytes | None,
    what: str,
) -> None:
    """Each wrong file has its own sentence, never a traceback."""
    if content is not None:
        (tmp_path / name).write_bytes(content)
    assert main(["adopt", str(tmp_path / name), str(tmp_path / "new")]) in (1, 2)
    assert what in capsys.readouterr().err


def test_a_folder_is_no_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The one in which the user stands has a name that no glob takes."""
    assert main(["adopt", ".", str(tmp_path / "new")]) == 2
    assert ". is a folder" in capsys.readouterr().err


def test_a_script_becomes_the_contracts_model(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its pipeline is taken over and tried in a process of its own before anything is written."""
    script = tmp_path / "train.py"
    script.write_text(
        "import helper\nimport pandas as pd\nfrom sklearn.pipeline import make_pipeline\n"
        "from sklearn.linear_model import LogisticRegression\n"
        "from sklearn.compose import make_column_transformer\n"
        "from sklearn.preprocessing import StandardScaler\n"
        "def build_pipeline():\n"
        "    numbers = make_column_transformer((StandardScaler(), helper.NUMBERS))\n"
        "    return make_pipeline(numbers, LogisticRegression())\n"
        "df = pd.read_csv('not-there.csv')\n",
        "utf-8",
    )
    (tmp_path / "helper.py").write_text("NUMBERS = ['months', 'complaints']\n", "utf-8")
    root = tmp_path / "new"
    words = [put(tmp_path, table()), str(root), "--label", "left", "--script", str(script)]
    body = told(capsys, *words)
    assert body["files"] == [
        ".gitignore", "contract.yaml", "helper.py", "model.py", "tamid.toml",
    ]  # fmt: skip
    assert load_contract(root / "contract.yaml").training.model == "model.py:build"


def test_a_script_that_fails_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A step that no bundle can hold is named, and nothing is written."""
    script = tmp_path / "train.py"
    script.write_text("def build():\n    return nothing_of_this_name\n", "utf-8")
    root = tmp_path / "new"
    words = [put(tmp_path, table()), str(root), "--label", "left", "--script", str(script)]
    assert main(["adopt", "-q", *words]) == 1
    said = capsys.readouterr().err
    assert "nothing_of_this_name" in said
    assert "Repair it in" in said
    assert "Nothing was written." in said
    assert not root.exists()


def test_on_a_terminal_it_asks(tmp_path: Path) -> None:
    """The answers that are typed are those that options would give."""
    data = put(tmp_path, table())
    ours, theirs = pty.openpty()
    words = [sys.executable, "-m", "tamid", "adopt", data, str(tmp_path / "new"), "-q"]
    process = subprocess.Popen(words, stdin=theirs, stdout=theirs, stderr=theirs, close_fds=True)
    os.close(theirs)
    said = b""
    while b"--label: " not in said:
        assert select.select([ours], [], [], PATIENCE_S)[0]
        said += os.read(ours, 4096)
    assert b"which column is to be foretold?" in said
    os.write(ours, b"left\n")
    while True:
        assert select.select([ours], [], [], PATIENCE_S)[0]
        try:
            more = os.read(ours, 4096)
        except OSError:  # the other end is closed
            break
        if not more:
            break
        said += more
    os.close(ours)
    assert process.wait(PATIENCE_S) == 0, said.decode()
    assert load_contract(tmp_path / "new" / "contract.yaml").data.label.column == "left"


@pytest.mark.parametrize(
    ("file", "words", "what"),
    [
        ("model.pkl", ("--trained-through", "none"), "is a pickle"),
        ("model.txt", (), "what has the model learnt from?"),
        ("model.txt", ("--trained-through", "none"), "the model does not fit the contract"),
        ("", ("--trained-through", "none"), "none is named"),
    ],
    ids=["pickle", "unknown past", "another's inputs", "no model"],
)
def test_a_model_that_does_not_fit_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], file: str, words: tuple[str, ...], what: str
) -> None:
    """What is wrong with it is told with what to do, and the folder stays as it was."""
    path, root = put(tmp_path, table()), tmp_path / "new"
    (tmp_path / "model.pkl").write_bytes(b"\x80\x04.")
    told = lightgbm.Dataset(np.arange(200.0).reshape(100, 2), np.arange(100) > 50,
                            feature_name=["monhts", "fee"])  # fmt: skip
    booster = lightgbm.train({"objective": "binary", "verbose": -1, "num_threads": 1}, told, 2)
    booster.save_model(str(tmp_path / "model.txt"))
    model = ("--model", str(tmp_path / file)) if file else ()
    code = main(["adopt", "--json", "-q", path, str(root), "--label", "left", *model, *words])
    assert code in (1, 2)
    error = json.loads(capsys.readouterr().err)["error"]
    assert what in error["what"], error
    assert not root.exists()
    if "fit" in what:
        assert (
            "input 'monhts': the contract offers no such column; did you mean 'months'?"
            in (error["why"])
        )
        assert "Nothing was written" in error["fix"]
