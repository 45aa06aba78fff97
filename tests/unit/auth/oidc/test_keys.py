# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""A key of an issuer is used for what it is for, and for nothing else."""

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

from deepaas.auth.oidc.keys import ALGORITHMS, KeySet
from tests.issuing import ec_key, ed_key, jwk, rsa_key

RSA = [name for name, (kind, _) in ALGORITHMS.items() if kind == "RSA"]
OTHERS: dict[str, PrivateKeyTypes] = {
    "ES256": ec_key("secp256r1"),
    "ES384": ec_key("secp384r1"),
    "ES512": ec_key("secp521r1"),
    "EdDSA": ed_key(),
}


def keys(*listed: Any) -> KeySet:
    return KeySet({"keys": list(listed)})


@pytest.mark.parametrize("algorithm", RSA)
def test_a_key_of_rsa_is_for_all_its_algorithms(algorithm: str) -> None:
    [found] = keys(jwk(rsa_key(), "a")).fitting("a", algorithm)
    assert found.public_numbers() == rsa_key().public_key().public_numbers()  # type: ignore[union-attr]


@pytest.mark.parametrize("algorithm", OTHERS)
def test_a_key_of_a_curve_is_for_one_algorithm(algorithm: str) -> None:
    known = keys(*(jwk(key, "a") for key in OTHERS.values()))
    assert len(known.fitting("a", algorithm)) == 1
    assert [name for name in OTHERS if keys(jwk(OTHERS[algorithm], "a")).fitting("a", name)] == [
        algorithm
    ]


def test_nothing_symmetric_is_accepted() -> None:
    assert not [name for name in ALGORITHMS if name.startswith("HS") or name.lower() == "none"]
    assert keys({"kty": "oct", "k": "c2VjcmV0", "kid": "a"}).fitting("a", "RS256") == []


def test_a_key_is_made_once() -> None:
    known = keys(jwk(rsa_key(), "a"))
    assert known.fitting("a", "RS256")[0] is known.fitting("a", "RS256")[0]


def test_the_key_that_a_token_names_is_found_among_others() -> None:
    other: RSAPrivateKey = rsa_key(1)
    known = keys(jwk(rsa_key(), "a"), jwk(other, "b"), jwk(ec_key(), "b"))
    [found] = known.fitting("b", "RS256")
    assert found.public_numbers() == other.public_key().public_numbers()  # type: ignore[union-attr]
    assert known.fitting("c", "RS256") == []


def test_a_token_that_names_none_may_mean_any_that_fits_but_not_too_many() -> None:
    listed = [jwk(rsa_key(), None), jwk(rsa_key(1), "b"), jwk(ec_key(), None)]
    assert len(keys(*listed).fitting(None, "RS256")) == 2
    assert len(keys(*(listed * 10)).fitting(None, "RS256")) == 8


@pytest.mark.parametrize(
    "change",
    [
        {"use": "enc"},
        {"key_ops": ["encrypt"]},
        {"alg": "RS512"},
        {"alg": "none"},
        {"kty": "EC"},
        {"kty": ["RSA"]},
        {"n": 1},
        {"n": "x" * 2000},
        {"n": ""},
        {"n": "!"},
        {"e": None},
        {"e": "Aw" * 20},
        {"e": jwk(rsa_key(), "a")["n"]},
    ],
    ids=str,
)
def test_a_key_that_is_not_for_this_or_no_key(change: dict[str, Any]) -> None:
    assert keys({**jwk(rsa_key(), "a"), **change}).fitting("a", "RS256") == []


@pytest.mark.parametrize("change", [{"use": "sig"}, {"key_ops": ["verify"]}, {"alg": "RS256"}])
def test_a_key_that_says_what_it_is_for(change: dict[str, Any]) -> None:
    assert len(keys({**jwk(rsa_key(), "a"), **change}).fitting("a", "RS256")) == 1


def test_a_weak_key_proves_nothing() -> None:
    weak = rsa.generate_private_key(65537, 1024)  # noqa: S505 - that is the point
    assert keys(jwk(weak, "a")).fitting("a", "RS256") == []


@pytest.mark.parametrize("jwks", [{}, {"keys": {}}, {"keys": [1, None, []]}])
def test_what_is_no_set_of_keys_is_an_empty_one(jwks: dict[str, Any]) -> None:
    assert KeySet(jwks).fitting(None, "RS256") == []


def test_an_odd_key_spoils_no_other() -> None:
    known = keys({"kty": "RSA", "kid": "a"}, {"kty": "Z"}, jwk(rsa_key(), "a"))
    assert len(known.fitting("a", "RS256")) == 1


def test_a_private_key_that_is_published_is_used_as_the_public_one_that_it_has() -> None:
    [found] = keys({**jwk(rsa_key(), "a"), "d": "AQAB", "oth": []}).fitting("a", "RS256")
    assert not hasattr(found, "private_numbers")
