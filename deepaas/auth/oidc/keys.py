# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The keys with which an issuer signs (RFC 7517): which of them fits a token."""

from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeAlias

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt import PyJWK, PyJWTError

#: Algorithm to the type of its keys and their curves, none for any. Nothing symmetric is among
#: them: an issuer's public key would do as a secret that everybody knows (RFC 8725, section 2.1).
ALGORITHMS: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    **{f"{family}{bits}": ("RSA", ()) for family in ("RS", "PS") for bits in (256, 384, 512)},
    "ES256": ("EC", ("P-256",)),
    "ES384": ("EC", ("P-384",)),
    "ES512": ("EC", ("P-521",)),
    "EdDSA": ("OKP", ("Ed25519", "Ed448")),
}
#: What a public key is made of; whatever else stands there is left out.
_PARTS: Final = {"RSA": ("n", "e"), "EC": ("crv", "x", "y"), "OKP": ("crv", "x")}
#: Weaker ones can be broken; larger ones, or a large exponent, make a signature slow to check.
_MODULUS_BITS: Final = range(2048, 8192 + 1)
_MOST_EXPONENT: Final = 2**33
_MOST_PART_CHARACTERS: Final = 1500
#: Of keys that a token may mean that names none.
_MOST_TRIED: Final = 8

PublicKey: TypeAlias = RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey | Ed448PublicKey


class KeySet:
    """Keys by their ids; each is made when it is first needed, since a set may hold thousands."""

    def __init__(self, jwks: Mapping[str, Any]) -> None:
        """Take the keys of a JWK Set; what is no key for signatures is left out."""
        listed = jwks.get("keys")
        self._jwks = [key for key in listed if _signs(key)] if isinstance(listed, list) else []
        self._made: dict[tuple[int, str], PublicKey | None] = {}

    def fitting(self, key_id: str | None, algorithm: str) -> list[PublicKey]:
        """Return the keys that a token may be signed with; ``None`` is a token that names none."""
        found = []
        for key in self._of(key_id, algorithm):
            if (made := self._make(key, algorithm)) is not None:
                found.append(made)
            if len(found) == _MOST_TRIED:
                break
        return found

    def _of(self, key_id: str | None, algorithm: str) -> Iterator[dict[str, Any]]:
        kind, curves = ALGORITHMS[algorithm]
        for key in self._jwks:
            if key_id is not None and key.get("kid") != key_id:
                continue
            if key["kty"] != kind or key.get("alg") not in (None, algorithm):
                continue
            if not curves or key.get("crv") in curves:
                yield key

    def _make(self, key: dict[str, Any], algorithm: str) -> PublicKey | None:
        """Return a key, ``None`` if it cannot be used."""
        name = (id(key), algorithm)
        if name not in self._made:
            self._made[name] = _make(key, algorithm)
        return self._made[name]


def _signs(key: object) -> bool:
    if not isinstance(key, dict) or key.get("kty") not in tuple(_PARTS):
        return False
    operations = key.get("key_ops")
    is_for_this = not isinstance(operations, list) or "verify" in operations
    return is_for_this and key.get("use") in (None, "sig")


def _make(key: dict[str, Any], algorithm: str) -> PublicKey | None:
    kind = key["kty"]
    parts = {name: key.get(name) for name in _PARTS[kind]}
    if any(
        not isinstance(text, str) or len(text) > _MOST_PART_CHARACTERS for text in parts.values()
    ):
        return None
    try:
        made = PyJWK({"kty": kind, **parts}, algorithm).key
    except (PyJWTError, ValueError):
        return None
    if isinstance(made, RSAPublicKey) and (
        made.key_size not in _MODULUS_BITS or made.public_numbers().e > _MOST_EXPONENT
    ):
        return None
    return made if isinstance(made, PublicKey) else None
