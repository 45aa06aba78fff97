# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Addresses at a command line are fetched by the client that fetches those sent to a service."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from deepaas.config import FetchSettings
from deepaas.errors import InvalidArguments
from deepaas.model.arguments import ArgumentParser
from deepaas.model.fetched import fetched_of
from deepaas.records import Argument, CallInput


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
    return _fetched(given, fetched, parser, settings, folder) if fetched else given


def fetch_file(name: str, url: str, settings: FetchSettings, folder: Path) -> Path:
    """Return the file that an address leads to, called as it is there; blocks.

    Args:
        name: What the address is called in messages.
        url: The address.
        settings: What may be fetched.
        folder: Takes the file; whoever made it removes it.

    Raises:
        InvalidArguments: It cannot be fetched.
        StorageUnavailable: The file cannot be written.
    """
    argument = Argument(name, name, "Url", is_fetched=True)
    given = _fetched(CallInput(query=((name, url),)), [argument], None, settings, folder)
    if not given.files:
        raise InvalidArguments({name: ["Addresses are not fetched: --nofetch says so."]})
    [(_, file)] = given.files
    path = folder / (file.original_filename or "input")
    return Path(file.filename or "").rename(path)


def _fetched(
    given: CallInput,
    fetched: Sequence[Argument],
    parser: ArgumentParser | None,
    settings: FetchSettings,
    folder: Path,
) -> CallInput:
    # Here, for it takes a while, and few models need it.
    from deepaas.service.fetching import UrlFetcher
    from deepaas.service.incoming import Incoming

    fetcher = UrlFetcher.of(settings, folder)
    if fetcher is None:
        return given
    incoming = Incoming(given)
    asyncio.run(fetcher.fetch(incoming, fetched, parser))
    return incoming.given
