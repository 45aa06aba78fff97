# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What an issuer attests of somebody, made an identity."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Final

from deepaas.auth.principal import Identity
from deepaas.errors import InvalidCredentials

#: Memberships: of Keycloak, INDIGO IAM and many others; of WLCG tokens; of eduPerson, where
#: ``member@example.org`` is an affiliation.
GROUPS: Final = ("groups", "wlcg.groups", "eduperson_scoped_affiliation")
#: Entitlements (AARC-G069): the names of RFC 9068 and of OpenID Connect for eduPerson.
ENTITLEMENTS: Final = ("entitlements", "eduperson_entitlement", "eduperson_entitlements")
#: OpenID Connect Core, section 2.
_MOST_SUBJECT_CHARACTERS: Final = 255
#: Of groups, and of entitlements: further ones are passed over, and longer ones. Each is compared
#: with every rule, while all requests wait.
_MOST_MEMBERSHIPS: Final = 1000
_MOST_MEMBERSHIP_CHARACTERS: Final = 1000
_LAST_TIME_S: Final = datetime(9999, 1, 1, tzinfo=UTC).timestamp()

Claims = Mapping[str, Any]


def says_memberships(claims: Claims) -> bool:
    """Whether claims say of what somebody is a member, be it of nothing."""
    return any(name in claims for name in (*GROUPS, *ENTITLEMENTS))


def subject_of(claims: Claims) -> str:
    """Return who somebody is for the issuer.

    Raises:
        InvalidCredentials: The claims do not say it, or say what can be no name.
    """
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= _MOST_SUBJECT_CHARACTERS:
        raise InvalidCredentials("The token does not say whose it is: it has no subject.")
    if not subject.isprintable():
        raise InvalidCredentials("The token's subject has characters that cannot be printed.")
    return subject


def time_of(claims: Claims, name: str) -> float | None:
    """Return a time in seconds since 1970, ``None`` where the claims have none.

    Raises:
        InvalidCredentials: It is no time.
    """
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidCredentials(f"The token's {name} is no time.")
    if not 0 <= value < _LAST_TIME_S:  # nor is NaN
        raise InvalidCredentials(f"The token's {name} is no time.")
    return float(value)


def identity_of(
    issuer: str, subject: str, sources: Iterable[Claims], expires_s: float | None
) -> Identity:
    """Return the identity that an issuer attests.

    Args:
        issuer: As it names itself.
        subject: Who it is for the issuer.
        sources: Claims, of the token and of userinfo perhaps; they are taken together.
        expires_s: When that ends, in seconds since 1970; ``None`` if the issuer does not say.
    """
    known = list(sources)
    return Identity(
        f"{subject}@{issuer}",
        groups=_texts(known, GROUPS),
        entitlements=_texts(known, ENTITLEMENTS),
        expires=None if expires_s is None else datetime.fromtimestamp(expires_s, UTC),
    )


def _texts(sources: Iterable[Claims], names: Iterable[str]) -> frozenset[str]:
    """Return what claims list; a single text is a list of one."""
    values = [claims.get(name) for claims in sources for name in names]
    lists = [[value] if isinstance(value, str) else value for value in values]
    texts = (
        text
        for found in lists
        if isinstance(found, list)
        for text in found
        if isinstance(text, str) and 0 < len(text) <= _MOST_MEMBERSHIP_CHARACTERS
    )
    return frozenset(islice(texts, _MOST_MEMBERSHIPS))
