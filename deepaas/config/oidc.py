# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The options about tokens of OpenID Connect: who is trusted to issue them, and for whom."""

import ipaddress
import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

from oslo_config import cfg

from deepaas.errors import ConfigurationError

#: What the library of flaat, and of much else, reads; it names a file of authorities.
_CA_VARIABLE: Final = "REQUESTS_CA_BUNDLE"
_HOST: Final = re.compile(r"([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:\d{1,5})?")


class UserinfoUse(StrEnum):
    """When an issuer is asked what it attests of the owner of a signed token."""

    NEVER = "never"
    #: When the token says nothing of groups and entitlements.
    MISSING = "missing"
    ALWAYS = "always"


OIDC_OPTIONS: tuple[cfg.Opt, ...] = (
    cfg.StrOpt(
        "auth-issuer",
        metavar="URLS",
        default="",
        help="Issuers of OpenID Connect whose tokens sign in here, comma-separated https addresses;"
        " http on this machine only. Empty: none.",
    ),
    cfg.StrOpt(
        "auth-audience",
        metavar="NAMES",
        default="",
        help="Audiences, comma-separated; a token must be for one of them. Empty: tokens that an"
        " issuer made for any other service are accepted too, which is warned of.",
    ),
    cfg.FloatOpt(
        "auth-clock-skew",
        default=60.0,
        min=0.0,
        max=600.0,
        help="Seconds that the clock of an issuer may differ from the one here.",
    ),
    cfg.StrOpt(
        "auth-userinfo",
        default=UserinfoUse.MISSING.value,
        choices=[use.value for use in UserinfoUse],
        help="When to ask an issuer's userinfo endpoint for groups and entitlements: when the token"
        " carries none of these claims, always, or never.",
    ),
    cfg.StrOpt(
        "auth-client-id",
        metavar="IDS",
        default="",
        help="Client at the issuer that may introspect tokens; with it, tokens that are no JWT are"
        " accepted. Of several issuers comma-separated, in their order, empty where there is none.",
    ),
    cfg.StrOpt(
        "auth-client-secret",
        secret=True,
        default="",
        help="Secret of that client; of several comma-separated, in the order of the issuers.",
    ),
    cfg.StrOpt(
        "auth-client-secret-file",
        metavar="PATH",
        default="",
        help="File with the secret of that client, instead; of several one a line, in the order of"
        " the issuers.",
    ),
    cfg.BoolOpt(
        "auth-opaque-userinfo",
        default=False,
        help="Accept tokens that are no JWT from issuers without a client that introspects: each"
        " is shown to the userinfo endpoint of every such issuer. Not with auth-audience, of which"
        " userinfo says nothing.",
    ),
    cfg.StrOpt(
        "auth-issuer-hosts",
        metavar="HOSTS",
        default="",
        help="Hosts, comma-separated, where issuers may have their keys and endpoints beside their"
        " own; with a port unless it is 443.",
    ),
    cfg.StrOpt(
        "auth-ca-file",
        metavar="PATH",
        default="",
        help="File (PEM) with further authorities for the certificates of issuers. Empty: what the"
        " environment variable REQUESTS_CA_BUNDLE says.",
    ),
)


@dataclass(frozen=True, slots=True)
class OidcSettings:
    """Who is trusted to issue tokens; without issuers, nobody."""

    #: Addresses without a slash at their end.
    issuers: tuple[str, ...] = ()
    #: Empty: any.
    audiences: tuple[str, ...] = ()
    clock_skew_s: float = 60.0
    userinfo: UserinfoUse = UserinfoUse.MISSING
    #: In the order of the issuers, empty texts where there is none.
    client_ids: tuple[str, ...] = ()
    #: In the same order. Never shown.
    client_secrets: tuple[str, ...] = field(default=(), repr=False)
    client_secret_file: Path | None = None
    opaque_userinfo: bool = False
    issuer_hosts: tuple[str, ...] = ()
    #: ``None`` for those of the system alone.
    ca_file: Path | None = None


