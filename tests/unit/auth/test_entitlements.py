# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Who is in a group, or has a role there, by what an issuer attests."""

import pytest

from deepaas.auth import entitlements as module
from deepaas.auth.entitlements import WantedEntitlement
from deepaas.errors import ConfigurationError

NS = "urn:geant:aai.example.org"
#: What is asked for, what somebody has, whether that is enough.
CASES = [
    (f"{NS}:group:vo", f"{NS}:group:vo", True),
    (f"{NS}:group:vo", f"{NS}:group:vo#aai.example.org", True),
    (f"{NS}:group:vo", f"{NS}:group:vo:sub:deep", True),
    (f"{NS}:group:vo", f"{NS}:group:vo:role=admin", True),
    (f"{NS}:group:vo", f"{NS}:group:vo:sub:role=admin", True),
    (f"{NS}:group:vo:sub", f"{NS}:group:vo", False),
    (f"{NS}:group:vo:sub", f"{NS}:group:vo:other", False),
    (f"{NS}:group:vo", f"{NS}:group:vo2", False),
    (f"{NS}:group:vo", f"{NS}:group:other:vo", False),
    (f"{NS}:group:vo:role=admin", f"{NS}:group:vo:role=admin", True),
    (f"{NS}:group:vo:role=admin", f"{NS}:group:vo", False),
    (f"{NS}:group:vo:role=admin", f"{NS}:group:vo:role=member", False),
    (f"{NS}:group:vo:role=admin", f"{NS}:group:vo:sub:role=admin", False),
    (f"{NS}:group:vo", "urn:geant:elsewhere.org:group:vo", False),
    (f"{NS}:group:vo", "urn:mace:aai.example.org:group:vo", False),
    (f"{NS}:group:vo", "URN:GEANT:AAI.example.org:group:vo", True),
    (f"{NS}:group:vo", f"{NS}:group:VO", False),
    (f"{NS}:group:v%2fo", f"{NS}:group:v%2Fo", True),
    (f"{NS}:deep:group:vo", f"{NS}:deep:group:vo", True),
]


@pytest.mark.parametrize(("wanted", "has", "is_enough"), CASES)
def test_a_group_is_had_by_its_members_and_those_of_its_subgroups(
    wanted: str, has: str, is_enough: bool
) -> None:
    assert WantedEntitlement(wanted).is_among(["x", has]) == is_enough


@pytest.mark.parametrize(
    ("wanted", "has", "is_enough"),
    [
        (f"{NS}:group:vo#a.org", f"{NS}:group:vo#a.org", True),
        (f"{NS}:group:vo#a.org", f"{NS}:group:vo#b.org", False),
        (f"{NS}:group:vo#a.org", f"{NS}:group:vo", False),
        # Whoever has a part of the namespace to give away could else give the whole.
        (f"{NS}:group:vo", f"{NS}:mine:group:vo", False),
        # Nor is a subgroup another group, whatever it is called.
        (f"{NS}:group:vo", f"{NS}:group:mine:group:vo", False),
        (f"{NS}:group:vo:role=admin", f"{NS}:group:mine:group:vo:role=admin", False),
        (f"{NS}:group:vo", f"{NS}:group:group:vo", False),
        (f"{NS}:group:vo", f"{NS}:group:vo:group", True),
        # Capabilities (AARC-G027) and what is of no form are the same or not.
        (f"{NS}:res:gpu:act:use", f"{NS}:res:gpu:act:use#a.org", True),
        (f"{NS}:res:gpu", f"{NS}:res:gpu:act:use", False),
        ("member", "member", True),
        ("member", "members", False),
        (f"{NS}:group:", f"{NS}:group:vo", False),
        (f"{NS}:group:vo::x", f"{NS}:group:vo::x", True),
        (f"{NS}:group:vo:role=", f"{NS}:group:vo", False),
        (f"{NS}:group:role=admin", f"{NS}:group:vo:role=admin", False),
        (NS, f"{NS}:group:vo", False),
    ],
)
def test_who_attests_it_and_what_is_of_no_form(wanted: str, has: str, is_enough: bool) -> None:
    assert WantedEntitlement(wanted).is_among(["x", has]) == is_enough


def test_an_older_flaat_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Packages of models bring such ones."""
    monkeypatch.setattr(module, "version", lambda name: "1.2.9rc1")
    with pytest.raises(ConfigurationError, match=r"need flaat 1\.3\.1 .* 1\.2\.9rc1 is installed"):
        WantedEntitlement(NS)
