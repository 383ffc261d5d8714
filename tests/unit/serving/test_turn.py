"""The ladder of a turn, rung by rung, with voices that say what the test tells them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from tamid.core.contract.model import Rung
from tamid.core.errors import Waiting
from tamid.core.ladder import ladder
from tamid.core.values import Task
from tamid.serving.brain.breaker import Breaker
from tamid.serving.brain.inline import Inline
from tamid.serving.brain.trial import Trial
from tamid.serving.brain.turn import Ladder
from tamid.serving.brain.voices import Voice
from tamid.serving.http.app import Application
from tamid.serving.seams import Nothing
from tamid.serving.values import Answer, Request, Row, Served

Values = Mapping[str, float | int | str | bool | None]
STEPS = ladder((Rung(kind="previous"), Rung(kind="last_score"), Rung(kind="default", value=0.2)))


class Said:
    """A row model that says the value of `x`."""

    def score(self, row: Values) -> float:
        """Return it."""
        return float(str(row["x"]))

    def scores(self, rows: Sequence[Values]) -> list[float]:
        """Return them."""
        return [self.score(row) for row in rows]

    def chances(self, row: Values) -> tuple[float, ...]:
        """Return it."""
        return (self.score(row),)

    def contributions(self, row: Values) -> Mapping[str, float]:
        """Return it under its name."""
        return {"x": self.score(row)}


class Half(Said):
    """A row model that says 0.5 whatever comes."""

    def score(self, row: Values) -> float:
        """Return a half."""
        return 0.5


def turn(*, champion: Said | None = None, reason: str = "", deadline: float = 60.0) -> Ladder:
    """Return a turn of two versions."""
    served = Served(
        name="m", number=2, bundle="b", overlay="o", task=Task.BINARY, inputs=(), threshold=0.6,
        edges=(("high", 0.6), ("low", float("-inf"))), steps=STEPS, deadline=deadline,
    )  # fmt: skip
    voices = {
        "champion": _voice(2, champion or Said(), 0.6),
        "previous": _voice(1, Half(), 0.4),
    }
    return Ladder(served=served, voices=voices, lasts=Nothing(), reason=reason)


def _voice(number: int, model: Said, threshold: float) -> Voice:
    desk = Inline(f"version {number}", model, ())
    edges = (("high", threshold), ("low", float("-inf")))
    return Voice(
        number=number,
        desk=desk,
        breaker=Breaker(time.monotonic),
        threshold=threshold,
        edges=edges,
    )


def ask(given: Ladder, *rows: Row, explain: bool = False) -> Sequence[Answer]:
    """Ask for rows."""
    ids = [str(i) for i in range(len(rows))]
    request = Request(rows=rows, ids=ids, arrived=time.monotonic(), explain=explain)
    return asyncio.run(given.answers(request))


def row(x: float, broken: str = "") -> Row:
    """Return a row."""
    return Row(values={"x": x}, broken=broken)


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), -0.1, 1.1])
def test_an_answer_that_cannot_be_right_is_none(wrong: float) -> None:
    """The next rung answers for that row alone, under its own threshold, and says why."""
    one, two = ask(turn(), row(wrong), row(0.5))
    assert (one.version, one.rung, one.score, one.decision, one.band) == (
        1, "previous", 0.5, 1, "high",
    )  # fmt: skip
    assert one.reason == "champion: impossible answer"
    assert (two.version, two.rung, two.decision, two.band) == (2, "champion", 0, "low")


def test_the_quick_way_says_the_same() -> None:
    """What is answered at once is what the ordinary road answers; what is odd takes that road."""
    given = turn()
    for x in (0.1, 0.6, 0.99):
        assert given.now(row(x), "0") == ask(given, row(x))[0]
    assert given.now(row(float("nan")), "0") is None
    assert given.now(row(0.1, "'x' is missing"), "0") is None


def test_models_are_not_asked_for_rows_outside_the_contract() -> None:
    """Neither champion nor previous: the rungs that need no row answer, with the broken rule."""
    (answer,) = ask(turn(), row(0.5, "'x' is missing"))
    assert (answer.rung, answer.score, answer.version) == ("default", 0.2, 0)
    assert answer.reason == "'x' is missing, last_score: none"


def test_a_breaker_opens_and_the_reason_says_so() -> None:
    """After five failures in a row nobody asks the champion; the row is answered all the same."""
    given = turn()
    for _ in range(5):
        ask(given, row(float("nan")))
    (answer,) = ask(given, row(0.9))
    assert (answer.rung, answer.reason) == ("previous", "champion: breaker open")
    assert given.now(row(0.9), "0") is None


def test_time_that_is_over_leaves_what_needs_none() -> None:
    """Past the deadline no model is asked, and the default answers."""
    (answer,) = ask(turn(deadline=0.0000001), row(0.5))
    assert answer.rung == "default"
    assert "champion: timeout" in answer.reason


def test_the_reason_of_a_moved_rung_stands_first() -> None:
    """What the loop decided is said with each answer."""
    (answer,) = ask(turn(reason="the loop moved to previous"), row(0.5))
    assert answer.reason == "the loop moved to previous"


def test_reasons_for_a_score() -> None:
    """Contributions come when asked for."""
    assert ask(turn(), row(0.5), explain=True)[0].explanation == {"x": 0.5}


def test_reasons_that_take_long_let_others_have_their_turn() -> None:
    """Between any two rows whose reasons take milliseconds, whoever waits is answered."""

    class Slow(Said):
        def contributions(self, row: Values) -> Mapping[str, float]:
            time.sleep(0.003)
            return {"x": 0.0}

    async def play() -> int:
        asked = asyncio.get_running_loop().create_task(
            Inline("v2", Slow(), ()).ask([row(0.5)] * 20, explain=True, timeout=60)
        )
        turns = 0
        while not asked.done():
            turns += 1
            await asyncio.sleep(0)
        return turns

    assert asyncio.run(play()) >= 20


def test_a_retired_turn_tells_when_it_is_idle() -> None:
    """The last request in flight lets the turn go, not the one before."""
    gone: list[int] = []
    given = turn()
    given.on_idle = lambda: gone.append(given.in_flight)
    ask(given, row(0.5))
    given.retired = True
    ask(given, row(0.5))
    assert gone == [0]
    with given.held():  # a large request is being read
        ask(given, row(0.5))
        assert gone == [0]
    assert gone == [0, 0]


def test_last_scores_by_age(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The file is read as it stands, also after it was swapped; too old a score is none."""
    from tamid.adapters.lookup import LookupFile
    from tamid.core.ladder import Step
    from tamid.ports import Known

    path = tmp_path_factory.mktemp("last") / "deep" / "known.sqlite"
    found = LookupFile(path)
    known = Known(entity="לקוח", as_of=None, inputs=None, score=0.8, version=4, made=200.0)
    LookupFile(path).write("k", [known])
    step = Step(rung="last_score", max_age=timedelta(seconds=60))
    for wall, rung in ((230.0, "last_score"), (300.0, "withheld")):
        given = turn()
        given.served = _with_steps(given.served, step)
        given.lasts, given.wall = found, lambda wall=wall: wall  # type: ignore[misc]
        given.voices = {}
        (answer,) = ask(given, Row(values={"x": 1.0}, entity="לקוח"))
        assert answer.rung == rung


