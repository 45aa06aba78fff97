# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The commands speak HTTPS, also with an authority that only the operator knows."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from deepaas.cmd.tls import Certificate
from deepaas.config.guards import TlsSettings
from tests.certificates import write_certificate
from tests.unit.api.guards.serving import serving
from tests.unit.cmd.jobs.scene import Command

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def certificate(tmp_path: Path) -> Certificate:
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    write_certificate(cert, key)
    return Certificate(TlsSettings(cert, key))


async def test_an_authority_is_trusted_that_the_environment_names(
    tmp_path: Path, certificate: Certificate
) -> None:
    """In a process of its own: what is trusted is read at its start."""
    async with serving(tmp_path, certificate=certificate) as place:
        url = f"https://localhost:{place.port}"
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "deepaas.cmd.main", "jobs", "list", "--url", url),
            env={**os.environ, "SSL_CERT_FILE": str(tmp_path / "cert.pem")},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        said = await process.communicate()
        assert (process.returncode, *said) == (0, b"ID  KIND  STATE  CREATED  PROGRESS\n", b"")


async def test_any_other_is_refused_in_words(
    tmp_path: Path, certificate: Certificate, capsys: Capture
) -> None:
    async with serving(tmp_path, certificate=certificate) as place:
        run = Command(f"https://127.0.0.1:{place.port}", capsys)
        assert await run("list") == 1
        assert run.err.startswith(f"deepaas jobs: {run.url} has a certificate that is not trusted:")
        assert "SSL_CERT_FILE" in run.err


async def test_a_service_that_speaks_none(tmp_path: Path, capsys: Capture) -> None:
    async with serving(tmp_path) as place:
        run = Command(f"https://127.0.0.1:{place.port}", capsys)
        assert await run("list") == 1
        assert "cannot be reached: no TLS is spoken with it (" in run.err
