# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What follows an attempt that is over: the job's end, or another attempt.

Standard library only, since guards use it. Guard and recovering server come to the same answer,
since it follows from files alone: what the model asked for and how the attempts ended so far.

- A training that *failed* (it raised, or its process left or crashed) is tried again as often as
  the model's ``retries`` say, after a pause that doubles each time.
- A training that was *interrupted* (its server was stopped; its process or its guard was killed;
  the machine went down) goes on, if the model is resumable. So that a training that takes its
  machine down does not do so for ever, it ends after three interruptions in a row that left no new
  checkpoint, and after a hundred in all. Those by a server that was stopped in good order do not
  count: an operator may restart as often as it takes.
"""

from datetime import datetime, timedelta
from enum import StrEnum

from deepaas.execution.jobdir import AttemptEnd, End, JobDirectory
from deepaas.records import Training

#: Interruptions in a row without a new checkpoint, and in all.
MAX_FRUITLESS = 3
MAX_INTERRUPTIONS = 100
_FIRST_DELAY_S = 1.0
_LONGEST_DELAY_S = 300.0


class Cause(StrEnum):
    """Why an attempt is over that did not come to its end."""

    #: The function raised, or its process left or crashed by itself.
    FAILED = "failed"
    #: Its process was killed from outside, by the kernel for lack of memory, say.
    KILLED = "killed"
    #: Its guard is gone: killed, or the machine went down.
    LOST = "lost"
    #: The server, or the guard, was told to end.
    STOPPED = "stopped"


def conclude(
    directory: JobDirectory,
    attempt: int,
    training: Training,
    end: End,
    cause: Cause | None,
) -> None:
    """Make the end of an attempt durable: as the job's end, or as one that another follows.

    May be repeated, by anybody at any time; the first one decides. A function that has ended is
    not stopped any more.

    Args:
        directory: The job's.
        attempt: The attempt that is over.
        training: What the model asked for.
        end: How the job ends if no attempt follows.
        cause: Why it is over, ``None`` for a success.

    Raises:
        OSError: It cannot be written; nothing was decided.
    """
    if directory.is_decided():
        return
    before = directory.attempt_end(attempt)
    if cause is None:
        # One from after it was told to stop may be what it returns when it is told to stop.
        if before is None or end.finished <= before.finished:
            directory.decide(end)
        return
    if before is not None or (cause == Cause.STOPPED and directory.has_outcome()):
        return
    has_new_checkpoint = directory.has_new_checkpoint(attempt)
    ended = AttemptEnd(end.state, end.finished, end.message, cause, has_new_checkpoint)
    history = [*directory.attempts_ended(), ended]
    if is_followed(training, history):
        directory.end_attempt(attempt, ended)
    else:
        directory.decide(end._replace(message=_last_message(training, history)))


def is_followed(training: Training, history: list[AttemptEnd]) -> bool:
    """Whether an attempt follows the last one of a job's history."""
    last = history[-1]
    if _is_failure(training, last):
        return sum(_is_failure(training, ended) for ended in history) <= training.retries
    if not training.resumable:
        return False
    if last.cause == Cause.STOPPED:
        return True
    return _fruitless(history) < MAX_FRUITLESS and _interruptions(history) < MAX_INTERRUPTIONS


def next_start(training: Training, history: list[AttemptEnd]) -> datetime | None:
    """Return when the attempt that follows may start, ``None`` for at once."""
    last = history[-1]
    if last.cause == Cause.STOPPED:
        return None
    if _is_failure(training, last):
        times = sum(_is_failure(training, ended) for ended in history)
    else:
        times = max(_fruitless(history), 1)
    return datetime.fromisoformat(last.finished) + delay(times)


def delay(times: int) -> timedelta:
    """Return how long a job waits that came to nothing so often: longer each time."""
    # Doubled no more often than matters: a large power is no float.
    return timedelta(seconds=min(_FIRST_DELAY_S * 2 ** min(times - 1, 16), _LONGEST_DELAY_S))


def reason(ended: AttemptEnd, attempt: int) -> str:
    """Say why another attempt follows."""
    how = "was interrupted" if ended.state == "interrupted" else "failed"
    return f"Attempt {attempt} {how}: {ended.message or 'for no known reason'}"


def _is_failure(training: Training, ended: AttemptEnd) -> bool:
    """Whether it counts against ``retries``; a model that cannot go on can start anew."""
    return ended.cause == Cause.FAILED or (ended.cause == Cause.KILLED and not training.resumable)


def _interruptions(history: list[AttemptEnd]) -> int:
    return sum(ended.cause in (Cause.KILLED, Cause.LOST) for ended in history)


def _fruitless(history: list[AttemptEnd]) -> int:
    """Count the last attempts that were interrupted and left no new checkpoint."""
    count = 0
    for ended in reversed(history):
        if ended.has_new_checkpoint or ended.cause == Cause.FAILED:
            break
        count += ended.cause != Cause.STOPPED
    return count


def _last_message(training: Training, history: list[AttemptEnd]) -> str | None:
    """Return what the last attempt said, and why it is the last where that is not plain."""
    message = history[-1].message
    if _is_failure(training, history[-1]):
        more = f"It was tried {len(history)} times." if training.retries else ""
    elif not training.resumable:
        more = ""
    elif _fruitless(history) >= MAX_FRUITLESS:
        more = f"It is not resumed: {MAX_FRUITLESS} attempts in a row left no new checkpoint."
    else:
        more = f"It is not resumed: it was interrupted {MAX_INTERRUPTIONS} times."
    return " ".join(text for text in (message, more) if text) or None
