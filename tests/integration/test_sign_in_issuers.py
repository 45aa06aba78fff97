# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Tokens of issuers that others have written sign in to a real server, and bad ones do not."""

import asyncio
import base64
import http.client
import json
import statistics
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from deepaas.auth import Identity
from deepaas.auth.oidc import OidcTokens, open_token_source
from deepaas.auth.oidc.client import IssuerClient
from deepaas.auth.oidc.issuer import PAUSE_S, Issuer
from deepaas.config.oidc import OidcSettings
from deepaas.errors import InvalidCredentials
from tests.authority import Authority
from tests.integration.harness import PATIENCE_S, Answer, Server, serve
from tests.integration.peers import Peer, authorized, mocked_provider, peer, require_node
from tests.issuing import USERINFO, FromNow, Held, PlayedIssuer, Stranger, at_present

require_node()

MODEL = "predicts_only"
MODELS = "/v2/models/"
AUDIENCE = "deepaas"
ENTITLEMENT = "urn:mace:example.org:group:vo:role=tester"


class Signed(NamedTuple):
    """A server, and who it trusts."""

    server: Server
    provider: Peer
    mock: Peer
    #: Ours, which can be made slow.
    played: PlayedIssuer

    def get(self, token: str) -> Answer:
        """Ask for something that whoever signs in may see."""
        return self.server.request("GET", MODELS, headers=bearing(token))

    def predict(self, token: str) -> Answer:
        """Ask for something that only testers may do."""
        path = f"/v2/models/{MODEL}/predict/"
        return self.server.request("POST", path, headers=bearing(token))

    def signed(self, **claims: Any) -> str:
        """Return a token that the mock server signs, of the user ada."""
        given = json.dumps(at_present({"sub": "ada", "aud": AUDIENCE, **claims}))
        return self.mock.token(grant_type="client_credentials", claims=given)

    def of_robot(self, resource: str) -> str:
        """Return a token of the provider's client."""
        client = (self.provider.told["client_id"], self.provider.told["client_secret"])
        return self.provider.token(
            client=client, grant_type="client_credentials", resource=resource, scope="groups"
        )


def bearing(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def key_id(token: str) -> str:
    """Return the id of the key that signed a token."""
    header = json.loads(base64.urlsafe_b64decode(token.partition(".")[0] + "=="))
    return str(header["kid"])


async def identified(settings: OidcSettings, token: str) -> Identity | None:
    """Return whose a token is, as a service with these settings finds out."""
    async with open_token_source(settings) as source:
        return await source.identify(token)


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Signed]:
    folder = tmp_path_factory.mktemp("issuers")
    authority = Authority.make(folder)
    with (
        peer("oidc_provider.mjs", authority) as provider,
        peer("oauth2_mock_server.mjs", authority) as mock,
        PlayedIssuer(authority) as played,
    ):
        secrets = folder / "secrets"
        secrets.write_text(f"{provider.told['client_secret']}\n\n\n")
        options = (
            f"--auth-issuer={provider.issuer},{mock.issuer},{played.url}",
            f"--auth-audience={AUDIENCE}",
            f"--auth-client-id={provider.told['client_id']},,",
            f"--auth-client-secret-file={secrets}",
            "--allow-read=signed-in",
            f"--allow-predict=group:testers,entitlement:{ENTITLEMENT}",
        )
        environment = {
            "REQUESTS_CA_BUNDLE": str(authority.ca_file),
            # Existing images set it, for the library of version 2.
            "DISABLE_AUTHENTICATION_AND_ASSUME_AUTHENTICATED_USER": "YES",
        }
        with serve(MODEL, folder, *options, environment=environment) as server:
            yield Signed(server, provider, mock, played)


def test_a_jwt_of_a_real_provider(signed: Signed) -> None:
    token = signed.of_robot("urn:jwt")
    header = json.loads(base64.urlsafe_b64decode(token.partition(".")[0] + "=="))
    assert (header["typ"], header["alg"]) == ("at+jwt", "ES256")
    assert signed.get(token).status == 200
    assert signed.predict(token).status == 403


def test_an_opaque_token_of_a_real_provider_is_introspected(signed: Signed) -> None:
    token = signed.of_robot("urn:opaque")
    assert "." not in token
    assert signed.get(token).status == 200
    assert signed.predict(token).status == 403


def test_introspection_tells_groups(signed: Signed) -> None:
    assert signed.predict(signed.provider.told["ada"]).status == 200


def test_a_token_for_nobody_in_particular_is_not_for_this_service(signed: Signed) -> None:
    assert signed.get(signed.provider.told["eve"]).status == 401


def test_a_real_provider_tells_groups_of_an_opaque_token_by_userinfo(signed: Signed) -> None:
    settings = OidcSettings(
        issuers=(signed.provider.issuer,),
        ca_file=signed.provider.authority.ca_file,
        opaque_userinfo=True,
    )
    found = asyncio.run(identified(settings, signed.provider.told["eve"]))
    assert found == Identity(f"eve@{signed.provider.issuer}", groups=frozenset({"testers"}))


def test_entitlements_in_a_token(signed: Signed) -> None:
    held = f"{ENTITLEMENT}#idp.example.org"
    assert signed.predict(signed.signed(eduperson_entitlement=[held])).status == 200
    other = held.replace("tester", "guest")
    assert signed.predict(signed.signed(eduperson_entitlement=[other])).status == 403


