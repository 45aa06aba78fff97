# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Files that move between this machine and a remote, in a process of their own.

It is ``deepaas storage``, as an operator would run it: its libraries stay out of the server, its
work out of the event loop, and it can be ended at any moment.
"""

import asyncio
import json
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

#: The status that says that an option or a variable is wrong, which no second try changes.
_EXIT_USAGE: Final = 2
#: What it gets to remove what is half done.
_LEAVES_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class TransferEnd:
    """How it ended."""

    is_done: bool
    #: Why not, for the log; no secret.
    message: str = ""
    #: Whether another try can succeed without a change of options or variables.
    may_pass: bool = True
    files: int = 0
    bytes: int = 0


async def run_transfer(action: str, source: str, target: str) -> TransferEnd:
    """Pull or push, and wait for the end; a caller that is cancelled ends it.

    Args:
        action: ``pull`` or ``push``.
        source: ``REMOTE:PATH``, or a folder.
        target: A folder, or ``REMOTE:PATH``.
    """
    command = [sys.executable, "-P", "-m", "deepaas.cmd.main", "storage", action, "--json"]
    process = await asyncio.create_subprocess_exec(
        *command, "--", source, target, stdin=DEVNULL, stdout=PIPE, stderr=PIPE
    )
    try:
        said, errors = await process.communicate()
    except BaseException:
        await _end(process)
        raise
    return _read(process.returncode or 0, said, errors)


async def _end(process: Process, leaves_s: float = _LEAVES_S) -> None:
    with suppress(ProcessLookupError):
        process.terminate()
        try:
            async with asyncio.timeout(leaves_s):
                await process.wait()
        except TimeoutError:
            process.kill()
    await process.wait()


def _read(status: int, said: bytes, errors: bytes) -> TransferEnd:
    try:
        told: dict[str, Any] = json.loads(said)
    except ValueError:
        last = errors.decode(errors="replace").strip().rpartition("\n")[2]
        message = last or f"it ended with status {status} and said nothing"
        return TransferEnd(False, message, may_pass=status != _EXIT_USAGE)
    moved = TransferEnd(status == 0, files=len(told.get("moved", ())), bytes=told.get("bytes", 0))
    if moved.is_done:
        return moved
    return TransferEnd(False, _why(told), status != _EXIT_USAGE, moved.files, moved.bytes)


def _why(told: dict[str, Any]) -> str:
    if "error" in told:
        return str(told["error"])
    failed: Sequence[str] = list(told["failed"].values())
    others = len(failed) + len(told["missing"]) - 1
    return f"{failed[0]} {others} more files are missing." if others else failed[0]
