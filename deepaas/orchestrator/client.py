# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Ask an INDIGO PaaS orchestrator, and take its answers by the contract.

What it answers is taken for what anybody may have written; whoever shows it makes it harmless.
"""

import asyncio
import json
from collections.abc import Mapping
from ipaddress import ip_address
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import quote, urlsplit

import aiohttp

from deepaas.errors import ConfigurationError, RequestFailed
from deepaas.orchestrator.refusals import refusal
from deepaas.orchestrator.tokens import TokenSource

URL_VARIABLE: Final = "ORCHESTRATOR_URL"
_CONNECTS_S: Final = 10
_SILENT_S: Final = 120
_MOST_BYTES: Final = 64 * 1024 * 1024
#: How often a request is made that meets another one at the orchestrator.
_TRIES: Final = 5
_PAUSE_S: Final = 0.25
_LONGEST_PAUSE_S: Final = 30.0
#: More pages than anybody has; only what links to itself has so many.
_MOST_PAGES: Final = 1000


def checked_url(url: str) -> str:
    """Return the address of an orchestrator without a slash at its end.

    Raises:
        ConfigurationError: It is none, or would show the token to the network.
    """
    try:
        parts = urlsplit(url)
        is_address = parts.scheme in ("http", "https") and bool(parts.hostname)
        is_address = is_address and (parts.port is None or parts.port > 0)
    except ValueError:
        is_address = False
    if not is_address or parts.query or parts.fragment or not url.isprintable() or " " in url:
        raise ConfigurationError(
            f"The address of the orchestrator is {url!r}; it must be one such as"
            " https://orchestrator.example/orchestrator."
        )
    if parts.username is not None or parts.password is not None:
        raise ConfigurationError("The address of the orchestrator must hold no name or password.")
    if parts.scheme == "http" and not _is_loopback(parts.hostname or ""):
        raise ConfigurationError(
            f"The address of the orchestrator is {url!r}: over http everybody on the way reads the"
            " token. https is needed; http is taken for this machine (loopback) only."
        )
    return url.rstrip("/")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class OrchestratorClient:
    """The deployments of an orchestrator; opened and closed with ``async with``.

    Every method raises :class:`~deepaas.errors.RequestFailed` where the orchestrator cannot be
    reached, refuses, or answers what is none of its answers.

    Args:
        url: Of :func:`checked_url`.
        tokens: Gives the token for each request.
    """

    def __init__(self, url: str, tokens: TokenSource) -> None:
        self.url = url
        self._tokens = tokens
        self._session: aiohttp.ClientSession

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(sock_connect=_CONNECTS_S, sock_read=_SILENT_S)
        )
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._session.close()

    async def create(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Create a deployment, and return it."""
        return _deployment(await self._json("POST", "/deployments", request), self.url)

    async def list(self, created_by: str | None = None) -> list[dict[str, Any]]:
        """Return all deployments, of every page."""
        query = f"?createdBy={quote(created_by, safe='')}" if created_by else ""
        found: list[dict[str, Any]] = []
        path: str | None = f"/deployments{query}"
        for _ in range(_MOST_PAGES):
            page = await self._json("GET", path or "")
            content = page.get("content")
            if not isinstance(content, list) or not all(isinstance(one, dict) for one in content):
                raise self._nonsense()
            found += content
            path = self._next(page, query) if content else None
            if path is None:
                return found
        raise self._nonsense()

    def _next(self, page: Mapping[str, Any], query: str) -> str | None:
        """Return the path of the page behind one: by its number, or else by its link."""
        match page.get("page"):
            case {"number": int(number), "totalPages": int(pages), "size": int(size)}:
                if number + 1 >= pages:
                    return None
                return f"/deployments{query}{'&' if query else '?'}page={number + 1}&size={size}"
        links = page.get("links")
        for link in links if isinstance(links, list) else []:
            match link:
                case {"rel": "next", "href": str(href)}:
                    # Of the link only what follows the address is taken: a token goes to the
                    # address that was named, and to no other.
                    return f"/deployments?{urlsplit(href).query}"
        return None

    async def show(self, uuid: str) -> dict[str, Any]:
        """Return a deployment."""
        return _deployment(await self._json("GET", _path(uuid)), self.url)

    async def update(self, uuid: str, request: Mapping[str, Any]) -> None:
        """Replace template and parameters of a deployment; the answer has no body."""
        await self._ask("PUT", _path(uuid), request)

    async def delete(self, uuid: str) -> None:
        """Begin to delete a deployment."""
        await self._ask("DELETE", _path(uuid))

    async def template(self, uuid: str) -> str:
        """Return the template that a deployment was created from."""
        return (await self._ask("GET", f"{_path(uuid)}/template")).decode("utf-8", "replace")

    async def log(self, uuid: str) -> str:
        """Return the log of a deployment."""
        return (await self._ask("GET", f"{_path(uuid)}/log")).decode("utf-8", "replace")

    async def _json(
        self, method: str, path: str, body: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        try:
            content = json.loads(await self._ask(method, path, body))
        except (ValueError, RecursionError) as exc:
            raise self._nonsense() from exc
        if not isinstance(content, dict):
            raise self._nonsense()
        return content

    async def _ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> bytes:
        """Make a request, again where it met another one; return the body of the answer."""
        tries_left = _TRIES
        pause_s = _PAUSE_S
        while True:
            status, reason, after, content = await self._once(method, path, body)
            if status < 300:
                return content
            tries_left -= 1
            if status != 409 or after is None or not tries_left:
                raise refusal(f"{method} {self.url}{path}", status, reason, content)
            await asyncio.sleep(min(max(after, pause_s), _LONGEST_PAUSE_S))
            pause_s *= 2

    async def _once(
        self, method: str, path: str, body: Mapping[str, Any] | None
    ) -> tuple[int, str, float | None, bytes]:
        headers = {"Authorization": f"Bearer {await self._tokens.token()}"}
        headers["Accept"] = "application/json, text/plain;q=0.9, */*;q=0.8"
        try:
            async with self._session.request(
                method,
                f"{self.url}{path}",
                json=body,
                headers=headers,
                # A token is for the address that was named, and for no other.
                allow_redirects=False,
            ) as response:
                if 300 <= response.status < 400:
                    raise self._redirected(response)
                content = b""
                async for part in response.content.iter_any():
                    content += part
                    if len(content) > _MOST_BYTES:
                        raise self._nonsense()
                after = _seconds(response.headers.get("Retry-After"))
                return response.status, response.reason or "", after, content
        except (aiohttp.ClientError, TimeoutError) as exc:
            raise self._lost(method, exc) from exc

    def _redirected(self, response: aiohttp.ClientResponse) -> RequestFailed:
        target = response.headers.get("Location", "elsewhere")
        return RequestFailed(
            f"{self.url} redirects to {target}; give the address that it leads to with --url.",
            status=response.status,
        )

    def _nonsense(self) -> RequestFailed:
        return RequestFailed(
            f"{self.url} does not answer as an orchestrator does; is that the right address? It is"
            f" given with --url or {URL_VARIABLE}.",
            status=200,
        )

    def _lost(self, method: str, exc: Exception) -> RequestFailed:
        reason = "no answer in time" if isinstance(exc, TimeoutError) else str(exc)
        # Whether it was done is not known then.
        doubt = (
            "" if method == "GET" else " Look with `deepaas orchestrator list` what it has done."
        )
        return RequestFailed(f"{self.url} cannot be reached: {reason}.{doubt}")


def _path(uuid: str) -> str:
    return f"/deployments/{quote(uuid, safe='')}"


def _deployment(content: dict[str, Any], url: str) -> dict[str, Any]:
    """Return a deployment, once its name and state were found in it."""
    match content:
        case {"uuid": str(), "status": str()}:
            return content
    raise RequestFailed(f"{url} answers what is no deployment.", status=200)


def _seconds(text: str | None) -> float | None:
    """Return how long a header tells to wait, ``None`` where there is none; a date counts as 0."""
    if text is None:
        return None
    return float(text) if text.isascii() and text.isdigit() and len(text) < 7 else 0.0
