# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Tokens are judged where an issuer is trusted; nobody else pays for it."""

import subprocess
import sys

import pytest

from deepaas.config.oidc import OidcSettings
from deepaas.errors import InvalidCredentials
from deepaas.wiring import open_token_sources


async def test_without_an_issuer_nothing_judges_tokens() -> None:
    async with open_token_sources(OidcSettings()) as sources:
        assert sources == ()


async def test_with_an_issuer_its_tokens_are_judged() -> None:
    async with open_token_sources(OidcSettings(issuers=("https://issuer.invalid",))) as sources:
        [source] = sources
        with pytest.raises(InvalidCredentials):
            await source.identify("eyJhbGciOiJub25lIn0.e30.")


@pytest.mark.parametrize(
    ("modules", "unwanted"),
    [
        ("deepaas.cmd.http, deepaas.cmd.run", {"jwt", "cryptography", "flaat", "requests"}),
        ("deepaas.auth.oidc", {"flaat", "requests"}),
    ],
)
def test_what_is_slow_is_imported_only_where_it_is_needed(modules: str, unwanted: set[str]) -> None:
    program = f"import sys, {modules}; print(*({unwanted!r} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == ""
