# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Why a remote did not do what it was asked for, in words that name the remedy."""

import socket
import ssl
from collections.abc import Iterator
from enum import Enum
from typing import Final

from deepaas.errors import RemoteFailed
from deepaas.storage.base import Limits
from deepaas.storage.remotes import Remote


class Reason(Enum):
    """What went wrong: words, and whether it may pass by itself."""

    UNRESOLVED = ("its host's name cannot be resolved; check the address", True)
    REFUSED = ("its host refuses the connection; check the port, and whether it runs", True)
    UNTRUSTED = (
        "its certificate is not trusted, or it speaks no TLS; check the address, or name the"
        " authority's certificate in {authority}",
        False,
    )
    SIGN_IN = ("it does not take who signs in (401); check {credentials}", False)
    FORBIDDEN = (
        "it does not let the user do that (403); check the rights there, and {credentials}",
        False,
    )
    MISSING = ("there is no such file or folder (404)", False)
    NOT_THAT_TYPE = (
        "it answers, but not as {type} does; check the address: that of a NextCloud ends in"
        " /remote.php/dav/files/USER or /remote.php/webdav",
        False,
    )
    IN_THE_WAY = ("a file is where a folder is to be, or a folder where a file is", False)
    FULL = ("no space is left for the user (507, quota)", False)
    SILENT = ("it did not answer in time: {connect_s:g} s to connect, {stall_s:g} s to go on", True)
    BROKEN = ("the connection ended in the middle", True)
    BUSY = ("it cannot do that at the moment", True)
    UNKNOWN = ("it failed", False)

    @property
    def words(self) -> str:
        """What is said, with places for what belongs to the remote."""
        return self.value[0]

    @property
    def may_pass(self) -> bool:
        """Whether the same may succeed later."""
        return self.value[1]


_STATUSES: Final = {
    401: Reason.SIGN_IN,
    403: Reason.FORBIDDEN,
    404: Reason.MISSING,
    405: Reason.NOT_THAT_TYPE,
    408: Reason.SILENT,
    423: Reason.BUSY,
    429: Reason.BUSY,
    501: Reason.NOT_THAT_TYPE,
    507: Reason.FULL,
}
#: What names the file of authorities: botocore has its own variable.
_AUTHORITY: Final = {"s3": "AWS_CA_BUNDLE (of rclone: SSL_CERT_FILE)"}
_CREDENTIALS: Final = {"s3": ("access_key_id", "secret_access_key"), "webdav": ("user", "pass")}


def reason_of_status(status: int) -> Reason:
    """Return what a status of HTTP that is no success means."""
    if status in _STATUSES:
        return _STATUSES[status]
    if status < 400:
        return Reason.NOT_THAT_TYPE
    return Reason.BUSY if status >= 500 else Reason.UNKNOWN


def network_reason(exc: BaseException) -> Reason | None:
    """Return why the network failed, ``None`` if it was not the network.

    Clients wrap what the system says; it stands somewhere in the chain of causes.
    """
    for each in causes(exc):
        if isinstance(each, socket.gaierror):
            return Reason.UNRESOLVED
        if isinstance(each, ssl.SSLError):
            return Reason.UNTRUSTED
        if isinstance(each, ConnectionRefusedError):
            return Reason.REFUSED
        if isinstance(each, TimeoutError):
            return Reason.SILENT
        if isinstance(each, ConnectionError):
            return Reason.BROKEN
    return None


def causes(exc: BaseException) -> Iterator[BaseException]:
    """Yield an exception and those that it came from, what clients keep as attributes too."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [exc]
    while waiting:
        each = waiting.pop(0)
        if isinstance(each, BaseException) and id(each) not in seen:
            seen.add(id(each))
            yield each
            # The last: aiohttp's, which has the system's error as an attribute only.
            waiting += [each.__cause__, each.__context__, getattr(each, "os_error", None)]


def failure(
    remote: Remote, limits: Limits, reason: Reason, path: str = "", detail: str = ""
) -> RemoteFailed:
    """Return what to raise.

    Args:
        remote: Who failed.
        limits: Those in force.
        reason: Why.
        path: What it was asked about.
        detail: What else is known; without secrets.
    """
    options = _CREDENTIALS.get(remote.type, ("user", "pass"))
    words = reason.words.format(
        credentials=" and ".join(map(remote.variable, options)),
        authority=_AUTHORITY.get(remote.type, "SSL_CERT_FILE"),
        type=remote.type,
        connect_s=limits.connect_s,
        stall_s=limits.stall_s,
    )
    about = f", {path!r}" if path else ""
    return RemoteFailed(
        f"{remote.label}{about}: {words}{f': {detail}' if detail else ''}.",
        is_missing=reason is Reason.MISSING,
        may_pass=reason.may_pass,
    )
