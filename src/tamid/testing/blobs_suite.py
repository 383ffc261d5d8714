"""Laws of the Blobs port; a subclass gives the fixtures `blobs` and `spoil`.

`spoil(digest)` alters the stored content behind the store's back.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tamid.core.errors import IntegrityError, NotFound
from tamid.core.values import digest_bytes
from tamid.ports import Blobs

Spoil = Callable[[str], None]


class BlobsSuite:
    """What every store of contents keeps."""

    @pytest.mark.parametrize("content", [b"", b"x", bytes(range(256)) * 999], ids=len)
    def test_content_is_read_back(self, blobs: Blobs, content: bytes) -> None:
        """What was put is what is got, under the digest of its bytes."""
        digest = blobs.put(content)
        assert digest == digest_bytes(content)
        assert blobs.has(digest)
        assert blobs.get(digest) == content

    def test_putting_twice_is_putting_once(self, blobs: Blobs) -> None:
        """The same content has one digest and stays as it is."""
        assert blobs.put(b"same") == blobs.put(b"same")
        assert blobs.get(digest_bytes(b"same")) == b"same"

    def test_what_is_not_there_is_named(self, blobs: Blobs) -> None:
        """An unknown digest is an error that names it."""
        missing = digest_bytes(b"never stored")
        assert not blobs.has(missing)
        with pytest.raises(NotFound, match=missing):
            blobs.get(missing)

    def test_altered_content_is_noticed(self, blobs: Blobs, spoil: Spoil) -> None:
        """Content that does not fit its digest is never given out."""
        digest = blobs.put(b"truth")
        spoil(digest)
        with pytest.raises(IntegrityError, match=digest):
            blobs.get(digest)
