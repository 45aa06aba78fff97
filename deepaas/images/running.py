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
from contextlib import contextmanager, suppress
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
    image = _pull(asks, reference) if archive is None else _load(asks, archive, name)
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


def _pull(asks: list[str], reference: str) -> str:
    _do([*asks, "pull", reference])
    return reference


def _load(asks: list[str], archive: Path, name: str) -> str:
    """Return the image of an archive, which keeps its tag under the name that it is given."""
    _do([*asks, "load", "-i", str(archive), name])
    found = [word for word in _do([*asks, "images"]).split() if word.startswith(f"{name}:")]
    if not found:
        raise ConfigurationError(
            f"udocker finds no image in '{archive}'; it reads archives of OCI (oci-archive:)."
        )
    return found[0]


def _do(command: list[str]) -> str:
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
    return done.stdout


def _end(process: subprocess.Popen[bytes]) -> None:
    """End what udocker has started, all of it."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(_ENDS_S)
    # What stays behind when udocker itself has gone.
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
