# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The certificate that HTTPS is served with, which may change while it is."""

import asyncio
import logging
import os
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from deepaas.config.guards import UNLOCKING_FILE_VARIABLE, UNLOCKING_VARIABLE, TlsSettings
from deepaas.errors import ConfigurationError

logger = logging.getLogger(__name__)

_LOOKS_EVERY_S = 5.0


class Certificate:
    """The certificate, and what TLS is spoken with.

    Args:
        settings: Where certificate and key are.

    Raises:
        ConfigurationError: They cannot be used; the message names the files and the reason.
    """

    def __init__(self, settings: TlsSettings) -> None:
        self._settings = settings
        self._seen = self._state()
        #: For connections; new ones are given the certificate that was loaded last.
        self.context = self._load()

    @asynccontextmanager
    async def kept_fresh(self, every_s: float = _LOOKS_EVERY_S) -> AsyncIterator[None]:
        """Look from time to time whether the files have changed, until the block ends."""
        looking = asyncio.create_task(self._look(every_s), name="certificate")
        try:
            yield
        finally:
            looking.cancel()
            with suppress(asyncio.CancelledError):
                await looking

    async def _look(self, every_s: float) -> None:
        while True:
            await asyncio.sleep(every_s)
            await asyncio.to_thread(self.refresh)

    def refresh(self) -> bool:
        """Load the files if they have changed; blocks.

        What cannot be used is said once in the log, and what was served is served on.

        Returns:
            Whether another certificate is served from now on.
        """
        state = self._state()
        if state == self._seen:
            return False
        self._seen = state
        try:
            # Tried apart: a context that takes a certificate without its key can serve nobody.
            self._load()
            self._load_into(self.context)
        except ConfigurationError as exc:
            logger.error("%s", exc.message, extra={"action": "certificate_refused"})
            return False
        logger.info("Another certificate is served.", extra={"action": "certificate_loaded"})
        return True

    def _state(self) -> list[tuple[int, ...] | None]:
        """Return what changes with the files."""
        return [_state_of(path) for path in (self._settings.cert, self._settings.key)]

    def _load(self) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        self._load_into(context)
        return context

    def _load_into(self, context: ssl.SSLContext) -> None:
        cert, key = self._settings.cert, self._settings.key
        for option, path in (("tls-cert", cert), ("tls-key", key)):
            try:
                path.open("rb").close()
            except OSError as exc:
                raise ConfigurationError(
                    f"{option} is {str(path)!r}, which cannot be read: {exc.strerror}."
                ) from exc
        try:
            # Without a function, OpenSSL would ask for a password on the terminal.
            context.load_cert_chain(cert, key, password=lambda: self._settings.password or "")
        except (OSError, ValueError) as exc:
            raise ConfigurationError(
                f"the certificate {str(cert)!r} and the key {str(key)!r} cannot be used:"
                f" {_reason(exc)}."
            ) from exc


def _state_of(path: os.PathLike[str]) -> tuple[int, ...] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


def _reason(exc: Exception) -> str:
    reason = exc.reason if isinstance(exc, ssl.SSLError) else None
    match reason:
        case "KEY_VALUES_MISMATCH":
            return "the key is not that of the certificate"
        case "BAD_DECRYPT" | "BAD_PASSWORD_READ" | "PEM_LIB" | "INTERRUPTED_OR_CANCELLED":
            return (
                "the key has another password, or is broken; the password is in"
                f" {UNLOCKING_VARIABLE} or in a file that {UNLOCKING_FILE_VARIABLE} names"
            )
    return "they are not PEM, or no certificate and private key"
