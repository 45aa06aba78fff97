# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What protects the service from clients and from pages in their browsers: options and settings."""

import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any, Final

from oslo_config import cfg

from deepaas.errors import ConfigurationError

Network = IPv4Network | IPv6Network

UNLOCKING_VARIABLE: Final = "DEEPAAS_TLS_KEY_PASSWORD"
UNLOCKING_FILE_VARIABLE: Final = "DEEPAAS_TLS_KEY_PASSWORD_FILE"
#: Any origin, or any host.
ANY: Final = "*"

GUARD_OPTIONS: tuple[cfg.Opt, ...] = (
    cfg.StrOpt(
        "allowed-origin",
        metavar="ORIGINS",
        default="",
        help="Origins whose pages may call and read this service (CORS), comma-separated:"
        " https://portal.example.org. *: any. Empty: only its own pages may call it.",
    ),
    cfg.StrOpt(
        "allowed-host",
        metavar="HOSTS",
        default="",
        help="Names under which clients may address this service (header Host), comma-separated,"
        " with or without a port; localhost and addresses always may. *: any. Empty: no other"
        " where it listens on loopback only, any otherwise.",
    ),
    cfg.StrOpt(
        "trusted-proxy",
        metavar="NETWORKS",
        default="",
        help="Addresses and networks of proxies that are believed what they say of a client,"
        " comma-separated: 10.0.0.5,192.168.0.0/16.",
    ),
    cfg.StrOpt(
        "proxy-header",
        choices=["x-forwarded", "forwarded"],
        default="x-forwarded",
        help="What those proxies set: X-Forwarded-For, -Proto and -Host, or Forwarded (RFC 7239)."
        " The others are not read, since a client may have sent them.",
    ),
    cfg.StrOpt(
        "rate-limit",
        metavar="RATE",
        default="",
        help="Requests that one caller may make, such as 10/s or 600/min; more are answered 429."
        " Who has not signed in is told by address. Empty: no limit.",
    ),
    cfg.IntOpt(
        "max-concurrent",
        default=0,
        min=0,
        help="Requests of one caller that may be served at once; one more is answered 429."
        " 0: no limit.",
    ),
    cfg.IntOpt(
        "max-connections",
        default=0,
        min=0,
        help="Connections that may be open; for one more, the one that has been idle longest is"
        " closed. 0: three quarters of the files that the process may open.",
    ),
    cfg.IntOpt(
        "header-max-size",
        default=8190,
        min=1024,
        help="Longest line of a request's head in bytes; a longer one is answered 431.",
    ),
    cfg.FloatOpt(
        "header-timeout",
        default=30.0,
        min=0.0,
        help="Seconds that a client may take to send the head of a request, and to agree on TLS."
        " 0: no limit.",
    ),
    cfg.FloatOpt(
        "body-timeout",
        default=60.0,
        min=0.0,
        help="Seconds that a client may send nothing of a body that it owes; it must also send"
        " 500 bytes a second on average. It is answered 408. 0: no limit.",
    ),
    cfg.FloatOpt(
        "keep-alive-timeout",
        default=3630.0,
        min=0.0,
        help="Seconds that a connection may be idle between two requests. Longer than a proxy"
        " keeps its connections, or it sends requests into closed ones.",
    ),
    cfg.StrOpt(
        "tls-cert",
        metavar="PATH",
        default="",
        help="File with the certificate and those that lead to its authority, as PEM: serve HTTPS."
        " It is read anew when it changes.",
    ),
    cfg.StrOpt(
        "tls-key",
        metavar="PATH",
        default="",
        help="File with the private key, as PEM. Empty: it is in the file of the certificate."
        f" Its password is in the environment: {UNLOCKING_VARIABLE}, or a file that"
        f" {UNLOCKING_FILE_VARIABLE} names.",
    ),
)

_ORIGIN: Final = re.compile(r"https?://(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:\d{1,5})?", re.ASCII)
_HOST: Final = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:\d{1,5})?", re.ASCII)
_RATE: Final = re.compile(r"(\d{1,9})\s*/\s*(s|sec|second|m|min|minute|h|hour)", re.ASCII)
_PERIODS_S: Final = {"s": 1.0, "m": 60.0, "h": 3600.0}


@dataclass(frozen=True, slots=True)
class Rate:
    """So many in a period."""

    count: int
    period_s: float


