# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""A signed token proves what it says only with the right key, now, and here."""

import base64
import hashlib
import hmac
import json
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization

from deepaas.auth.oidc.claims import Claims
from deepaas.auth.oidc.keys import ALGORITHMS, PublicKey
from deepaas.auth.oidc.signed import (
    MOST_CHARACTERS,
    WrongSignature,
    check_form,
    read_unverified,
    verify,
)
from deepaas.errors import InvalidCredentials
from tests.issuing import FromNow, at_present, ec_key, ed_key, rsa_key, sign

ISSUER = "https://issuer.example"
GOOD = {"iss": ISSUER, "sub": "ada", "aud": "deepaas", "exp": FromNow(300), "iat": FromNow(0)}
KEYS: list[PublicKey] = [rsa_key(1).public_key(), rsa_key().public_key()]
PEM = KEYS[1].public_bytes(
    serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
)


def good(**changes: Any) -> dict[str, Any]:
    return at_present({**GOOD, **changes})


def b64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def forged(header: Any, payload: Any = None, signature: bytes = b"") -> str:
    """Return a token that nobody signed."""
    payload = good() if payload is None else payload
    made = [
        part if isinstance(part, bytes) else json.dumps(part).encode() for part in (header, payload)
    ]
    return ".".join([*map(b64, made), b64(signature)])


def judge(
    token: str,
    keys: list[PublicKey] | None = None,
    *,
    audiences: tuple[str, ...] = ("other", "deepaas"),
    skew_s: float = 60.0,
) -> Claims:
    check_form(token)
    said = read_unverified(token)
    assert said is not None
    return verify(
        token, KEYS if keys is None else keys, said=said, audiences=audiences, skew_s=skew_s
    )


def test_a_good_token() -> None:
    claims = good()
    assert judge(sign(rsa_key(), claims)) == claims
    assert judge(sign(rsa_key(), claims, typ="at+jwt")) == claims
    assert judge(sign(rsa_key(), claims, typ="application/AT+JWT")) == claims


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_each_algorithm(algorithm: str) -> None:
    key: Any = {
        "ES256": ec_key("secp256r1"),
        "ES384": ec_key("secp384r1"),
        "ES512": ec_key("secp521r1"),
        "EdDSA": ed_key(),
    }.get(algorithm, rsa_key())
    claims = good()
    assert judge(sign(key, claims, alg=algorithm), [key.public_key()]) == claims


def test_what_a_token_says_of_itself() -> None:
    said = read_unverified(sign(rsa_key(), {**GOOD, "iss": ISSUER + "/"}, kid="k"))
    assert said is not None
    assert (said.algorithm, said.key_id, said.issuer) == ("RS256", "k", ISSUER)
    said = read_unverified(sign(rsa_key(), GOOD, kid=None))
    assert said is not None
    assert said.key_id is None


@pytest.mark.parametrize(
    "token",
    ["", "a", "ya29.a0Af-x", "a.b.c", b64(b"7"), b64(b'{"a":1}') + ".b.c", b64(b"{"), "\u00e9"],
)
def test_an_opaque_token(token: str) -> None:
    assert read_unverified(token) is None


@pytest.mark.parametrize("token", ["", "a b", "a\n", "a\x00", "\u00e9", "=", "a=b", "a,b", 'a"b'])
def test_what_no_token_looks_like(token: str) -> None:
    with pytest.raises(InvalidCredentials, match="characters that no token has"):
        check_form(token)


@pytest.mark.parametrize("length", [MOST_CHARACTERS + 1, 1_000_000])
def test_a_token_that_is_too_long_is_not_looked_at(length: int) -> None:
    check_form("x" * MOST_CHARACTERS)
    with pytest.raises(InvalidCredentials, match="more than 16384 characters"):
        check_form("x" * length)


# Not accepted, whatever the key


@pytest.mark.parametrize(
    "algorithm", ["none", "None", "HS256", "HS512", "ES256K", "", 7, None, ["RS256"]]
)
def test_an_algorithm_that_is_not_accepted(algorithm: Any) -> None:
    with pytest.raises(InvalidCredentials, match="algorithm that is accepted: RS256"):
        judge(forged({"alg": algorithm, "typ": "JWT"}))


def test_a_public_key_is_no_secret() -> None:
    """The classic attack: HMAC with the public key, which everybody has."""
    claims = good()
    unsigned = forged({"alg": "HS256", "kid": "a"}, claims).rpartition(".")[0]
    signature = hmac.digest(PEM, unsigned.encode(), hashlib.sha256)
    token = f"{unsigned}.{b64(signature)}"
    with pytest.raises(InvalidCredentials, match="algorithm that is accepted"):
        judge(token)
    # The same token would get in where the guard is off.
    attack = jwt.api_jws.PyJWS(["HS256"])
    attack._algorithms["HS256"].prepare_key = lambda key: key  # type: ignore[method-assign]
    assert json.loads(attack.decode(token, PEM, ["HS256"])) == claims


def test_an_algorithm_that_is_not_the_one_of_the_key() -> None:
    token = sign(ec_key(), GOOD, alg="ES256")
    with pytest.raises(InvalidCredentials):
        judge(token, KEYS)


