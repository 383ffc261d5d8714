"""Laws of the Signer port; a subclass gives the fixtures `signer` and `stranger`."""

from __future__ import annotations

import pytest

from tamid.core.errors import IntegrityError
from tamid.ports import Signer


class SignerSuite:
    """What every signer keeps."""

    def test_its_own_signature_holds(self, signer: Signer) -> None:
        """What was signed is verified, the empty message too."""
        for message in (b"", b"bundle", bytes(range(256)) * 100):
            signer.verify(message, signer.sign(message))

    def test_signing_is_repeatable(self, signer: Signer) -> None:
        """The same message gets the same signature, named by its key."""
        assert signer.sign(b"bundle") == signer.sign(b"bundle")
        assert ":" in signer.sign(b"bundle")

    def test_another_message_is_refused(self, signer: Signer) -> None:
        """A signature fits one message only."""
        with pytest.raises(IntegrityError):
            signer.verify(b"bundlf", signer.sign(b"bundle"))

    def test_a_stranger_is_refused(self, signer: Signer, stranger: Signer) -> None:
        """A key that is not trusted here cannot vouch, even under a trusted key's name."""
        foreign = stranger.sign(b"bundle")
        with pytest.raises(IntegrityError):
            signer.verify(b"bundle", foreign)
        disguised = signer.sign(b"other").partition(":")[0] + ":" + foreign.partition(":")[2]
        with pytest.raises(IntegrityError):
            signer.verify(b"bundle", disguised)

    @pytest.mark.parametrize("signature", ["", ":", "nonsense", "a:b:c", "../../x:AAAA", "ключ:AA"])
    def test_nonsense_is_refused(self, signer: Signer, signature: str) -> None:
        """Whatever is no signature is an integrity error, never another one."""
        with pytest.raises(IntegrityError):
            signer.verify(b"bundle", signature)
