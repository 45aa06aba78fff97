# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Addresses at a command line are fetched by the client that fetches those sent to a service."""

import asyncio
from pathlib import Path

from deepaas.config import FetchSettings
from deepaas.model.arguments import ArgumentParser
from deepaas.model.fetched import fetched_of
from deepaas.records import CallInput


def with_fetched(
    given: CallInput, parser: ArgumentParser, settings: FetchSettings, folder: Path
) -> CallInput:
    """Return an input with the files that its addresses lead to; blocks.

    Args:
        given: The input.
        parser: Of the function that it is for.
        settings: What may be fetched.
        folder: Takes the files; whoever made it removes them.

    Raises:
        InvalidArguments: Something cannot be fetched, or the input is wrong.
        StorageUnavailable: A file cannot be written.
    """
    fetched = fetched_of(parser.arguments)
    if not fetched:
        return given
    # Here, for it takes a while, and few models need it.
    from deepaas.service.fetching import UrlFetcher
    from deepaas.service.incoming import Incoming

    fetcher = UrlFetcher.of(settings, folder)
    if fetcher is None:
        return given
    incoming = Incoming(given)
    asyncio.run(fetcher.fetch(incoming, fetched, parser))
    return incoming.given