def _with_steps(served: Served, *steps: object) -> Served:
    return replace(served, steps=steps)  # type: ignore[arg-type]


def test_what_is_shed_is_answered_by_what_computes_nothing() -> None:
    """Neither model nor rule is asked; the reason is said; nobody is left without."""
    given = turn(champion=Broken())
    request = Request(rows=[row(0.5)] * 3, ids=["a", "b", "c"], arrived=time.monotonic())
    found = given.shed(request)
    assert [(a.id, a.rung, a.score) for a in found] == [
        ("a", "default", 0.2), ("b", "default", 0.2), ("c", "default", 0.2),
    ]  # fmt: skip
    assert {a.reason for a in found} == {"overload, last_score: none"}


class Broken(Said):
    """A row model that must not be asked."""

    def score(self, row: Values) -> float:
        """Fail."""
        raise AssertionError("it was asked")


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("error", "champion: error"), ("nan", "champion: impossible answer"),
        ("slow", "champion: timeout"), ("overload", "champion: overload"),
    ],
)  # fmt: skip
def test_a_drill_is_met_by_its_own_requests_alone(fault: str, reason: str) -> None:
    """A fault moves the drill's request down; everybody else is answered as ever."""
    given = turn(deadline=0.5 if fault == "slow" else 60.0)
    drilled = Request(
        rows=[row(0.5)], ids=["a"], arrived=time.monotonic(), faults={"champion": fault}
    )
    for _ in range(6):
        (answer,) = asyncio.run(given.answers(replace(drilled, arrived=time.monotonic())))
    assert answer.rung == "previous"
    broken = fault in ("error", "nan", "slow")
    # Its breaker opens after five failures; overload is no failure of the version.
    assert answer.reason == ("champion: breaker open" if broken else reason)
    assert ask(given, row(0.5))[0].rung == "champion"
    assert given.voices["champion"].breaker.state == "closed"


