# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""``deepaas-run``: serve models over HTTP."""

import asyncio
import logging
import signal
import socket
import sys
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from importlib import import_module
from typing import Any

from deepaas.config import Settings, load_settings
from deepaas.errors import ConfigurationError, ModelLoadError
from deepaas.model.discovery import select_sources
from deepaas.records import ModelSource
from deepaas.service import Service
from deepaas.telemetry import configure_logging
from deepaas.wiring import open_service

logger = logging.getLogger(__name__)

EXIT_MODEL = 1
EXIT_USAGE = 2
EXIT_ADDRESS = 3


class AddressError(ConfigurationError):
    """The address cannot be listened on."""


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT.

    Returns:
        0 after a signal; 1: a model cannot be loaded; 2: an option is wrong; 3: the address cannot
        be listened on.
    """
    try:
        settings = load_settings(sys.argv[1:] if argv is None else argv)
        configure_logging(debug=settings.debug)
        sources = select_sources(settings.model_names)
        with asyncio.Runner(loop_factory=_new_event_loop) as runner:
            runner.run(serve(settings, sources))
    except ModelLoadError as exc:
        return _fail(EXIT_MODEL, f"{exc.traceback}{exc.message}")
    except AddressError as exc:
        return _fail(EXIT_ADDRESS, exc.message)
    except ConfigurationError as exc:
        return _fail(EXIT_USAGE, exc.message)
    return 0


def _fail(status: int, text: str) -> int:
    print(f"deepaas-run: {text}", file=sys.stderr)
    return status


def _new_event_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


def bind(settings: Settings) -> socket.socket:
    """Take the address without listening yet: the port opens when the models are warm.

    Raises:
        AddressError: It is taken, or not an address of this machine.
    """
    address = (settings.listen_ip, settings.listen_port)
    try:
        family, kind, protocol, _, where = socket.getaddrinfo(
            *address, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        sock = socket.socket(family, kind, protocol)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(where)
        except BaseException:
            sock.close()
            raise
    except (OSError, UnicodeError) as exc:
        # A host name that the resolver cannot even encode is a UnicodeError.
        why = exc.strerror if isinstance(exc, OSError) else "this is no address"
        raise AddressError(
            f"cannot listen on {settings.listen_ip} port {settings.listen_port}: {why};"
            " choose another with --listen-ip and --listen-port."
        ) from exc
    return sock


@contextmanager
def _stop_signal() -> Iterator[asyncio.Event]:
    """Give an event that SIGTERM and SIGINT set until the block ends."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        yield stop
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


async def serve(settings: Settings, sources: Sequence[ModelSource]) -> None:
    """Serve the models until told to stop; everything is closed on return."""
    with bind(settings) as sock, _stop_signal() as stop:
        # The HTTP stack is imported while the workers import the models.
        importing = asyncio.create_task(asyncio.to_thread(import_module, "deepaas.cmd.http"))
        async with AsyncExitStack() as stack:
            opening = stack.enter_async_context(open_service(settings, sources))
            service = await _unless_stopped(opening, stop)
            http = await importing
            if service is None:
                return
            await stack.enter_async_context(http.listen(service, settings, sock))
            logger.info(
                "Serving %s at %s.",
                ", ".join(service.models.names()),
                _url(sock, settings.base_path),
                extra={"action": "serving"},
            )
            await stop.wait()
            logger.info("Stopping.", extra={"action": "stopping"})


async def _unless_stopped(
    opening: Coroutine[Any, Any, Service], stop: asyncio.Event
) -> Service | None:
    """Return what was opened, ``None`` if the stop came first: loading a model may take long."""
    task = asyncio.create_task(opening)
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({task, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not task.done():
        task.cancel()
        await asyncio.wait({task})
    return None if task.cancelled() else task.result()


def _url(sock: socket.socket, base_path: str) -> str:
    host, port = sock.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}{base_path}/"


if __name__ == "__main__":
    sys.exit(main())
