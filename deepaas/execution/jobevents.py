# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The events of a job: a file to which several processes append, a JSON object a line.

Standard library only, since guards use it. Each line is one write(2) on a descriptor that appends.
A line says its ``time`` (ISO 8601, UTC) and its ``event``:

    state      ``state``, ``attempt``, ``message``: the job is in this state from then on
    progress   ``attempt``, ``done``, ``total``, ``metrics``: what the model reported

A full disk may leave half a line. The next one begins behind a line end all the same, and readers
skip what they cannot read.
"""

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

#: How far back a line is looked for: many times the longest that are written.
_TAIL_BYTES = 128 * 1024
#: The longest message of a state; the whole stands in ``end.json``, but for queued predictions.
MAX_MESSAGE_CHARACTERS = 4000


def now() -> str:
    """Return the time as lines carry it."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


def state_event(
    state: str, attempt: int, message: str | None = None, *, time: str | None = None
) -> dict[str, Any]:
    """Return the line of a state.

    Args:
        state: A :class:`deepaas.records.JobState`.
        attempt: The attempt that began, ended, or is to begin.
        message: Why, for people.
        time: When, if not now.
    """
    shown = message and message[:MAX_MESSAGE_CHARACTERS]
    return {
        "time": time or now(),
        "event": "state",
        "state": state,
        "attempt": attempt,
        "message": shown,
    }


def open_events(path: Path) -> int:
    """Open the file to append to it, made if missing; the caller closes the descriptor."""
    return os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)


def append_line(fd: int, line: bytes) -> None:
    """Append one line, given without its end, behind whatever half a line may be there.

    Raises:
        OSError: It cannot be written.
    """
    size = os.fstat(fd).st_size
    is_torn = size and os.pread(fd, 1, size - 1) != b"\n"
    os.write(fd, (b"\n" if is_torn else b"") + line + b"\n")


def append_once(path: Path, event: Mapping[str, Any]) -> None:
    """Append the event of a state unless the last lines hold it; whoever does so at the same time.

    Raises:
        OSError: It cannot be written.
    """
    fd = open_events(path)
    try:
        # Of the open file, unlike a POSIX lock: it also keeps two threads apart.
        fcntl.flock(fd, fcntl.LOCK_EX)
        if not any(_is_same_state(event, found) for found in _last(fd)):
            append_line(fd, json.dumps(event).encode())
    finally:
        os.close(fd)


def _last(fd: int) -> Iterator[dict[str, Any]]:
    """Yield the last events, oldest first."""
    start = max(0, os.fstat(fd).st_size - _TAIL_BYTES)
    # Behind the last line end: nothing, or half a line that is being written.
    for line in os.pread(fd, _TAIL_BYTES, start).split(b"\n")[:-1]:
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if isinstance(event, dict):
            yield event


def _is_same_state(event: Mapping[str, Any], found: Mapping[str, Any]) -> bool:
    return all(event[name] == found.get(name) for name in ("event", "state", "attempt"))