def test_a_drill_goes_down_to_nothing() -> None:
    """With every rung broken the row is withheld, with all reasons."""
    faults = dict.fromkeys(("champion", "previous", "last_score", "default"), "error")
    request = Request(rows=[row(0.5)], ids=["a"], arrived=time.monotonic(), faults=faults)
    (answer,) = asyncio.run(turn().answers(request))
    assert (answer.rung, answer.score) == ("withheld", None)
    assert answer.reason == "champion: error, previous: error, last_score: error, default: error"


def test_a_canary_that_fails_leaves_the_row_to_the_champion() -> None:
    """On both roads; what it did is counted, and the reason is said."""
    given = turn()
    desk = Inline("version 3", Broken(), ())
    voice = Voice(number=3, desk=desk, breaker=Breaker(time.monotonic))
    given.trial = Trial("canary", 1.0, voice, given.served)
    assert given.now(row(0.5), "a") is None
    (answer,) = ask(given, row(0.5))
    assert (answer.version, answer.rung, answer.reason) == (2, "champion", "canary: server error")
    assert given.trial.tallies["canary"].failed == 1
    given.trial = Trial("canary", 1.0, replace(voice, desk=Inline("v3", Half(), ())), given.served)
    quick = given.now(row(0.9), "0")
    assert quick == ask(given, row(0.9))[0]
    assert quick is not None
    assert (quick.version, quick.rung, quick.score) == (3, "canary", 0.5)
    assert given.trial.tallies["canary"].rows == 2


def leaving(unsure: tuple[float, ...] | None = None) -> Ladder:
    """Return a turn whose ladder ends with a person."""
    steps = ladder((Rung(kind="previous"), Rung(kind="abstain", unsure=unsure)))
    found = turn()
    return replace(found, served=replace(found.served, steps=steps))


def test_what_nobody_can_answer_is_left_to_a_person() -> None:
    """No score, no decision, no version, and why; also where there is no time to ask anybody."""
    (answer,) = ask(leaving(), row(0.5, "'x' is missing"))
    assert (answer.rung, answer.score, answer.version) == ("abstain", None, 0)
    assert (answer.decision, answer.band, answer.reason) == (None, None, "'x' is missing")
    request = Request(rows=[row(0.5)], ids=["a"], arrived=time.monotonic())
    (answer,) = leaving().shed(request)
    assert (answer.rung, answer.score, answer.reason) == ("abstain", None, "overload")


def test_a_model_that_is_unsure_leaves_the_row_to_a_person() -> None:
    """From the one score to the other, both included, and to no other version."""
    given = leaving((0.4, 0.5))
    found = ask(given, row(0.39), row(0.4), row(0.5), row(0.51))
    assert [a.rung for a in found] == ["champion", "abstain", "abstain", "champion"]
    assert {a.score for a in found} == {0.39, None, 0.51}
    assert found[1].reason == "champion: unsure"
    assert given.now(row(0.45), "0") is None
    assert given.now(row(0.9), "0") == ask(given, row(0.9))[0]


def test_a_version_below_is_doubted_too() -> None:
    """When the champion cannot answer and the previous version is unsure, a person decides."""
    (answer,) = ask(leaving((0.4, 0.6)), row(float("nan")))
    assert answer.rung == "abstain"
    assert answer.reason == "champion: impossible answer, previous: unsure"


def test_what_has_begun_gets_as_long_as_the_contract_lets_it_take() -> None:
    """Ten seconds at least, also before there is a version; more where a request may last more."""

    class Fixed:
        """A brain whose turn was given to it."""

        def __init__(self, now: Ladder | None) -> None:
            self._now = now

        @property
        def turn(self) -> Ladder:
            """Return it, if it was given."""
            if self._now is None:
                raise Waiting("there is no version yet")
            return self._now

        def ready(self) -> bool:
            """Say whether there is a turn."""
            return self._now is not None

        def begin(self) -> None:
            """Have nothing to do."""

        async def close(self) -> None:
            """Have nothing to let go."""

    assert turn(deadline=60).within(1) == 60
    assert turn(deadline=60).within(1, explain=True) == pytest.approx(60.01)
    assert turn(deadline=60).within(10_000) == pytest.approx(65, abs=0.1)
    assert Application(Fixed(None), "m").longest() == 10
    assert Application(Fixed(turn(deadline=0.05)), "m").longest() == 10
    assert Application(Fixed(turn(deadline=60)), "m").longest() == pytest.approx(65, abs=0.1)
