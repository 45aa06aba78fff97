# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Tell the addresses of the open Internet from all others.

A server stands where its clients do not: beside metadata services, stores and other people's
machines. So what is not known to be public is not connected to.
"""

import socket
from dataclasses import dataclass, field
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
)
from typing import Final

Network = IPv4Network | IPv6Network

#: Beside what the standard library's ``is_global`` knows, which differs from version to version:
#: https://www.iana.org/assignments/iana-ipv4-special-registry.
_SPECIAL_V4: Final = tuple(
    map(
        IPv4Network,
        (
            "0.0.0.0/8",  # this network; Linux takes 0.0.0.0 for the loopback
            "10.0.0.0/8",
            "100.64.0.0/10",  # shared by the clients of a carrier, and by clouds for themselves
            "127.0.0.0/8",
            "169.254.0.0/16",  # link-local, where clouds keep their metadata
            "172.16.0.0/12",
            "192.0.0.0/24",
            "192.0.2.0/24",
            "192.88.99.0/24",
            "192.168.0.0/16",
            "198.18.0.0/15",
            "198.51.100.0/24",
            "203.0.113.0/24",
            "224.0.0.0/4",
            "240.0.0.0/4",
        ),
    )
)
#: The only block that global unicast addresses are given from so far (RFC 4291, section 2.4). What
#: lies outside: loopback, IPv4 in its mapped and compatible forms, ULA, link- and site-local.
_UNICAST_V6: Final = IPv6Network("2000::/3")
#: https://www.iana.org/assignments/iana-ipv6-special-registry.
_SPECIAL_V6: Final = tuple(
    map(
        IPv6Network,
        (
            "2001::/23",  # protocols, Teredo among them, which holds an IPv4 address
            "2001:db8::/32",
            "2002::/16",  # 6to4, which holds one too
            "3fff::/20",
        ),
    )
)
#: Networks without IPv4 reach it through this prefix (RFC 6052); 64:ff9b:1::/48 is for local use.
_NAT64: Final = IPv6Network("64:ff9b::/96")


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Tell whether an address belongs to the open Internet."""
    if isinstance(address, IPv4Address):
        return address.is_global and not any(address in each for each in _SPECIAL_V4)
    if address.scope_id is not None:
        return False
    if address in _NAT64:
        return is_public(IPv4Address(address.packed[-4:]))
    if address not in _UNICAST_V6 or not address.is_global:
        return False
    return not any(address in each for each in _SPECIAL_V6)


def is_own(address: IPv4Address | IPv6Address) -> bool:
    """Tell whether an address is one of this machine: what goes there comes from there too.

    It may be public, and still lead behind the firewall that stands before the machine.
    """
    family = socket.AF_INET if isinstance(address, IPv4Address) else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((str(address), 9))  # chooses where it would come from, and sends nothing
            return ip_address(probe.getsockname()[0]) == address
    except OSError:
        return False  # nothing leads there


@dataclass(frozen=True, slots=True)
class AddressPolicy:
    """Which addresses may be connected to: public ones, and those that an operator allows.

    Those of this machine are never public.
    """

    #: Networks that are allowed whatever they are.
    networks: tuple[Network, ...] = ()
    #: Names of hosts, lower case, that are allowed wherever they lead.
    hosts: frozenset[str] = field(default_factory=frozenset)

    def is_allowed_by_name(self, host: str, address: str) -> bool:
        """Tell whether an operator allowed a host, or the network of its address."""
        if host.lower().rstrip(".") in self.hosts:
            return True
        parsed = _parsed(address)
        return parsed is not None and any(parsed in network for network in self.networks)

    def allows(self, host: str, address: str) -> bool:
        """Tell whether a host may be connected to at an address.

        Args:
            host: As the URL names it.
            address: Numeric, as the resolver wrote it; one that cannot be read is refused.
        """
        if self.is_allowed_by_name(host, address):
            return True
        parsed = _parsed(address)
        return parsed is not None and is_public(parsed) and not is_own(parsed)


def _parsed(address: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(address)
    except ValueError:
        return None
