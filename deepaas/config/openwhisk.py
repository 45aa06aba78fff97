# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Whether the server finds itself in a container that OpenWhisk drives."""

import os
from collections.abc import Mapping
from typing import Any, Final

from oslo_config import cfg

from deepaas.errors import ConfigurationError

#: What the platform sets when it starts a container, or at the latest with an action.
_VARIABLES: Final = ("__OW_API_HOST", "__OW_ACTION_NAME")
#: Says another port, as for the runtimes of OpenWhisk.
PORT_VARIABLE: Final = "FLASK_PROXY_PORT"
_PORT: Final = 8080
#: The platform calls a container from outside.
EVERYWHERE: Final = "0.0.0.0"  # noqa: S104 - nothing else reaches an action
_PORTS: Final = range(65_536)

OPENWHISK_OPTIONS: tuple[cfg.Opt, ...] = (
    cfg.BoolOpt(
        "openwhisk-detect",
        default=False,
        help="Where OpenWhisk runs the server, which its variables of the environment tell, answer"
        " its /init and /run, and listen on port 8080 of all addresses. Elsewhere, nothing"
        " changes.",
    ),
)


def find_openwhisk(values: Mapping[str, Any]) -> int | None:
    """Return the port on which OpenWhisk expects the server, ``None`` where it is not there.

    Raises:
        ConfigurationError: The port cannot be used, or HTTPS is asked for, which the platform does
            not speak.
    """
    if not values["openwhisk_detect"] or not any(map(os.environ.get, _VARIABLES)):
        return None
    if values["tls_cert"]:
        raise ConfigurationError(
            "openwhisk-detect: OpenWhisk speaks no HTTPS with its containers; leave tls-cert out."
        )
    text = os.environ.get(PORT_VARIABLE) or str(_PORT)
    if not text.isascii() or not text.isdigit() or int(text) not in _PORTS:
        raise ConfigurationError(f"{PORT_VARIABLE} is {text!r}; it must be a port, as {_PORT}.")
    return int(text)