@dataclass(frozen=True, slots=True)
class TlsSettings:
    """What HTTPS is served with."""

    cert: Path
    key: Path
    #: Of the key, ``None`` if it has none. Never shown.
    password: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class GuardSettings:
    """What protects the service; the defaults are those of the options."""

    #: In lower case, without a port that is the scheme's own; or :data:`ANY` alone.
    allowed_origins: frozenset[str] = frozenset()
    #: In lower case, with a port where one was given; or :data:`ANY` alone.
    allowed_hosts: frozenset[str] = frozenset()
    trusted_proxies: tuple[Network, ...] = ()
    #: Whether those proxies set ``Forwarded`` and not ``X-Forwarded-*``.
    reads_forwarded: bool = False
    #: ``None``: no limit.
    rate: Rate | None = None
    #: 0 for no limit, here and below.
    max_concurrent: int = 0
    max_connections: int = 0
    header_max_bytes: int = 8190
    header_timeout_s: float = 30.0
    body_timeout_s: float = 60.0
    keep_alive_timeout_s: float = 3630.0
    #: ``None``: plain HTTP.
    tls: TlsSettings | None = None


def guard_settings(values: Mapping[str, Any]) -> GuardSettings:
    """Return the settings that the values of the options stand for.

    Raises:
        ConfigurationError: A value cannot be used; the message names the option and the value.
    """
    return GuardSettings(
        allowed_origins=_origins(values["allowed_origin"]),
        allowed_hosts=_hosts(values["allowed_host"]),
        trusted_proxies=_networks(values["trusted_proxy"]),
        reads_forwarded=values["proxy_header"] == "forwarded",
        rate=_rate(values["rate_limit"]),
        max_concurrent=values["max_concurrent"],
        max_connections=values["max_connections"],
        header_max_bytes=values["header_max_size"],
        header_timeout_s=_finite("header-timeout", values["header_timeout"]),
        body_timeout_s=_finite("body-timeout", values["body_timeout"]),
        keep_alive_timeout_s=_finite("keep-alive-timeout", values["keep_alive_timeout"]),
        tls=_tls(values["tls_cert"], values["tls_key"]),
    )


def without_default_port(origin: str) -> str:
    """Return an origin as browsers write it: without the port that is its scheme's own."""
    default = ":443" if origin.startswith("https:") else ":80"
    return origin.removesuffix(default)


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _alone(option: str, text: str, words: list[str]) -> bool:
    """Tell whether anything is allowed."""
    if ANY in words and len(words) > 1:
        raise ConfigurationError(f"{option} is {text!r}; * stands for all, and stands alone.")
    return words == [ANY]


def _origins(text: str) -> frozenset[str]:
    words = [word.lower().removesuffix("/") for word in _words(text)]
    if not _alone("allowed-origin", text, words):
        for word in words:
            if not _ORIGIN.fullmatch(word):
                raise ConfigurationError(
                    f"allowed-origin is {text!r}; {word!r} is no origin: https://portal.example.org,"
                    " with a port if it has one, and without a path."
                )
    return frozenset(without_default_port(word) for word in words)


def _hosts(text: str) -> frozenset[str]:
    words = [word.lower() for word in _words(text)]
    if not _alone("allowed-host", text, words):
        for word in words:
            if not _HOST.fullmatch(word):
                raise ConfigurationError(
                    f"allowed-host is {text!r}; {word!r} is no host: models.example.org, with a"
                    " port if only that one is meant; an IPv6 address in brackets, [::1]."
                )
    return frozenset(words)


def _networks(text: str) -> tuple[Network, ...]:
    found = []
    for word in _words(text):
        try:
            found.append(ip_network(word))
        except ValueError as exc:
            raise ConfigurationError(
                f"trusted-proxy is {text!r}; {word!r} is no address or network: 10.0.0.5,"
                " 192.168.0.0/16, fd00::/8."
            ) from exc
    return tuple(found)


def _rate(text: str) -> Rate | None:
    if not text.strip():
        return None
    found = _RATE.fullmatch(text.strip().lower())
    if found is None or not int(found[1]):
        raise ConfigurationError(
            f"rate-limit is {text!r}; it must be a number of requests in a second, a minute or an"
            " hour: 10/s, 600/min, 5000/h."
        )
    return Rate(int(found[1]), _PERIODS_S[found[2][0]])


def _finite(option: str, value: float) -> float:
    if not math.isfinite(value):
        raise ConfigurationError(f"{option} is {value}; it must be a finite number of seconds.")
    return value


def _tls(cert: str, key: str) -> TlsSettings | None:
    if not cert:
        if key:
            raise ConfigurationError(f"tls-key is {key!r}, and tls-cert is missing; give both.")
        return None
    cert_path, key_path = (Path(path).expanduser().absolute() for path in (cert, key or cert))
    return TlsSettings(cert_path, key_path, _key_password())


def _key_password() -> str | None:
    if given := os.environ.get(UNLOCKING_VARIABLE):
        return given
    path = os.environ.get(UNLOCKING_FILE_VARIABLE)
    if not path:
        return None
    try:
        return Path(path).expanduser().read_text("utf-8").removesuffix("\n")
    except (OSError, UnicodeDecodeError, RuntimeError) as exc:
        raise ConfigurationError(
            f"{UNLOCKING_FILE_VARIABLE} is {path!r}, which cannot be read as text."
        ) from exc
