# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The two routes by which OpenWhisk drives a container, as a web action sees the service.

An activation becomes a request that this very server answers, on a connection like any other: the
same handlers, policies and limits. These two routes let nobody do what that request may not.

https://github.com/apache/openwhisk/blob/master/docs/actions-new.md says what the platform asks of a
container, and ``webactions.md`` beside it what a web action is given and answers.
"""

import asyncio
import base64
import binascii
import json
import logging
import re
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, urlencode

from aiohttp import (
    ClientError,
    ClientResponse,
    ClientSession,
    ClientTimeout,
    DummyCookieJar,
    hdrs,
    web,
)
from multidict import CIMultiDict
from yarl import URL

from deepaas.errors import InvalidInput, TooLarge

logger = logging.getLogger(__name__)

#: The last line of the log of an activation, on both streams.
_END_OF_LOG: Final = "XXX_THE_END_OF_A_WHISK_ACTIVATION_XXX"
#: Far above what the platform lets through; it is held in memory.
_MAX_BYTES: Final = 64 * 1024 * 1024
#: These are about a connection, and this one is another.
_OF_CONNECTION: Final = frozenset(
    {
        *("connection", "content-length", "expect", "keep-alive", "proxy-authenticate"),
        *("proxy-authorization", "proxy-connection", "te", "trailer", "transfer-encoding"),
        *("upgrade", "accept-encoding"),
    }
)
#: Stand for themselves in a path, or as what encodes another one: RFC 3986, section 3.3.
_OF_PATH: Final = "/%:@!$&'()*+,;=-._~"
_METHOD: Final = re.compile(r"[A-Z]{1,20}", re.ASCII)
#: Of the requests that this module makes.
_OF_ACTIVATION: Final = "X-DEEPaaS-Activation"
#: RFC 9110, sections 5.1 and 5.5.
_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", re.ASCII)
_CONTROL: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_TEXTS: Final = ("application/json", "application/xml", "application/javascript")
_WITHOUT_BODY: Final = frozenset({"GET", "HEAD", "DELETE", "OPTIONS"})


@dataclass(slots=True)
class Action:
    """What is kept between the requests of the platform."""

    session: ClientSession
    is_initialized: bool = False


ACTION: Final = web.AppKey("openwhisk", Action)


async def opened(app: web.Application) -> AsyncIterator[None]:
    """Open the connections to the service itself, until the application is cleaned up."""
    async with ClientSession(
        cookie_jar=DummyCookieJar(),
        auto_decompress=False,
        timeout=ClientTimeout(),  # none: the service has limits of its own
        skip_auto_headers=(hdrs.USER_AGENT, hdrs.ACCEPT, hdrs.CONTENT_TYPE),
    ) as session:
        app[ACTION] = Action(session)
        yield


async def init(request: web.Request) -> web.Response:
    """Begin: once, as the platform demands; code that is sent along is not looked at."""
    action = request.app[ACTION]
    if action.is_initialized:
        return _refused("The action is initialized already, and cannot be again.", status=403)
    try:
        await _parameters(request)
    except InvalidInput as exc:
        return _refused(exc.message)
    action.is_initialized = True
    return web.json_response({"ok": True})


async def run(request: web.Request) -> web.Response:
    """Answer an activation with what the service answers to the request that it stands for."""
    action = request.app[ACTION]
    if not action.is_initialized:
        return _refused("The action is not initialized: POST /init comes first.", status=403)
    if _OF_ACTIVATION in request.headers:
        # Each would wait for the next one, until there is no connection left.
        return _refused("An activation cannot ask for another one.", status=403)
    try:
        asked = await asyncio.to_thread(_asked, await _parameters(request))
        return web.json_response(await _ask(action.session, _url(request, asked), asked))
    except InvalidInput as exc:
        return _refused(exc.message)
    except UnicodeEncodeError:
        return _refused("A text of the activation is no Unicode.")
    except ClientError as exc:
        logger.exception("An activation failed.", extra={"action": "activation_failed"})
        return _refused(f"The service gave no answer: {type(exc).__name__}.", status=502)
    finally:
        # Where the platform ends to read the log.
        for stream in (sys.stdout, sys.stderr):
            print(_END_OF_LOG, file=stream, flush=True)


def _refused(error: str, *, status: int = 400) -> web.Response:
    return web.json_response({"error": error}, status=status)


async def _parameters(request: web.Request) -> Mapping[str, Any]:
    """Return ``value`` of the body of the platform.

    Raises:
        InvalidInput: There is none, or it is too large.
    """
    parts, size = [], 0
    while chunk := await request.content.readany():
        size += len(chunk)
        if size > _MAX_BYTES:
            raise TooLarge(_MAX_BYTES)
        parts.append(chunk)
    try:
        body = await asyncio.to_thread(json.loads, b"".join(parts))
    except (ValueError, RecursionError) as exc:
        raise InvalidInput("The body is no JSON.") from exc
    value = body.get("value") if isinstance(body, dict) else None
    if not isinstance(value, dict):
        raise InvalidInput("The body holds no object 'value'.")
    return value


@dataclass(frozen=True, slots=True)
class _Asked:
    """The request that an activation stands for."""

    method: str
    #: As in an address, with the query.
    path: str
    headers: CIMultiDict[str]
    body: bytes | None


def _asked(value: Mapping[str, Any]) -> _Asked:
    """Read the parameters of a web action, raw or not.

    Raises:
        InvalidInput: One of them is not what it must be.
    """
    method = _text(value, "__ow_method", "get").upper()
    path = _text(value, "__ow_path", "/") or "/"
    query = _text(value, "__ow_query", "")
    if not _METHOD.fullmatch(method):
        raise InvalidInput(f"__ow_method is {method[:20]!r}, which is no method.")
    headers = _headers(value.get("__ow_headers"))
    body = None
    if "__ow_body" in value:
        body = _body(_text(value, "__ow_body", ""), headers.get(hdrs.CONTENT_TYPE, ""))
    else:
        # Not raw: the platform has made parameters of the query and of a body that is JSON.
        named = {name: each for name, each in value.items() if not name.startswith("__ow_")}
        if method in _WITHOUT_BODY:
            query = query or urlencode(named, doseq=True)
        elif named:
            body = json.dumps(named).encode()
            headers[hdrs.CONTENT_TYPE] = "application/json"
    headers[_OF_ACTIVATION] = "1"
    target = quote(path if path.startswith("/") else f"/{path}", safe=_OF_PATH)
    if query:
        target = f"{target}?{quote(query, safe=f'{_OF_PATH}?')}"
    return _Asked(method, target, headers, body)


def _headers(given: object) -> CIMultiDict[str]:
    if given is None:
        return CIMultiDict()
    if not isinstance(given, dict):
        raise InvalidInput("__ow_headers is no object.")
    headers = {name: str(text) for name, text in given.items()}
    for name, text in headers.items():
        if not _NAME.fullmatch(name) or _CONTROL.search(text):
            raise InvalidInput(f"__ow_headers holds {name[:100]!r}, which is no header.")
    kept = {name: text for name, text in headers.items() if name.lower() not in _OF_CONNECTION}
    return CIMultiDict(kept)


def _text(value: Mapping[str, Any], name: str, default: str) -> str:
    found = value.get(name, default)
    if found is None:
        return default
    if not isinstance(found, str):
        raise InvalidInput(f"{name} is no text.")
    return found


def _body(text: str, content_type: str) -> bytes | None:
    """Return a body, which is in base64 unless it is text."""
    if not text:
        return None
    if content_type.lower().startswith("text/"):
        return text.encode()
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as exc:
        raise InvalidInput("__ow_body is no base64, and its content type is none of text.") from exc


def _url(request: web.Request, asked: _Asked) -> URL:
    """Return the address at which this very server has been called."""
    assert request.transport is not None  # whoever is gone is not answered
    host, port = request.transport.get_extra_info("sockname")[:2]
    host = f"[{host}]" if ":" in host else host
    return URL(f"http://{host}:{port}{asked.path}", encoded=True)


async def _ask(session: ClientSession, url: URL, asked: _Asked) -> Mapping[str, Any]:
    """Return the answer as a web action gives it."""
    async with session.request(
        asked.method, url, headers=asked.headers, data=asked.body, allow_redirects=False
    ) as response:
        content = await _content(response)
        return {
            "headers": {
                name: text
                for name, text in response.headers.items()
                if name.lower() not in _OF_CONNECTION
            },
            "statusCode": response.status,
            "body": _shown(content, response.content_type),
        }


async def _content(response: ClientResponse) -> bytes:
    content = bytearray()
    while chunk := await response.content.readany():
        content += chunk
        if len(content) > _MAX_BYTES:
            raise InvalidInput(f"The answer is larger than {_MAX_BYTES} bytes.")
    return bytes(content)


def _shown(content: bytes, content_type: str) -> str:
    """Return a body as the platform takes it: text as it is, anything else in base64."""
    is_text = content_type.startswith("text/") or content_type in _TEXTS
    if is_text or content_type.endswith(("+json", "+xml")):
        return content.decode("utf-8", "replace")
    return base64.b64encode(content).decode()
