"""Data as it really comes: each bad batch is refused, set aside or waited for, and nothing is lost.

One real `tamid tick` meets them all at once; after the repair a second one takes everything in.
"""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from in_process import here
from processes import present, tamid

from tamid.app import App
from tamid.cli.main import main
from tamid.config import find
from tamid.core import events as ev
from tamid.core.repairs import concerned
from tamid.core.values import ENTITY, TIME, Role
from tamid.stages.data import load

CONTRACT = """\
tamid: 1
name: churn
task: binary
calendar: {week_starts: sunday, timezone: Asia/Jerusalem}
data:
  source: {path: rows/*.csv, owner: mlops_engineer}
  entity: לקוח
  time: week
  label:
    column: left
    positive: 1
    horizon: 7d
    source: {path: labels/*.csv, owner: ml_developer}
  schema:
    minutes: {type: number, min: 0, max: 10080}
    calls: {type: integer, min: 0}
    עיר: {type: category, allowed: [חיפה, "באר שבע", Yafo]}
  quarantine: {max_share: 5%}
training: {model: logistic}
"""
FIRST = datetime(2024, 1, 7, tzinfo=UTC)
HEAD = ["לקוח", "week", "minutes", "calls", "עיר"]
ROWS = 60
CITIES = ("חיפה", "באר שבע", "Yafo")

Row = dict[str, str]
Spoil = Callable[[list[Row]], list[Row]]


def sound(week: int) -> list[Row]:
    """Return a sound week of rows."""
    chance, stamp = random.Random(week), (FIRST + timedelta(weeks=week)).isoformat()
    return [
        {
            "לקוח": f"לקוח {n}",
            "week": stamp,
            "minutes": f"{chance.uniform(0, 900):.1f}",
            "calls": str(chance.randint(0, 9)),
            "עיר": chance.choice(CITIES),
        }
        for n in range(ROWS)
    ]


def every(column: str, value: str) -> Spoil:
    """Put a value into every row."""
    return lambda rows: [{**row, column: value} for row in rows]


def few(column: str, *values: str) -> Spoil:
    """Put values into the first rows."""
    return lambda rows: [
        {**row, column: values[n]} if n < len(values) else row for n, row in enumerate(rows)
    ]


def without(column: str) -> Spoil:
    """Leave a column out."""
    return lambda rows: [{k: v for k, v in row.items() if k != column} for row in rows]


# Refused whole, with what the reason must name.
REFUSED: Mapping[str, tuple[Spoil, str]] = {
    "missing-column": (without("calls"), "calls"),
    "text-for-number": (every("calls", "many"), "calls"),
    "half-numbers": (every("calls", "1.5"), "calls"),
    "all-null": (every("minutes", ""), "minutes"),
    "unseen-category": (every("עיר", "לונדון"), "עיר"),
    "infinite": (every("minutes", "inf"), "minutes"),
    "future": (every("week", "2099-01-04T00:00:00Z"), "week"),
    "twice": (lambda rows: rows + [{**row, "minutes": "1"} for row in rows], "duplicate"),
}
# Taken in; how many rows are set aside.
ACCEPTED: Mapping[str, tuple[Spoil, int]] = {
    "extra-column": (lambda rows: [{**row, "new": "1"} for row in rows], 0),
    "constant": (every("minutes", "5"), 0),
    "one-row": (lambda rows: rows[:1], 0),
    "few-nan": (few("minutes", "NaN", "inf"), 2),
    "few-unseen": (few("עיר", "לונדון"), 1),
    "few-text": (few("calls", "many"), 1),
    "few-future": (few("week", "2099-01-04T00:00:00Z"), 1),
    "zones": (few("week", "2024-04-28T03:00:00+03:00", "2024-04-27T20:00:00-04:00"), 0),
}


def put(root: Path, name: str, rows: list[Row]) -> None:
    """Put a batch down in one step."""
    columns = list(rows[0]) if rows else HEAD
    lines = [",".join(columns)] + [",".join(row[c] for c in columns) for row in rows]
    raw(root, name, ("\n".join(lines) + "\n").encode())


def raw(root: Path, name: str, content: bytes) -> None:
    """Put bytes down in one step."""
    path = root / f"{name}.csv"
    path.parent.mkdir(exist_ok=True)
    beside = path.with_suffix(".tmp")
    beside.write_bytes(content)
    beside.replace(path)


