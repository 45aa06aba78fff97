# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""A small issuer of tokens over TLS, which can be made slow, down and hostile; and a stranger."""

import asyncio
import json
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import cache
from types import TracebackType
from typing import Any, Self

import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from tests.authority import Authority

DISCOVERY = "/.well-known/openid-configuration"
JWKS, USERINFO, INTROSPECTION = "/jwks", "/userinfo", "/introspect"
AUDIENCE = "deepaas"
CLIENT = ("client", "it's:secret")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@cache
def rsa_key(number: int = 0, bits: int = 2048) -> rsa.RSAPrivateKey:
    """Return a key; the same one for the same number."""
    return rsa.generate_private_key(65537, bits)


@cache
def ec_key(curve: str = "secp256r1") -> ec.EllipticCurvePrivateKey:
    """Return a key, always the same one."""
    curves = (ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1())
    return ec.generate_private_key(next(each for each in curves if each.name == curve))


@cache
def ed_key() -> ed25519.Ed25519PrivateKey:
    """Return a key, always the same one."""
    return ed25519.Ed25519PrivateKey.generate()


def jwk(key: PrivateKeyTypes, kid: str | None, **more: Any) -> dict[str, Any]:
    """Return the public half of a key as an issuer publishes it."""
    match key:
        case rsa.RSAPrivateKey():
            made = RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
        case ec.EllipticCurvePrivateKey():
            made = ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
        case ed25519.Ed25519PrivateKey():
            made = OKPAlgorithm.to_jwk(key.public_key(), as_dict=True)
        case _:
            raise TypeError(key)
    # As an issuer would, without what PyJWT says of the private half.
    found = {name: value for name, value in made.items() if name != "key_ops"}
    return {**found, **({} if kid is None else {"kid": kid}), **more}


@dataclass(frozen=True)
class FromNow:
    """A time that is not known before a test runs."""

    seconds: int


def at_present(claims: Mapping[str, Any]) -> dict[str, Any]:
    """Return claims with the times that are meant now."""
    now = int(time.time())
    return {
        name: now + value.seconds if isinstance(value, FromNow) else value
        for name, value in claims.items()
    }


def sign(
    key: Any,
    claims: Mapping[str, Any],
    *,
    kid: str | None = "a",
    alg: str = "RS256",
    **headers: Any,
) -> str:
    """Return a signed token; what is ``None`` among the claims is left out."""
    named = {name: value for name, value in at_present(claims).items() if value is not None}
    header = {**({} if kid is None else {"kid": kid}), **headers}
    return jwt.encode(named, key, alg, headers=header)


async def _turns() -> None:
    """Let the loop do what it has begun."""
    for _ in range(5):
        await asyncio.sleep(0)


class PlayedIssuer:
    """An issuer in a thread of its own; opened and closed with ``with``."""

    def __init__(self, authority: Authority | None, path: str = "") -> None:
        """Serve nothing yet.

        Args:
            authority: Signs its certificate; ``None``: it speaks plain HTTP.
            path: Of its address.
        """
        self._authority = authority
        self._path = path
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="played issuer")
        #: Paths in the order of their requests, without the one of the issuer's address.
        self.requests: list[str] = []
        #: Headers ``Authorization`` in the same order.
        self.authorizations: list[str | None] = []
        #: A path to what is answered in the place of what an issuer should.
        self.instead: dict[str, Handler] = {}
        self.keys: list[dict[str, Any]] = [jwk(rsa_key(), "a")]
        #: Instead of what stands in a good discovery.
        self.says: dict[str, Any] = {}
        #: By token.
        self.userinfo: dict[str, dict[str, Any]] = {}
        self.introspection: dict[str, dict[str, Any]] = {}
        self.url = ""

    def __enter__(self) -> Self:
        self._thread.start()
        self._run(self._start())
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._run(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, what: Any) -> None:
        asyncio.run_coroutine_threadsafe(what, self._loop).result()

    async def _start(self) -> None:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._serve)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0)
        await self._runner.setup()
        context = None if self._authority is None else self._authority.server_context()
        self._socket = socket.create_server(("127.0.0.1", 0))
        await web.SockSite(self._runner, self._socket, ssl_context=context).start()
        scheme = "http" if context is None else "https"
        port = self._runner.addresses[0][1]
        self.url = f"{scheme}://localhost:{port}{self._path}"

    async def _end(self) -> None:
        # A connection that is taken gets its transport a turn later; if the server is closed by
        # then, nobody closes that (asyncio's Server._attach fails). So no more are taken first.
        self._loop.remove_reader(self._socket.fileno())
        await _turns()
        await self._runner.cleanup()
        # Those too whose TLS has not begun yet, or does not end: nothing but the loop knows them.
        for transport in list(self._loop._transports.values()):  # type: ignore[attr-defined]
            transport.abort()
        await _turns()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        path = request.path.removeprefix(self._path)
        self.requests.append(path)
        self.authorizations.append(request.headers.get("Authorization"))
        if path in self.instead:
            return await self.instead[path](request)
        match path:
            case "/.well-known/openid-configuration":
                return web.json_response({**self.discovery(), **self.says})
            case "/jwks":
                return web.json_response({"keys": self.keys})
            case "/userinfo":
                token = request.headers["Authorization"].removeprefix("Bearer ")
                found = self.userinfo.get(token)
                return web.Response(status=401) if found is None else web.json_response(found)
            case "/introspect":
                form = await request.post()
                return web.json_response(
                    self.introspection.get(str(form["token"]), {"active": False})
                )
        return web.Response(status=404)

    def discovery(self) -> dict[str, Any]:
        """Return what a good issuer says of itself."""
        return {
            "issuer": self.url,
            "jwks_uri": self.url + JWKS,
            "userinfo_endpoint": self.url + USERINFO,
            "introspection_endpoint": self.url + INTROSPECTION,
        }

    def claims(self, **changes: Any) -> dict[str, Any]:
        """Return the claims of a good token, changed; ``None`` leaves one out."""
        good = {"iss": self.url, "sub": "ada", "aud": AUDIENCE, "exp": FromNow(300)}
        return at_present({**good, "iat": FromNow(0), "groups": [], **changes})

    def token(self, **changes: Any) -> str:
        """Return a signed token whose claims are changed."""
        return sign(rsa_key(), self.claims(**changes))


class Held:
    """Answers a request only once it is let go, or the client has left."""

    def __init__(self) -> None:
        self.arrived = threading.Event()
        self._released = threading.Event()

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        self.arrived.set()
        while not self._released.is_set() and request.transport is not None:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        return web.Response(status=503)

    def release(self) -> None:
        """Let all go."""
        self._released.set()


def answering(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Handler:
    """Return a handler that answers with text, bytes, or what becomes JSON."""
    body = content if isinstance(content, bytes) else json.dumps(content).encode()

    async def answer(request: web.Request) -> web.Response:
        return web.Response(status=status, body=body, headers=headers)

    return answer


async def endless(request: web.Request) -> web.StreamResponse:
    """Answer with a body that does not end as long as somebody reads."""
    response = web.StreamResponse()
    await response.prepare(request)
    while request.transport is not None:
        await response.write(b" " * 65536)
        await asyncio.sleep(0)
    return response


class Stranger:
    """A port of this machine that nobody should connect to; opened and closed with ``with``."""

    def __enter__(self) -> Self:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._socket.setblocking(False)
        self.url = f"https://localhost:{self._socket.getsockname()[1]}"
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._socket.close()

    def was_asked(self) -> bool:
        """Whether somebody has connected."""
        try:
            self._socket.accept()[0].close()
        except BlockingIOError:
            return False
        return True
