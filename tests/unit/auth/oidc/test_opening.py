# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The source of tokens is opened with its secrets, or says why it cannot be."""

import base64
from pathlib import Path

import pytest

from deepaas.auth.oidc import open_token_source
from deepaas.config.oidc import OidcSettings
from deepaas.errors import ConfigurationError, InvalidCredentials
from tests.authority import Authority
from tests.issuing import INTROSPECTION, PlayedIssuer

ISSUERS = ("https://a.invalid", "https://b.invalid")


async def test_secrets_come_from_a_file_in_the_order_of_the_issuers(
    played: PlayedIssuer, authority: Authority, tmp_path: Path
) -> None:
    file = tmp_path / "secrets"
    with PlayedIssuer(authority) as other:
        file.write_text("\nsecond \n")
        settings = OidcSettings(
            issuers=(played.url, other.url),
            client_ids=("", "client"),
            client_secret_file=file,
            ca_file=authority.ca_file,
        )
        async with open_token_source(settings) as source:
            with pytest.raises(InvalidCredentials):
                await source.identify("opaque")
        pair = str(other.authorizations[-1]).removeprefix("Basic ")
        assert base64.b64decode(pair) == b"client:second"
    # No client, no question: a token is shown to nobody who is not to be asked.
    assert INTROSPECTION not in played.requests


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read: No such file"),
        (b"\xff", "cannot be read: it is no text"),
        (b"one\n", "has 1 lines and auth-issuer 2 issuers"),
    ],
)
async def test_a_file_of_secrets_that_cannot_be_used(
    content: bytes | None, message: str, tmp_path: Path
) -> None:
    file = tmp_path / "secrets"
    if content is not None:
        file.write_bytes(content)
    settings = OidcSettings(issuers=ISSUERS, client_ids=("a", "b"), client_secret_file=file)
    with pytest.raises(ConfigurationError, match=message) as told:
        async with open_token_source(settings):
            pass
    assert str(file) in told.value.message


@pytest.mark.parametrize(("audiences", "warned"), [((), True), (("deepaas",), False)])
async def test_a_missing_audience_is_warned_of(
    audiences: tuple[str, ...], warned: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_token_source(OidcSettings(audiences=audiences)):
        pass
    assert ("--auth-audience" in caplog.text) is warned
