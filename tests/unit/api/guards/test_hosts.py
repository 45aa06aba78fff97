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
        *("[::1]", "[::1]:5000", "[0:0:0:0:0:0:0:1]:1"),
    ],
)
@pytest.mark.parametrize("on_loopback", [True, False])
def test_names_of_this_machine_are_accepted_everywhere(host: str, on_loopback: bool) -> None:
    assert refusal(Hosts(frozenset({"a.example"}), on_loopback=on_loopback), host) is None


@pytest.mark.parametrize(
    "host",
    [
        *("evil.example", "evil.example:5000", "localhost.evil.example", "127.0.0.1.nip.io"),
        *("localhost@evil.example", "", " ", "[::1", "[::1].evil.example:80", "10.0.0.1"),
        *("localhost/.evil.example", "127.1", "0x7f.1", "2130706433", "::1"),
    ],
)
def test_any_other_is_refused_on_loopback(host: str) -> None:
    found = refusal(Hosts(frozenset(), on_loopback=True), host)
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
@pytest.mark.parametrize("on_loopback", [True, False])
def test_names_are_allowed_with_any_port_or_with_one(
    allowed: str, host: str, is_accepted: bool, on_loopback: bool
) -> None:
    found = refusal(Hosts(frozenset({allowed}), on_loopback=on_loopback), host)
    assert (found is None) == is_accepted


def test_addresses_are_accepted_elsewhere_since_they_point_nowhere_else() -> None:
    hosts = Hosts(frozenset({"models.example"}), on_loopback=False)
    assert refusal(hosts, "10.1.2.3:5000") is None
    assert refusal(hosts, "[fd00::2]:5000") is None
    assert isinstance(refusal(hosts, "evil.example"), Forbidden)


def test_only_an_old_client_may_leave_the_header_out() -> None:
    hosts = Hosts(frozenset(), on_loopback=True)
    assert refusal(hosts, None, HttpVersion10) is None
    assert isinstance(refusal(hosts, None), InvalidInput)


def test_what_is_shown_of_a_name_is_short_and_plain() -> None:
    found = refusal(Hosts(frozenset(), on_loopback=True), "x\x7f" * 1000)
    assert found is not None
    assert len(found.message) < 500
    assert "\x7f" not in found.message
