# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Ask a registry or a service, within limits; a token goes to the host it is for, and no other."""

import http.client
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import IO, Any, Final
from urllib.parse import urljoin, urlsplit

from deepaas.errors import RequestFailed
from deepaas.images.limits import ended_after
from deepaas.images.verdicts import shown

MAX_BYTES: Final = 16 * 1024 * 1024
_MOST_HOPS: Final = 5
_REDIRECTS: Final = (301, 302, 303, 307, 308)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, whatever its status is."""

    status: int
    #: Names in lower case.
    headers: Mapping[str, str]
    body: bytes

    @property
    def media_type(self) -> str:
        """Its media type without parameters, in lower case."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def ask(
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
    timeout_s: float = 60,
    follows: bool = False,
) -> Answer:
    """Ask once; it blocks.

    Args:
        url: ``http`` or ``https``.
        headers: ``Authorization`` among them stays with this host when a redirect leads elsewhere.
        body: Makes it a POST.
        timeout_s: For the whole answer.
        follows: Whether redirects are followed; not from https to http.

    Raises:
        RequestFailed: There is no answer, or too large or too slow a one.
    """
    sent = dict(headers or {})
    for _ in range(_MOST_HOPS if follows else 1):
        with ended_after(timeout_s, f"The answer of {url}"):
            answer = _ask_once(url, sent, body, timeout_s)
        if not follows or answer.status not in _REDIRECTS:
            return answer
        target = urljoin(url, answer.headers.get("location", ""))
        if urlsplit(target).scheme not in ("https", urlsplit(url).scheme):
            raise RequestFailed(f"{url} leads to {shown(target)}, which is not encrypted.")
        if _origin(target) != _origin(url):
            sent = {name: value for name, value in sent.items() if name.lower() != "authorization"}
        url = target
    raise RequestFailed(
        f"{url} leads on and on; more than {_MOST_HOPS} redirects are not followed."
    )


def is_loopback(host: str) -> bool:
    """Whether a name or an address, without a port, is this machine's own."""
    if host == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc


def _ask_once(url: str, headers: Mapping[str, str], body: bytes | None, timeout_s: float) -> Answer:
    handlers: list[urllib.request.BaseHandler] = [_NoRedirect()]
    if is_loopback(urlsplit(url).hostname or ""):
        # What runs here is reached through no proxy, whatever the environment says.
        handlers.append(urllib.request.ProxyHandler({}))
    opener = urllib.request.build_opener(*handlers)
    request = urllib.request.Request(url, data=body, headers=dict(headers))  # noqa: S310 - by its caller
    try:
        with opener.open(request, timeout=timeout_s) as response:
            return _read(url, response.status, response.headers, response)
    except urllib.error.HTTPError as exc:
        with exc:
            return _read(url, exc.code, exc.headers, exc)
    except (OSError, http.client.HTTPException, ValueError) as exc:
        reason = getattr(exc, "reason", None) or exc
        text = getattr(reason, "strerror", None) or str(reason) or type(exc).__name__
        raise RequestFailed(f"{url} does not answer: {shown(str(text))}.") from exc


def _read(url: str, status: int, headers: Any, stream: IO[bytes]) -> Answer:
    body = stream.read(MAX_BYTES + 1)
    if len(body) > MAX_BYTES:
        raise RequestFailed(f"{url} answers with more than {MAX_BYTES} bytes.", status=status)
    return Answer(status, {name.lower(): value for name, value in headers.items()}, body)
