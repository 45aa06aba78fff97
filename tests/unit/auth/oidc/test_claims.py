# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What an issuer attests becomes an identity, however odd it is."""

from datetime import UTC, datetime
from typing import Any

import pytest

from deepaas.auth import Identity
from deepaas.auth.oidc.claims import identity_of, says_memberships, subject_of, time_of
from deepaas.errors import InvalidCredentials

ENTITLEMENT = "urn:mace:egi.eu:group:vo.example:role=member#aai.egi.eu"


def test_memberships_come_from_every_claim_and_every_source() -> None:
    token = {"groups": ["a", "b"], "wlcg.groups": ["/c"], "eduperson_entitlement": [ENTITLEMENT]}
    userinfo = {
        "groups": "d",
        "eduperson_scoped_affiliation": ["member@example.org"],
        "entitlements": ["x"],
        "eduperson_entitlements": ["y"],
    }
    assert identity_of("https://i.example/", "ada", (token, userinfo), 60) == Identity(
        "ada@https://i.example/",
        groups=frozenset({"a", "b", "/c", "d", "member@example.org"}),
        entitlements=frozenset({ENTITLEMENT, "x", "y"}),
        expires=datetime(1970, 1, 1, 0, 1, tzinfo=UTC),
    )


@pytest.mark.parametrize("value", [None, 7, {}, "", [], [7, None, "", ["a"], {}]], ids=str)
def test_what_is_no_membership_is_none(value: Any) -> None:
    found = identity_of("i", "ada", [{"groups": value, "entitlements": value}], None)
    assert found == Identity("ada@i")


def test_an_issuer_that_attests_without_end_is_heard_to_a_bound() -> None:
    """Each is compared with each rule: as much as userinfo may say would take seconds."""
    texts = ["x" * 1001, *(f"urn:a:b:group:{i}" for i in range(9000))]
    identity = identity_of("i", "ada", [{"groups": texts, "entitlements": texts}], None)
    assert identity.groups == identity.entitlements == frozenset(texts[1:1001])


@pytest.mark.parametrize(
    ("claims", "says"),
    [
        ({"groups": []}, True),
        ({"wlcg.groups": ["a"]}, True),
        ({"eduperson_entitlements": []}, True),
        ({"sub": "a", "scope": "groups"}, False),
    ],
)
def test_whether_claims_say_of_what_somebody_is_a_member(
    claims: dict[str, Any], says: bool
) -> None:
    assert says_memberships(claims) is says


@pytest.mark.parametrize("subject", ["ada", "a b", "x" * 255, "ä"])
def test_a_subject(subject: str) -> None:
    assert subject_of({"sub": subject}) == subject


@pytest.mark.parametrize(
    "subject", [None, "", 7, ["ada"], "x" * 256, "a\n", "a\x1b[31m", "a\u202eb", "\udcff"]
)
def test_what_is_no_subject(subject: Any) -> None:
    with pytest.raises(InvalidCredentials, match="subject"):
        subject_of({"sub": subject})


@pytest.mark.parametrize(("value", "time"), [(None, None), (7, 7.0), (7.5, 7.5), (0, 0.0)])
def test_a_time(value: Any, time: float | None) -> None:
    assert time_of({"exp": value}, "exp") == time


@pytest.mark.parametrize("value", [True, "7", [7], -1, 10**30, float("inf"), float("nan")], ids=str)
def test_what_is_no_time(value: Any) -> None:
    with pytest.raises(InvalidCredentials, match="exp is no time"):
        time_of({"exp": value}, "exp")
