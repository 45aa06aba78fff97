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


async def listing(url: str, cert: Path | None) -> tuple[int | None, str]:
    """Run the command in a process of its own: what is trusted is read at its start."""
    environment = {name: os.environ[name] for name in os.environ if name != "SSL_CERT_FILE"}
    if cert is not None:
        environment["SSL_CERT_FILE"] = str(cert)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "deepaas.cmd.main", "jobs", "list", "--url", url),
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    return process.returncode, (out + err).decode()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_an_authority_is_trusted_that_the_environment_names(
    tmp_path: Path, host: str
) -> None:
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    write_certificate(cert, key)
    certificate = Certificate(TlsSettings(cert, key))
    async with serving(tmp_path, certificate=certificate) as place:
        url = f"https://{host}:{place.port}"
        assert await listing(url, cert) == (0, "ID  KIND  STATE  CREATED  PROGRESS\n")


async def test_any_other_is_refused_in_words(tmp_path: Path) -> None:
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    write_certificate(cert, key)
    certificate = Certificate(TlsSettings(cert, key))
    async with serving(tmp_path, certificate=certificate) as place:
        url = f"https://127.0.0.1:{place.port}"
        status, said = await listing(url, None)
        assert status == 1
        assert said.startswith(f"deepaas jobs: {url} has a certificate that is not trusted: self")
        assert "SSL_CERT_FILE" in said


async def test_a_service_that_speaks_none(tmp_path: Path) -> None:
    async with serving(tmp_path) as place:
        status, said = await listing(f"https://127.0.0.1:{place.port}", None)
        assert status == 1
        assert "cannot be reached: no TLS is spoken with it (" in said
