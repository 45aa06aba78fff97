# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""A question about a token is asked once, and its answer remembered for a while."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from deepaas.auth.oidc.questions import (
    FAILED_S,
    KEPT_S,
    LOGGED_S,
    REFUSED_S,
    STALE_S,
    Questions,
)
from deepaas.errors import InvalidCredentials, IssuerUnavailable, Unavailable
from tests.unit.auth.oidc.clock import Clock

DOWN, REFUSED = IssuerUnavailable("down"), InvalidCredentials("unknown")


class Oracle:
    """Gives the outcomes one after the other."""

    def __init__(self, *outcomes: Any) -> None:
        self._outcomes = list(outcomes)
        self.asked = 0

    async def __call__(self) -> Any:
        self.asked += 1
        outcome = self._outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def questions(clock: Clock) -> Questions[str]:
    return Questions(clock)


async def test_an_answer_is_remembered_for_a_while(questions: Questions[str], clock: Clock) -> None:
    oracle = Oracle("first", "second")
    assert [await questions.answer("a", oracle) for _ in range(3)] == ["first"] * 3
    clock.pass_by(KEPT_S)
    assert await questions.answer("a", oracle) == "second"


async def test_each_token_has_its_own(questions: Questions[str]) -> None:
    oracle = Oracle("first", "second")
    assert await questions.answer("a", oracle) == "first"
    assert await questions.answer("b", oracle) == "second"


@pytest.mark.parametrize(("outcome", "kept_s"), [(REFUSED, REFUSED_S), (DOWN, FAILED_S)])
async def test_what_failed_is_remembered_for_a_short_time(
    outcome: Exception, kept_s: float, questions: Questions[str], clock: Clock
) -> None:
    oracle = Oracle(outcome, "later")
    for _ in range(3):
        with pytest.raises(type(outcome), match=str(outcome)) as told:
            await questions.answer("a", oracle)
        assert told.value is not outcome
    clock.pass_by(kept_s)
    assert await questions.answer("a", oracle) == "later"


async def test_an_older_answer_counts_while_nobody_answers(
    questions: Questions[str], clock: Clock
) -> None:
    oracle = Oracle("first", DOWN, DOWN, DOWN)
    await questions.answer("a", oracle)
    clock.pass_by(KEPT_S)
    assert [await questions.answer("a", oracle) for _ in range(3)] == ["first"] * 3
    assert oracle.asked == 2
    clock.pass_by(STALE_S - KEPT_S - 1)
    assert await questions.answer("a", oracle) == "first"
    clock.pass_by(FAILED_S)
    with pytest.raises(IssuerUnavailable):
        await questions.answer("a", oracle)


async def test_an_older_answer_counts_no_more_once_it_is_refused(
    questions: Questions[str], clock: Clock
) -> None:
    oracle = Oracle("first", REFUSED, DOWN)
    await questions.answer("a", oracle)
    for passed_s in (KEPT_S, 0):
        clock.pass_by(passed_s)
        with pytest.raises(InvalidCredentials):
            await questions.answer("a", oracle)
    clock.pass_by(REFUSED_S)
    with pytest.raises(IssuerUnavailable):
        await questions.answer("a", oracle)


async def test_it_is_asked_once_by_all_and_goes_on_when_one_leaves(
    questions: Questions[str],
) -> None:
    go = asyncio.Event()
    asked = 0

    async def ask() -> str:
        nonlocal asked
        asked += 1
        await go.wait()
        return "answer"

    leaving, *staying = (asyncio.create_task(questions.answer("a", ask)) for _ in range(5))
    await asyncio.sleep(0)
    leaving.cancel()
    await asyncio.wait({leaving})
    go.set()
    assert await asyncio.gather(*staying) == ["answer"] * 4
    assert asked == 1


async def test_a_question_has_a_deadline(clock: Clock) -> None:
    questions: Questions[str] = Questions(clock, deadline_s=0.02)
    with pytest.raises(Unavailable, match=r"No issuer answered within 0\.02 s"):
        await questions.answer("a", asyncio.Event().wait)  # type: ignore[arg-type]


async def test_a_fault_of_ours_is_logged_and_hangs_nobody(
    questions: Questions[str], caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(Unavailable, match="Asking failed: KeyError"):
        await questions.answer("a", Oracle(KeyError("ours")))
    assert "Traceback" in caplog.text


async def test_the_log_says_why_but_not_for_each_token(
    questions: Questions[str], clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(6):
        with pytest.raises(Unavailable):
            await questions.answer(str(number), Oracle(DOWN))
        with pytest.raises(InvalidCredentials):
            await questions.answer(f"unknown {number}", Oracle(REFUSED))
        clock.pass_by(LOGGED_S / 3)
    said = ["It cannot be found out whose a token is: down"] * 2
    assert [record.getMessage() for record in caplog.records] == said


async def test_what_is_remembered_has_a_bound(clock: Clock) -> None:
    questions: Questions[int] = Questions(clock, most=3)

    def say(number: int) -> Callable[[], Awaitable[int]]:
        return Oracle(number)

    for number in range(4):
        await questions.answer(str(number), say(number))
    assert await questions.answer("0", say(10)) == 10
    assert await questions.answer("3", say(13)) == 3


async def test_made_up_tokens_drive_out_no_answer(clock: Clock) -> None:
    questions: Questions[str] = Questions(clock, most=3)
    await questions.answer("good", Oracle("answer"))
    for number in range(9):
        with pytest.raises(InvalidCredentials):
            await questions.answer(str(number), Oracle(REFUSED))
    assert await questions.answer("good", Oracle()) == "answer"
    # Of those, only so many are remembered.
    assert await questions.answer("0", Oracle("now it is known")) == "now it is known"
    with pytest.raises(InvalidCredentials):
        await questions.answer("8", Oracle())


async def test_nothing_is_asked_once_it_is_closed(questions: Questions[str]) -> None:
    await questions.close()
    waiting = asyncio.create_task(questions.answer("a", asyncio.Event().wait))  # type: ignore[arg-type]
    await asyncio.sleep(0)
    await questions.close()
    with pytest.raises(Unavailable):
        await waiting
