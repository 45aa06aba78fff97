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
from typing import Any, TypeVar

from deepaas.cmd import memory
from deepaas.cmd.tls import Certificate
from deepaas.config import Settings, load_settings
from deepaas.errors import ConfigurationError, ModelLoadError, RemoteFailed
from deepaas.model.discovery import select_sources
from deepaas.records import ModelSource
from deepaas.service import Service
from deepaas.telemetry import Transcript, configure_logging
from deepaas.wiring import open_service, open_sign_in, open_token_sources

logger = logging.getLogger(__name__)

T = TypeVar("T")

EXIT_MODEL = 1
EXIT_USAGE = 2
EXIT_ADDRESS = 3
EXIT_STORAGE = 4


class AddressError(ConfigurationError):
    """The address cannot be listened on."""


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT.

    Returns:
        0 after a signal; 1: a model cannot be loaded; 2: an option is wrong; 3: the address cannot
        be listened on; 4: what was to be pulled is not all here.
    """
    try:
        settings = load_settings(sys.argv[1:] if argv is None else argv)
        for warning in (*configure_logging(settings.log), *settings.warnings):
            logger.warning("%s", warning, extra={"action": "option_ignored"})
        sources = select_sources(settings.model_names)
        with asyncio.Runner(loop_factory=_new_event_loop) as runner:
            runner.run(serve(settings, sources))
    except ModelLoadError as exc:
        return _fail(EXIT_MODEL, exc.message, exc.traceback)
    except AddressError as exc:
        return _fail(EXIT_ADDRESS, exc.message)
    except RemoteFailed as exc:
        return _fail(EXIT_STORAGE, exc.message)
    except ConfigurationError as exc:
        return _fail(EXIT_USAGE, exc.message)
    return 0


def _fail(status: int, text: str, trace: str = "") -> int:
    print(f"{trace}deepaas-run: {text}", file=sys.stderr)
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
    # In a URL, and so for many people, an address of IPv6 has brackets.
    address = (settings.listen_ip.removeprefix("[").removesuffix("]"), settings.listen_port)
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
        raise _address_error(settings, exc) from exc
    return sock


def _address_error(settings: Settings, exc: OSError | UnicodeError) -> AddressError:
    # A host name that the resolver cannot even encode is a UnicodeError.
    why = exc.strerror if isinstance(exc, OSError) else "this is no address"
    return AddressError(
        f"cannot listen on {settings.listen_ip} port {settings.listen_port}: {why};"
        " choose another with --listen-ip and --listen-port."
    )


@contextmanager
def _stop_signals() -> Iterator[tuple[asyncio.Event, asyncio.Event]]:
    """Give two events until the block ends: a first SIGTERM or SIGINT sets one, a second both."""
    stop, force = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def received() -> None:
        (force if stop.is_set() else stop).set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, received)
    try:
        yield stop, force
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


@contextmanager
def _renewal(service: Service) -> Iterator[None]:
    """Until the block ends, SIGUSR1 replaces the workers one by one; once at a time."""
    loop = asyncio.get_running_loop()
    renewing: asyncio.Task[None] | None = None

    def received() -> None:
        nonlocal renewing
        if service.renew is not None and (renewing is None or renewing.done()):
            logger.info("Replacing the workers.", extra={"action": "renew"})
            renewing = asyncio.create_task(service.renew())

    loop.add_signal_handler(signal.SIGUSR1, received)
    try:
        yield
    finally:
        # The signal would end the process otherwise, which ends by itself now.
        loop.remove_signal_handler(signal.SIGUSR1)
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)
        if renewing is not None:
            renewing.cancel()


async def serve(settings: Settings, sources: Sequence[ModelSource]) -> None:
    """Serve the models until told to stop; everything is closed on return.

    After the first signal new predictions are refused, which readiness shows, and those that were
    taken get the grace, running trainings theirs; a second signal ends both.
    """
    tls = settings.guards.tls
    certificate = None if tls is None else Certificate(tls)
    with bind(settings) as sock, _stop_signals() as (stop, force):
        # The HTTP stack is imported while the workers import the models.
        importing = asyncio.create_task(asyncio.to_thread(import_module, "deepaas.cmd.http"))
        async with AsyncExitStack() as stack:
            transcript = None
            if settings.debug_endpoint:
                transcript = Transcript()
                logging.getLogger().addHandler(transcript)
                stack.callback(logging.getLogger().removeHandler, transcript)
            # Before the models, which take long: what is wrong with keys and rules is told at once.
            chosen = [source.name for source in sources]
            tokens = await stack.enter_async_context(open_token_sources(settings.oidc))
            signing_in = open_sign_in(settings, chosen, tokens)
            authenticator = await stack.enter_async_context(signing_in)
            opening = stack.enter_async_context(open_service(settings, sources, transcript, force))
            service = await _unless_stopped(opening, stop)
            http = await importing
            if service is None:
                return
            try:
                # Here, since uvloop tells nobody that it failed: the address may be taken by
                # somebody who bound it too and was faster to listen.
                sock.listen()
            except OSError as exc:
                raise _address_error(settings, exc) from exc
            stack.enter_context(_renewal(service))
            await stack.enter_async_context(
                http.listen(service, settings, sock, force, authenticator, certificate)
            )
            url = _url(sock, settings.base_path, "http" if certificate is None else "https")
            if settings.listen_early:
                logger.info("Listening at %s; loading.", url, extra={"action": "listening"})
                await _unless_stopped(_loaded(service), stop)
            if settings.workers:  # else a model is in here, with cycles of its own
                memory.tune()
            if not stop.is_set():
                names = ", ".join(service.models.names())
                logger.info("Serving %s at %s.", names, url, extra={"action": "serving"})
            await stop.wait()
            logger.info("Stopping.", extra={"action": "stopping"})
            if service.drain is not None:
                await service.drain.run(grace_s=settings.shutdown_grace_s, force=force)


async def _loaded(service: Service) -> None:
    if service.loading is not None:
        await asyncio.shield(service.loading)


async def _unless_stopped(waiting: Coroutine[Any, Any, T], stop: asyncio.Event) -> T | None:
    """Return what was waited for, ``None`` if the stop came first: loading a model takes long."""
    task = asyncio.create_task(waiting)
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({task, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not task.done():
        task.cancel()
        await asyncio.wait({task})
    return None if task.cancelled() else task.result()


def _url(sock: socket.socket, base_path: str, scheme: str) -> str:
    host, port = sock.getsockname()[:2]
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}{base_path}/"


if __name__ == "__main__":
    sys.exit(main())
