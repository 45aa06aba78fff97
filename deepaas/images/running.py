# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Run an image by udocker, without Docker and without being root, to check the service in it."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deepaas.errors import ConfigurationError
from deepaas.images.verdicts import shown
from deepaas.project import API_PORT

_ENDS_S = 10
_LOADS_S = 1800


@contextmanager
def running(reference: str, archive: Path | None) -> Iterator[str]:
    """Run an image as it starts by itself, and give the address of its service.

    Args:
        reference: In a registry, if it is in no archive.
        archive: Of OCI.

    Raises:
        ConfigurationError: udocker is not there or fails, or something else has the port.
    """
    program = shutil.which("udocker")
    if program is None:
        raise ConfigurationError("--run needs udocker: pip install udocker, then udocker install.")
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", API_PORT)) == 0:
            raise ConfigurationError(f"Port {API_PORT} is taken; the image's service needs it.")
    name = f"deepaas-check-{uuid.uuid4().hex[:12]}"
    asks = [program, *(["--allow-root"] if os.getuid() == 0 else [])]
    if archive is not None:
        _do([*asks, "load", "-i", str(archive), name])
    else:
        _do([*asks, "pull", reference])
    image = reference if archive is None else f"{name}:latest"
    try:
        with tempfile.TemporaryFile() as log:
            process = subprocess.Popen(
                [*asks, "run", "--rm", f"--name={name}", image],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                yield f"http://127.0.0.1:{API_PORT}"
            finally:
                _end(process)
    finally:
        if archive is not None:
            subprocess.run([*asks, "rmi", "-f", image], capture_output=True, check=False)


def _do(command: list[str]) -> None:
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_LOADS_S,
            check=False,
        )
    except subprocess.TimeoutExpired as exc:
        raise ConfigurationError(f"udocker takes longer than {_LOADS_S} s.") from exc
    if done.returncode:
        last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
        raise ConfigurationError(f"udocker fails: {shown(' '.join(last) or 'it gives no reason')}")


def _end(process: subprocess.Popen[bytes]) -> None:
    """End what udocker has started, all of it."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(_ENDS_S)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            continue
        return
