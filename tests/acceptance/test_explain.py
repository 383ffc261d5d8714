"""All that is known of an entity is told in one place, and nothing once it is erased."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
from first_workspace import LEFT, MODEL, at, unpacked
from in_process import here

from tamid.core.errors import NotFound
from tamid.testing.segments import rows_block, segment
from tamid.upkeep.explain import Dossier, explain

NAME = "c003"
AS = ("--as", "mlops_engineer", "--reason", "asked for")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace that nobody changes."""
    return unpacked(tmp_path_factory.mktemp("explained"))


def told(root: Path, asked: str) -> Dossier:
    """Return what is known under the one model."""
    with at(root) as app:
        (found,) = explain(app, asked, [MODEL])
    return found


def test_rows_labels_and_answers_are_those_that_are_stored(root: Path) -> None:
    """Each table gives the entity's rows as they stand, and no row of anybody else."""
    found = told(root, NAME)
    assert {t: len(rows) for t, rows in found.tables.items()} == {
        "toy.rows": 16, "toy.labels": 20, "toy.predictions": 7, "toy.served": 6,
    }  # fmt: skip
    assert {r["_entity"] for rows in found.tables.values() for r in rows} == {NAME}
    assert len(found.answers) == 13
    assert [a.at for a in found.answers] == sorted(a.at for a in found.answers)
    assert found.looked_up is not None
    assert found.looked_up["entity"] == NAME


def test_an_answer_names_who_decided_and_what_moved_it(root: Path) -> None:
    """By whose act its version was live; the last model's answer with every feature's part."""
    answers = told(root, NAME).answers
    models = [a for a in answers if a.rung == "champion"]
    assert all(a.decided_by.startswith("tamid (controller) on 2026-03-15") for a in models)
    assert set(models[-1].moved) == {"usage", "calls"}
    assert abs(models[-1].moved["usage"]) > abs(models[-1].moved["calls"])
    assert not any(a.moved for a in answers if a is not models[-1])


def test_one_answer_by_its_id(root: Path) -> None:
    """A delivered one is recomputed from its stored row, a served one from what was logged."""
    delivered = next(a for a in told(root, NAME).answers if not a.online and a.rung == "champion")
    (one,) = told(root, delivered.id).answers
    assert (one.id, one.online, one.period) == (delivered.id, False, delivered.period)
    assert set(one.moved) == {"usage", "calls"}
    (served,) = told(root, "w15-3").answers
    assert served.online
    assert set(served.moved) == {"usage", "calls"}
    assert told(root, "w15-3").stored_as == NAME


def test_no_model_no_parts(root: Path) -> None:
    """Where a lower rung answered it says which, instead of parts that nobody computed."""
    default = next(a for a in told(root, NAME).answers if a.rung == "default")
    (one,) = told(root, default.id).answers
    assert one.moved == {}
    assert "rung default" in one.silent


def test_every_place_is_named_with_its_versions(root: Path) -> None:
    """Superseded files count: the history of a table is a place, too."""
    places = {p.table: p for p in told(root, NAME).places}
    assert set(places) == {
        f"toy.{n}" for n in ("rows", "labels", "predictions", "served", "judged")
    }
    labels = places["toy.labels"]
    assert labels.files == 20
    assert labels.rows > 20, "older versions of a slice hold it again"
    assert (labels.first, labels.now) == (1, True)


def test_the_log_that_nobody_took_in_counts(tmp_path: Path) -> None:
    """Answers that a server wrote a moment ago are told before the loop has seen them."""
    root = unpacked(tmp_path)
    asked = [({"_entity": n, "usage": 1.0, "calls": 1.0}, {"id": f"x-{n}"}) for n in ("new", NAME)]
    content = segment([rows_block(LEFT + timedelta(hours=1), asked)], process="p9", began=1.0)
    (root / ".tamid" / "spool" / MODEL / "9-a.seg").write_bytes(content)
    assert told(root, NAME).waiting == 1
    assert told(root, "new").waiting == 1


def test_nobody_is_not_found(root: Path) -> None:
    """A name that is nowhere is a usage error with what to do."""
    with at(root) as app, pytest.raises(NotFound, match="nothing is stored about 'nobody'"):
        explain(app, "nobody", [MODEL])


def test_after_an_erasure_nothing_is_known(tmp_path: Path) -> None:
    """By its name nothing is found; by what stands for it only that it was erased, and rows."""
    root = unpacked(tmp_path)
    body = json.loads(here(root, "erase", NAME, *AS, "--json").stdout)
    done = here(root, "explain", NAME)
    assert done.returncode == 2
    assert "nothing is stored about" in done.stderr
    found = told(root, body["pseudonym"])
    assert found.erased
    assert found.looked_up is None
    assert len(found.tables["toy.rows"]) == 16
    text = here(root, "explain", body["pseudonym"]).stdout
    assert "(erased)" in text
    assert NAME not in text
