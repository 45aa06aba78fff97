# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Measure what it costs to find out whose a token is: ``python -m benchmarks.tokens``.

An issuer on this machine serves its keys; nothing else is asked of it while it is measured. Times
are those of the processor, so that other programs do not count.
"""

import argparse
import asyncio
import json
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm
from multidict import CIMultiDict

from deepaas.auth import Policy
from deepaas.auth.access import AccessRules
from deepaas.auth.oidc import open_token_source
from deepaas.auth.signin import SignIn
from deepaas.config.oidc import OidcSettings

_AUDIENCE = "deepaas"
#: Less and the clock is too coarse; the fastest of the batches counts.
_BATCH = 100

_KEYS: Mapping[str, Any] = {
    "RS256": rsa.generate_private_key(65537, 2048),
    "ES256": ec.generate_private_key(ec.SECP256R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate(),
}
_WRITERS: Mapping[str, Any] = {"RS256": RSAAlgorithm, "ES256": ECAlgorithm, "EdDSA": OKPAlgorithm}


@contextmanager
def issuer() -> Iterator[str]:
    """Serve metadata and keys until the block ends, and give the issuer's address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            """Answer with the keys, and with where they are."""
            keys = [
                {**_WRITERS[alg].to_jwk(key.public_key(), as_dict=True), "kid": alg}
                for alg, key in _KEYS.items()
            ]
            answer: dict[str, Any] = {"issuer": url, "jwks_uri": f"{url}/keys"}
            body = json.dumps({"keys": keys} if self.path == "/keys" else answer).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as inherited
            """Print nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield url
        finally:
            server.shutdown()
            thread.join()


def tokens(url: str, algorithm: str, count: int) -> list[str]:
    """Return tokens of different persons, each with some memberships."""
    now = int(time.time())
    entitlements = [f"urn:mace:example.org:group:vo:unit{n}:role=member#idp" for n in range(10)]
    return [
        jwt.encode(
            {
                "iss": url,
                "sub": f"person-{number}",
                "aud": _AUDIENCE,
                "exp": now + 3600,
                "iat": now,
                "eduperson_entitlement": entitlements,
            },
            _KEYS[algorithm],
            algorithm,
            headers={"kid": algorithm},
        )
        for number in range(count)
    ]


async def cost_s(call: Callable[[Any], Awaitable[object]], given: Sequence[Any]) -> float:
    """Return the processor time of one call, that of the fastest batch."""
    costs = []
    for start in range(0, len(given), _BATCH):
        batch = given[start : start + _BATCH]
        began = time.thread_time()
        for each in batch:
            await call(each)
        costs.append((time.thread_time() - began) / len(batch))
    return min(costs)


async def measure(count: int) -> dict[str, float]:
    """Return what each way of signing in costs in seconds.

    Args:
        count: How many tokens, for each algorithm.
    """
    costs = {}
    with issuer() as url:
        settings = OidcSettings(issuers=(url,), audiences=(_AUDIENCE,))
        async with open_token_source(settings) as source:
            for algorithm in _KEYS:
                made = tokens(url, algorithm, count)
                await source.identify(made[0])  # now the keys are known
                costs[f"new token, {algorithm}"] = await cost_s(source.identify, made)
            rules = AccessRules.parse({Policy.PREDICT: "signed-in"})
            sign_in = SignIn(rules, sources=(source,))
            headers = CIMultiDict({"Authorization": f"Bearer {made[0]}"})
            await sign_in.authenticate(headers)
            costs["known token"] = await cost_s(sign_in.authenticate, [headers] * count)
    return costs


def main(argv: Sequence[str] | None = None) -> int:
    """Print a table."""
    parser = argparse.ArgumentParser(prog="benchmarks.tokens", description=__doc__)
    parser.add_argument("--count", type=int, default=2000, help="tokens of each kind")
    for name, seconds in asyncio.run(measure(parser.parse_args(argv).count)).items():
        print(f"{name:<20}{seconds * 1000:8.4f} ms")
    return 0


if __name__ == "__main__":
    sys.exit(main())
