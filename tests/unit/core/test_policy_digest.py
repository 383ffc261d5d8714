"""A policy's identity: fields that came later leave that of recorded policies as it was."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from tamid.core.values import digest_of, jsonable
from tamid.testing.histories import POLICY


def test_a_later_field_at_its_usual_value_is_no_part_of_the_digest() -> None:
    """Decisions that were recorded without it can be repeated; any other value is told apart."""
    told = jsonable(POLICY)
    assert isinstance(told, dict)
    later = ("shadow_wait", "costs", "acceptor", "grown")
    before = {k: v for k, v in told.items() if k not in later}
    assert POLICY.digest == digest_of(before)
    assert replace(POLICY, shadow_wait=timedelta(days=1)).digest != POLICY.digest
    assert replace(POLICY, acceptor="mlops_engineer").digest != POLICY.digest
    assert replace(POLICY, grown=0.1).digest != POLICY.digest
    assert replace(POLICY, cooldown=timedelta(days=9)).digest != POLICY.digest
