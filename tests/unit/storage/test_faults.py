# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Every way in which a remote fails has its words."""

import socket
import ssl

import pytest

from deepaas.storage.base import Limits
from deepaas.storage.faults import Reason, failure, network_reason, reason_of_status
from deepaas.storage.remotes import Remote


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (401, Reason.SIGN_IN),
        (403, Reason.FORBIDDEN),
        (404, Reason.MISSING),
        (405, Reason.NOT_THAT_TYPE),
        (302, Reason.NOT_THAT_TYPE),
        (418, Reason.UNKNOWN),
        (423, Reason.BUSY),
        (500, Reason.BUSY),
        (507, Reason.FULL),
    ],
)
def test_a_status_has_a_reason(status: int, reason: Reason) -> None:
    assert reason_of_status(status) is reason


@pytest.mark.parametrize(
    ("cause", "reason"),
    [
        (socket.gaierror("name"), Reason.UNRESOLVED),
        (ssl.SSLError("certificate"), Reason.UNTRUSTED),
        (ConnectionRefusedError(), Reason.REFUSED),
        (ConnectionResetError(), Reason.BROKEN),
        (TimeoutError(), Reason.SILENT),
        (ValueError(), None),
    ],
)
def test_what_the_system_said_is_found_behind_what_a_client_says(
    cause: Exception, reason: Reason | None
) -> None:
    outer, attribute = RuntimeError("outer"), RuntimeError("with attribute")
    outer.__cause__ = cause
    assert network_reason(outer) is reason
    cause.__context__ = outer  # chains may go round
    assert network_reason(outer) is reason
    attribute.os_error = cause  # type: ignore[attr-defined] # as aiohttp's have
    assert network_reason(attribute) is reason


@pytest.mark.parametrize("reason", Reason)
@pytest.mark.parametrize("kind", ["webdav", "s3", "sftp"])
def test_a_message_is_one_line_that_names_the_remote(reason: Reason, kind: str) -> None:
    remote = Remote("rshare", kind, {"url": "https://a.example.org"}, password="secret")
    error = failure(remote, Limits(10, 60), reason, "models/a", "more")
    assert error.message.startswith(f"rshare ({kind} at https://a.example.org), 'models/a': ")
    assert error.message.endswith(": more.")
    assert "secret" not in error.message
    assert not {"{", "}", "\n"} & set(error.message)
    assert error.is_missing is (reason is Reason.MISSING)
    assert error.may_pass is reason.may_pass
