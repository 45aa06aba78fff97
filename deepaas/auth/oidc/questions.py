# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Questions to issuers about tokens: one at a time for each token, and the answers remembered."""

import asyncio
import hashlib
import logging
import math
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Final, Generic, TypeVar

from deepaas.errors import DeepaasError, InvalidCredentials, IssuerUnavailable, Unavailable

logger = logging.getLogger(__name__)

T = TypeVar("T")
U = TypeVar("U")

#: Until it is asked again whether a token still means what it did.
KEPT_S: Final = 60.0
#: What an issuer does not know it will not know soon.
REFUSED_S: Final = 30.0
#: Until an issuer that is down is asked again about the same token.
FAILED_S: Final = 5.0
#: How long an answer counts while the issuer is down.
STALE_S: Final = 3600.0
#: From one line in the log to the next one.
LOGGED_S: Final = 30.0
#: All that a question may take, several requests perhaps.
DEADLINE_S: Final = 8.0
_MOST_ANSWERS: Final = 4096


@dataclass(frozen=True, slots=True)
class _Answer(Generic[T]):
    outcome: T
    asked_at: float
    until: float


class Questions(Generic[T]):
    """Answers to one kind of question about tokens; safe to use by many requests at once."""

    def __init__(
        self,
        clock: Callable[[], float],
        *,
        deadline_s: float = DEADLINE_S,
        most: int = _MOST_ANSWERS,
    ) -> None:
        """Ask nothing yet.

        Args:
            clock: Seconds since any time.
            deadline_s: All that a question may take.
            most: Answers to remember.
        """
        self._clock = clock
        self._deadline_s = deadline_s
        self._most = most
        self._may_log_at = -math.inf
        # Tokens themselves are kept nowhere. What failed has a place of its own: made-up tokens do
        # not drive out the answers about good ones.
        self._answers: OrderedDict[bytes, _Answer[T]] = OrderedDict()
        self._failures: OrderedDict[bytes, _Answer[DeepaasError]] = OrderedDict()
        self._asking: dict[bytes, asyncio.Task[T | DeepaasError]] = {}

    async def answer(self, token: str, ask: Callable[[], Awaitable[T]]) -> T:
        """Return the answer about a token; whoever leaves meanwhile ends it for nobody else.

        Args:
            token: The token.
            ask: Asks, if the answer is not known.

        Raises:
            InvalidCredentials: ``ask`` raised it, now or a short time ago.
            Unavailable: The same, and there is no older answer.
        """
        key = hashlib.sha256(token.encode()).digest()
        known = self._answers.get(key) or self._failures.get(key)
        outcome: T | DeepaasError
        if known is not None and self._clock() < known.until:
            outcome = known.outcome
        else:
            task = self._asking.get(key)
            if task is None:
                task = asyncio.create_task(self._ask(key, ask), name="asking about a token")
                self._asking[key] = task
            await asyncio.wait({task})
            outcome = IssuerUnavailable("Stopping.") if task.cancelled() else task.result()
        if isinstance(outcome, DeepaasError):
            # A new one: tracebacks would grow on one that is raised again and again.
            raise type(outcome)(outcome.message)
        return outcome

    async def close(self) -> None:
        """Give up what is being asked."""
        tasks = set(self._asking.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _ask(self, key: bytes, ask: Callable[[], Awaitable[T]]) -> T | DeepaasError:
        outcome: T | DeepaasError
        try:
            async with asyncio.timeout(self._deadline_s):
                outcome = await ask()
        except TimeoutError:
            outcome = IssuerUnavailable(f"No issuer answered within {self._deadline_s:g} s.")
        except (InvalidCredentials, Unavailable) as exc:
            outcome = exc
        except Exception as exc:
            logger.error(
                "Asking about a token failed.", exc_info=exc, extra={"action": "issuer_unavailable"}
            )
            outcome = IssuerUnavailable(f"Asking failed: {type(exc).__name__}.")
        finally:
            del self._asking[key]
        if isinstance(outcome, Unavailable):
            self._log(outcome.message)
        return self._keep(key, outcome)

    def _log(self, problem: str) -> None:
        """Tell the operator, but not for each of many tokens."""
        if self._clock() >= self._may_log_at:
            self._may_log_at = self._clock() + LOGGED_S
            logger.warning(
                "It cannot be found out whose a token is: %s",
                problem,
                extra={"action": "issuer_unavailable"},
            )

    def _keep(self, key: bytes, outcome: T | DeepaasError) -> T | DeepaasError:
        """Remember an outcome; return what counts, which may be what was remembered before."""
        now = self._clock()
        before = self._answers.pop(key, None)
        self._failures.pop(key, None)
        if not isinstance(outcome, DeepaasError):
            self._put(self._answers, key, _Answer(outcome, now, now + KEPT_S))
            return outcome
        is_refused = isinstance(outcome, InvalidCredentials)
        if before is None or is_refused or now >= before.asked_at + STALE_S:
            kept_s = REFUSED_S if is_refused else FAILED_S
            self._put(self._failures, key, _Answer(outcome, now, now + kept_s))
            return outcome
        self._put(self._answers, key, replace(before, until=now + FAILED_S))
        return before.outcome

    def _put(self, place: OrderedDict[bytes, _Answer[U]], key: bytes, answer: _Answer[U]) -> None:
        place[key] = answer
        if len(place) > self._most:
            place.popitem(last=False)
