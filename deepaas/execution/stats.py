# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What a pool tells of itself to who watches it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from deepaas.execution.tallies import NOTHING, Tallied

#: What became of a call: it was answered;
ANSWERED: Final = "answered"
#: the model raised, or its own process found the input wrong;
FAILED: Final = "failed"
#: it never ran: too many waited, or the model could not be called;
REFUSED: Final = "refused"
#: it waited or ran longer than it may;
TIMED_OUT: Final = "timed_out"
#: the process that ran it ended before it answered;
KILLED: Final = "killed"
#: its client left before the answer.
DROPPED: Final = "dropped"
CALL_ENDS: Final = (ANSWERED, FAILED, REFUSED, TIMED_OUT, KILLED, DROPPED)


class WorkerEnd(StrEnum):
    """Why a worker ended, before the service did."""

    #: By itself, or killed by somebody else.
    DIED = "died"
    #: It used more memory than it may.
    MEMORY = "memory"
    #: A call ran longer than it may.
    TIMEOUT = "timeout"
    #: Nobody waited for what it ran.
    ABANDONED = "abandoned"
    #: It could not use its device any more, or wrote over what it shares with the server.
    DAMAGED = "damaged"
    #: It was to be replaced: for another version, or on request.
    REPLACED = "replaced"
    #: The model could not be loaded.
    NOT_LOADED = "not_loaded"


@dataclass(frozen=True, slots=True)
class PoolStats:
    """A model's calls and workers at one moment; what is counted, is since the server's start."""

    waiting: int = 0
    running: int = 0
    #: How many workers are in each state.
    workers: Mapping[str, int] = field(default_factory=dict)
    #: Processes of the workers that serve or load.
    pids: tuple[int, ...] = ()
    #: What became of calls, and why workers ended.
    calls: Mapping[str, int] = field(default_factory=dict)
    worker_ends: Mapping[str, int] = field(default_factory=dict)
    tallied: Tallied = NOTHING
