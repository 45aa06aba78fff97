# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""An environment for each peer, made from its pinned list when it is first used."""

import hashlib
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

from benchmarks.contenders import PEERS

#: Git-ignored; an environment is some tens of megabytes.
FOLDER = PEERS.parent / ".envs"
_LIMIT_S = 900
#: Kept in an environment that is complete: what it was made from.
_STAMP = "made-from"


class CannotInstall(Exception):
    """A peer's environment cannot be made; the message says why."""


def _stamp_of(requirements: Path) -> str:
    python = sys.version.split()[0]
    return f"{python} {hashlib.sha256(requirements.read_bytes()).hexdigest()}\n"


def ensure(peer: str, folder: Path = FOLDER) -> None:
    """Make a peer's environment, unless it is there and was made from the same list.

    Raises:
        CannotInstall: pip could not, or took too long.
    """
    requirements = PEERS / peer / "requirements.txt"
    place = folder / peer
    stamp = place / _STAMP
    wanted = _stamp_of(requirements)
    if stamp.is_file() and stamp.read_text("utf-8") == wanted:
        return
    shutil.rmtree(place, ignore_errors=True)
    print(f"Installing {peer} …", file=sys.stderr, flush=True)
    venv.create(place, with_pip=True)
    # The list is complete: with --no-deps nothing else can come in.
    command = [str(place / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "-q"]
    try:
        done = subprocess.run(
            [*command, "install", "--no-deps", "--requirement", str(requirements)],
            env={**os.environ, "PYTHONWARNINGS": "ignore"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_LIMIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as exc:
        raise CannotInstall(f"installing took longer than {_LIMIT_S} s") from exc
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.startswith("ERROR:")]
        raise CannotInstall(lines[-1] if lines else f"pip ended with {done.returncode}")
    stamp.write_text(wanted, "utf-8")
