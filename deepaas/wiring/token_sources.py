# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Open what judges the tokens of issuers, where one is trusted."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from importlib import import_module

from deepaas.auth import TokenSource
from deepaas.config.oidc import OidcSettings


@asynccontextmanager
async def open_token_sources(settings: OidcSettings) -> AsyncIterator[Sequence[TokenSource]]:
    """Give what judges tokens; nothing where no issuer is trusted.

    Raises:
        ConfigurationError: A file that the options name cannot be used.
    """
    if not settings.issuers:
        yield ()
        return
    # Slow to import, and nobody needs it who has no issuer.
    oidc = await asyncio.to_thread(import_module, "deepaas.auth.oidc")
    async with oidc.open_token_source(settings) as source:
        yield (source,)
