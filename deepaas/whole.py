# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Files that are written whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


def part_name() -> str:
    """Return a name for a file that is being written; no listing shows it."""
    # Without the file's own name, with which it might be too long.
    return f".deepaas-{os.urandom(8).hex()}.part"


@contextmanager
def written_whole(target: Path, *, mode: int = 0o666) -> Iterator[Path]:
    """Lend an empty file beside a target, and put it in its place, durable, when the block is done.

    Args:
        target: What is replaced, or made.
        mode: The rights of the file from its beginning on, less those that the umask takes away.

    Raises:
        OSError: It cannot be written there; the target is what it was.
    """
    temporary = target.parent / part_name()
    os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_WRONLY, mode))
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(target)
    except BaseException:
        with suppress(FileNotFoundError):
            temporary.unlink()
        raise
