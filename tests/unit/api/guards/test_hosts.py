# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""A service that only this machine reaches has no name that a stranger's page could have."""

import pytest
from aiohttp import HttpVersion, HttpVersion10, HttpVersion11
from aiohttp.test_utils import make_mocked_request

from deepaas.api.guards.hosts import Hosts
from deepaas.errors import DeepaasError, Forbidden, InvalidInput


def refusal(
    hosts: Hosts, host: str | None, version: HttpVersion = HttpVersion11
) -> DeepaasError | None:
    headers = {} if host is None else {"Host": host}
    try:
        hosts.check(make_mocked_request("GET", "/", headers, version=version))
    except DeepaasError as exc:
        return exc
    return None


@pytest.mark.parametrize(
    "host",
    [
        *("localhost", "LOCALHOST:5000", "127.0.0.1", "127.0.0.1:5000", "127.1.2.3:80"),
        *("[::1]", "[::1]:5000", "[0:0:0:0:0:0:0:1]:1", "0.0.0.0:5000", "[::]"),
        # Through a tunnel, a forwarded port or a proxy.
        *("10.1.2.3:5000", "[fd00::2]:5000"),
    ],
)
@pytest.mark.parametrize("allowed", [frozenset(), frozenset({"a.example"})])
def test_this_machine_and_addresses_are_accepted(host: str, allowed: frozenset[str]) -> None:
    """A page has a name to rebind, or nothing."""
    assert refusal(Hosts(allowed), host) is None


@pytest.mark.parametrize(
    "host",
    [
        *("evil.example", "evil.example:5000", "localhost.evil.example", "127.0.0.1.nip.io"),
        *("localhost@evil.example", "", " ", "[::1", "[::1].evil.example:80"),
        *("localhost/.evil.example", "127.1", "0x7f.1", "2130706433", "::1"),
    ],
)
def test_any_other_is_refused(host: str) -> None:
    found = refusal(Hosts(frozenset()), host)
    assert isinstance(found, Forbidden)
    assert "--allowed-host" in found.message


@pytest.mark.parametrize(
    ("allowed", "host", "is_accepted"),
    [
        ("models.example", "Models.Example", True),
        ("models.example", "models.example:8443", True),
        ("models.example:8443", "models.example:8443", True),
        ("models.example:8443", "models.example", False),
        ("models.example", "sub.models.example", False),
        ("[fd00::1]", "[fd00::1]:5000", True),
    ],
)
def test_names_are_allowed_with_any_port_or_with_one(
    allowed: str, host: str, is_accepted: bool
) -> None:
    found = refusal(Hosts(frozenset({allowed})), host)
    assert (found is None) == is_accepted


def test_only_an_old_client_may_leave_the_header_out() -> None:
    hosts = Hosts(frozenset())
    assert refusal(hosts, None, HttpVersion10) is None
    assert isinstance(refusal(hosts, None), InvalidInput)


def test_what_is_shown_of_a_name_is_short_and_plain() -> None:
    found = refusal(Hosts(frozenset()), "x\x7f" * 1000)
    assert found is not None
    assert len(found.message) < 500
    assert "\x7f" not in found.message
