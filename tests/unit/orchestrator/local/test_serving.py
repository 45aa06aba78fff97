# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The orchestrator of this machine listens on loopback only, where it can."""

from pathlib import Path

import pytest

from deepaas.errors import ConfigurationError
from deepaas.orchestrator.local.access import is_loopback
from deepaas.orchestrator.local.deployer import Place
from deepaas.orchestrator.local.serving import serving
from tests.service import free_port
from tests.unit.orchestrator.paas import plan


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "[::1]", "localhost"])
def test_names_of_this_machine_are_known(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("address", ["0.0.0.0", "10.0.0.1", "::", "evil.example"])
async def test_another_address_is_refused(tmp_path: Path, address: str) -> None:
    with pytest.raises(ConfigurationError, match="is not loopback"):
        async with serving(Place(tmp_path, plan), None, address, 0):
            pass


async def test_a_port_that_is_taken_is_said(tmp_path: Path) -> None:
    port = free_port()
    one, two = tmp_path / "one", tmp_path / "two"
    async with serving(Place(one, plan), None, "127.0.0.1", port) as url:
        assert url == f"http://127.0.0.1:{port}"
        with pytest.raises(ConfigurationError, match=f"127.0.0.1:{port} cannot be listened on"):
            async with serving(Place(two, plan), None, "127.0.0.1", port):
                pass


async def test_an_address_of_ipv6_is_written_in_brackets(tmp_path: Path) -> None:
    try:
        async with serving(Place(tmp_path, plan), None, "::1", 0) as url:
            assert url.startswith("http://[::1]:")
    except ConfigurationError:
        pytest.skip("this machine has no IPv6")