def test_groups_in_a_token(signed: Signed) -> None:
    assert signed.predict(signed.signed(groups=["testers"])).status == 200
    assert signed.predict(signed.signed(groups=["others"])).status == 403
    assert signed.get(signed.signed(groups=["others"])).status == 200


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": FromNow(-120)},
        {"nbf": FromNow(120)},
        {"aud": "elsewhere"},
        {"aud": ["a", "b"]},
        {"iss": "https://elsewhere.example"},
        {"cnf": {"jkt": "x"}},
    ],
    ids=lambda claims: next(iter(claims)),
)
def test_a_token_that_the_issuer_signed_and_that_is_not_valid(
    claims: dict[str, Any], signed: Signed
) -> None:
    answer = signed.predict(signed.signed(groups=["testers"], **claims))
    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer ")
    assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]


def test_whoever_makes_up_a_token_gets_nowhere_and_nobody_is_asked(signed: Signed) -> None:
    good = signed.signed(groups=["testers"])
    head, payload, signature = good.split(".")

    def encoded(part: dict[str, Any]) -> str:
        return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()

    with Stranger() as stranger:
        made_up = [
            f"{encoded({'alg': 'none'})}.{payload}.",
            f"{encoded({'alg': 'HS256'})}.{payload}.{signature}",
            f"{encoded({'alg': 'RS256', 'jku': stranger.url})}.{payload}.{signature}",
            f"{encoded({'alg': 'RS256', 'kid': 'unknown'})}.{payload}.{signature}",
            f"{head}.{encoded({'iss': stranger.url, 'sub': 'ada', 'aud': AUDIENCE})}.{signature}",
            good[:-10],
            f"{head}.{payload}",
            head,
            "opaque",
        ]
        assert [signed.predict(token).status for token in made_up] == [401] * len(made_up)
        assert signed.server.get(MODELS).status == 401
        assert not stranger.was_asked()
    assert signed.predict(good).status == 200


def test_two_tokens_are_none(signed: Signed) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", signed.server.port, timeout=PATIENCE_S)
    connection.putrequest("GET", MODELS)
    for token in (signed.signed(), signed.signed()):
        connection.putheader("Authorization", f"Bearer {token}")
    connection.endheaders()
    assert connection.getresponse().status == 401
    connection.close()


def test_a_slow_issuer_delays_nobody_who_does_not_need_it(signed: Signed) -> None:
    played, good = signed.played, signed.signed()
    played.instead[USERINFO] = held = Held()
    needs_it = played.token(groups=None)
    waiting = signed.server.in_background(lambda: signed.get(needs_it))
    assert held.arrived.wait(PATIENCE_S)
    # Of that issuer, of another one, of nobody who needs to sign in.
    answers = [
        answer
        for _ in range(7)
        for answer in (
            signed.get(played.token()),
            signed.get(good),
            signed.server.get("/v2/health/live"),
        )
    ]
    assert [answer.status for answer in answers] == [200] * 21
    # Much less than the 5 s that the one waits: 20 ms are promised on a machine that has time.
    assert statistics.median(answer.took_s for answer in answers) < 1
    held.release()
    assert waiting.result().status == 503


def test_a_key_that_the_issuer_makes_later_is_found(signed: Signed) -> None:
    old, kid = signed.signed(), signed.mock.tell()["kid"]
    tokens = {key_id(token): token for token in (signed.signed(), signed.signed())}
    new = tokens[kid]

    async def tried() -> None:
        now = 0.0
        settings = OidcSettings((signed.mock.issuer,), (AUDIENCE,))
        async with IssuerClient(signed.mock.authority.ca_file) as client:
            issuer = Issuer(signed.mock.issuer, client, clock=lambda: now)
            source = OidcTokens(settings, {issuer.url: issuer}, client, None)
            assert await source.identify(old)
            assert await source.identify(new)
            newest_id = signed.mock.tell()["kid"]
            newest = {key_id(token): token for token in (signed.signed() for _ in range(3))}[
                newest_id
            ]
            with pytest.raises(InvalidCredentials):
                await source.identify(newest)
            now += PAUSE_S
            assert await source.identify(newest)
            assert await source.identify(old)
            await source.close()
            await issuer.close()

    asyncio.run(tried())


def test_an_opaque_token_of_a_mocked_provider() -> None:
    """PyPI's oidc-provider-mock, over plain HTTP on this machine."""
    with mocked_provider({"sub": "ada", "groups": ["testers"]}) as url:
        settings = OidcSettings(issuers=(url,), opaque_userinfo=True)
        found = asyncio.run(identified(settings, authorized(url, "ada")))
        assert found == Identity(f"ada@{url}", groups=frozenset({"testers"}))
        with pytest.raises(InvalidCredentials):
            asyncio.run(identified(settings, "made-up"))


def test_the_log_has_no_part_of_a_token(signed: Signed) -> None:
    tokens = [signed.signed(), signed.of_robot("urn:jwt"), signed.of_robot("urn:opaque"), "made-up"]
    for token in tokens:
        signed.get(token)
    output = signed.server.output()
    assert not [part for token in tokens for part in token.split(".") if part in output]
    assert signed.provider.told["client_secret"] not in output
