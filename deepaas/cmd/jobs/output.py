# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Standard output and standard error of the command, either of which may be closed, or full."""

import codecs
import io
import os
import sys
from typing import Final, TextIO

from deepaas.cmd.jobs.harmless import without_controls

PROG: Final = "deepaas jobs"


def take_any_character() -> None:
    """Print what an encoding lacks as an escape, rather than to fail."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def tell(text: str) -> None:
    """Print a line on standard error, if that can be written: there is no other place for it."""
    try:
        if sys.stderr is not None:
            print(text, file=sys.stderr, flush=True)
    except OSError:
        abandon(sys.stderr)


def abandon(stream: TextIO) -> None:
    """Let what is left for a stream go nowhere: Python writes it when it ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


class LogOutput:
    """Writes a log to standard output: as it is, but to a terminal only what is harmless there."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def write(self, data: bytes) -> None:
        """Write a part of it, which may end within a character."""
        if sys.stdout.isatty():
            sys.stdout.write(without_controls(self._decoder.decode(data)))
        else:
            sys.stdout.buffer.write(data)
        sys.stdout.flush()
