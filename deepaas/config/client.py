# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""How a command reaches a service: its address, and the token that signs in."""

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from deepaas.errors import ConfigurationError

DEFAULT_URL: Final = "http://127.0.0.1:5000"
URL_VARIABLE: Final = "DEEPAAS_URL"
SIGN_IN_VARIABLE: Final = "DEEPAAS_TOKEN"
SIGN_IN_FILE_VARIABLE: Final = "DEEPAAS_TOKEN_FILE"
#: What a header can carry of a token (RFC 6750, section 2.1, and what keys look like elsewhere).
_TOKEN: Final = re.compile(r"[!-~]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """Where a service is."""

    #: With its base path, without a slash at its end.
    url: str = DEFAULT_URL
    #: ``None``: the command does not sign in. Never shown.
    token: str | None = field(default=None, repr=False)


def load_client_settings(url: str | None, token_file: str | None) -> ClientSettings:
    """Return how the service is reached; what the command line leaves open, the environment says.

    A token is never an argument of a command: everybody on the machine can read those.

    Args:
        url: As given on the command line, ``None`` if it was not.
        token_file: File that holds the token, ``None`` if none was named.

    Raises:
        ConfigurationError: The address is none, or the token cannot be read.
    """
    if url is not None:
        return ClientSettings(_url("--url", url), _token(token_file))
    given = os.environ.get(URL_VARIABLE) or DEFAULT_URL
    return ClientSettings(_url(URL_VARIABLE, given), _token(token_file))


def _url(where: str, text: str) -> str:
    wrong = f"{where} is {text!r}; it must be the address of a service, as in {DEFAULT_URL}"
    try:
        parts = urlsplit(text)
        port_is_one = parts.port is None or parts.port > 0
    except ValueError as exc:
        raise ConfigurationError(f"{wrong}.") from exc
    if parts.username is not None or parts.password is not None:
        # Not shown: it may hold a password.
        raise ConfigurationError(
            f"{where} holds a name or a password; sign in with {SIGN_IN_VARIABLE} or --token-file."
        )
    is_address = parts.scheme in ("http", "https") and parts.hostname and port_is_one
    if not is_address or parts.query or parts.fragment or re.search(r"[\s\x00-\x1f]", text):
        raise ConfigurationError(f"{wrong}.")
    return text.rstrip("/")


def _token(file: str | None) -> str | None:
    where, given = "--token-file", file
    if given is None and (token := os.environ.get(SIGN_IN_VARIABLE)):
        return _checked(SIGN_IN_VARIABLE, token)
    if given is None:
        where, given = SIGN_IN_FILE_VARIABLE, os.environ.get(SIGN_IN_FILE_VARIABLE)
    if not given:
        return None
    try:
        text = Path(given).expanduser().read_text("utf-8")
    except (OSError, RuntimeError, UnicodeDecodeError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else "it is no text"
        raise ConfigurationError(f"{where}: {given!r} cannot be read: {reason}.") from exc
    return _checked(f"{where}: {given!r}", text)


def _checked(where: str, text: str) -> str:
    token = text.strip()
    if not _TOKEN.fullmatch(token):
        raise ConfigurationError(f"{where} holds no token: one line of printable ASCII characters.")
    return token
