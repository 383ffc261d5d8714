"""What was installed when a model was made is held against what another was made with."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from shop import Shop

from tamid.cli.main import main
from tamid.core.learning.bundle import Manifest
from tamid.core.learning.model import Schema
from tamid.core.values import Task, canonical_json
from tamid.testing import scenes
from tamid.wiring import environment_here


def bundle(shop: Shop, environment: bytes) -> str:
    """Put down a bundle that holds only what it was made with; return its digest."""
    schema = Schema(task=Task.BINARY, classes=(), inputs=(), features=(), format="none")
    files = {"environment.json": shop.app.blobs.put(environment)}
    manifest = Manifest(contract=shop.digests["contract"], schema=schema, files=files)
    return shop.app.blobs.put(manifest.content)


def older(**packages: str) -> bytes:
    """Return this environment with other versions of some packages."""
    about = json.loads(environment_here())
    about["packages"] |= packages
    return canonical_json(about).encode()


def said(shop: Shop, capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """Return what a command prints."""
    main(["-C", str(shop.root), "-q", *words])
    return capsys.readouterr().out


def test_why_names_the_packages_that_changed_since_the_champion(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The candidate's run says so; the first champion has nothing to be held against."""
    shop = Shop(tmp_path)
    shop.digests["bundle"] = bundle(shop, older(polars="0.1", gone="9"))
    shop.live()
    shop.digests["bundle"] = bundle(shop, environment_here())
    scenes.fall(shop.life, 1)
    scenes.challenger(shop.life, shop.digests)
    shop.keep()
    here = json.loads(environment_here())["packages"]["polars"]
    told = f"made in another environment: polars 0.1 -> {here}, gone 9 is gone"
    assert told in said(shop, capsys, "why", "run", "run-0002")
    assert told in said(shop, capsys, "why", "version", "2")
    assert "another environment" not in said(shop, capsys, "why", "run", "run-0001")
    changes = json.loads(said(shop, capsys, "why", "run", "run-0002", "--json"))["environments"]
    assert list(changes.values()) == [[f"polars 0.1 -> {here}", "gone 9 is gone"]]


@pytest.mark.parametrize(
    ("package", "state"), [("lightgbm", "warn "), ("ruff", "ok   "), ("", "ok   ")]
)
def test_doctor_warns_if_scores_may_differ_here(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], package: str, state: str
) -> None:
    """Another version of what computes scores is a warning; of anything else, a line."""
    shop = Shop(tmp_path)
    shop.digests["bundle"] = bundle(shop, older(**{package: "0.1"}) if package else older())
    shop.live()
    line = next(t for t in said(shop, capsys, "doctor").splitlines() if "the champion was" in t)
    assert line.startswith(state)
    assert ("0.1" in line) is bool(package)
