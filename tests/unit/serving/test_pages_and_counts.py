"""What a server says of itself: its document, and the reasons that it counts."""

from __future__ import annotations

from tamid.core.values import Task
from tamid.serving.http.metrics import Counts
from tamid.serving.http.pages import openapi
from tamid.serving.values import Answer, Input, Served

SERVED = Served(
    name="churn", number=3, bundle="b", overlay="o", task=Task.BINARY,
    inputs=(Input(name="calls", kind="number", nullable=False),), entity="customer", moment="week",
)  # fmt: skip


def test_a_row_may_name_its_entity_alone() -> None:
    """The document has both forms; the second holds no column that a model reads."""
    schemas = openapi(SERVED)["components"]["schemas"]
    assert schemas["Row"]["required"] == ["calls"]
    assert set(schemas["Entity"]["properties"]) == {"_id", "_entity", "customer", "week"}
    assert schemas["Entity"]["required"] == ["customer"]
    assert {"features_age", "control"} <= set(schemas["Answer"]["properties"])


def test_the_document_says_where_and_how_to_ask() -> None:
    """The path that an application has mounted the server under, and the token if one is wanted."""
    assert openapi(SERVED)["servers"] == [{"url": "/"}]
    assert "security" not in openapi(SERVED)
    mounted = openapi(SERVED, root="/models", token=True)
    assert mounted["servers"] == [{"url": "/models"}]
    assert mounted["components"]["securitySchemes"]["token"]["scheme"] == "bearer"


def test_a_known_reason_is_counted_by_its_name_whatever_follows() -> None:
    """Also where so many reasons were seen that new ones are counted together."""
    counts = Counts()
    for n in range(100):
        counts.answered(Answer(id="", score=0.1, version=0, rung="default", reason=f"r{n}"))
    for reason in ("r7, previous: timeout", "new"):
        counts.answered(Answer(id="", score=0.1, version=0, rung="default", reason=reason))
    assert (counts.reasons["r7"], counts.reasons["other"]) == (2, 1)