def oidc_settings(values: Mapping[str, Any]) -> OidcSettings:
    """Return the settings that values of :data:`OIDC_OPTIONS` make.

    Raises:
        ConfigurationError: A value cannot be used; the message names the option and the value.
    """
    issuers = tuple(_issuer(text) for text in _names(values["auth_issuer"]))
    if len(set(issuers)) < len(issuers):
        raise ConfigurationError(f"auth-issuer is {values['auth_issuer']!r}; it names one twice.")
    settings = OidcSettings(
        issuers=issuers,
        audiences=_names(values["auth_audience"]),
        clock_skew_s=_skew(values["auth_clock_skew"]),
        userinfo=UserinfoUse(values["auth_userinfo"]),
        client_ids=_in_order(values["auth_client_id"]),
        client_secrets=_secrets(values["auth_client_secret"], len(issuers)),
        client_secret_file=_path(values["auth_client_secret_file"]),
        opaque_userinfo=values["auth_opaque_userinfo"],
        issuer_hosts=tuple(_host(text) for text in _names(values["auth_issuer_hosts"])),
        ca_file=_path(values["auth_ca_file"] or os.environ.get(_CA_VARIABLE, "")),
    )
    _check_together(settings)
    return settings


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, by its name or number."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _in_order(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",")) if text.strip() else ()


def _secrets(text: str, issuers: int) -> tuple[str, ...]:
    # Of a single issuer it is all one secret, which may have a comma in it.
    return (text,) if text and issuers < 2 else _in_order(text)


def _path(text: str) -> Path | None:
    return Path(text).expanduser().absolute() if text else None


def _skew(seconds: float) -> float:
    if not math.isfinite(seconds):
        raise ConfigurationError(f"auth-clock-skew is {seconds}; it must be a number of seconds.")
    return seconds


def _issuer(text: str) -> str:
    wrong = f"auth-issuer is {text!r}; it must be the https address of an issuer"
    try:
        parts = urlsplit(text)
        port_is_one = parts.port is None or parts.port > 0
    except ValueError as exc:
        raise ConfigurationError(f"{wrong}.") from exc
    if parts.username is not None or parts.password is not None:
        # Not shown: it may hold a password.
        raise ConfigurationError("auth-issuer holds a name or a password; leave them out.")
    if not parts.hostname or not port_is_one or re.search(r"[^!-~]|[?#]", text):
        raise ConfigurationError(f"{wrong}, without anything behind its path.")
    if not _is_private(parts):
        raise ConfigurationError(
            f"{wrong}: what comes over http to another machine can be changed on its way."
        )
    return text.rstrip("/")


def _is_private(parts: SplitResult) -> bool:
    is_local = parts.scheme == "http" and is_loopback(parts.hostname or "")
    return parts.scheme == "https" or is_local


def _host(text: str) -> str:
    found = _HOST.fullmatch(text)
    if found is None:
        raise ConfigurationError(
            f"auth-issuer-hosts is {text!r}; it must be a name of a host, or one with a port."
        )
    return text.lower().removesuffix(":443")


def _check_together(settings: OidcSettings) -> None:
    """Refuse what contradicts itself; a wrong order would show a secret to another issuer."""
    if not settings.issuers:
        return
    for option, texts in (
        ("auth-client-id", settings.client_ids),
        ("auth-client-secret", settings.client_secrets),
    ):
        if texts and len(texts) != len(settings.issuers):
            raise ConfigurationError(
                f"{option} has {len(texts)} entries and auth-issuer {len(settings.issuers)}; give"
                " one for each issuer, in the same order, empty where there is none."
            )
    if settings.client_secrets and settings.client_secret_file is not None:
        raise ConfigurationError(
            "auth-client-secret and auth-client-secret-file are both given; choose one."
        )
    if settings.opaque_userinfo and settings.audiences:
        raise ConfigurationError(
            "auth-opaque-userinfo cannot be used with auth-audience, of which userinfo says"
            " nothing; give auth-client-id, so that such tokens are introspected."
        )
