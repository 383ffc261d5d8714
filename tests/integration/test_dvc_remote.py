"""Data that a real DVC tracks, with its content on a real S3 server."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from rows_world import rows, workspace
from servers import Service, commands, needs, run

from tamid.app import App
from tamid.config import find
from tamid.core.events import DataAccepted

pytestmark = [
    pytest.mark.integration,
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.timeout(1800),
]


@pytest.fixture
def home(tmp_path: Path, s3: Service) -> dict[str, str]:
    """The environment of a user with access to the remote; its bucket is there."""
    needs("dvc")
    needs("boto3")
    import boto3

    access = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "word"}
    client = boto3.client(
        "s3",
        endpoint_url=s3.url,
        region_name="us-east-1",
        aws_access_key_id="key",
        aws_secret_access_key="word",
    )
    client.create_bucket(Bucket="models")
    (tmp_path / "home").mkdir()
    names = ("GIT_AUTHOR", "GIT_COMMITTER")
    who = {f"{n}_NAME": "dev" for n in names} | {f"{n}_EMAIL": "dev@example.org" for n in names}
    return {
        "HOME": str(tmp_path / "home"),
        "AWS_DEFAULT_REGION": "us-east-1",
        "DVC_NO_ANALYTICS": "1",
        **access,
        **who,
    }


def accepted(root: Path) -> list[DataAccepted]:
    """Return the batches that a workspace took in."""
    return [r.event for r in App(find(root)).records("churn") if isinstance(r.event, DataAccepted)]


def taken(root: Path) -> pl.DataFrame:
    """Return the rows that a workspace took in, without when it did."""
    app = App(find(root))
    (event,) = accepted(root)
    found = app.tables.read(event.pin)
    return found.drop("_arrived", "_known_at").sort("_entity", "_time")


def test_the_page_does_what_it_says(tmp_path: Path, s3: Service, home: dict[str, str]) -> None:
    """Tracked, pushed, pinned in the ledger, fetched elsewhere; a new version is a new batch."""
    root = workspace(tmp_path / "here", "data/rows.parquet.dvc")
    md5 = hashlib.md5((root / "data" / "rows.parquet").read_bytes()).hexdigest()
    told = {"http://127.0.0.1:9000": s3.url}
    said = run(commands("dvc.md"), root, told, home)
    assert "rows.parquet" in said["tamid log --kind DataAccepted"]
    (event,) = accepted(root)
    assert (event.fingerprint, event.batch, event.rows) == (f"md5:{md5}", "rows.parquet", 1500)

    other = tmp_path / "elsewhere"
    assert not (other / "data" / "rows.parquet").exists()
    (there,) = accepted(other)
    assert there.fingerprint == event.fingerprint
    assert taken(other).equals(taken(root))
    cached = other / ".dvc" / "cache" / "files" / "md5" / md5[:2] / md5[2:]
    assert hashlib.md5(cached.read_bytes()).hexdigest() == md5

    # The next version reaches the remote, and a machine that pulled its pointer.
    rows(seed=1, count=1600).write_parquet(root / "data" / "rows.parquet")
    fresh = hashlib.md5((root / "data" / "rows.parquet").read_bytes()).hexdigest()
    push = ["dvc add -q data/rows.parquet", "dvc push -q", "git commit -q -a -m More"]
    run(push, root, {}, home)
    run(["git pull -q", "tamid -q tick"], other, {}, home)
    assert [e.fingerprint for e in accepted(other)] == [f"md5:{md5}", f"md5:{fresh}"]


def test_a_remote_that_is_away_makes_the_batch_wait(tmp_path: Path, home: dict[str, str]) -> None:
    """Nothing is taken in, and the tick says what DVC said."""
    root = workspace(tmp_path / "here", "data/rows.parquet.dvc")
    lines = [
        "git init -q && dvc init -q",
        "dvc remote add -q -d store s3://models/gone",
        "dvc remote modify store endpointurl http://127.0.0.1:9",
        "dvc add -q data/rows.parquet",
        "rm -r .dvc/cache data/rows.parquet",
    ]
    run(lines, root, {}, home)
    command = [sys.executable, "-m", "tamid", "-C", str(root), "tick"]
    beside = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        command, capture_output=True, text=True, check=False,
        env={**os.environ, **home, "PATH": beside},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "waits: rows: rows.parquet with MD5" in done.stdout
    assert "DVC's cache" in done.stdout
    assert not accepted(root)