@pytest.mark.parametrize("kind", ["dpop+jwt", "logout+jwt", "JWE", "", 7, None, ["JWT"]])
def test_a_token_of_another_type(kind: Any) -> None:
    with pytest.raises(InvalidCredentials, match="of a type that signs nobody in"):
        judge(forged({"alg": "RS256", "typ": kind}))


def test_what_is_critical_and_not_understood() -> None:
    with pytest.raises(InvalidCredentials, match="of a type"):
        judge(forged({"alg": "RS256", "crit": ["b64"], "b64": False}))


@pytest.mark.parametrize(
    ("header", "payload"),
    [
        ({"alg": "RS256"}, {}),
        ({"alg": "RS256"}, {"iss": 7}),
        ({"alg": "RS256"}, {"iss": [ISSUER]}),
        ({"alg": "RS256", "kid": 7}, None),
        ({"alg": "RS256", "kid": ["a"]}, None),
    ],
)
def test_a_token_that_does_not_say_whose_it_is(header: Any, payload: Any) -> None:
    with pytest.raises(InvalidCredentials, match="does not say who issued it"):
        judge(forged(header, payload))


@pytest.mark.parametrize(
    "payload", [b"", b"[]", b"7", b"{", b"\xff", b"[" * 3000, b'{"a":' * 1500], ids=str
)
def test_a_payload_that_is_none(payload: bytes) -> None:
    with pytest.raises(InvalidCredentials, match="no complete JWT"):
        judge(forged({"alg": "RS256"}, payload))


def test_a_truncated_token() -> None:
    token = sign(rsa_key(), GOOD)
    head, body, signature = token.split(".")
    for cut in (
        head,
        f"{head}.",
        f"{head}.{body}",
        f"{head}.{body[:-3]}.{signature}",
        f"{token}.x",
    ):
        with pytest.raises(InvalidCredentials):
            judge(cut)
    for length in range(len(head) + len(body) + 2, len(token) - 1, 7):
        with pytest.raises(InvalidCredentials):
            judge(token[:length])


# The signature


def test_a_signature_of_somebody_else() -> None:
    token = sign(rsa_key(2), GOOD)
    with pytest.raises(WrongSignature):
        judge(token)
    with pytest.raises(WrongSignature):
        judge(token, [])


def test_a_changed_payload() -> None:
    head, _, signature = sign(rsa_key(), GOOD).split(".")
    changed = b64(json.dumps(good(sub="root")).encode())
    with pytest.raises(WrongSignature):
        judge(f"{head}.{changed}.{signature}")


# The claims


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"exp": FromNow(-120)}, "has expired"),
        ({"nbf": FromNow(120)}, "not valid yet"),
        ({"iat": FromNow(120)}, "not valid yet"),
        ({"aud": "elsewhere"}, "its audience is another"),
        ({"aud": ["elsewhere", "x"]}, "its audience is another"),
        ({"aud": None}, "its audience is another"),
        ({"aud": 7}, "its audience is another"),
        ({"aud": []}, "its audience is another"),
        ({"exp": None}, "cannot be verified"),
        ({"sub": None}, "cannot be verified"),
        ({"sub": 7}, "cannot be verified"),
        ({"exp": "soon"}, "cannot be verified"),
        ({"exp": float("inf")}, "no complete JWT"),
        ({"exp": [1]}, "cannot be verified"),
        ({"nbf": {}}, "cannot be verified"),
        ({"cnf": {"jkt": "x"}}, "bound to a key"),
        ({"typ": "ID"}, "no access token"),
        ({"typ": "Refresh"}, "no access token"),
        ({"at_hash": "x"}, "no access token"),
    ],
    ids=str,
)
def test_claims_that_are_refused(changes: dict[str, Any], message: str) -> None:
    token = sign(rsa_key(), {**GOOD, **changes})
    with pytest.raises(InvalidCredentials, match=message) as told:
        judge(token)
    assert token not in str(told.value)


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": FromNow(-30)},
        {"nbf": FromNow(30)},
        {"iat": FromNow(30)},
        {"aud": ["x", "other"]},
        {"typ": "Bearer"},
        {"typ": 7},
        {"iss": ISSUER + "/"},
    ],
    ids=str,
)
def test_claims_that_are_accepted(changes: dict[str, Any]) -> None:
    claims = good(**changes)
    assert judge(sign(rsa_key(), claims)) == claims


def test_clocks_may_differ_as_far_as_is_said() -> None:
    token = sign(rsa_key(), {**GOOD, "exp": FromNow(-30)})
    with pytest.raises(InvalidCredentials, match="has expired"):
        judge(token, skew_s=0)


@pytest.mark.parametrize("aud", ["elsewhere", None, ["a"]])
def test_without_an_audience_every_token_of_the_issuer_is_good(aud: Any) -> None:
    token = sign(rsa_key(), {**GOOD, "aud": aud})
    assert judge(token, audiences=())["sub"] == "ada"


def test_a_payload_that_two_parsers_read_differently() -> None:
    """It is refused, or is what the verified claims say; never a fault."""
    deep = b'{"iss":"https://issuer.example","a":' + b"[" * 1000 + b"]" * 1000 + b"}"
    header = b64(b'{"alg":"RS256"}')
    unsigned = f"{header}.{b64(deep)}"
    signature = jwt.get_algorithm_by_name("RS256").sign(unsigned.encode(), rsa_key())
    with pytest.raises(InvalidCredentials, match="cannot be verified"):
        judge(f"{unsigned}.{b64(signature)}")