@pytest.fixture(scope="module")
def met(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace in which one tick has met every kind of bad batch."""
    root = tmp_path_factory.mktemp("bad") / "shop"
    root.mkdir()
    (root / "contract.yaml").write_text(CONTRACT, encoding="utf-8")
    spoilt = [*REFUSED.items(), *ACCEPTED.items()]
    for week, (name, (spoil, _)) in enumerate(spoilt):
        put(root, f"rows/{name}", spoil(sound(week)))
    raw(root, "rows/empty", b"")
    put(root, "rows/header", [])
    raw(root, "rows/cut", ",".join(HEAD).encode() + b"\nabc,2024-01-0")
    raw(root, "rows/latin", "לקוח,week\nשם,2024-01-07\n".encode("iso-8859-8"))
    good = sound(len(REFUSED))
    heard = [f"{row['לקוח']},{row['week']},{n % 2}" for n, row in enumerate(good)]
    unknown = [f"nobody {n},{good[0]['week']},1" for n in range(3)]
    future = f"{good[5]['לקוח']},{good[5]['week']},1"
    text = "\n".join(["לקוח,week,left", *heard[:5], *unknown, future, *heard[6:]]) + "\n"
    raw(root, "labels/some", text.encode())
    result = tamid(root, "tick", "--json")
    assert result.returncode == 0, result.stderr
    (root / "first.json").write_text(result.stdout)
    return root


def test_what_breaks_the_contract_is_refused_and_goes_to_the_owner(met: Path) -> None:
    """Each refused batch names its trouble and opens an incident; its supplier has a case for it.

    What breaks one rule, as two of these do, is one case.
    """
    state = present(met)
    assert set(state.refused) == {f"rows/{name}.csv" for name in (*REFUSED, "latin")}
    for name, (_, trouble) in REFUSED.items():
        event = state.refused[f"rows/{name}.csv"].event
        assert trouble in "; ".join((*event.reasons, *event.broken)), name
    assert "UTF-8" in state.refused["rows/latin.csv"].event.reasons[0]
    abouts = [case.opened.about for case in state.open_cases.values()]
    assert {case.opened.role for case in state.open_cases.values()} == {Role.MLOPS_ENGINEER}
    for name, refusal in state.refused.items():
        assert sum(concerned(about, refusal.event) for about in abouts) == 1, name
    assert len(abouts) < len(state.refused)
    assert len(state.open_incidents) == len(state.refused)


def test_a_few_bad_rows_are_set_aside_with_the_rule_they_broke(met: Path) -> None:
    """The rest of their batch is used; a row from the future begins no period."""
    found = [r.event for r in App(find(met)).records("churn")]
    aside = {
        e.batch.removesuffix(".csv"): (e.rows, sum(e.quarantined.values()))
        for e in found
        if isinstance(e, ev.DataAccepted)
    }
    assert aside == {name: (len(spoil(sound(0))), bad) for name, (spoil, bad) in ACCEPTED.items()}
    assert "2099-01-04" not in present(met).periods


def test_labels_of_nobody_are_kept_and_counted(met: Path) -> None:
    """They wait for their rows; the others are matched."""
    (told,) = [
        r.event for r in App(find(met)).records("churn") if isinstance(r.event, ev.LabelsAccepted)
    ]
    assert (told.new, told.unmatched) == (ROWS + 3, 3)


def test_what_is_not_whole_is_waited_for_and_said(met: Path) -> None:
    """Empty, headless and half-written batches leave nothing in the ledger, and are named."""
    (first,) = json.loads((met / "first.json").read_text())["ticks"]
    told = "; ".join(first["waiting"])
    assert all(f"{name}.csv" in told for name in ("empty", "header", "cut"))
    known = present(met).batches["rows"]
    assert not {"empty.csv", "header.csv", "cut.csv"} & set(known)


def test_after_the_repair_everything_is_in(met: Path, tmp_path: Path) -> None:
    """Sound files under the same names: each case and incident is closed, and no row is missing."""
    root = shutil.copytree(met, tmp_path / "shop")
    for week, name in enumerate(REFUSED):
        put(root, f"rows/{name}", sound(week))
    for place, name in enumerate(("latin", "empty", "header", "cut")):
        put(root, f"rows/{name}", sound(100 + place))
    result = here(root, "tick", "--json")
    assert result.returncode == 0, result.stderr
    state = present(root)
    assert not state.refused
    assert not [case for case in state.open_cases.values() if case.opened.kind == "bug"]
    assert not state.open_incidents
    (turn,) = json.loads(result.stdout)["ticks"]
    assert not [text for text in turn["waiting"] if ".csv" in text]
    app = App(find(root))
    stored = app.tables.read(state.pins["churn.rows"])
    wanted = ROWS * (len(REFUSED) + 4 + len(ACCEPTED) - 1) + 1
    assert stored.height == wanted


def test_a_source_that_is_gone_is_no_traceback(met: Path, tmp_path: Path) -> None:
    """The folder of the rows vanished: the tick turns, and what was taken in stays."""
    root = shutil.copytree(met, tmp_path / "shop")
    before = present(root).batches["rows"]
    shutil.rmtree(root / "rows")
    result = here(root, "tick")
    assert (result.returncode, result.stderr) == (0, "")
    assert present(root).batches["rows"] == before


# Nine levels of ten aliases: a thousand million items, if anybody unfolded them.
BOMB = "a0: &a0 [x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 10)
)
# Contracts that cannot be read, with what the error must name.
UNREADABLE: Mapping[str, tuple[str, str]] = {
    "unknown-key": (CONTRACT.replace("horizon", "horizont"), "horizon"),
    "wrong-type": (CONTRACT.replace("{type: number,", "{type: [number],"), "minutes"),
    "twice": (CONTRACT + "training: {model: ridge}\n", "training"),
    "bomb": (BOMB + CONTRACT, "contract.yaml"),
    "tag": ("!!python/object:os.system\n" + CONTRACT, "tag"),
    "binary": ("\x00" + CONTRACT, "contract.yaml"),
}


@pytest.mark.parametrize("kind", UNREADABLE)
def test_a_badly_edited_contract_leaves_the_one_in_force(
    met: Path, tmp_path: Path, kind: str
) -> None:
    """The loop turns by the contract in force and says what is wrong with the new one."""
    root, (text, named) = shutil.copytree(met, tmp_path / "shop"), UNREADABLE[kind]
    (root / "rows" / "cut.csv").touch()  # still being written, however slow this machine
    (root / "contract.yaml").write_text(text, encoding="utf-8")
    result = here(root, "tick")
    assert (result.returncode, "Traceback" in result.stderr) == (0, False), result.stderr
    assert named in result.stdout + result.stderr
    state = present(root)
    assert (state.contract, state.batches) == (present(met).contract, present(met).batches)


@pytest.mark.parametrize("kind", UNREADABLE)
def test_a_first_contract_that_cannot_be_read_stops_before_anything(
    tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Status 1, three lines that name it, nothing recorded."""
    text, named = UNREADABLE[kind]
    (tmp_path / "contract.yaml").write_text(text, encoding="utf-8")
    assert main(["-C", str(tmp_path), "-q", "tick"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("error T")
    assert named in said
    assert "  do:" in said
    assert not App(find(tmp_path)).ledger.streams()


def test_strays_twins_and_nobody_in_one_tick(tmp_path: Path) -> None:
    """Files that are no data, files that contradict one another, rows of nobody: all are told."""
    root = tmp_path / "shop"
    root.mkdir()
    (root / "contract.yaml").write_text(CONTRACT.replace("rows/*.csv", "rows/*"), "utf-8")
    good = sound(0)
    put(root, "rows/a", good)
    put(root, "rows/b", [{**row, "minutes": "1"} for row in good[:3]] + sound(1))
    put(root, "rows/c", [{**row, "לקוח": ""} if n < 2 else row for n, row in enumerate(sound(2))])
    (root / "rows" / "README.md").write_text("what lies here")
    result = here(root, "tick", "--json")
    assert (result.returncode, result.stderr) == (0, "")
    (turn,) = json.loads(result.stdout)["ticks"]
    assert any("README.md" in text and "passed over" in text for text in turn["waiting"])
    assert any("no file matches labels/*.csv" in text for text in turn["waiting"])
    told = "; ".join(turn["saw"])
    assert "say otherwise than a.csv" in told
    assert "missing value 2" in told
    state = present(root)
    rows = load(App(find(root)).tables, state.pins["churn.rows"])
    assert rows.good.select(ENTITY, TIME).is_unique().all()
    assert rows.good.height == 3 * ROWS - 2
    assert rows.good.filter(pl.col("minutes") == 1).height == 3


def test_a_file_that_vanishes_during_the_tick_loses_nothing(tmp_path: Path) -> None:
    """Its producer takes it away and puts it back all the time; in the end every row is in."""
    root = tmp_path / "shop"
    root.mkdir()
    (root / "contract.yaml").write_text(CONTRACT, "utf-8")
    put(root, "rows/still", sound(0))
    put(root, "rows/moving", sound(1))
    shaker = (
        "import os, sys, time\n"
        "while True:\n"
        "    os.rename(sys.argv[1], sys.argv[2]); time.sleep(0.001)\n"
        "    os.rename(sys.argv[2], sys.argv[1]); time.sleep(0.001)\n"
    )
    place = [str(root / "rows" / "moving.csv"), str(root / "rows" / "moving.tmp")]
    with subprocess.Popen([sys.executable, "-c", shaker, *place]) as shaking:
        result = here(root, "tick")
        shaking.kill()
    assert (result.returncode, result.stderr) == (0, "")
    assert not present(root).refused
    if not Path(place[0]).exists():
        Path(place[1]).rename(place[0])
    assert here(root, "tick").returncode == 0
    assert set(present(root).batches["rows"]) == {"still.csv", "moving.csv"}
