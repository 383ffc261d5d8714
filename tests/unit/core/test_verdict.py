"""What becomes of a candidate, for every mixture of verdicts and findings."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tamid.core.stats.compare import Comparison, Finding
from tamid.core.values import Interval, canonical_json
from tamid.core.verdict import GateOutcome, GateVerdict, Outcome, conclude, reasons

_PASS = GateVerdict(gate="minimum f1", outcome=GateOutcome.PASS, measured=0.81, threshold=0.75)
_FAIL = replace(_PASS, outcome=GateOutcome.FAIL, measured=0.7, message="0.70, at least 0.75 asked")
_OPEN = replace(_PASS, gate="slices", outcome=GateOutcome.UNDECIDED, message="12 rows")
_SMALL = replace(_OPEN, gate="fairness", blocking=False)


def _comparison(finding: Finding) -> Comparison:
    return Comparison(
        metric="f1", champion=0.8, challenger=0.81,
        difference=Interval(point=0.01, low=0.0, high=0.02, level=0.9), margin=0.005,
        finding=finding, bounds=(), n=1000, blocks=10, degraded=False,
        decidable_after_weeks=None, message=f"the comparison says {finding}",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("finding", "outcome"),
    [
        (Finding.SUPERIOR, Outcome.PROMOTE),
        (Finding.NON_INFERIOR, Outcome.PROMOTE),
        (Finding.EQUAL, Outcome.KEEP),
        (Finding.WORSE, Outcome.HELD),
        (Finding.UNDECIDED, Outcome.UNDECIDED),
    ],
)
def test_with_clear_gates_the_comparison_decides(finding: Finding, outcome: Outcome) -> None:
    """Every finding has its outcome when all gates pass."""
    assert conclude([_PASS], _comparison(finding), False, False) is outcome


@pytest.mark.parametrize("finding", list(Finding))
def test_a_failed_gate_holds_whatever_was_shown(finding: Finding) -> None:
    """No finding outweighs a failed guard rail."""
    said = reasons([_PASS, _FAIL, _OPEN], _comparison(finding), False, False)
    assert conclude([_PASS, _FAIL, _OPEN], _comparison(finding), False, False) is Outcome.HELD
    assert said[0] == "minimum f1: 0.70, at least 0.75 asked"


def test_open_gates_withhold_only_if_they_block() -> None:
    """A minimum on too few rows leaves it undecided; a group too small to judge does not."""
    superior = _comparison(Finding.SUPERIOR)
    assert conclude([_PASS, _OPEN], superior, False, False) is Outcome.UNDECIDED
    assert conclude([_PASS, _SMALL], superior, False, False) is Outcome.PROMOTE
    assert reasons([_PASS, _OPEN], superior, False, False)[0] == "slices: 12 rows"


def test_a_first_run_is_decided_by_its_gates() -> None:
    """Without a champion minimums and baselines promote, hold, or leave it open."""
    assert conclude([_PASS, _SMALL], None, True, False) is Outcome.PROMOTE
    assert conclude([_PASS, _FAIL], None, True, False) is Outcome.HELD
    assert conclude([_PASS, _OPEN], None, True, False) is Outcome.UNDECIDED
    assert "first version" in reasons([_PASS], None, True, False)[0]


def test_an_equal_candidate_does_not_cure_a_degraded_champion() -> None:
    """It is held, so that a case opens, and the reason says why."""
    equal = _comparison(Finding.EQUAL)
    assert conclude([_PASS], equal, False, True) is Outcome.HELD
    assert "does not cure" in reasons([_PASS], equal, False, True)[-1]
    assert conclude([_PASS], _comparison(Finding.NON_INFERIOR), False, True) is Outcome.PROMOTE


def test_an_equal_refresh_is_taken_where_the_contract_says_so() -> None:
    """Being worse, an open gate, a failed one and a fallen champion weigh as always."""
    equal = _comparison(Finding.EQUAL)
    assert conclude([_PASS], equal, False, False, True) is Outcome.PROMOTE
    assert "learnt from besides" in reasons([_PASS], equal, False, False, True)[-1]
    assert conclude([_PASS], _comparison(Finding.WORSE), False, False, True) is Outcome.HELD
    assert conclude([_PASS, _OPEN], equal, False, False, True) is Outcome.UNDECIDED
    assert conclude([_PASS, _FAIL], equal, False, False, True) is Outcome.HELD
    assert conclude([_PASS], equal, False, True, True) is Outcome.HELD


def test_only_a_degraded_champion_is_called_degraded() -> None:
    """A candidate that a gate holds, equal to a healthy champion, is told of the gate alone."""
    said = reasons([_FAIL], _comparison(Finding.EQUAL), False, False)
    assert not any("degraded" in text for text in said)


def test_a_comparison_belongs_to_a_champion() -> None:
    """A first run with a comparison, or a later one without, is a mistake of the caller."""
    with pytest.raises(ValueError, match="champion"):
        conclude([_PASS], _comparison(Finding.EQUAL), True, False)
    with pytest.raises(ValueError, match="champion"):
        conclude([_PASS], None, False, False)


def test_every_outcome_has_a_reason_and_verdicts_can_be_recorded() -> None:
    """No outcome comes without a sentence, and a verdict has a canonical text."""
    for finding in Finding:
        for gates in ([], [_PASS], [_FAIL], [_OPEN], [_SMALL]):
            assert reasons(gates, _comparison(finding), False, False)
    for gates in ([], [_PASS], [_FAIL], [_OPEN], [_SMALL]):
        assert reasons(gates, None, True, False)
    assert '"outcome":"fail"' in canonical_json(_FAIL)
