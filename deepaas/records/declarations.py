# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What a model asks for: batches, limits, and what becomes of its trainings."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

#: The most calls that one worker may run at the same time.
MAX_AT_ONCE: Final = 1024
_MAX_WAIT_MS: Final = 60_000
_MAX_RETRIES: Final = 100


@dataclass(frozen=True, slots=True)
class Batch:
    """Says that a model's ``predict_batch`` answers several calls at once.

    Args:
        max_size: The most calls in a batch, 1 to 1024.
        max_wait_ms: How long the first call of a batch waits for others; with 0 a free worker
            takes what is there, and nothing ever waits.
        key: Names of arguments; calls that differ in them never share a batch.

    Raises:
        ValueError: A value is out of its range.
    """

    max_size: int = 64
    max_wait_ms: float = 0
    key: Sequence[str] = ()

    def __post_init__(self) -> None:
        if not 1 <= self.max_size <= MAX_AT_ONCE:
            raise ValueError(f"max_size is {self.max_size!r}; it must be 1 to {MAX_AT_ONCE}")
        if not 0 <= self.max_wait_ms <= _MAX_WAIT_MS:
            raise ValueError(f"max_wait_ms is {self.max_wait_ms!r}; it must be 0 to {_MAX_WAIT_MS}")
        if isinstance(self.key, str):
            raise ValueError(f"key is {self.key!r}; it must be a tuple, as in ({self.key!r},)")
        object.__setattr__(self, "key", tuple(self.key))


@dataclass(frozen=True, slots=True)
class Limits:
    """What a model asks for its calls, in the place of the server's options.

    Args:
        predict_timeout_s: Seconds that a call may run; 0: no limit; ``None``: as the option
            ``predict-timeout`` says.
        concurrency: The most calls that one worker runs at the same time, 1 to 1024; only a model
            whose ``predict`` is ``async`` runs more than one.

    Raises:
        ValueError: A value is out of its range.
    """

    predict_timeout_s: float | None = None
    concurrency: int = 64

    def __post_init__(self) -> None:
        timeout_s = self.predict_timeout_s
        if timeout_s is not None and not 0 <= timeout_s < float("inf"):
            raise ValueError(f"predict_timeout_s is {timeout_s!r}; it must be 0 or more seconds")
        if not 1 <= self.concurrency <= MAX_AT_ONCE:
            raise ValueError(f"concurrency is {self.concurrency!r}; it must be 1 to {MAX_AT_ONCE}")


@dataclass(frozen=True, slots=True)
class Training:
    """Says what becomes of a training of the model's that does not come to its end.

    Args:
        resumable: Whether ``train`` goes on from what it finds in
            :func:`deepaas.checkpoint_dir`. A training that was interrupted is then queued again.
        retries: How often ``train`` is called again after it failed, 0 to 100.

    Raises:
        ValueError: A value is out of its range.
    """

    resumable: bool = False
    retries: int = 0

    def __post_init__(self) -> None:
        if self.retries not in range(_MAX_RETRIES + 1):
            raise ValueError(f"retries is {self.retries!r}; it must be 0 to {_MAX_RETRIES}")
