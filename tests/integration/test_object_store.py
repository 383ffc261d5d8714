"""Rows and labels on a real S3 server: taken in, trained on, corrected, and away for a while."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from rows_world import workspace
from servers import Service, needs

from tamid.app import App
from tamid.config import find
from tamid.core.events import DataAccepted

pytestmark = [pytest.mark.integration, pytest.mark.filterwarnings("ignore")]


@pytest.fixture
def bucket(s3: Service, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A client of the server; its address and access are in the environment."""
    needs("boto3")
    import boto3

    access = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "word"}
    for name, value in (access | {"AWS_REGION": "us-east-1", "AWS_ENDPOINT_URL": s3.url}).items():
        monkeypatch.setenv(name, value)
    client = boto3.client("s3", endpoint_url=s3.url, region_name="us-east-1")
    client.create_bucket(Bucket="shop")
    return client


def accepted(root: Path) -> list[DataAccepted]:
    """Return the batches that a workspace took in."""
    return [r.event for r in App(find(root)).records("churn") if isinstance(r.event, DataAccepted)]


def tick(root: Path) -> App:
    """Turn the loop once."""
    app = App(find(root))
    app.tick("churn")
    return app


def test_rows_in_a_bucket_become_a_champion(tmp_path: Path, s3: Service, bucket: Any) -> None:
    """One object is one batch, read once; a new version under its name is taken in as such."""
    root = workspace(tmp_path / "here", "s3://shop/rows/*.parquet")
    local = root / "data" / "rows.parquet"
    bucket.upload_file(str(local), "shop", "rows/all.parquet")
    bucket.put_object(Bucket="shop", Key="rows/_temporary/all.parquet", Body=b"PAR1")
    app = tick(root)
    assert app.state("churn").champion == 1
    (first,) = accepted(root)
    assert first.batch == "all.parquet"
    tick(root)
    assert len(accepted(root)) == 1, "what is known is not read again"
    s3.stop()
    report = App(find(root)).tick("churn")
    assert any("cannot be listed" in told for told in report.waiting)
    assert App(find(root)).state("churn").champion == 1
    s3.start()
