# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Only the open Internet is public, and what an operator allows."""

from ipaddress import ip_address, ip_network

import pytest

from deepaas.fetching import addresses
from deepaas.fetching.addresses import AddressPolicy, is_own, is_public

PUBLIC = [
    "1.1.1.1",
    "93.184.216.34",
    "100.63.255.255",
    "100.128.0.0",
    "172.15.255.255",
    "172.32.0.1",
    "223.255.255.255",
    "2606:4700:4700::1111",
    "2a00:1450:4001::1",
    "64:ff9b::101:101",  # 1.1.1.1 through NAT64
]
SPECIAL = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "100.64.0.1",
    "100.100.100.200",
    "100.127.255.255",
    "127.0.0.1",
    "127.255.255.254",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::ffff:1.1.1.1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:0:127.0.0.1",
    "::127.0.0.1",
    "::1.1.1.1",
    "64:ff9b::7f00:1",
    "64:ff9b::10.0.0.1",
    "64:ff9b::169.254.169.254",
    "64:ff9b:1::1.1.1.1",
    "100::1",
    "2001::1",  # Teredo
    "2001:0:7f00:1::1",
    "2001:20::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:101:101::1",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fec0::1",
    "ff02::1",
    "2606:4700:4700::1111%eth0",
]


@pytest.mark.parametrize("address", PUBLIC)
def test_public(address: str) -> None:
    assert is_public(ip_address(address))
    assert AddressPolicy().allows("example.org", address)


@pytest.mark.parametrize("address", SPECIAL)
@pytest.mark.parametrize("guarded", [True, False])
def test_special(address: str, guarded: bool) -> None:
    everything = (ip_network("0.0.0.0/0"), ip_network("::/0"))
    policy = AddressPolicy() if guarded else AddressPolicy(everything)
    assert policy.allows("example.org", address) is not guarded


def test_an_operator_allows_networks_and_hosts() -> None:
    policy = AddressPolicy((ip_network("10.1.0.0/16"),), frozenset({"store.internal"}))
    assert policy.allows("x", "10.1.2.3")
    assert not policy.allows("x", "10.2.2.3")
    assert not policy.allows("x", "::ffff:10.1.2.3")
    assert policy.allows("STORE.internal.", "10.2.2.3")
    assert not policy.allows("not-store.internal", "10.2.2.3")


@pytest.mark.parametrize("address", ["", "localhost", "1.2.3", "0x7f.1", "1.2.3.4/8"])
def test_what_is_no_address_is_not_allowed(address: str) -> None:
    assert not AddressPolicy((ip_network("0.0.0.0/0"),)).allows("x", address)


def test_a_machine_s_own_addresses_are_not_public(monkeypatch: pytest.MonkeyPatch) -> None:
    """The loopback stands for an address of a network card, which a test cannot choose."""
    monkeypatch.setattr(addresses, "is_public", lambda address: True)
    assert not AddressPolicy().allows("example.org", "127.0.0.1")
    assert AddressPolicy((ip_network("127.0.0.1/32"),)).allows("example.org", "127.0.0.1")
    monkeypatch.setattr(addresses, "is_own", lambda address: False)
    assert AddressPolicy().allows("example.org", "127.0.0.1")


@pytest.mark.parametrize("address", [*PUBLIC, "192.0.2.1", "2001:db8::1", "255.255.255.255"])
def test_addresses_of_others_are_not_own(address: str) -> None:
    assert not is_own(ip_address(address))
