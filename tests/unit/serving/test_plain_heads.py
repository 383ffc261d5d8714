"""Which heads of requests are plain, and may be answered without looking further."""

from __future__ import annotations

import pytest

from tamid.serving.http.protocol import NOT_PLAIN, Plain, plain_head
from tamid.serving.http.settings import Settings

HEAD = b"POST /v1/models/churn/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 12"
GUARDED = Settings(token="a-token-of-sixteen")


def test_a_head_says_how_long_its_body_is() -> None:
    """Of a row, and of a request of V2 with the length of its JSON."""
    assert plain_head(HEAD, "churn", Settings()) == Plain(12, -1)
    tensors = HEAD.replace(b"v1", b"v2").replace(b"predict", b"infer")
    assert plain_head(tensors, "churn", Settings()) == Plain(12, 12)


@pytest.mark.parametrize(
    "more",
    [b"Transfer-Encoding: chunked", b"Content-Length: 12", b"X-Odd: 1", b"Expect: 100-continue",
     b"Connection: close", b"Content-Type: text/plain", b" folded", b"Host: evil.example"],
)  # fmt: skip
def test_what_may_change_an_answer_is_not_plain(more: bytes) -> None:
    """Any doubt takes the ordinary road."""
    assert plain_head(HEAD + b"\r\n" + more, "churn", Settings()) == NOT_PLAIN


def test_a_head_with_the_token_is_plain_and_no_other() -> None:
    """Without it, with another one, or with one that is longer, the ordinary road refuses."""
    shown = HEAD + b"\r\nAuthorization: Bearer "
    assert plain_head(shown + b"a-token-of-sixteen", "churn", GUARDED) == Plain(12, -1)
    for head in (HEAD, shown, shown + b"another-of-sixteen", shown + b"a-token-of-sixteen2"):
        assert plain_head(head, "churn", GUARDED) == NOT_PLAIN
    assert plain_head(shown + b"whatever", "churn", Settings()) == Plain(12, -1)
