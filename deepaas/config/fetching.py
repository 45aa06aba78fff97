# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The options of arguments that are addresses, which the server fetches for the model."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any, Final

from oslo_config import cfg

from deepaas.config.units import size
from deepaas.errors import ConfigurationError

_MAX_SIZE: Final = "100MB"
_TIMEOUT_S: Final = 60.0
#: What a host may be called (RFC 1123), underscores too, which many networks use.
_HOST = re.compile(r"(?=.*[A-Za-z])[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,251}[A-Za-z0-9_])?\.?")

FETCH_OPTIONS: tuple[cfg.Opt, ...] = (
    cfg.BoolOpt(
        "fetch",
        default=True,
        help="Fetch the addresses that clients give for arguments that a model declares so"
        " (fields.Url with metadata fetch), from public hosts.",
    ),
    cfg.StrOpt(
        "fetch-max-size",
        metavar="SIZE",
        default=_MAX_SIZE,
        help="The most that is fetched for one call, such as 100MB. Empty or 0: no limit.",
    ),
    cfg.FloatOpt(
        "fetch-timeout",
        default=_TIMEOUT_S,
        min=0.0,
        help="Seconds that fetching for one call may take. 0: no limit.",
    ),
    cfg.StrOpt(
        "fetch-allow",
        metavar="HOSTS",
        default="",
        help="What may be fetched from besides public hosts, on any port: names of hosts and"
        " networks, comma-separated, such as store.example.org,10.1.2.0/24.",
    ),
)


@dataclass(frozen=True, slots=True)
class FetchSettings:
    """What is fetched for models, and from where."""

    is_enabled: bool = True
    #: For one call; 0: no limit.
    max_bytes: int = 100 * 1000**2
    #: For one call; 0: no limit.
    timeout_s: float = _TIMEOUT_S
    #: Allowed besides public addresses.
    networks: tuple[IPv4Network | IPv6Network, ...] = ()
    #: Lower case, without a dot at the end.
    hosts: frozenset[str] = field(default_factory=frozenset)


def fetch_settings(values: Mapping[str, Any]) -> FetchSettings:
    """Return the settings, from the values of the options.

    Raises:
        ConfigurationError: One of them cannot be used; the message names it and the value.
    """
    timeout_s = values["fetch_timeout"]
    if not math.isfinite(timeout_s):
        raise ConfigurationError(
            f"fetch-timeout is {timeout_s}; it must be a finite number of seconds, 0 for no limit."
        )
    text = values["fetch_allow"]
    networks, hosts = [], set()
    for name in (part.strip() for part in text.split(",")):
        if _HOST.fullmatch(name):
            hosts.add(name.lower().rstrip("."))
        elif name:
            networks.append(_network(name, text))
    return FetchSettings(
        is_enabled=values["fetch"],
        max_bytes=size("fetch-max-size", values["fetch_max_size"]),
        timeout_s=timeout_s,
        networks=tuple(networks),
        hosts=frozenset(hosts),
    )


def _network(name: str, text: str) -> IPv4Network | IPv6Network:
    try:
        return ip_network(name)
    except ValueError as exc:
        raise ConfigurationError(
            f"fetch-allow is {text!r}; {name!r} is neither a name nor a network such as"
            f" 10.1.2.0/24: {exc}."
        ) from exc
