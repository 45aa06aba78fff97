# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Rules say who may do what; a wrong rule is named with its option."""

import pytest

from deepaas.auth import Identity, Policy
from deepaas.auth.access import LADDER, RIGHTS, AccessRules, SubjectKind
from deepaas.errors import ConfigurationError

URN = "urn:geant:example.org:group:vo:role=admin"
ADA = Identity(
    "ada@https://issuer.example",
    groups=frozenset({"/vo/sub", "staff"}),
    entitlements=frozenset({f"{URN}#example.org", "x"}),
)
BOB = Identity("key:bob", roles=frozenset({"predict", "nights"}))
NOBODY = Identity("key:nobody")


def rules(**texts: str) -> AccessRules:
    return AccessRules.parse({Policy(name): text for name, text in texts.items()})


@pytest.mark.parametrize("policy", LADDER)
def test_a_role_gives_its_verb_and_those_before_it(policy: Policy) -> None:
    who = AccessRules().principal_of(Identity("key:x", roles=frozenset({str(policy)})))
    wanted = set(LADDER[: LADDER.index(policy) + 1])
    if policy is Policy.MANAGE:
        wanted.add(Policy.JOBS)
    assert who.allowed == wanted
    assert who.name == "key:x"


@pytest.mark.parametrize("who", [None, ADA, NOBODY, Identity("key:x", roles=frozenset({"odd"}))])
def test_without_a_rule_nobody_may_do_anything_without_a_role(who: Identity | None) -> None:
    assert AccessRules().principal_of(who).allowed == frozenset()


@pytest.mark.parametrize("policy", RIGHTS)
@pytest.mark.parametrize(
    ("subject", "allows"),
    [
        ("anonymous", (None, ADA, BOB, NOBODY)),
        ("signed-in", (ADA, BOB, NOBODY)),
        ("role:nights", (BOB,)),
        ("group:staff", (ADA,)),
        ("group:/vo", ()),
        (f"entitlement:{URN}", (ADA,)),
        ("entitlement:urn:geant:example.org:group:vo", (ADA,)),
        ("entitlement:urn:geant:example.org:group:other", ()),
        ("key:bob", (BOB,)),
        ("key:nobody", (NOBODY,)),
        ("subject:ada@https://issuer.example", (ADA,)),
        ("subject:ada@https://other.example", ()),
    ],
)
def test_a_rule_is_about_its_subjects(
    policy: Policy, subject: str, allows: tuple[Identity | None, ...]
) -> None:
    made = rules(**{policy: subject})
    for who in (None, ADA, NOBODY):
        assert made.principal_of(who).may(policy) == (who in allows), who
    by_role = policy in (Policy.READ, Policy.PREDICT)
    assert made.principal_of(BOB).may(policy) == (BOB in allows or by_role)


def test_a_right_is_given_for_itself_alone_but_managing_shows_all_jobs() -> None:
    assert rules(predict="anonymous").principal_of(None).allowed == {Policy.PREDICT}
    assert rules(jobs="anonymous").principal_of(None).allowed == {Policy.JOBS}
    assert rules(manage="anonymous").principal_of(None).allowed == {Policy.MANAGE, Policy.JOBS}


def test_a_rule_for_a_model_replaces_the_general_one_and_roles_for_it_alone() -> None:
    made = rules(predict="signed-in, cat=key:nobody, cat = group:staff", train="dog=anonymous")
    ada, bob, nobody = (made.principal_of(who) for who in (ADA, BOB, NOBODY))
    assert [who.may(Policy.PREDICT, "cat") for who in (ada, bob, nobody)] == [True, False, True]
    assert [who.may(Policy.PREDICT, "dog") for who in (ada, bob, nobody)] == [True] * 3
    assert [who.may(Policy.PREDICT) for who in (ada, bob, nobody)] == [True] * 3
    assert bob.may(Policy.READ, "cat")  # of which no rule says anything
    stranger = made.principal_of(None)
    assert stranger.may(Policy.TRAIN, "dog")
    assert not stranger.may(Policy.TRAIN, "cat")
    assert not stranger.may(Policy.TRAIN)
    assert stranger.may_somewhere(Policy.TRAIN)
    assert not stranger.may_somewhere(Policy.READ)


def test_an_equals_sign_in_a_value_names_no_model() -> None:
    made = rules(read=f"entitlement:{URN},cat=entitlement:{URN}")
    assert made.models == {"cat"}
    assert made.principal_of(ADA).may(Policy.READ)
    assert not made.principal_of(BOB).may(Policy.READ, "cat")


def test_a_group_may_have_a_space_in_its_name() -> None:
    made = rules(read=" group:/the group , key:a")
    member = Identity("a@b", groups=frozenset({"/the group"}))
    assert made.principal_of(member).may(Policy.READ)


def test_what_there_is_can_be_asked() -> None:
    assert not rules(read=" , ").mentions(list(SubjectKind))
    made = rules(read="key:a, cat=group:g")
    assert made.mentions({SubjectKind.GROUP})
    assert made.mentions({SubjectKind.KEY, SubjectKind.ROLE})
    assert not made.mentions({SubjectKind.SIGNED_IN})


@pytest.mark.parametrize(
    "text",
    [
        *("everybody", "group:", "group", "role", "=signed-in", "cat=", "cat=dog"),
        *("cat=dog=signed-in", "signed-in:x", "subject:ada", "a@b", "*"),
    ],
)
def test_what_is_no_subject_is_named_with_its_option(text: str) -> None:
    with pytest.raises(ConfigurationError, match="allow-train") as caught:
        rules(train=f"signed-in, {text}")
    assert repr(text) in caught.value.message


def test_a_rule_for_a_model_that_is_not_served_would_protect_nothing() -> None:
    made = rules(predict="signed-in, cat=group:g")
    made.require_models(["cat", "dog"])
    with pytest.raises(ConfigurationError, match=r"allow-predict .* 'cat', .*; bird, dog is"):
        made.require_models(["dog", "bird"])
    with pytest.raises(ConfigurationError, match="nothing is"):
        made.require_models([])
