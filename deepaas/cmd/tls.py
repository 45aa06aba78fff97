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
_PASSWORD_IS_WRONG = (
    "the key has another password, which belongs into the environment variable"
    f" {UNLOCKING_VARIABLE}, or into a file that {UNLOCKING_FILE_VARIABLE} names"
)


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
        self._newest = self._load()
        #: For connections; each new one is given the certificate that was loaded last.
        self.context = self._load()
        self.context.sni_callback = self._give_newest

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
            # A new one each time: loading into one that is used would leave it, for a moment,
            # without a key for its certificate.
            self._newest = self._load()
        except ConfigurationError as exc:
            logger.error("%s", exc.message, extra={"action": "certificate_refused"})
            return False
        logger.info("Another certificate is served.", extra={"action": "certificate_loaded"})
        return True

    def _give_newest(
        self, connection: ssl.SSLObject | ssl.SSLSocket, name: str | None, context: ssl.SSLContext
    ) -> None:
        """Let a connection that begins go on with the newest certificate."""
        connection.context = self._newest

    def _state(self) -> list[tuple[int, ...] | None]:
        """Return what changes with the files."""
        return [_state_of(path) for path in (self._settings.cert, self._settings.key)]

    def _load(self) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        cert, key = self._settings.cert, self._settings.key
        for option, path in (("tls-cert", cert), ("tls-key", key)):
            try:
                path.open("rb").close()
            except OSError as exc:
                raise ConfigurationError(
                    f"{option} is {str(path)!r}, which cannot be read: {exc.strerror}."
                ) from exc
        asked_for_password = False

        def give_password() -> str:  # without it, OpenSSL would ask on the terminal
            nonlocal asked_for_password
            asked_for_password = True
            return self._settings.password or ""

        try:
            context.load_cert_chain(cert, key, password=give_password)
        except (OSError, ValueError) as exc:
            reason = _PASSWORD_IS_WRONG if asked_for_password else _reason(exc)
            raise ConfigurationError(
                f"the certificate {str(cert)!r} and the key {str(key)!r} cannot be used: {reason}."
            ) from exc
        return context


def _state_of(path: os.PathLike[str]) -> tuple[int, ...] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


def _reason(exc: Exception) -> str:
    if isinstance(exc, ssl.SSLError) and exc.reason == "KEY_VALUES_MISMATCH":
        return "the key is not that of the certificate"
    return "they are not PEM, or no certificate and private key"
