# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Ask a service for the jobs of a model; what goes wrong becomes one line with a remedy.

What a service answers is taken for what anybody may have written: it is checked where it is used,
and shown without what would steer a terminal.
"""

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import quote

import aiohttp

from deepaas.cmd.jobs.harmless import parse_json, shown
from deepaas.config.client import SIGN_IN_VARIABLE, URL_VARIABLE, ClientSettings
from deepaas.errors import ConfigurationError, RequestFailed

_CONNECTS_S: Final = 10
#: Longer than a service that follows a job is ever silent.
_SILENT_S: Final = 60
#: The longest answer that is held in memory: a page of a thousand jobs fits.
_MOST_BYTES: Final = 256 * 1024 * 1024

_REMEDIES: Final = {
    401: f"Sign in with the variable {SIGN_IN_VARIABLE} or with --token-file.",
    402: "Trainings are switched off there.",
    403: "Your token does not allow that.",
    404: "`deepaas jobs list` shows the jobs that are there.",
    503: "Try again later.",
    507: "Its operator must make space.",
}


class JobsClient:
    """The jobs of one model of one service; opened and closed with ``async with``.

    Every method raises :class:`~deepaas.errors.RequestFailed` where the service cannot be reached,
    refuses, or answers what is no answer of DEEPaaS.
    """

    def __init__(self, settings: ClientSettings) -> None:
        """Connect to nothing yet."""
        self.url = settings.url
        self._token = settings.token
        self._model = ""
        self._session: aiohttp.ClientSession

    async def __aenter__(self) -> Self:
        headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        self._session = aiohttp.ClientSession(
            headers=headers,
            # What is compressed would have no length that a broken download could go on from.
            auto_decompress=False,
            skip_auto_headers=("Accept-Encoding",),
            timeout=aiohttp.ClientTimeout(sock_connect=_CONNECTS_S, sock_read=_SILENT_S),
        )
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._session.close()

    async def choose(self, model: str | None) -> None:
        """Choose the model whose jobs are asked for.

        Args:
            model: Its name, ``None`` where the service has only one.

        Raises:
            ConfigurationError: It has several.
        """
        if model is None:
            models = await self._models()
            if len(models) != 1:
                raise ConfigurationError(
                    f"{self.url} serves {len(models)} models: {', '.join(map(shown, models))}."
                    " Choose one with --model."
                )
            (model,) = models
        self._model = model

    async def _models(self) -> list[str]:
        """Return the names under which models are served; metadata may say others."""
        readiness = await self.fetch("/v2/health/ready", also=503)
        match readiness:
            case {"models": [*models]} if models:
                names = [model.get("name") for model in models if isinstance(model, dict)]
                found = [name for name in names if isinstance(name, str)]
                if len(found) == len(models):
                    return found
        raise self.nonsense("/v2/health/ready")

    @property
    def jobs(self) -> str:
        """Path of the jobs."""
        # A name that is no text names no model.
        return f"/v2/models/{quote(self._model, safe='', errors='replace')}/jobs/"

    def job(self, job_id: str, part: str = "") -> str:
        """Return the path of a job, or of a part of it."""
        return f"{self.jobs}{quote(job_id, safe='')}{part}"

    async def fetch(
        self,
        path: str,
        *,
        method: str = "GET",
        params: Mapping[str, str | list[str]] | None = None,
        also: int = 200,
    ) -> dict[str, Any]:
        """Ask, and return the JSON object of the answer; of an empty answer, an empty one.

        Args:
            path: Behind the address of the service, encoded as in a URL.
            method: The HTTP method.
            params: The query.
            also: A further status with which the answer is taken.
        """
        async with self.open(path, method=method, params=params, also=also) as response:
            body = await read_body(response)
        try:
            content = parse_json(body or b"{}")
        except ValueError as exc:
            raise self.nonsense(path) from exc
        if not isinstance(content, dict):
            raise self.nonsense(path)
        return content

    @asynccontextmanager
    async def open(
        self,
        path: str,
        *,
        method: str = "GET",
        params: Mapping[str, str | list[str]] | None = None,
        headers: Mapping[str, str] | None = None,
        also: int = 200,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Ask, and give the answer, whose body is read meanwhile; see :meth:`fetch`."""
        try:
            async with self._session.request(
                method,
                f"{self.url}{path}",
                params=params,
                headers=headers,
                # A token is for the address that was named, and for no other.
                allow_redirects=False,
            ) as response:
                if response.status >= 300 and response.status != also:
                    raise await self._refused(method, path, response)
                yield response
        except (aiohttp.ClientError, TimeoutError) as exc:
            raise self._lost(exc) from exc

    async def _refused(
        self, method: str, path: str, response: aiohttp.ClientResponse
    ) -> RequestFailed:
        status = response.status
        where = f"{method} {self.url}{path}: {status}"
        if 300 <= status < 400:
            target = shown(response.headers.get("Location", "elsewhere"))
            return RequestFailed(
                f"{where}, redirected to {target}; give the address that it leads to with --url.",
                status=status,
            )
        parts = [f"{where} {shown(response.reason or '')}".rstrip() + "."]
        parts += [detail] if (detail := _detail(await read_body(response))) else []
        parts += [_REMEDIES[status]] if status in _REMEDIES else []
        return RequestFailed(" ".join(parts), status=status)

    def nonsense(self, path: str) -> RequestFailed:
        """Return the error that an answer is none of DEEPaaS."""
        return RequestFailed(
            f"{self.url}{path} does not answer as DEEPaaS does; is that the right address?"
            f" It is given with --url or {URL_VARIABLE}.",
            status=200,
        )

    def _lost(self, exc: Exception) -> RequestFailed:
        if isinstance(exc, TimeoutError):
            reason = "no answer in time"
        elif isinstance(exc, aiohttp.ClientConnectorCertificateError):
            return RequestFailed(
                f"{self.url} has a certificate that is not trusted:"
                f" {shown(_fault_of(exc.certificate_error))}. A file with the certificate of an"
                " authority of your own is named with the variable SSL_CERT_FILE."
            )
        elif isinstance(exc, aiohttp.ClientSSLError):
            # Numbers of OpenSSL are none of the system's.
            reason = f"no TLS is spoken with it ({exc.os_error.strerror})"
        elif isinstance(exc, aiohttp.ClientConnectorError):
            error = exc.os_error
            # asyncio puts a text of its own in the place of the system's.
            number = error.errno or 0
            reason = os.strerror(number) if number > 0 else error.strerror or str(error)
        else:
            reason = str(exc) or type(exc).__name__
        return RequestFailed(
            f"{self.url} cannot be reached: {shown(reason)}. Does the service run there? Another"
            f" address is given with --url or {URL_VARIABLE}."
        )


async def read_body(response: aiohttp.ClientResponse, remedy: str = "") -> bytes:
    """Return the whole body.

    Args:
        response: The answer that :meth:`JobsClient.open` gave.
        remedy: What to do where it is too long to be held in memory.

    Raises:
        RequestFailed: It is too long.
        aiohttp.ClientPayloadError: It is broken off.
    """
    parts: list[bytes] = []
    size = 0
    async for part in response.content.iter_any():
        size += len(part)
        if size > _MOST_BYTES:
            message = f"{response.url} answers with more than {_MOST_BYTES} bytes. {remedy}"
            raise RequestFailed(message.rstrip(), status=response.status)
        parts.append(part)
    return b"".join(parts)


def _fault_of(exc: Exception) -> str:
    return str(getattr(exc, "verify_message", "")) or str(exc)


def _detail(body: bytes) -> str:
    """Return what a problem says (RFC 9457), nothing where there is none."""
    try:
        problem = parse_json(body)
    except ValueError:
        return ""
    detail = problem.get("detail") if isinstance(problem, dict) else None
    return shown(detail) if isinstance(detail, str) else ""
