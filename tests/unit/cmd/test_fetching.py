# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""An address at a command line leads to a file, if it may."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_network
from pathlib import Path

import pytest
from marshmallow import fields

from deepaas.cmd.fetching import fetch_file, with_fetched
from deepaas.config import FetchSettings
from deepaas.errors import InvalidArguments
from deepaas.model.arguments import ArgumentParser
from deepaas.records import CallInput
from tests.unit.fetching.host import CONTENT, Host, serving

PARSER = ArgumentParser({"x": fields.Url(require_tld=False, metadata={"fetch": True})})
ALLOWED = FetchSettings(networks=(ip_network("127.0.0.1/32"),))


@contextmanager
def served() -> Iterator[Host]:
    """Serve in another thread: a command has none of its event loop to spare."""
    begun: list[Host] = []
    ready, over = threading.Event(), asyncio.Event()
    loops: list[asyncio.AbstractEventLoop] = []

    async def serve() -> None:
        async with serving() as host:
            begun.append(host)
            loops.append(asyncio.get_running_loop())
            ready.set()
            await over.wait()

    thread = threading.Thread(target=asyncio.run, args=[serve()])
    thread.start()
    ready.wait()
    try:
        yield begun[0]
    finally:
        loops[0].call_soon_threadsafe(over.set)
        thread.join()


def test_the_file_comes_with_the_input(tmp_path: Path) -> None:
    with served() as host:
        given = CallInput(query=(("x", host.url()),))
        arguments = PARSER.parse(with_fetched(given, PARSER, ALLOWED, tmp_path))
        path = Path(arguments["x"].filename)
        assert path.read_bytes() == CONTENT
        assert path.parent == tmp_path
        with pytest.raises(InvalidArguments, match="does not lead to a public host"):
            with_fetched(given, PARSER, FetchSettings(), tmp_path)
        off = with_fetched(given, PARSER, FetchSettings(is_enabled=False), tmp_path)
        assert off is given


def test_a_file_is_called_as_it_is_there(tmp_path: Path) -> None:
    with served() as host:
        path = fetch_file("-i", host.url("/a/cat.png?x=y"), ALLOWED, tmp_path)
        assert path == tmp_path / "cat.png"
        assert path.read_bytes() == CONTENT
        assert fetch_file("-i", host.url("/"), ALLOWED, tmp_path) == tmp_path / "input"
        with pytest.raises(InvalidArguments, match="The host answered 404"):
            fetch_file("-i", host.url("/missing"), ALLOWED, tmp_path)
        with pytest.raises(InvalidArguments, match="--nofetch"):
            fetch_file("-i", host.url(), FetchSettings(is_enabled=False), tmp_path)


def test_most_models_fetch_nothing(tmp_path: Path) -> None:
    given = CallInput(query=(("x", "http://a.example/"),))
    parser = ArgumentParser({"x": fields.Url()})
    assert with_fetched(given, parser, FetchSettings(), tmp_path) is given
