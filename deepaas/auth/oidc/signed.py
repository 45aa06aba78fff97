# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Signed tokens (RFC 7519, RFC 9068): what one says of itself, and whether that is true."""

import base64
import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NoReturn

import jwt
import orjson

from deepaas.auth.oidc.claims import Claims
from deepaas.auth.oidc.keys import ALGORITHMS, PublicKey
from deepaas.errors import InvalidCredentials

#: Longer ones are no tokens of an issuer, and headers of requests are not much longer either.
MOST_CHARACTERS: Final = 16 * 1024
#: RFC 6750, section 2.1; nothing else is ever parsed or sent on.
_TOKEN: Final = re.compile(r"[A-Za-z0-9._~+/-]+=*", re.ASCII)
_TYPES: Final = frozenset({"jwt", "at+jwt", "application/at+jwt"})
#: The claim ``typ`` of Keycloak, for tokens that are signed alike and are for something else.
_OTHER_TOKENS: Final = frozenset({"id", "refresh", "offline", "logout"})
_REQUIRED: Final = ("exp", "iss", "sub")


@dataclass(frozen=True, slots=True)
class Unverified:
    """What a token says of itself, which may be a lie."""

    algorithm: str
    #: ``None`` where it names no key.
    key_id: str | None
    #: Without a slash at its end.
    issuer: str


class WrongSignature(InvalidCredentials):
    """The token is not signed with a key of its issuer."""


def check_form(token: str) -> None:
    """Refuse what can be no token, before anything looks into it.

    Raises:
        InvalidCredentials: It can be none.
    """
    if len(token) > MOST_CHARACTERS:
        raise InvalidCredentials(f"The token has more than {MOST_CHARACTERS} characters.")
    if not _TOKEN.fullmatch(token):
        raise InvalidCredentials("The token has characters that no token has.")


def read_unverified(token: str) -> Unverified | None:
    """Return what a token says of itself, ``None`` if it is no JWT but an opaque token.

    Raises:
        InvalidCredentials: It is a JWT that cannot be one of those that are accepted here.
    """
    header = _decode(token.partition(".")[0])
    if header is None or "alg" not in header:
        return None
    parts = token.split(".")
    payload = _decode(parts[1]) if len(parts) == 3 else None
    if payload is None:
        raise InvalidCredentials("The token is no complete JWT.")
    algorithm = header["alg"]
    if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
        raise InvalidCredentials(
            f"The token is not signed with an algorithm that is accepted: {', '.join(ALGORITHMS)}."
        )
    kind, key_id, issuer = header.get("typ", "jwt"), header.get("kid"), payload.get("iss")
    if not isinstance(kind, str) or kind.lower() not in _TYPES or "crit" in header:
        raise InvalidCredentials("The token is of a type that signs nobody in.")
    if not isinstance(key_id, str | None) or not isinstance(issuer, str):
        raise InvalidCredentials("The token does not say who issued it.")
    return Unverified(algorithm, key_id, issuer.rstrip("/"))


def verify(
    token: str,
    keys: Sequence[PublicKey],
    *,
    said: Unverified,
    audiences: Sequence[str],
    skew_s: float,
) -> Claims:
    """Return the claims of a token, all of them true as far as the issuer says the truth.

    Args:
        token: The token.
        keys: Of the issuer; one of them must have signed it.
        said: What the token says of itself.
        audiences: It must be for one of them; empty for any.
        skew_s: How far the issuer's clock may be off.

    Raises:
        WrongSignature: None of the keys signed it.
        InvalidCredentials: It is not valid now, or not here.
    """
    for key in keys:
        try:
            claims = jwt.decode(
                token,
                key,
                algorithms=[said.algorithm],
                issuer=(said.issuer, f"{said.issuer}/"),
                audience=audiences or None,
                leeway=skew_s,
                options={"require": list(_REQUIRED), "verify_aud": bool(audiences)},
            )
        except jwt.InvalidSignatureError:
            continue
        except (jwt.PyJWTError, ValueError, OverflowError, TypeError, RecursionError) as exc:
            _refuse(exc)
        check_use(claims)
        return claims
    raise WrongSignature


def check_use(claims: Claims) -> None:
    """Refuse what an issuer attests, and what is no proof for who brings it.

    Raises:
        InvalidCredentials: It is none.
    """
    kind = claims.get("typ")
    if (isinstance(kind, str) and kind.lower() in _OTHER_TOKENS) or "at_hash" in claims:
        raise InvalidCredentials("This is no access token; send that instead.")
    if "cnf" in claims:
        # RFC 7800: only who has a certain key may use it, and nothing here asks for a proof.
        raise InvalidCredentials("The token is bound to a key; only bearer tokens are accepted.")


def _refuse(exc: Exception) -> NoReturn:
    is_of_audience = isinstance(exc, jwt.MissingRequiredClaimError) and exc.claim == "aud"
    if isinstance(exc, jwt.ExpiredSignatureError):
        text = "The token has expired."
    elif isinstance(exc, jwt.ImmatureSignatureError):
        text = "The token is not valid yet; if it is new, the clocks of issuer and service differ."
    elif isinstance(exc, jwt.InvalidAudienceError) or is_of_audience:
        text = "The token is not for this service: its audience is another."
    else:
        text = "The token cannot be verified."
    raise InvalidCredentials(text) from exc


def _decode(part: str) -> Claims | None:
    """Return the JSON object that a part of a token is, ``None`` if it is none."""
    try:
        content = orjson.loads(base64.urlsafe_b64decode(f"{part}=="))
    except (binascii.Error, ValueError):
        return None
    return content if isinstance(content, dict) else None
